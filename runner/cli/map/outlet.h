/* outlet.h - where output leaves reclaim: may block, but not for signals. */
#ifndef OUTLET_H
#define OUTLET_H

#include "text.h"

#include <stdbool.h>
#include <stddef.h>

struct outlet {
    int fd;
    int error;                   /* negative errno of the first failure; all output after it is dropped */
    int wakes;                   /* looked at while fd takes nothing; -1: none */
    bool (*on_wake)(void *user); /* wakes is readable; false: give up, error is -EINTR then */
    void *user;
    struct text waiting; /* put, and not yet written */
};

/* 0, or error where something that was put is lost by it. */
int outlet_put(struct outlet *outlet, const char *data, size_t size);
int outlet_flush(struct outlet *outlet);

/* A piece of a job's output, each of its lines begun by the tag and a TAB (tag NULL: as it is). *in_line says whether
 * the piece before ended within a line. */
int outlet_put_tagged(struct outlet *outlet, const char *tag, bool *in_line, const char *data, size_t size);

void outlet_deinit(struct outlet *outlet);

#endif
