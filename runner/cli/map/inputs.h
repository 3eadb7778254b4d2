/* inputs.h - the inputs of a map: lists from the command line, files, standard input. Several sources are combined,
 * every value with every other, and the last source changes fastest. The first source is read as needed, and never held
 * whole; the others are read when they are opened. */
#ifndef INPUTS_H
#define INPUTS_H

#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of an argument at most, by Linux (MAX_ARG_STRLEN, less its NUL). */
#define UNFIT_SIZE_MOST 131071

/* Why an input cannot be an argument. */
enum unfit_reason { UNFIT_NOT = 0, UNFIT_LONG, UNFIT_NUL };

/* An input that cannot be one. However long it is, only a text that stands for it is kept: its first bytes, its size
 * and a hash, "abc...(200000 bytes, 0123456789abcdef)". Starts as zero. */
struct unfit {
    struct text text;
    uint64_t size, number;
    bool has_nul;
};

struct inputs_source {
    const char *path;        /* of a file, "-" for standard input; NULL: a list */
    const char *const *list; /* *borrowed*, or into `loaded` */
    size_t count;
    struct text loaded;
    struct text reasons; /* a byte for each value of a file: an enum unfit_reason */
};

struct inputs {
    bool nul; /* values end with a NUL, not with a newline */
    struct inputs_source *sources;
    size_t count;
    uint64_t total; /* jobs; 0: not known until the end */
    bool ended;

    int fd;                                 /* the first source, where it is a file */
    bool at_end;                            /* nothing more comes from it */
    struct text buffer;                     /* bytes read; starts with the value that `values` shows */
    size_t used, looked;                    /* bytes of the buffer that are used; that have no separator */
    size_t number;                          /* count of the first source's values so far */
    const char **values;                    /* one for each source; for an unfit value the text that stands for it */
    enum unfit_reason reason, first_reason; /* of the first unfit value; of the first source's value */
    struct unfit unfit;                     /* the first source's unfit value, as far as it has come */
    size_t *turns;                          /* index of the next value, for each further source */
    bool has_first;
};

void inputs_init(struct inputs *inputs);

/* -ENOMEM. list and path are *borrowed*. */
int inputs_add_list(struct inputs *inputs, const char *const *list, size_t count);
int inputs_add_file(struct inputs *inputs, const char *path);

/* Opens all sources; *path is the one that failed. Negative errno. */
int inputs_open(struct inputs *inputs, const char **path);

/* 1: *values has a value for each source, until the next call, and inputs->reason says whether one of them is unfit to
 * be an argument. 0: there are no more. -EAGAIN: wait until inputs->fd is readable, then inputs_fill(). -ENOMEM. */
int inputs_next(struct inputs *inputs, const char *const **values);

/* One read(2). Negative errno. */
int inputs_fill(struct inputs *inputs);

void inputs_deinit(struct inputs *inputs);

#endif
