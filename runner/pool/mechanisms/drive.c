#include "drive.h"

#include "descriptor.h"
#include "process.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define TICK_MS     8  /* the pool thread looks for a short job's second look (RECENT_MS in crew.h) no later */
#define TICKS_QUIET 16 /* looks that find nothing stirred before the pool thread sleeps as long as it can */

/* ---- opening ----------------------------------------------------------------------------------------------------- */

void drive_init(struct drive *drive, pthread_mutex_t *lock, drive_fn step, void *user, size_t claims)
{
    drive->lock = lock;
    drive->step = step;
    drive->user = user;
    pthread_mutex_init(&drive->ownership, NULL);
    atomic_init(&drive->claims, claims);
    atomic_init(&drive->next_at, MOMENT_NEVER);
    atomic_init(&drive->sleeps_until, MOMENT_NEVER);
    atomic_init(&drive->is_stirred, false);
    atomic_init(&drive->is_driven, false);
    drive->outer = drive->kick = -1;
}

void drive_deinit(struct drive *drive)
{
    pthread_mutex_destroy(&drive->ownership);
}

static int watch(const struct drive *drive, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(drive->outer, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_outer(struct drive *drive)
{
    drive->outer = epoll_create1(EPOLL_CLOEXEC);
    if (drive->outer < 0)
        return -errno;
    drive->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (drive->kick < 0)
        return -errno;
    const int rc = watch(drive, drive->kick);
    return rc < 0 ? rc : watch(drive, uv_backend_fd(&drive->uv));
}

static void on_wake(uv_async_t *async)
{
    drive_step(async->data);
}

int drive_open(struct drive *drive)
{
    int rc = uv_loop_init(&drive->uv);
    if (rc < 0)
        return rc;
    rc = uv_async_init(&drive->uv, &drive->async, on_wake);
    drive->async.data = drive;
    if (rc == 0)
        rc = open_outer(drive);
    if (rc == 0)
        rc = uv_timer_init(&drive->uv, &drive->limit);
    drive->limit.data = drive;
    if (rc < 0)
        drive_abandon(drive);
    return rc;
}

static void close_handle(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void drive_abandon(struct drive *drive)
{
    uv_walk(&drive->uv, close_handle, NULL);
    uv_run(&drive->uv, UV_RUN_DEFAULT);
    drive_close(drive);
}

void drive_finish(struct drive *drive)
{
    if (uv_is_closing((uv_handle_t *)&drive->async))
        return;
    uv_close((uv_handle_t *)&drive->async, NULL);
    uv_close((uv_handle_t *)&drive->limit, NULL);
    drive->handles_changed = true;
}

void drive_close(struct drive *drive)
{
    pthread_mutex_lock(drive->lock);
    drive->is_over = true;
    pthread_mutex_unlock(drive->lock);
    pthread_mutex_lock(&drive->ownership);
    uv_loop_close(&drive->uv);
    descriptor_close(&drive->outer);
    descriptor_close(&drive->kick);
    pthread_mutex_unlock(&drive->ownership);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

void drive_set_next(struct drive *drive, int64_t at)
{
    atomic_store(&drive->next_at, at);
}

void drive_step(struct drive *drive)
{
    drive->step(drive->user);
}

/* Safe for a loop that ends: drive_close sets is_over under this lock before it closes the handle. */
void drive_wake(struct drive *drive)
{
    if (!drive->is_over)
        uv_async_send(&drive->async);
}

static void lock_and_wake(struct drive *drive)
{
    pthread_mutex_lock(drive->lock);
    drive_wake(drive);
    pthread_mutex_unlock(drive->lock);
}

/* ---- the pool thread --------------------------------------------------------------------------------------------- */

/* Whether the pool thread wakes up for the loop's events, once. A change in place needs no memory and cannot fail. */
static void set_watched(struct drive *drive, bool watched)
{
    const int fd = uv_backend_fd(&drive->uv);
    struct epoll_event event = {.events = watched ? EPOLLIN | EPOLLONESHOT : 0, .data.fd = fd};
    const int rc = epoll_ctl(drive->outer, EPOLL_CTL_MOD, fd, &event);
    assert(rc == 0);
    (void)rc;
}

int drive_listen(struct drive *drive, int fd, drive_fn urgent, void *user)
{
    struct epoll_event event = {.events = EPOLLPRI, .data.fd = fd};
    drive->urgent = urgent;
    drive->urgent_user = user;
    return epoll_ctl(drive->outer, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void drive_unlisten(struct drive *drive, int fd)
{
    if (fd >= 0)
        epoll_ctl(drive->outer, EPOLL_CTL_DEL, fd, NULL);
}

static void handle_urgent(struct drive *drive, const struct epoll_event *event)
{
    if ((event->events & EPOLLERR) != 0) { /* the source of events is gone: it would only spin */
        drive_unlisten(drive, event->data.fd);
        return;
    }
    drive->urgent(drive->urgent_user);
    lock_and_wake(drive);
}

/* Sleeps until an event, a kick, or that moment. */
static void sleep_until(struct drive *drive, int64_t until)
{
    struct epoll_event event;
    uint64_t value;
    const int64_t left = moment_earlier(moment_later(until - process_now_ms(), 0), INT32_MAX);
    if (epoll_wait(drive->outer, &event, 1, until == MOMENT_NEVER ? -1 : (int)left) != 1)
        return;
    if ((event.events & EPOLLPRI) != 0)
        handle_urgent(drive, &event);
    if (event.data.fd != drive->kick)
        return;
    const ssize_t got = read(drive->kick, &value, sizeof value);
    (void)got;
}

/* While other threads run the loop the pool thread looks often, so that they need not wake it for each job's time. */
static int64_t choose_end(struct drive *drive, int *quiet)
{
    *quiet = atomic_exchange(&drive->is_stirred, false) ? 0 : *quiet + (*quiet < TICKS_QUIET);
    const int64_t tick = *quiet < TICKS_QUIET ? process_now_ms() + TICK_MS : MOMENT_NEVER;
    int64_t until, next = moment_earlier(tick, atomic_load(&drive->next_at));
    do { /* a thread that changes next_at after this looks at sleeps_until, which is therefore kept to */
        until = next;
        atomic_store(&drive->sleeps_until, until);
        next = moment_earlier(tick, atomic_load(&drive->next_at));
    } while (next < until);
    return until;
}

/* Handles all events, and has libuv listen to new handles, which it does in uv_run only. False: the loop has ended. */
static bool run_through(struct drive *drive)
{
    bool alive = false;
    do {
        drive->handles_changed = false;
        alive = uv_run(&drive->uv, UV_RUN_NOWAIT) != 0;
    } while (drive->handles_changed);
    return alive;
}

static bool is_due(struct drive *drive)
{
    return atomic_load(&drive->next_at) <= process_now_ms();
}

/* Owns the loop. Sleeps while another thread does, which does all that is due but does not keep time. */
static void own(struct drive *drive, int *quiet)
{
    while (pthread_mutex_trylock(&drive->ownership) != 0) {
        if (!atomic_load(&drive->is_driven)) {
            sched_yield(); /* a thread that submits owns it for a moment */
            continue;
        }
        if (is_due(drive))
            lock_and_wake(drive);
        sleep_until(drive, choose_end(drive, quiet));
    }
}

void drive_main(struct drive *drive)
{
    int quiet = 0;
    own(drive, &quiet);
    while (run_through(drive)) {
        if (is_due(drive)) {
            drive_step(drive);
            continue;
        }
        set_watched(drive, true);
        pthread_mutex_unlock(&drive->ownership);
        sleep_until(drive, choose_end(drive, &quiet));
        own(drive, &quiet);
    }
    pthread_mutex_unlock(&drive->ownership);
}

/* ---- owning the loop --------------------------------------------------------------------------------------------- */

void drive_claim(struct drive *drive)
{
    if (atomic_fetch_add(&drive->claims, 1) != 0)
        return;
    lock_and_wake(drive); /* a thread that waits in the loop leaves it */
    pthread_mutex_lock(&drive->ownership);
    pthread_mutex_unlock(&drive->ownership);
}

void drive_unclaim(struct drive *drive)
{
    atomic_fetch_sub(&drive->claims, 1);
}

/* True: the caller owns the loop. */
static bool try_to_own(struct drive *drive)
{
    if (atomic_load(&drive->claims) > 0 || pthread_mutex_trylock(&drive->ownership) != 0)
        return false;
    if (atomic_load(&drive->claims) == 0 && drive->outer >= 0)
        return true;
    pthread_mutex_unlock(&drive->ownership);
    return false;
}

static void kick(const struct drive *drive)
{
    const uint64_t one = 1;
    const ssize_t wrote = write(drive->kick, &one, sizeof one);
    (void)wrote; /* an eventfd at 0 takes a 1, and at more than that it is kicked already */
}

/* The pool thread would sleep past the next step. */
static void kick_if_sooner(struct drive *drive)
{
    if (atomic_load(&drive->next_at) < atomic_load(&drive->sleeps_until))
        kick(drive);
}

static void disown(struct drive *drive)
{
    if (drive->handles_changed)
        run_through(drive);
    atomic_store(&drive->is_stirred, true);
    kick_if_sooner(drive);
    if (!uv_loop_alive(&drive->uv))
        kick(drive);
    pthread_mutex_unlock(&drive->ownership);
}

void drive_tell(struct drive *drive)
{
    if (drive_is_in_callback() || !try_to_own(drive)) {
        lock_and_wake(drive);
        return;
    }
    drive_step(drive);
    disown(drive);
}

void drive_take(struct drive *drive)
{
    drive_claim(drive);
    pthread_mutex_lock(&drive->ownership);
}

void drive_give(struct drive *drive)
{
    kick_if_sooner(drive);
    pthread_mutex_unlock(&drive->ownership);
    drive_unclaim(drive);
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

static void on_limit(uv_timer_t *limit)
{
    struct drive *drive = limit->data;
    drive->is_late = true;
}

bool drive_enter(struct drive *drive, const struct moment_wait *wait, int *cancel_state)
{
    if (!try_to_own(drive))
        return false;
    atomic_store(&drive->is_driven, true);
    set_watched(drive, false);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, cancel_state);
    drive->is_late = false;
    if (wait->until != MOMENT_NEVER) {
        const int64_t left =
            moment_later(wait->until - process_now_ms(), 0); /* before libuv looks: it must not end early */
        uv_update_time(&drive->uv);
        uv_timer_start(&drive->limit, on_limit, (uint64_t)left, 0);
    }
    return true;
}

void drive_leave(struct drive *drive, int cancel_state)
{
    if (!uv_is_closing((uv_handle_t *)&drive->limit))
        uv_timer_stop(&drive->limit);
    atomic_store(&drive->is_driven, false);
    set_watched(drive, true);
    disown(drive);
    pthread_setcancelstate(cancel_state, NULL);
}

/* uv_run goes on when a signal comes, ppoll does not. Its descriptor has all handles: who changes one runs the loop. */
static int sleep_with_signals(struct drive *drive, const struct moment_wait *wait)
{
    if (uv_backend_timeout(&drive->uv) == 0) /* there is something to do without an event, or no handle is left */
        return moment_let_in(wait);
    return moment_poll(uv_backend_fd(&drive->uv), wait);
}

enum drive_answer drive_wait(struct drive *drive, const struct moment_wait *wait)
{
    atomic_store(&drive->is_stirred, true);
    kick_if_sooner(drive);
    const int slept = wait->by_signals ? sleep_with_signals(drive, wait) : 0;
    if (slept == -EINTR)
        return DRIVE_INTERRUPTED;
    const bool alive = wait->by_signals ? run_through(drive) : uv_run(&drive->uv, UV_RUN_ONCE) != 0;
    if (atomic_load(&drive->claims) > 0 || !alive)
        return DRIVE_CLAIMED;
    return drive->is_late || slept == -ETIMEDOUT ? DRIVE_LATE : DRIVE_AGAIN;
}

/* ---- callbacks --------------------------------------------------------------------------------------------------- */

static _Thread_local bool is_in_callback;

void drive_begin_callback(void)
{
    is_in_callback = true;
}

void drive_end_callback(void)
{
    is_in_callback = false;
}

bool drive_is_in_callback(void)
{
    return is_in_callback;
}
