/* valuefile.c - values that are files: written by a thread, for a gibibyte takes seconds and the loop has others to
 * serve.
 */
#include "valuefile.h"

#include <errno.h>
#include <stdlib.h>

/* A value up to this that finds no room has met a disk that others have filled: it waits, as the store does. */
#define BLAMELESS_MAX ((uint64_t)64 * 1024)

/* Whether its value is to be a file. */
static bool is_file(const struct ending *ending)
{
    return ending->job != NULL && ending->end.result_size > STORE_INLINE_MAX;
}

static void write_value(uv_work_t *work)
{
    struct ending *ending = work->data;
    ending->value_error =
        outputs_value_write(&ending->daemon->outputs, ending->id, ending->value, ending->end.result_size);
    if (ending->value_error < 0)
        return;
    pool_job_release(ending->job); /* here, since giving back its memory takes its time, too */
    ending->job = NULL;
    ending->value = NULL;
}

static void on_written(uv_work_t *work, int status)
{
    struct ending *ending = work->data;
    (void)status; /* it is never cancelled */
    ending->value_state = ending->value_error < 0 ? VALUE_TO_WRITE : VALUE_READY;
}

int valuefile_prepare(struct daemon *daemon, struct ending *ending)
{
    const int error = ending->value_error;
    if (ending->value_state == VALUE_BEING_WRITTEN)
        return 0;
    if (ending->value_state == VALUE_READY || ending->unkept < 0 || !is_file(ending))
        return 1;
    ending->value_error = 0; /* the next time it is tried again */
    if (error == -ENOSPC || error == -EDQUOT || error == -EFBIG) {
        ending->unkept = error;
        return 1;
    }
    if (error < 0)
        return error;
    ending->daemon = daemon;
    ending->work.data = ending;
    ending->value_state = VALUE_BEING_WRITTEN;
    const int queued = uv_queue_work(daemon->loop, &ending->work, write_value, on_written);
    if (queued < 0)
        ending->value_state = VALUE_TO_WRITE;
    return queued < 0 ? queued : 0;
}

void valuefile_undone(struct ending *ending, bool is_too_large)
{
    const bool is_inline = ending->job != NULL && !is_file(ending);
    if (ending->unkept < 0) /* not even that could be written, so that the disk is full without it */
        ending->unkept = 0;
    else if (is_too_large && is_inline && ending->end.result_size > BLAMELESS_MAX)
        ending->unkept = -ENOSPC;
}

bool valuefile_is_awaited(const struct ending *ending)
{
    return ending->value_state == VALUE_BEING_WRITTEN;
}

void ending_free(struct ending *ending)
{
    pool_job_release(ending->job);
    free(ending);
}
