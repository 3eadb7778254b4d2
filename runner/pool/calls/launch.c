#include "launch.h"

#include "crash.h"
#include "descriptor.h"
#include "keeper.h"
#include "proc.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/single_threaded.h>
#include <time.h>

#define TRY_MOST_MS   2000
#define PAUSE_MOST_MS 16 /* between tries; the first is 1 ms */

static void call(void (*hook)(void *user), void *user)
{
    if (hook != NULL)
        hook(user);
}

/* Forks with all signals blocked, so that no handler of the host's runs in the keeper. */
static pid_t fork_keeper(const pool_options_t *options, struct forkserver_config *config, int *socket)
{
    sigset_t all, old;
    call(options->before_fork, options->hook_user);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    process_origin_take(&config->origin, &old);
    config->threaded = __libc_single_threaded == 0 && proc_threads() != 1;
    if (config->threaded)
        crash_prepare();
    const pid_t keeper = keeper_start(config, socket);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    call(options->on_forked, options->hook_user);
    return keeper;
}

/* A keeper whose image is good; -EBUSY: this one's was not, and why is the lock. */
static pid_t try(pool_t *pool, int *socket, char *why, size_t size)
{
    const struct forkserver_config *config = &pool->supervision.config;
    const pid_t keeper = fork_keeper(&pool->options, &pool->supervision.config, socket);
    if (keeper < 0) {
        snprintf(why, size, "the keeper process cannot be forked: %s", strerror(-keeper));
        return keeper;
    }
    const int rc = keeper_await(keeper, *socket, config, why, size);
    if (rc < 0)
        descriptor_close(socket);
    return rc < 0 ? rc : keeper;
}

static void pause_ms(int64_t ms)
{
    const struct timespec pause = {.tv_nsec = ms * 1000000};
    nanosleep(&pause, NULL);
}

pid_t launch_keeper(pool_t *pool, int *socket, char *why, size_t size)
{
    const int64_t until = process_now_ms() + TRY_MOST_MS;
    unsigned tries = 1;
    char lock[64];
    pid_t keeper;
    for (int64_t pause = 1; (keeper = try(pool, socket, why, size)) == -EBUSY; tries++) {
        if (process_now_ms() >= until)
            break;
        pause_ms(pause);
        pause = pause < PAUSE_MOST_MS ? pause * 2 : pause;
    }
    pool->supervision.config.exclude = NULL; /* the caller's */
    if (keeper == -EBUSY) {
        snprintf(lock, sizeof lock, "%s", why);
        snprintf(why, size,
                 "this process was forked %u times, and each copy had a lock that another thread held, in %s: "
                 "open the pool before other threads start",
                 tries, lock);
    }
    return keeper;
}
