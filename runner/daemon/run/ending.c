#include "ending.h"

#include "store.h"

#include <errno.h>
#include <stdlib.h>

/* Where a value up to this finds no room, others have filled the disk: the value waits, as the store does. */
#define BLAMELESS_MAX ((uint64_t)64 * 1024)

static bool is_file(const struct ending *ending)
{
    return ending->job != NULL && ending->end.result_size > STORE_INLINE_MAX;
}

static void write_value(uv_work_t *work)
{
    struct ending *ending = work->data;
    ending->value_error = outputs_value_write(ending->outputs, ending->id, ending->value, ending->end.result_size);
    if (ending->value_error < 0)
        return;
    pool_job_release(ending->job); /* here, since giving back its memory takes time, too */
    ending->job = NULL;
    ending->value = NULL;
}

static void on_written(uv_work_t *work, int status)
{
    struct ending *ending = work->data;
    (void)status; /* it is never cancelled */
    ending->value_state = ending->value_error < 0 ? VALUE_TO_WRITE : VALUE_READY;
}

static bool is_no_room(int error)
{
    return error == -ENOSPC || error == -EDQUOT || error == -EFBIG;
}

void ending_doubt(struct ending *ending)
{
    if (!ending->was_doubted)
        ending->is_doubted = ending->was_doubted = true;
}

/* The error of the last try, which the next call forgets. */
static int take_error(struct ending *ending)
{
    const int error = is_no_room(ending->value_error) && ending->is_doubted ? 0 : ending->value_error;
    ending->value_error = 0;
    ending->is_doubted = false;
    return error;
}

int ending_write_value(struct ending *ending, uv_loop_t *loop, struct outputs *outputs)
{
    if (ending->value_state == VALUE_BEING_WRITTEN)
        return 0;
    if (ending->value_state == VALUE_READY || ending->value_dropped < 0 || !is_file(ending))
        return 1;
    const int error = take_error(ending);
    if (is_no_room(error)) {
        ending->value_dropped = error;
        return 1;
    }
    if (error < 0)
        return error;
    ending->outputs = outputs;
    ending->work.data = ending;
    ending->value_state = VALUE_BEING_WRITTEN;
    const int queued = uv_queue_work(loop, &ending->work, write_value, on_written);
    if (queued < 0)
        ending->value_state = VALUE_TO_WRITE;
    return queued < 0 ? queued : 0;
}

void ending_undone(struct ending *ending, bool is_too_large)
{
    const bool is_row = ending->job != NULL && !is_file(ending);
    if (ending->value_dropped < 0)
        ending->value_dropped = 0;
    else if (is_too_large && is_row && ending->end.result_size > BLAMELESS_MAX)
        ending->value_dropped = -ENOSPC;
}

bool ending_is_in_thread(const struct ending *ending)
{
    return ending->value_state == VALUE_BEING_WRITTEN;
}

void ending_free(struct ending *ending)
{
    pool_job_release(ending->job);
    free(ending);
}
