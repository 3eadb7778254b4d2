/* symbol.h - what a function pointer is called, and whether the fork server has the same code there: it has the code
 * that was mapped when the pool was opened. Sources: proc(5) on maps, dladdr(3), dl_iterate_phdr(3). */
#ifndef SYMBOL_H
#define SYMBOL_H

#include <stddef.h>

struct symbol_table;

/* Remembers the executable mappings of this moment. NULL for want of memory, or of /proc. */
struct symbol_table *symbol_table_new(void);
void symbol_table_free(struct symbol_table *table);

/* The function's name: its symbol, else object+offset (*borrowed*, lives as long as the table). NULL and
 * errno: EFAULT, the code at function was not mapped when the table was made, or something else was; ENOMEM. Any
 * thread. */
const char *symbol_name(struct symbol_table *table, void (*function)(void));

#endif
