/* ending.h - a run that has ended and is not yet on disk.
 *
 * A value above STORE_INLINE_MAX becomes a file, which a thread writes before the end itself is written: a gibibyte
 * takes seconds. A value that finds no room fails the job that made it, and no other: value_dropped. Where not even
 * that failure can be written the disk is full without the value, and the value waits for room as all else does. */
#ifndef ENDING_H
#define ENDING_H

#include "output_files.h"
#include "record.h"

#include <reclaim/pool.h>
#include <sys/queue.h>
#include <uv.h>

enum value_state { VALUE_TO_WRITE, VALUE_BEING_WRITTEN, VALUE_READY };

struct ending {
    uint64_t id;
    struct record_end end;
    uint32_t evictions;
    pool_job_t *job;   /* holds the value; NULL: there is no value, or it is in its file already */
    const void *value; /* end.result_size bytes */
    bool applied;      /* in the turn that is being committed */
    bool unstarted;    /* it could not be started, and goes back to the queue */
    int64_t came_at;   /* uv_now */
    STAILQ_ENTRY(ending) entry;
    /* ending.c */
    enum value_state value_state;
    int value_error;
    bool is_doubted, was_doubted; /* an error of the file may be the fault of a disk that others filled */
    int value_dropped; /* negative errno: why the value has no room, by which the run has failed; 0: it has room */
    struct outputs *outputs;
    uv_work_t work;
};

/* 1: as far as the value goes the ending can be applied (perhaps with value_dropped); 0: not yet, a later turn will
 * find it ready; negative errno: the disk fails, and the next call tries again. outputs is *borrowed* until 1. */
int ending_write_value(struct ending *ending, uv_loop_t *loop, struct outputs *outputs);

/* The turn that applied it could not be written. is_too_large: for want of room, and the turn held nothing else, while
 * the store can be written. The next turn then tries the ending without its value. */
void ending_undone(struct ending *ending, bool is_too_large);

/* Another turn found no room on the disk. If this one's value finds none either, it is not known to be at fault, and
 * has a second try, but no third. */
void ending_doubt(struct ending *ending);

/* Whether a thread writes its value. */
bool ending_is_in_thread(const struct ending *ending);

void ending_free(struct ending *ending);

#endif
