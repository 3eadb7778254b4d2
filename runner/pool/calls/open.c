/* pool.c - opening, closing and freeing a pool.
 *
 *     pool_open    remembers who we are and what is mapped, forks the keeper, starts the pool's thread, and waits until
 *                  the fork server has said hello
 *     pool_close   refuses new work, lets the thread end the rest, and waits until it has left: then no process of the
 *                  pool is there any more
 *     pool_free    closes, and drops the handle's reference; jobs that live on keep the struct
 */
#include "failure.h"
#include "loop.h"
#include "options.h"
#include "pool_state.h"

#include "crash.h"
#include "descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DESCRIPTORS_LEAST 16
#define SLOTS_SPARE       8 /* for workers that were reported unkillable and keep their slot */

/* ---- the struct ------------------------------------------------------------------------------------------------ */

void pool_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

bool pool_is_foreign(const pool_t *pool)
{
    return pool->owner != getpid();
}

pool_t *pool_retain(pool_t *pool)
{
    atomic_fetch_add(&pool->references, 1);
    return pool;
}

void pool_release(pool_t *pool)
{
    if (atomic_fetch_sub(&pool->references, 1) != 1)
        return;
    pthread_cond_destroy(&pool->phase_changed);
    pthread_cond_destroy(&pool->room);
    pthread_cond_destroy(&pool->collect_changed);
    pthread_mutex_destroy(&pool->lock);
    descriptor_close(&pool->collect_fd);
    symbol_table_free(pool->symbols);
    queue_deinit(&pool->queue);
    queue_deinit(&pool->admitted);
    timetable_deinit(&pool->times);
    kind_cache_deinit(&pool->kinds);
    if (pool->loop != NULL) {
        room_deinit(&pool->loop->room);
        drive_deinit(&pool->loop->drive);
    }
    free(pool->loop);
    free(pool);
}

static pool_t *pool_new(const pool_options_t *options)
{
    pool_t *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return NULL;
    atomic_init(&pool->references, 1);
    pool->owner = getpid();
    pool->uid = getuid();
    pool->euid = geteuid();
    pool->gid = getgid();
    pool->egid = getegid();
    pool->options = *options;
    pthread_mutex_init(&pool->lock, NULL);
    pool_cond_init(&pool->phase_changed);
    pool_cond_init(&pool->room);
    pool_cond_init(&pool->collect_changed);
    queue_init(&pool->queue);
    queue_init(&pool->admitted);
    kind_cache_init(&pool->kinds);
    TAILQ_INIT(&pool->reservations);
    TAILQ_INIT(&pool->waiting);
    TAILQ_INIT(&pool->asked);
    TAILQ_INIT(&pool->collected);
    pool->stats.keeper_pid = pool->stats.fork_server_pid = -1;
    pool->collect_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pool->loop = calloc(1, sizeof *pool->loop);
    if (pool->loop != NULL)
        drive_init(&pool->loop->drive);
    return pool;
}

/* ---- opening --------------------------------------------------------------------------------------------------- */

static void loop_init(struct loop *loop, pool_t *pool)
{
    loop->pool = pool;
    loop->keeper_socket = loop->keeper_pidfd = loop->control = loop->server_pidfd = -1;
    loop->retry_at = loop->bound_at = LOOP_NEVER;
    atomic_init(&loop->next_at, LOOP_NEVER);
    TAILQ_INIT(&loop->idle);
    TAILQ_INIT(&loop->young);
    STAILQ_INIT(&loop->unsent);
    loop->readables.epoll = -1;
    atomic_store(&loop->drive.claims, pool->options.log != NULL);
    loop->config = (struct forkserver_config){
        .slots = births_process_max((size_t)pool->options.workers, (size_t)pool->options.warm) + SLOTS_SPARE,
        .warm = (size_t)pool->options.warm,
        .on_start = pool->options.on_start,
        .on_start_arg = pool->options.on_start_arg,
        .held = pool->options.held,
        .held_count = pool->options.held_count,
    };
}

static int say(pool_error_t *error, int code, const char *message)
{
    if (error != NULL) {
        error->code = code;
        snprintf(error->message, sizeof error->message, "%s", message);
    }
    return failure(code, "%s", message);
}

static int say_errno(pool_error_t *error, int code, const char *what)
{
    char message[256];
    snprintf(message, sizeof message, "%s: %s", what, strerror(-code));
    return say(error, code, message);
}

/* Where the pool makes its cgroups: nowhere is a failure only for who has asked for them. */
static int choose_method(pool_t *pool, pool_error_t *error)
{
    struct loop *loop = pool->loop;
    const pool_options_t *options = &pool->options;
    const bool required = options->cgroup != NULL || options->memory_method == POOL_MEMORY_CGROUP;
    char why[CGROUP_WHY_MAX];
    loop->config.cgroups_required = required;
    if (options->memory_method == POOL_MEMORY_SAMPLED)
        return 0;
    const char *named = options->cgroup;
    const int rc = cgroup_find(named, &loop->config.cgroups, why, sizeof why);
    atomic_store(&pool->has_cpu_weight, rc == 0 && loop->config.cgroups.cpu);
    pool->options.cgroup = NULL; /* the caller's */
    if (rc < 0 && required)
        return say(error, named == NULL ? -ENOTSUP : rc, why);
    if (rc < 0)
        memcpy(loop->sampled_why, why, sizeof why);
    return 0;
}

/* Forks the keeper with all signals blocked, so that no handler of the host's runs in it. */
static int start_keeper(pool_t *pool)
{
    struct loop *loop = pool->loop;
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    process_origin_take(&loop->config.origin, &old);
    loop->config.threaded = __libc_single_threaded == 0;
    if (loop->config.threaded)
        crash_prepare();
    loop->keeper_pid = keeper_start(&loop->config, &loop->keeper_socket);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (loop->keeper_pid < 0)
        return loop->keeper_pid;
    loop->keeper_pidfd = (int)syscall(SYS_pidfd_open, loop->keeper_pid, 0);
    pool->stats.keeper_pid = (int32_t)loop->keeper_pid;
    sched_yield(); /* it may have been put behind us, and everything waits for it */
    return 0;
}

/* The thread never started: the keeper sees its channel close. */
static void stop_keeper(struct loop *loop)
{
    if (loop->keeper_pid <= 0)
        return;
    descriptor_close(&loop->keeper_socket);
    waitpid(loop->keeper_pid, NULL, 0);
    descriptor_close(&loop->keeper_pidfd);
}

/* Where standard input, output or error is closed the next descriptors would take their numbers, and what the program
 * prints would go into the pool's channels. */
static int fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0) /* the lowest number that is free is fd */
            return -errno;
    return 0;
}

/* For its loop, its channels and a first worker. Asked ahead, since a loop of libuv's that runs short of them aborts.
 */
static int check_descriptors(const pool_t *pool)
{
    int fds[DESCRIPTORS_LEAST], rc = 0;
    size_t count = 0;
    for (; rc == 0 && count < DESCRIPTORS_LEAST; count += rc == 0) {
        fds[count] = fcntl(pool->collect_fd, F_DUPFD_CLOEXEC, 0);
        rc = fds[count] < 0 ? -errno : 0;
    }
    while (count > 0)
        close(fds[--count]);
    return rc;
}

/* Everything that can fail before there is a thread. */
static int start(pool_t *pool, pool_error_t *error)
{
    if (pool->collect_fd < 0)
        return say_errno(error, -errno, "the pool cannot make an eventfd");
    if (check_descriptors(pool) < 0)
        return say(error, -EMFILE, "the pool needs 16 more descriptors: raise the limit on open files (ulimit -n)");
    if (access("/proc/self/maps", R_OK) < 0)
        return say(error, -ENOENT, "/proc/self/maps cannot be read: reclaim needs /proc to be mounted");
    if (pool->loop == NULL)
        return say_errno(error, -ENOMEM, "the pool cannot start");
    loop_init(pool->loop, pool);
    int rc = choose_method(pool, error);
    if (rc < 0)
        return rc;
    rc = start_keeper(pool);
    if (rc < 0)
        return say_errno(error, rc, "the keeper process cannot be forked");
    pool->symbols = symbol_table_new(pool->loop->keeper_pid);
    rc = pool->symbols == NULL ? -ENOMEM : loop_start(pool);
    if (rc < 0) {
        stop_keeper(pool->loop);
        return say_errno(error, rc, "the pool's thread cannot start");
    }
    return 0;
}

/* Waits for the fork server's hello. */
static int wait_until_open(pool_t *pool, pool_error_t *error)
{
    pool_error_t why;
    pthread_mutex_lock(&pool->lock);
    while (pool->phase == POOL_OPENING && pool->error.code == 0)
        pthread_cond_wait(&pool->phase_changed, &pool->lock);
    why = pool->error;
    pthread_mutex_unlock(&pool->lock);
    return why.code == 0 ? 0 : say(error, why.code, why.message);
}

/* Where it matters: it is read from a file. */
static int count_processors(const pool_options_t *options)
{
    return options != NULL && options->workers > 0 ? 1 : (int)sysconf(_SC_NPROCESSORS_ONLN);
}

int pool_open(pool_t **out, const pool_options_t *options, pool_error_t *error)
{
    pool_options_t full;
    if (error != NULL)
        *error = (pool_error_t){0};
    if (out == NULL)
        return say(error, -EINVAL, "pool is NULL: it is where the new pool goes");
    *out = NULL;
    int rc = options_pool(options, count_processors(options), &full);
    if (rc < 0)
        return say(error, rc, pool_message());
    rc = fill_standard_descriptors();
    if (rc < 0)
        return say_errno(error, rc, "/dev/null cannot be opened");
    pool_t *pool = pool_new(&full);
    if (pool == NULL)
        return say_errno(error, -ENOMEM, "the pool cannot start");
    rc = start(pool, error);
    if (rc == 0)
        rc = wait_until_open(pool, error);
    if (rc < 0) {
        if (pool->thread_started)
            pool_free(pool);
        else
            pool_release(pool);
        return rc;
    }
    *out = pool;
    return 0;
}

/* ---- closing --------------------------------------------------------------------------------------------------- */

/* The caller holds the lock. */
static void refuse_work(pool_t *pool)
{
    if (pool->phase < POOL_CLOSING)
        pool->phase = POOL_CLOSING;
    pthread_cond_broadcast(&pool->room);
    pthread_cond_broadcast(&pool->collect_changed);
    if (pool->phase != POOL_ENDED)
        loop_wake(pool->loop);
}

int pool_seal(pool_t *pool)
{
    if (pool == NULL)
        return failure(-EINVAL, "pool is NULL");
    if (pool_is_foreign(pool))
        return failure(-EPERM, "this pool belongs to process %d: a forked child has nothing to seal", (int)pool->owner);
    pthread_mutex_lock(&pool->lock);
    refuse_work(pool);
    pthread_mutex_unlock(&pool->lock);
    return 0;
}

/* Until every process of the pool and its thread are gone. The caller holds the lock. Who comes first waits for the
 * thread itself: one wake-up less. */
static void wait_until_ended(pool_t *pool)
{
    if (pool->thread_joined) {
        while (pool->phase != POOL_ENDED)
            pthread_cond_wait(&pool->phase_changed, &pool->lock);
        return;
    }
    pool->thread_joined = true;
    pthread_mutex_unlock(&pool->lock);
    pthread_join(pool->thread, NULL);
    pthread_mutex_lock(&pool->lock);
}

int pool_close(pool_t *pool, pool_close_t how)
{
    if (pool == NULL || how < POOL_CLOSE_WAIT || how > POOL_CLOSE_KILL)
        return failure(-EINVAL, "how is %d: it is POOL_CLOSE_WAIT, _CANCEL_QUEUED or _KILL", (int)how);
    if (pool_is_foreign(pool))
        return failure(-EPERM, "this pool belongs to process %d: a forked child has nothing to close",
                       (int)pool->owner);
    if (pool_in_callback())
        return failure(-EDEADLK, "a callback must not close its pool: the pool's thread would wait for itself");
    pthread_mutex_lock(&pool->lock);
    if (how > pool->close_how)
        pool->close_how = how;
    pool->callers++;
    refuse_work(pool);
    wait_until_ended(pool);
    pool->callers--;
    pthread_cond_broadcast(&pool->phase_changed);
    pthread_mutex_unlock(&pool->lock);
    return 0;
}

/* Drops what nobody fetched with pool_next. */
static void drop_collected(pool_t *pool)
{
    for (pool_job_t *job; (job = TAILQ_FIRST(&pool->collected)) != NULL;) {
        job_move(job, JOB_UNLISTED);
        pool_job_release(job);
    }
}

void pool_free(pool_t *pool)
{
    if (pool == NULL || pool_is_foreign(pool) || pool_close(pool, POOL_CLOSE_KILL) < 0)
        return;
    pthread_mutex_lock(&pool->lock);
    while (pool->callers > 0)
        pthread_cond_wait(&pool->phase_changed, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    drop_collected(pool);
    descriptor_close(&pool->collect_fd);
    pool_release(pool);
}

int pool_stats(const pool_t *pool, pool_stats_t *stats)
{
    pool_t *p = (pool_t *)(uintptr_t)pool; /* only to lock it */
    if (pool == NULL || stats == NULL)
        return failure(-EINVAL, "pool or stats is NULL");
    if (pool_is_foreign(pool))
        return failure(-EPERM, "this pool belongs to process %d", (int)pool->owner);
    pthread_mutex_lock(&p->lock);
    *stats = pool->stats;
    stats->queued = pool->queue.count + pool->delayed_count;
    stats->running = pool->running;
    pthread_mutex_unlock(&p->lock);
    return 0;
}
