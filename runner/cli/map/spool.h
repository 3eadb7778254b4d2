/* spool.h - held output: in memory up to a size, beyond it in a temporary file without a name. */
#ifndef SPOOL_H
#define SPOOL_H

#include "text.h"

#include <stddef.h>
#include <stdint.h>

#define SPOOL_MEMORY ((size_t)32 << 10)

struct spool {
    struct text memory;
    int fd; /* the file; -1: everything is in memory */
};

/* Takes a piece of a spool. Negative errno: stop. */
typedef int (*spool_sink_fn)(void *context, const char *data, size_t size);

void spool_init(struct spool *spool);

/* Tries whether temporary files can be made; *directory is their place. Negative errno. */
int spool_check(const char **directory);

/* Adds bytes. -ENOMEM, or an error of the file system ($TMPDIR, else /tmp). */
int spool_put(struct spool *spool, const char *data, size_t size);

/* Passes everything to the sink, in order, and empties the spool. Errors: of the sink or the file. */
int spool_drain(struct spool *spool, spool_sink_fn sink, void *context);

/* Empties it. */
void spool_clear(struct spool *spool);

#endif
