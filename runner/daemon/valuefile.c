/* valuefile.c - values that are files: written by a thread, for a gibibyte takes seconds and the loop has others to
 * serve.
 */
#include "valuefile.h"

#include <stdlib.h>

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
    if (ending->value_state == VALUE_READY || !is_file(ending))
        return 1;
    ending->value_error = 0; /* the next time it is tried again */
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

bool valuefile_is_awaited(const struct ending *ending)
{
    return ending->value_state == VALUE_BEING_WRITTEN;
}

void ending_free(struct ending *ending)
{
    pool_job_release(ending->job);
    free(ending);
}
