/* stream.h - one stream of a job's output, from the job to where reclaim's own goes: held until the job's turn, or
 * passed on by whole lines. */
#ifndef JOB_STREAM_H
#define JOB_STREAM_H

#include "outlet.h"
#include "relay.h"
#include "spool.h"

#include <stdbool.h>
#include <stdint.h>

struct job_stream {
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
int job_stream_open(struct job_stream *stream, int64_t limit, struct outlet *outlet, const char *tag, int results);

/* Takes what the job has written. */
void job_stream_read(struct job_stream *stream);

/* The job runs again: what is held of its earlier run is dropped. For streams that are not live. */
void job_stream_forget(struct job_stream *stream);

/* From now on lines go out as they come. First those that are here, which job_stream_put_held is to be given: two steps,
 * since the second may block. */
struct spool job_stream_set_live(struct job_stream *stream);
void job_stream_put_held(struct job_stream *stream, struct spool *held);

/* The job is gone: takes the rest. */
void job_stream_end(struct job_stream *stream);

/* Writes out all that is held. Negative errno, that of an earlier loss included. */
int job_stream_emit(struct job_stream *stream);

void job_stream_close(struct job_stream *stream);

#endif
