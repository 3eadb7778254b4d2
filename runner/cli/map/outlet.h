/* outlet.h - reclaim's own standard output or error. Writing may block; signals are handled meanwhile. */
#ifndef OUTLET_H
#define OUTLET_H

#include "text.h"

#include <stdbool.h>
#include <stddef.h>

struct outlet {
    int fd;
    int error;                   /* negative errno of the first failure; later output is dropped */
    int wakes;                   /* a descriptor that is polled, too, while a write would block; -1: none */
    bool (*on_wake)(void *user); /* called when wakes is readable; false: give up, error becomes -EINTR */
    void *user;
    struct text waiting; /* not written yet */
};

/* 0, or `error` if output was lost. */
int outlet_put(struct outlet *outlet, const char *data, size_t size);
int outlet_flush(struct outlet *outlet);

/* Puts a piece of a job's output, with the tag and a TAB before each line (tag NULL: unchanged). *in_line: the last
 * piece ended within a line. */
int outlet_put_tagged(struct outlet *outlet, const char *tag, bool *in_line, const char *data, size_t size);

void outlet_deinit(struct outlet *outlet);

#endif
