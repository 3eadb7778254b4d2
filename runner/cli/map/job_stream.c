#include "job_stream.h"
#include "program.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PARTIAL_MOST ((size_t)64 << 10) /* a longer line goes out in parts */

static void note(struct job_stream *stream, int rc)
{
    if (rc < 0 && stream->error == 0)
        stream->error = rc;
}

static int put(void *context, const char *data, size_t size)
{
    struct job_stream *stream = context;
    return outlet_put_tagged(stream->outlet, stream->tag, &stream->in_line, data, size);
}

static int put_lines(void *context, const char *data, size_t size)
{
    struct job_stream *stream = context;
    const char *newline = memrchr(data, '\n', size);
    const size_t whole = newline == NULL ? 0 : (size_t)(newline - data) + 1;
    if (whole > 0) {
        note(stream, put(stream, stream->partial.data, stream->partial.size));
        text_clear(&stream->partial);
        note(stream, put(stream, data, whole));
    }
    text_put(&stream->partial, data + whole, size - whole);
    if (stream->partial.failed)
        return -ENOMEM;
    if (stream->partial.size > PARTIAL_MOST) {
        note(stream, put(stream, stream->partial.data, stream->partial.size));
        text_clear(&stream->partial);
    }
    return outlet_flush(stream->outlet);
}

/* Takes everything, even after a failure: the failure is ours, and the job must not notice it. */
static int take(void *context, const char *data, size_t size)
{
    struct job_stream *stream = context;
    if (stream->results >= 0)
        note(stream, write_all(stream->results, data, size));
    note(stream, stream->live ? put_lines(stream, data, size) : spool_put(&stream->spool, data, size));
    return 0;
}

int job_stream_open(struct job_stream *stream, int64_t limit, struct outlet *outlet, const char *tag, int results)
{
    *stream = (struct job_stream){.outlet = outlet, .tag = tag, .results = results};
    spool_init(&stream->spool);
    text_put(&stream->partial, "", 0);
    return relay_open(&stream->relay, limit, take, stream);
}

void job_stream_forget(struct job_stream *stream)
{
    const int64_t left = stream->relay.left + stream->relay.passed;
    relay_pass(&stream->relay);
    spool_clear(&stream->spool);
    stream->relay.left = left;
    stream->relay.passed = 0;
    if (stream->results >= 0 && (ftruncate(stream->results, 0) < 0 || lseek(stream->results, 0, SEEK_SET) < 0))
        note(stream, -errno);
}

struct spool job_stream_set_live(struct job_stream *stream)
{
    const struct spool held = stream->spool;
    spool_init(&stream->spool);
    stream->live = true;
    return held;
}

void job_stream_put_held(struct job_stream *stream, struct spool *held)
{
    note(stream, spool_drain(held, put_lines, stream));
}

int job_stream_emit(struct job_stream *stream)
{
    note(stream, spool_drain(&stream->spool, put, stream));
    note(stream, put(stream, stream->partial.data, stream->partial.size));
    text_clear(&stream->partial);
    note(stream, outlet_flush(stream->outlet));
    return stream->error;
}

void job_stream_close(struct job_stream *stream)
{
    relay_close(&stream->relay);
    spool_clear(&stream->spool);
    text_deinit(&stream->partial);
    if (stream->results >= 0)
        close(stream->results);
    stream->results = -1;
}
