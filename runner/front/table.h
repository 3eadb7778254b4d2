/* table.h - the options of a verb or a program, as one table for getopt_long(3) and --help. */
#ifndef TABLE_H
#define TABLE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a row stores, and as what. */
enum table_type {
    TABLE_SETS, /* `set` does it */
    TABLE_STORES_FLAG,
    TABLE_STORES_TEXT,
    TABLE_STORES_PATH,
    TABLE_STORES_INT32,
    TABLE_STORES_INT64,
    TABLE_STORES_SIZE,
    TABLE_STORES_BUDGET,
    TABLE_STORES_MS,
    TABLE_STORES_SECONDS
};

/* A row is name, letter, argument, help; then `.set`, or one of the macros below. */
struct table_option {
    const char *name;     /* long, without the dashes */
    char letter;          /* 0: none */
    const char *argument; /* "SIZE"; NULL: no argument */
    const char *help;
    int (*set)(void *context, const char *argument); /* 0, or -1 after values_fail */

    enum table_type type;
    size_t offset;       /* of the member */
    void *base;          /* the struct of the member; NULL: the context of table_read */
    int64_t least, most; /* of numbers */
    const char *range;   /* the message for a number outside; NULL: a sentence with both limits */
    bool has_none;       /* 0 becomes POOL_NONE */
};

/* The option's value goes into member `m` of struct `s`. A member of another type does not compile. */
#define TABLE_STORES(s, m, ...) .type = _Generic(&((s *)0)->m, __VA_ARGS__), .offset = offsetof(s, m)
#define TABLE_LIMITS(low, high) .least = (low), .most = (high)

/* true */
#define TABLE_FLAG(s, m) TABLE_STORES(s, m, bool * : TABLE_STORES_FLAG)
/* the argument: *borrows* argv */
#define TABLE_TEXT(s, m) TABLE_STORES(s, m, const char ** : TABLE_STORES_TEXT)
/* an absolute path, in a char[PATH_MAX] */
#define TABLE_PATH(s, m) TABLE_STORES(s, m, char(*)[PATH_MAX] : TABLE_STORES_PATH)
/* a whole number from low to high, in an int64_t or int32_t */
#define TABLE_NUMBER(s, m, low, high) \
    TABLE_STORES(s, m, int64_t * : TABLE_STORES_INT64, int32_t * : TABLE_STORES_INT32), TABLE_LIMITS(low, high)
/* bytes, from low to high */
#define TABLE_SIZE(s, m, low, high) TABLE_STORES(s, m, int64_t * : TABLE_STORES_SIZE), TABLE_LIMITS(low, high)
/* bytes, at least 1 MiB, also as a percentage of the machine's memory */
#define TABLE_BUDGET(s, m) TABLE_STORES(s, m, int64_t * : TABLE_STORES_BUDGET), TABLE_LIMITS(0, INT64_MAX)
/* a time, in an int64_t of milliseconds or a double of seconds; DURATION: above 0 */
#define TABLE_DELAY(s, m) \
    TABLE_STORES(s, m, int64_t * : TABLE_STORES_MS, double * : TABLE_STORES_SECONDS), TABLE_LIMITS(0, INT64_MAX)
#define TABLE_DURATION(s, m) TABLE_STORES(s, m, int64_t * : TABLE_STORES_MS), TABLE_LIMITS(1, INT64_MAX)

struct table {
    const char *verb;                         /* "run"; NULL: the options of the program (say_program) */
    const char *usage;                        /* the text after "reclaim run" */
    const char *intro;                        /* a line or two */
    const struct table_option *const *groups; /* NULL ends them; a row without a name ends a group */
    const char *more;                         /* the end of --help; NULL: none */
    bool anywhere;                            /* options may follow other words */
};

/* Reads the options before the first other word, or (anywhere) all options, and moves the other words to the end.
 * Returns the index of the first other word; -1: an error, which it has printed; -2: it has printed help or version. */
int table_read(const struct table *table, int argc, char **argv, void *context);

#endif
