#include "drive.h"

#include "descriptor.h"
#include "loop.h"
#include "process.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define TICK_MS     8  /* no later than peer_grow_up's first look at a job that has just been handed over */
#define TICKS_QUIET 16 /* looks that find nothing stirred before the pool's thread sleeps as long as it can */

/* ---- opening --------------------------------------------------------------------------------------------------- */

void drive_init(struct drive *drive)
{
    pthread_mutex_init(&drive->turn, NULL);
    atomic_init(&drive->claims, 0);
    atomic_init(&drive->sleeps_until, LOOP_NEVER);
    atomic_init(&drive->is_stirred, false);
    atomic_init(&drive->is_driven, false);
    drive->outer = drive->kick = -1;
}

void drive_deinit(struct drive *drive)
{
    pthread_mutex_destroy(&drive->turn);
}

static int watch(const struct drive *drive, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(drive->outer, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_outer(struct drive *drive, int backend)
{
    drive->outer = epoll_create1(EPOLL_CLOEXEC);
    if (drive->outer < 0)
        return -errno;
    drive->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (drive->kick < 0)
        return -errno;
    const int rc = watch(drive, drive->kick);
    return rc < 0 ? rc : watch(drive, backend);
}

int drive_open(struct loop *loop)
{
    struct drive *drive = &loop->drive;
    int rc = open_outer(drive, uv_backend_fd(&loop->uv));
    if (rc == 0)
        rc = uv_timer_init(&loop->uv, &drive->limit);
    drive->limit.data = drive;
    return rc;
}

void drive_close(struct loop *loop)
{
    pthread_mutex_lock(&loop->drive.turn);
    uv_loop_close(&loop->uv);
    descriptor_close(&loop->drive.outer);
    descriptor_close(&loop->drive.kick);
    pthread_mutex_unlock(&loop->drive.turn);
}

/* ---- the pool's thread ----------------------------------------------------------------------------------------- */

/* Whether the pool's thread wakes up for the loop's events, once. Changed in place, which needs no memory and cannot
 * fail. */
static void set_watched(struct loop *loop, bool watched)
{
    const int fd = uv_backend_fd(&loop->uv);
    struct epoll_event event = {.events = watched ? EPOLLIN | EPOLLONESHOT : 0, .data.fd = fd};
    const int rc = epoll_ctl(loop->drive.outer, EPOLL_CTL_MOD, fd, &event);
    assert(rc == 0);
    (void)rc;
}

static void wake(struct loop *loop)
{
    pthread_mutex_lock(&loop->pool->lock);
    loop_wake(loop);
    pthread_mutex_unlock(&loop->pool->lock);
}

int drive_listen(struct loop *loop, int fd)
{
    struct epoll_event event = {.events = EPOLLPRI, .data.fd = fd};
    return epoll_ctl(loop->drive.outer, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void drive_unlisten(struct loop *loop, int fd)
{
    if (fd >= 0)
        epoll_ctl(loop->drive.outer, EPOLL_CTL_DEL, fd, NULL);
}

static void handle_pressure(struct loop *loop, const struct epoll_event *event)
{
    if ((event->events & EPOLLERR) != 0) { /* the trigger is gone: it would only spin */
        drive_unlisten(loop, event->data.fd);
        return;
    }
    pressure_hear(&loop->room.pressure, process_now_ms());
    wake(loop);
}

/* Until there is something to do, or to look at. */
static void drive_sleep(struct loop *loop, int64_t until)
{
    const struct drive *drive = &loop->drive;
    struct epoll_event event;
    uint64_t value;
    const int64_t now = process_now_ms();
    const int64_t left = until > now ? until - now : 0;
    const int timeout = until == LOOP_NEVER ? -1 : left < INT32_MAX ? (int)left : INT32_MAX;
    if (epoll_wait(drive->outer, &event, 1, timeout) != 1)
        return;
    if ((event.events & EPOLLPRI) != 0)
        handle_pressure(loop, &event);
    if (event.data.fd != drive->kick)
        return;
    const ssize_t got = read(drive->kick, &value, sizeof value);
    (void)got;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* While others run the loop it looks often, so that they need not wake it up for the time of each job. */
static int64_t choose_end(struct loop *loop, int *quiet)
{
    struct drive *drive = &loop->drive;
    *quiet = atomic_exchange(&drive->is_stirred, false) ? 0 : *quiet + (*quiet < TICKS_QUIET);
    const int64_t tick = *quiet < TICKS_QUIET ? process_now_ms() + TICK_MS : LOOP_NEVER;
    int64_t until = earlier(tick, atomic_load(&loop->next_at));
    do { /* who changes next_at then looks at sleeps_until */
        atomic_store(&drive->sleeps_until, until);
        until = earlier(tick, atomic_load(&loop->next_at));
    } while (until < atomic_load(&drive->sleeps_until));
    return until;
}

/* Handles what there is, and has libuv listen to what is new, which it does in uv_run only. False: the loop has ended.
 */
static bool run_through(struct loop *loop)
{
    bool alive = false;
    do {
        loop->has_news = false;
        alive = uv_run(&loop->uv, UV_RUN_NOWAIT) != 0;
    } while (loop->has_news);
    return alive;
}

static bool is_due(struct loop *loop)
{
    return atomic_load(&loop->next_at) <= process_now_ms();
}

/* Sleeps on while others have the turn: they do what there is to do. */
static void take_turn_later(struct loop *loop, int *quiet)
{
    while (pthread_mutex_trylock(&loop->drive.turn) != 0) {
        if (!atomic_load(&loop->drive.is_driven)) {
            sched_yield(); /* who submits has it for a moment */
            continue;
        }
        if (is_due(loop))
            wake(loop);
        drive_sleep(loop, choose_end(loop, quiet));
    }
}

void drive_main(struct loop *loop)
{
    struct drive *drive = &loop->drive;
    int quiet = 0;
    pthread_mutex_lock(&drive->turn);
    while (run_through(loop)) {
        if (is_due(loop)) {
            loop_step(loop);
            continue;
        }
        set_watched(loop, true);
        pthread_mutex_unlock(&drive->turn);
        drive_sleep(loop, choose_end(loop, &quiet));
        take_turn_later(loop, &quiet);
    }
    pthread_mutex_unlock(&drive->turn);
}

/* ---- whose the loop is ----------------------------------------------------------------------------------------- */

void drive_claim(struct loop *loop)
{
    struct drive *drive = &loop->drive;
    if (atomic_fetch_add(&drive->claims, 1) != 0)
        return;
    wake(loop); /* who waits in it leaves */
    pthread_mutex_lock(&drive->turn);
    pthread_mutex_unlock(&drive->turn);
}

void drive_unclaim(struct loop *loop)
{
    atomic_fetch_sub(&loop->drive.claims, 1);
}

/* The caller has the turn from here on, if true. */
static bool take_turn(struct drive *drive)
{
    if (atomic_load(&drive->claims) > 0 || pthread_mutex_trylock(&drive->turn) != 0)
        return false;
    if (atomic_load(&drive->claims) == 0 && drive->outer >= 0)
        return true;
    pthread_mutex_unlock(&drive->turn);
    return false;
}

static void kick(const struct drive *drive)
{
    const uint64_t one = 1;
    const ssize_t wrote = write(drive->kick, &one, sizeof one);
    (void)wrote; /* an eventfd at 0 takes a 1, and at more than that it is kicked already */
}

/* What the pool's thread sleeps past it is told of. */
static void tell_time(struct loop *loop)
{
    if (atomic_load(&loop->next_at) < atomic_load(&loop->drive.sleeps_until))
        kick(&loop->drive);
}

static void give_turn(struct loop *loop)
{
    struct drive *drive = &loop->drive;
    if (loop->has_news)
        run_through(loop);
    atomic_store(&drive->is_stirred, true);
    tell_time(loop);
    if (!uv_loop_alive(&loop->uv))
        kick(drive);
    pthread_mutex_unlock(&drive->turn);
}

bool drive_begin(struct loop *loop)
{
    return take_turn(&loop->drive);
}

void drive_end(struct loop *loop)
{
    give_turn(loop);
}

void drive_take(struct loop *loop)
{
    drive_claim(loop);
    pthread_mutex_lock(&loop->drive.turn);
}

void drive_give(struct loop *loop)
{
    tell_time(loop);
    pthread_mutex_unlock(&loop->drive.turn);
    drive_unclaim(loop);
}

/* ---- waiting --------------------------------------------------------------------------------------------------- */

static void on_limit(uv_timer_t *limit)
{
    struct drive *drive = limit->data;
    drive->is_late = true;
}

bool drive_enter(struct loop *loop, int64_t timeout_ms, int *cancel_state)
{
    struct drive *drive = &loop->drive;
    if (!take_turn(drive))
        return false;
    atomic_store(&drive->is_driven, true);
    set_watched(loop, false);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, cancel_state);
    drive->is_late = false;
    if (timeout_ms >= 0) {
        uv_update_time(&loop->uv);
        uv_timer_start(&drive->limit, on_limit, (uint64_t)timeout_ms + 1, 0); /* its clock is rounded down */
    }
    return true;
}

void drive_leave(struct loop *loop, int cancel_state)
{
    struct drive *drive = &loop->drive;
    if (!uv_is_closing((uv_handle_t *)&drive->limit))
        uv_timer_stop(&drive->limit);
    atomic_store(&drive->is_driven, false);
    set_watched(loop, true);
    give_turn(loop);
    pthread_setcancelstate(cancel_state, NULL);
}

enum drive_answer drive_turn(struct loop *loop)
{
    struct drive *drive = &loop->drive;
    atomic_store(&drive->is_stirred, true);
    tell_time(loop);
    const int alive = uv_run(&loop->uv, UV_RUN_ONCE);
    if (atomic_load(&drive->claims) > 0 || alive == 0)
        return DRIVE_CLAIMED;
    return drive->is_late ? DRIVE_LATE : DRIVE_AGAIN;
}
