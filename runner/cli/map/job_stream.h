/* job_stream.h - one stream of a job's output, on its way to reclaim's own: held until the job's turn, or (live) passed
 * on line by line. */
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
    int results;           /* a file that gets a copy, -1: none */
    bool live;             /* lines go out as they come */
    struct spool spool;    /* not live: the output so far */
    struct text partial;   /* live: a line that has not ended */
    bool in_line;
    int error; /* negative errno: output was lost */
};

/* limit: bytes, or RELAY_NO_LIMIT; results is *taken*. Negative errno. relay_pass and relay_finish bring output. */
int job_stream_open(struct job_stream *stream, int64_t limit, struct outlet *outlet, const char *tag, int results);

/* For a job that runs again: drops the held output of the earlier run. Not for a live stream. */
void job_stream_forget(struct job_stream *stream);

/* Makes it live. Returns the held output, which the caller passes to job_stream_put_held: in a second step, which may
 * block. */
struct spool job_stream_set_live(struct job_stream *stream);
void job_stream_put_held(struct job_stream *stream, struct spool *held);

/* Writes out all held output. Negative errno, also of an earlier loss. */
int job_stream_emit(struct job_stream *stream);

void job_stream_close(struct job_stream *stream);

#endif
