/* stream.h - one stream of a job's output, from the job to where reclaim's own goes: held until the job's turn, or
 * passed on by whole lines. */
#ifndef STREAM_H
#define STREAM_H

#include "outlet.h"
#include "relay.h"
#include "spool.h"

#include <stdbool.h>
#include <stdint.h>

struct stream {
    struct relay relay;
    struct outlet *outlet; /* *borrowed* */
    const char *tag;       /* *borrowed*; NULL: none */
    int results;           /* where it is kept as well, -1: nowhere */
    bool live;             /* lines go out as they come */
    struct spool spool;    /* not live: what waits */
    struct text partial;   /* live: a line that has not ended */
    bool in_line;
    int error; /* negative errno: some of it was lost on the way */
};

/* limit: bytes, or RELAY_NO_LIMIT; results is *taken*. Negative errno. */
int stream_open(struct stream *stream, int64_t limit, struct outlet *outlet, const char *tag, int results);

/* Takes what the job has written. */
void stream_read(struct stream *stream);

/* The job runs again: what is held of its earlier run is dropped. For streams that are not live. */
void stream_forget(struct stream *stream);

/* From now on lines go out as they come. First those that are here, which stream_put_held is to be given: two steps,
 * since the second may block. */
struct spool stream_set_live(struct stream *stream);
void stream_put_held(struct stream *stream, struct spool *held);

/* The job is gone: takes the rest. */
void stream_end(struct stream *stream);

/* Writes out all that is held. Negative errno, that of an earlier loss included. */
int stream_emit(struct stream *stream);

void stream_close(struct stream *stream);

#endif
