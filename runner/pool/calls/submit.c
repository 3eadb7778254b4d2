/* submit.c - pool_submit, pool_submit_parts and pool_map: from what a caller asks to a job in the queue. */
#include "submit.h"

#include "amount.h"
#include "failure.h"
#include "options.h"
#include "payload.h"
#include "reservation.h"
#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- whether the pool takes it ----------------------------------------------------------------------------------- */

int submit_check_caller(const pool_t *pool)
{
    const int rc = state_check_owner(pool);
    if (rc < 0)
        return rc;
    if (getuid() != pool->uid || geteuid() != pool->euid || getgid() != pool->gid || getegid() != pool->egid)
        return failure(-EPERM, "the process changed its uid or gid after pool_open, and jobs would run with the old "
                               "ones: open the pool after the change");
    return 0;
}

/* Whether count more jobs fit: what can start at once does not wait. */
static bool has_space(const pool_t *pool, size_t count)
{
    const uint64_t free_now = amount_less((uint64_t)pool->options.workers, pool->running);
    return amount_less(pool->backlog.queue.count + count, free_now) <= (uint64_t)pool->options.queue_limit;
}

/* Waits until count jobs fit, or says why not. The caller holds the lock. */
static int wait_for_space(pool_t *pool, size_t count)
{
    int rc;
    if ((uint64_t)count > (uint64_t)pool->options.queue_limit + (uint64_t)pool->options.workers)
        return failure(-EINVAL, "a map of %zu jobs can never fit a queue_limit of %lld and %d workers", count,
                       (long long)pool->options.queue_limit, pool->options.workers);
    while ((rc = state_check_phase(pool)) == 0 && !has_space(pool, count)) {
        if (pool->options.queue_full == POOL_QUEUE_REFUSE)
            return failure(-EAGAIN, "the queue is full (queue_limit %lld): try again when jobs have settled",
                           (long long)pool->options.queue_limit);
        if (drive_is_in_callback())
            return failure(-EDEADLK, "the queue is full, and a callback must not wait for room in it");
        pool->callers++;
        pthread_cond_wait(&pool->backlog.space, &pool->lock);
        state_end_call(pool);
    }
    return rc;
}

/* Whom to wake after queuing count jobs. Nobody if all workers are busy: the loop looks again when one ends. The pool
 * thread, not this one, if older jobs wait: a scan may take long. sooner: a deadline, or an admitted job, is first. */
enum wake { WAKE_NOBODY, WAKE_THIS_THREAD, WAKE_POOL_THREAD };

static enum wake whom_to_wake(const pool_t *pool, size_t count, bool sooner)
{
    if (pool->running >= (size_t)pool->options.workers && !sooner)
        return WAKE_NOBODY;
    return pool->backlog.queue.count <= count ? WAKE_THIS_THREAD : WAKE_POOL_THREAD;
}

static pool_reservation_t *reservation_of(const pool_job_options_t *options)
{
    return options != NULL ? options->reservation : NULL;
}

/* A job with a reservation does not wait for space. The caller holds the lock. */
static int enqueue_locked(pool_t *pool, pool_job_t **jobs, size_t count, pool_reservation_t *reservation, bool keep,
                          enum wake *wake)
{
    bool sooner = reservation != NULL;
    int rc = reservation != NULL ? state_check_phase(pool) : wait_for_space(pool, count);
    if (rc == 0 && reservation != NULL)
        rc = reservation_check(reservation, pool, job_options(jobs[0]));
    jobs[0]->is_admitted = reservation != NULL;
    if (rc < 0 || (rc = backlog_add(&pool->backlog, jobs, count)) < 0)
        return rc;
    if (reservation != NULL)
        reservation_move(reservation, jobs[0]);
    for (size_t i = 0; i < count; i++) {
        const bool collect = job_options(jobs[i])->collect;
        atomic_fetch_add(&jobs[i]->references, (unsigned)keep + (unsigned)collect);
        pool->futures.outstanding += collect;
        sooner = sooner || jobs[i]->timed.place == 1;
    }
    pool->unsettled += count;
    pool->stats.submitted += count;
    *wake = whom_to_wake(pool, count, sooner);
    return 0;
}

/* Puts jobs of one kind into the queue, all or none; then they are the pool's. reservation (of one job) may be NULL. */
static int enqueue(pool_t *pool, pool_job_t **jobs, size_t count, pool_reservation_t *reservation, bool keep)
{
    enum wake wake = WAKE_NOBODY;
    const bool claims = kind_has_callbacks(jobs[0]->kind);
    for (size_t i = 0; claims && i < count; i++)
        drive_claim(&pool->drive);
    pthread_mutex_lock(&pool->lock);
    const int rc = enqueue_locked(pool, jobs, count, reservation, keep, &wake);
    if (wake == WAKE_POOL_THREAD)
        drive_wake(&pool->drive);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; rc < 0 && claims && i < count; i++)
        drive_unclaim(&pool->drive);
    if (wake == WAKE_THIS_THREAD)
        drive_tell(&pool->drive);
    return rc;
}

/* ---- functions --------------------------------------------------------------------------------------------------- */

static pool_stream_t stream_of(pool_output_t output)
{
    return output == POOL_OUTPUT_CAPTURE   ? POOL_STREAM_CAPTURE
           : output == POOL_OUTPUT_DISCARD ? POOL_STREAM_DISCARD
                                           : POOL_STREAM_INHERIT;
}

/* One for a function. kind is *taken*. */
static int make_function_job(pool_t *pool, struct kind *kind, const pool_job_options_t *given,
                             const pool_bytes_t *parts, size_t count, pool_job_t **job)
{
    size_t size;
    int rc = payload_measure(parts, count, &size);
    if (rc < 0) {
        kind_release(kind);
        failure(rc, "the argument is NULL and has a size, or its %zu parts are too large together", count);
        return rc;
    }
    if ((rc = job_new(pool, kind, given, size, job)) < 0)
        return rc;
    rc = job_set_payload(*job, parts, count, size);
    if (rc < 0)
        job_discard(*job);
    return rc;
}

int submit_find_kind(pool_t *pool, const pool_job_options_t *given, struct kind *like, struct kind **kind)
{
    pool_job_options_t *options = &like->options;
    const int rc = state_check_options(pool, given, like->is_command, options);
    if (rc < 0)
        return rc;
    if (options->name != NULL)
        like->name = options->name;
    if (!like->is_command)
        like->out = like->err = stream_of(options->output);
    options->name = NULL;
    options->reservation = NULL;
    options->user = NULL;
    options->fds = NULL;
    options->fd_count = 0;
    *kind = kind_take(&pool->kinds, like);
    return *kind != NULL ? 0 : failure(-ENOMEM, "no memory for a job's options");
}

/* Why fn cannot run: a pool that has ended says that first; else the workers do not have fn's code. */
static int refuse_function(pool_t *pool, pool_fn fn)
{
    pthread_mutex_lock(&pool->lock);
    const int rc = state_check_phase(pool);
    pthread_mutex_unlock(&pool->lock);
    if (rc < 0)
        return rc;
    return failure(-EFAULT,
                   "the function at %p is not in code that was mapped when the pool was opened, so workers do not have "
                   "it: load its library before pool_open",
                   (void *)(uintptr_t)fn);
}

/* Checks that fn can run in a worker, and the rest. */
static int find_function_kind(pool_t *pool, pool_fn fn, const pool_job_options_t *given, struct kind **kind)
{
    int rc = submit_check_caller(pool);
    if (rc < 0)
        return rc;
    if (fn == NULL)
        return failure(-EINVAL, "the function is NULL");
    struct kind like = {.function = (uint64_t)(uintptr_t)fn, .name = symbol_name(pool->symbols, (void (*)(void))fn)};
    if (like.name == NULL && errno == ENOMEM)
        return failure(-ENOMEM, "no memory for the name of a function");
    if (like.name == NULL)
        return refuse_function(pool, fn);
    return submit_find_kind(pool, given, &like, kind);
}

/* Makes and queues jobs of a kind, all or none. */
static int map_kind(pool_t *pool, struct kind *kind, const pool_job_options_t *given, const pool_bytes_t *args,
                    size_t count, pool_job_t **jobs)
{
    pool_job_t **made = calloc(count, sizeof(*made));
    if (made == NULL)
        return failure(-ENOMEM, "no memory for %zu jobs", count);
    int rc = 0;
    size_t done = 0;
    for (; rc == 0 && done < count; done += rc == 0)
        rc = make_function_job(pool, kind_retain(kind), given, &args[done], 1, &made[done]);
    if (rc == 0)
        rc = enqueue(pool, made, count, NULL, jobs != NULL);
    while (rc < 0 && done > 0)
        job_discard(made[--done]);
    if (rc == 0 && jobs != NULL)
        memcpy(jobs, made, count * sizeof(*made));
    free(made);
    return rc;
}

int pool_map(pool_t *pool, pool_fn fn, const pool_bytes_t *args, size_t count, const pool_job_options_t *options,
             pool_job_t **jobs)
{
    struct kind *kind = NULL;
    for (size_t i = 0; jobs != NULL && i < count; i++)
        jobs[i] = NULL;
    if (reservation_of(options) != NULL) {
        pool_reservation_free(options->reservation);
        return failure(-EINVAL, "pool_map takes no reservation: submit each job with a reservation of its own");
    }
    int rc = find_function_kind(pool, fn, options, &kind);
    if (rc == 0 && count > 0)
        rc = args == NULL ? failure(-EINVAL, "args is NULL and count is %zu", count)
                          : map_kind(pool, kind, options, args, count, jobs);
    kind_release(kind);
    return rc;
}

int submit_queue(pool_t *pool, pool_job_t *made, const pool_job_options_t *options, pool_job_t **job)
{
    if (job != NULL)
        *job = made; /* before it can run: a callback may look at it */
    const int rc = enqueue(pool, &made, 1, reservation_of(options), job != NULL);
    if (rc == 0)
        return 0;
    job_discard(made);
    if (job != NULL)
        *job = NULL;
    return rc;
}

int pool_submit_parts(pool_t *pool, pool_fn fn, const pool_bytes_t *parts, size_t count,
                      const pool_job_options_t *options, pool_job_t **job)
{
    struct kind *kind = NULL;
    pool_job_t *made = NULL;
    if (job != NULL)
        *job = NULL;
    int rc = find_function_kind(pool, fn, options, &kind);
    if (rc == 0 && parts == NULL && count > 0) {
        kind_release(kind);
        rc = failure(-EINVAL, "parts is NULL and count is %zu", count);
    }
    if (rc == 0)
        rc = make_function_job(pool, kind, options, parts, count, &made);
    if (rc == 0)
        rc = submit_queue(pool, made, options, job);
    pool_reservation_free(reservation_of(options)); /* the job has its record now, or it is given back */
    return rc;
}

int pool_submit(pool_t *pool, pool_fn fn, const void *arg, size_t arg_size, const pool_job_options_t *options,
                pool_job_t **job)
{
    return pool_submit_parts(pool, fn, &(pool_bytes_t){arg, arg_size}, 1, options, job);
}
