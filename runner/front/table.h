/* table.h - the options of a verb, or of a whole program, as one table: getopt_long(3) reads it, and so does --help. */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>
#include <stddef.h>

struct table_option {
    const char *name;     /* long, without the dashes */
    char letter;          /* 0: none */
    const char *argument; /* "SIZE"; NULL: it takes none */
    const char *help;
    int (*set)(void *context, const char *argument); /* 0, or -1 after table_fail */
};

/* An error about an option: "reclaim run: --memory: 12Q: ...". Returns -1. */
int table_fail(const char *option, const char *value, const char *what);

struct table {
    const char *verb;                         /* "run"; NULL: they are the program's (say_program) */
    const char *usage;                        /* what follows "reclaim run" */
    const char *intro;                        /* a line or two */
    const struct table_option *const *groups; /* each ended by a row without a name; ended by NULL */
    const char *more;                         /* what --help ends with */
    bool anywhere;                            /* options may also stand behind other words */
};

/* Reads options up to the first word that is none, or (anywhere) all of them, and moves what is none to the end.
 * Returns the index of the first such word, -1 after it has said what is wrong,
 * -2: help or version was asked for, and has been given. */
int table_read(const struct table *table, int argc, char **argv, void *context);

#endif
