/* spool.h - output that waits: in memory up to a size, beyond it in a temporary file without a name. */
#ifndef SPOOL_H
#define SPOOL_H

#include "text.h"

#include <stddef.h>
#include <stdint.h>

#define SPOOL_MEMORY ((size_t)32 << 10)

struct spool {
    struct text memory;
    int fd; /* -1: all of it is in memory */
};

/* What takes a spool's bytes. Negative errno ends the taking. */
typedef int (*spool_sink_fn)(void *context, const char *data, size_t size);

void spool_init(struct spool *spool);

/* Whether there is a place for temporary files; *directory is its name. Negative errno. */
int spool_check(const char **directory);

/* -ENOMEM, or what the file system says ($TMPDIR, else /tmp). */
int spool_put(struct spool *spool, const char *data, size_t size);

/* Hands everything on in order, and is empty then. What the sink or the file says. */
int spool_drain(struct spool *spool, spool_sink_fn sink, void *context);

/* Forgets what is in it. */
void spool_clear(struct spool *spool);

#endif
