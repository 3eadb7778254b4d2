/* symbol.h - the name of a function pointer, and whether the fork server has the same code: it has the code that was
 * mapped when the pool was opened. Sources: proc(5) on maps, dladdr(3), dl_iterate_phdr(3). */
#ifndef SYMBOL_H
#define SYMBOL_H

#include <sys/types.h>

struct symbol_table;

/* Knows the executable mappings of the moment when the child process witness was forked. They are read from the witness
 * when they are first needed: a pool that runs only commands never needs them. witness 0, or a process that may not
 * read of others (PR_SET_DUMPABLE, prctl(2)): the mappings of now. NULL: no memory, or no /proc. */
struct symbol_table *symbol_table_new(pid_t witness);
void symbol_table_free(struct symbol_table *table);

/* The function's name: its symbol, else object+offset (*borrowed*, lives as long as the table). NULL and errno: EFAULT,
 * its code was not mapped when the table was made, or something else was; ENOMEM. Any thread. */
const char *symbol_name(struct symbol_table *table, void (*function)(void));

#endif
