/* open.c - a pool from its first moment to its last.
 *
 *     pool_open    forks the keeper, starts the pool thread, and waits until the fork server has said hello
 *     pool_seal    refuses new work
 *     pool_close   refuses new work, lets the pool thread end the rest, and waits until it has left: then no process of
 *                  the pool is there any more
 *     pool_free    closes, and drops the handle's reference; jobs that live on keep the struct
 *     pool_sweep   ends processes of other pools, whose host, keeper and fork server were killed at once */
#include "descriptor.h"
#include "exclude.h"
#include "failure.h"
#include "launch.h"
#include "loop.h"
#include "options.h"
#include "state.h"
#include "sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DESCRIPTORS_LEAST 16
#define SLOTS_SPARE       8 /* for workers that were reported unkillable and keep their slot */
#define SWEEP_PASSES      500
#define SWEEP_PAUSE_MS    10
#define TAGS_MOST         4096

/* ---- opening ----------------------------------------------------------------------------------------------------- */

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

static void set_config(pool_t *pool)
{
    const pool_options_t *options = &pool->options;
    pool->supervision.config = (struct forkserver_config){
        .slots = (size_t)options->workers + (size_t)options->warm + SLOTS_SPARE,
        .warm = (size_t)options->warm,
        .on_start = options->on_start,
        .on_start_arg = options->on_start_arg,
        .on_birth = options->on_birth,
        .hook_user = options->hook_user,
        .fork_handlers = options->fork_handlers,
        .exclude = options->exclude,
        .exclude_count = options->exclude_count,
        .held = options->held,
        .held_count = options->held_count,
    };
}

/* Finds where the pool makes its cgroups. To find no place is a failure only if the caller asked for cgroups. */
static int choose_method(pool_t *pool, pool_error_t *error)
{
    struct forkserver_config *config = &pool->supervision.config;
    const pool_options_t *options = &pool->options;
    const bool required = options->cgroup != NULL || options->memory_method == POOL_MEMORY_CGROUP;
    char why[CGROUP_WHY_MAX];
    config->cgroups_required = required;
    if (options->memory_method == POOL_MEMORY_SAMPLED)
        return 0;
    const char *named = options->cgroup;
    const int rc = cgroup_find(named, &config->cgroups, why, sizeof why);
    atomic_store(&pool->has_cpu_weight, rc == 0 && config->cgroups.cpu);
    pool->options.cgroup = NULL; /* the caller's */
    if (rc < 0 && required)
        return say(error, named == NULL ? -ENOTSUP : rc, why);
    if (rc < 0)
        memcpy(pool->supervision.sampled_why, why, sizeof why);
    return 0;
}

static int start_loop(pool_t *pool, pid_t keeper, int socket)
{
    pool->symbols = symbol_table_new(keeper);
    if (pool->symbols == NULL) {
        descriptor_close(&socket);
        return -ENOMEM;
    }
    return loop_start(pool, socket, keeper, (int)syscall(SYS_pidfd_open, keeper, 0));
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

/* For its loop, its channels and a first worker. Asked ahead: a loop of libuv's that runs short of them aborts. */
static int check_descriptors(const pool_t *pool)
{
    int fds[DESCRIPTORS_LEAST], rc = 0;
    size_t count = 0;
    for (; rc == 0 && count < DESCRIPTORS_LEAST; count += rc == 0) {
        fds[count] = fcntl(pool->futures.fd, F_DUPFD_CLOEXEC, 0);
        rc = fds[count] < 0 ? -errno : 0;
    }
    while (count > 0)
        close(fds[--count]);
    return rc;
}

/* Whether the keeper can do without what the caller wants to be left out. */
static int check_exclude(const pool_t *pool)
{
    const pool_options_t *options = &pool->options;
    const struct exclude_need needs[] = {
        {pool, sizeof *pool, "the pool's own data"},
        {options->exclude, options->exclude_count * sizeof *options->exclude, "the array `exclude` itself"},
        {options->held, options->held_count * sizeof *options->held, "the array `held`"},
    };
    if (options->exclude_count == 0)
        return 0;
    return exclude_check(options->exclude, options->exclude_count, needs, sizeof needs / sizeof needs[0]);
}

/* Everything that can fail before there is a thread. */
static int start(pool_t *pool, pool_error_t *error)
{
    int socket = -1;
    char why[256];
    if (pool->futures.fd < 0)
        return say_errno(error, -errno, "the pool cannot make an eventfd");
    if (check_descriptors(pool) < 0)
        return say(error, -EMFILE, "the pool needs 16 more descriptors: raise the limit on open files (ulimit -n)");
    if (access("/proc/self/maps", R_OK) < 0)
        return say(error, -ENOENT, "/proc/self/maps cannot be read: reclaim needs /proc to be mounted");
    int rc = check_exclude(pool);
    if (rc < 0)
        return say(error, rc, pool_message());
    set_config(pool);
    rc = choose_method(pool, error);
    if (rc < 0)
        return rc;
    const pid_t keeper = launch_keeper(pool, &socket, why, sizeof why);
    if (keeper < 0)
        return say(error, keeper, why);
    state_set_pid(pool, &pool->stats.keeper_pid, (int32_t)keeper);
    sched_yield(); /* it may have been put behind us, and everything waits for it */
    rc = start_loop(pool, keeper, socket);
    if (rc < 0) {
        waitpid(keeper, NULL, 0); /* it sees its socket close */
        return say_errno(error, rc, "the pool's thread cannot start");
    }
    return 0;
}

/* Waits for the fork server's hello. */
static int wait_until_open(pool_t *pool, pool_error_t *error)
{
    pool_error_t why;
    pthread_mutex_lock(&pool->lock);
    while (pool->phase == STATE_OPENING && pool->error.code == 0)
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
    pool_t *pool = state_new(&full, loop_step);
    if (pool == NULL)
        return say_errno(error, -ENOMEM, "the pool cannot start");
    rc = start(pool, error);
    if (rc == 0)
        rc = wait_until_open(pool, error);
    if (rc < 0) {
        if (pool->thread_started)
            pool_free(pool);
        else
            state_release(pool);
        return rc;
    }
    *out = pool;
    return 0;
}

/* ---- closing ----------------------------------------------------------------------------------------------------- */

int pool_seal(pool_t *pool)
{
    const int rc = state_check_owner(pool);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&pool->lock);
    state_refuse_work(pool);
    pthread_mutex_unlock(&pool->lock);
    return 0;
}

int pool_close(pool_t *pool, pool_close_t how)
{
    const int rc = state_check_owner(pool);
    if (rc < 0)
        return rc;
    if (how < POOL_CLOSE_WAIT || how > POOL_CLOSE_KILL)
        return failure(-EINVAL, "how is %d: it is POOL_CLOSE_WAIT, _CANCEL_QUEUED or _KILL", (int)how);
    if (drive_is_in_callback())
        return failure(-EDEADLK, "a callback must not close its pool: the pool's thread would wait for itself");
    pthread_mutex_lock(&pool->lock);
    pool->callers++;
    if (how > pool->close_how)
        pool->close_how = how;
    state_refuse_work(pool);
    loop_await_end(pool);
    state_end_call(pool);
    pthread_mutex_unlock(&pool->lock);
    return 0;
}

void pool_free(pool_t *pool)
{
    if (pool == NULL || state_is_foreign(pool) || pool_close(pool, POOL_CLOSE_KILL) < 0)
        return;
    pthread_mutex_lock(&pool->lock);
    while (pool->callers > 0)
        pthread_cond_wait(&pool->phase_changed, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    futures_close(&pool->futures);
    state_release(pool);
}

/* ---- after a dead pool ------------------------------------------------------------------------------------------- */

struct tags {
    const uint32_t *all;
    size_t count;
};

static bool has_tag(uint64_t serial, void *context)
{
    const struct tags *tags = context;
    for (size_t i = 0; i < tags->count; i++)
        if (serial >> 32 == tags->all[i])
            return true;
    return false;
}

int pool_sweep(const uint32_t *tags, size_t count)
{
    struct tags wanted = {.all = tags, .count = count};
    if (count > TAGS_MOST)
        return failure(-EINVAL, "count is %zu: give at most %d tags", count, TAGS_MOST);
    for (size_t i = 0; i < count; i++)
        if (tags[i] == 0)
            return failure(-EINVAL, "tags[%zu] is 0, which is no tag", i);
    const size_t found = count == 0 ? 0 : sweep_tagged(has_tag, &wanted, SWEEP_PASSES, SWEEP_PAUSE_MS);
    return found == 0 ? 0 : failure(-EBUSY, "%zu processes of a dead pool could not be ended", found);
}
