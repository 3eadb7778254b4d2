#include "symbol.h"

#include "array.h"
#include "hash.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

struct mapping {
    uintptr_t start, end;
    uint64_t offset, inode;
};

struct mapping_list {
    struct mapping *all;
    size_t count, capacity;
};

struct symbol {
    void (*function)(void);
    char *name;               /* NULL: not mapped then */
    unsigned long long loads; /* of objects, when it was looked up */
    bool insert_failed;
    UT_hash_handle hh;
};

struct symbol_table {
    pthread_mutex_t lock;
    struct mapping_list then;
    pid_t witness; /* has then's mappings still; 0: they have been read */
    struct symbol *symbols;
};

/* pid 0: our own. */
static int read_mappings(struct mapping_list *list, pid_t pid)
{
    char path[32];
    snprintf(path, sizeof path, pid == 0 ? "/proc/self/maps" : "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "re");
    char line[4096 + 256];
    if (maps == NULL)
        return -1;
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long start, end, offset, inode;
        char rights[5];
        if (sscanf(line, "%lx-%lx %4s %lx %*s %lu", &start, &end, rights, &offset, &inode) != 5 || rights[2] != 'x')
            continue;
        struct mapping *all = array_grow(list->all, list->count, &list->capacity, sizeof *all);
        if (all == NULL) {
            fclose(maps);
            return -1;
        }
        list->all = all;
        list->all[list->count++] = (struct mapping){start, end, offset, inode};
    }
    fclose(maps);
    return 0;
}

struct symbol_table *symbol_table_new(pid_t witness)
{
    struct symbol_table *table = calloc(1, sizeof *table);
    if (table == NULL)
        return NULL;
    pthread_mutex_init(&table->lock, NULL);
    if (prctl(PR_GET_DUMPABLE) == 1) /* else we may read of ourselves only */
        table->witness = witness;
    if (table->witness == 0 && read_mappings(&table->then, 0) < 0) {
        symbol_table_free(table);
        return NULL;
    }
    return table;
}

void symbol_table_free(struct symbol_table *table)
{
    if (table == NULL)
        return;
    struct symbol *symbol = table->symbols;
    HASH_CLEAR(hh, table->symbols); /* frees the table, not what is in it */
    while (symbol != NULL) {
        struct symbol *next = symbol->hh.next;
        free(symbol->name);
        free(symbol);
        symbol = next;
    }
    free(table->then.all);
    pthread_mutex_destroy(&table->lock);
    free(table);
}

static int count_loads(struct dl_phdr_info *info, size_t size, void *loads)
{
    (void)size;
    *(unsigned long long *)loads = info->dlpi_adds + info->dlpi_subs;
    return 1;
}

static const struct mapping *mapping_of(const struct mapping_list *list, uintptr_t address)
{
    for (size_t i = 0; i < list->count; i++)
        if (address >= list->all[i].start && address < list->all[i].end)
            return &list->all[i];
    return NULL;
}

/* False: no descriptor or memory is left to look, or the witness is dead: a zombie maps nothing. */
static bool know_then(struct symbol_table *table)
{
    if (table->witness != 0) {
        table->then.count = 0;
        if (read_mappings(&table->then, table->witness) < 0 || table->then.count == 0)
            return false;
        table->witness = 0;
    }
    return true;
}

/* The same bytes of the same file at the same place, then and now; or nothing can be said. */
static bool is_same_code(struct symbol_table *table, uintptr_t address)
{
    struct mapping_list now = {0};
    if (!know_then(table))
        return true;
    const struct mapping *then = mapping_of(&table->then, address);
    if (then == NULL)
        return false;
    if (read_mappings(&now, 0) < 0) {
        free(now.all);
        return true;
    }
    const struct mapping *today = mapping_of(&now, address);
    const bool same =
        today != NULL && today->inode == then->inode && today->start - today->offset == then->start - then->offset;
    free(now.all);
    return same;
}

static char *make_name(void (*function)(void))
{
    Dl_info info;
    char text[512];
    void *address = (void *)(uintptr_t)function;
    if (dladdr(address, &info) == 0 || info.dli_fname == NULL)
        snprintf(text, sizeof text, "%p", address);
    else if (info.dli_sname != NULL && info.dli_saddr == address)
        snprintf(text, sizeof text, "%s", info.dli_sname);
    else
        snprintf(text, sizeof text, "%s+0x%zx", basename(info.dli_fname),
                 (size_t)((char *)address - (char *)info.dli_fbase));
    return strdup(text);
}

/* Not looked at yet. NULL: no memory. */
static struct symbol *add(struct symbol_table *table, void (*function)(void))
{
    struct symbol *symbol = calloc(1, sizeof *symbol);
    if (symbol == NULL)
        return NULL;
    symbol->function = function;
    HASH_ADD(hh, table->symbols, function, sizeof function, symbol);
    if (!symbol->insert_failed)
        return symbol;
    free(symbol);
    return NULL;
}

/* NULL, and errno: as symbol_name. */
static const char *look_up(struct symbol_table *table, void (*function)(void), unsigned long long loads)
{
    struct symbol *symbol;
    errno = ENOMEM;
    HASH_FIND(hh, table->symbols, &function, sizeof function, symbol);
    if (symbol != NULL && symbol->loads == loads && symbol->name != NULL)
        return symbol->name;
    if (symbol == NULL)
        symbol = add(table, function);
    if (symbol == NULL)
        return NULL;
    symbol->loads = loads;
    if (!is_same_code(table, (uintptr_t)function)) {
        symbol->loads = 0; /* look again the next time */
        errno = EFAULT;
        return NULL;
    }
    errno = ENOMEM;
    if (symbol->name == NULL)
        symbol->name = make_name(function);
    return symbol->name;
}

const char *symbol_name(struct symbol_table *table, void (*function)(void))
{
    unsigned long long loads = 0;
    dl_iterate_phdr(count_loads, &loads);
    pthread_mutex_lock(&table->lock);
    const char *name = look_up(table, function, loads);
    pthread_mutex_unlock(&table->lock);
    return name;
}
