/* cancel.c - pool_job_cancel, pool_job_cancel_queued and pool_job_signal: they put the job on the list of jobs that the
 * loop looks at. */
#include "failure.h"
#include "job.h"
#include "state.h"

#include <errno.h>
#include <signal.h>

static int check_job(const pool_job_t *job)
{
    return job == NULL ? failure(-EINVAL, "job is NULL") : state_check_owner(job->pool);
}

/* Has the loop look at the job. The caller holds the lock. */
static void list_for_loop(pool_job_t *job)
{
    if (job->list != JOB_ASKED)
        job_move(job, JOB_ASKED);
    drive_wake(&job->pool->drive);
}

int pool_job_cancel(pool_job_t *job)
{
    const int rc = check_job(job);
    if (rc < 0)
        return rc;
    pool_t *pool = job->pool;
    pthread_mutex_lock(&pool->lock);
    const bool settled = pool_job_state(job) == POOL_STATE_SETTLED;
    if (!settled && !job->cancel_asked) {
        job->cancel_asked = true;
        list_for_loop(job);
    }
    pthread_mutex_unlock(&pool->lock);
    return settled ? failure(-EALREADY, "job %s is settled already", job->kind->name) : 0;
}

int pool_job_cancel_queued(pool_job_t *job)
{
    const int rc = check_job(job);
    if (rc < 0)
        return rc;
    pool_t *pool = job->pool;
    pthread_mutex_lock(&pool->lock);
    const bool settled = pool_job_state(job) == POOL_STATE_SETTLED;
    const bool waits = pool_job_state(job) == POOL_STATE_QUEUED || job->is_admitted;
    if (waits) {
        backlog_take(job); /* now: the loop may be about to look for a job */
        job->cancel_asked = true;
        list_for_loop(job);
    }
    pthread_mutex_unlock(&pool->lock);
    if (settled)
        return failure(-EALREADY, "job %s is settled already", job->kind->name);
    return waits ? 0 : failure(-EBUSY, "job %s has a worker; pool_job_cancel ends it", job->kind->name);
}

/* Not SIGKILL and SIGSTOP, which have their own calls; not a command's SIGCHLD, which its worker needs; not libc's. */
static bool can_be_sent(const pool_job_t *job, int signal)
{
    sigset_t all;
    sigfillset(&all);
    if (signal == SIGKILL || signal == SIGSTOP || (job->kind->is_command && signal == SIGCHLD))
        return false;
    return signal > 0 && signal <= SIGRTMAX && sigismember(&all, signal) == 1;
}

int pool_job_signal(pool_job_t *job, int signal)
{
    const int rc = check_job(job);
    if (rc < 0)
        return rc;
    pool_t *pool = job->pool;
    if (!can_be_sent(job, signal))
        return failure(-EINVAL, "signal %d cannot be sent to a job; pool_job_cancel ends a job", signal);
    pthread_mutex_lock(&pool->lock);
    const bool runs = pool_job_state(job) == POOL_STATE_RUNNING;
    if (runs) {
        job->record->signals |= UINT64_C(1) << (signal - 1);
        list_for_loop(job);
    }
    pthread_mutex_unlock(&pool->lock);
    return runs ? 0 : failure(-ESRCH, "job %s does not run now", job->kind->name);
}
