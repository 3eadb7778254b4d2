#include "drive.h"

#include "descriptor.h"
#include "loop.h"
#include "process.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define LINGER_NS 200000 /* somewhat more than a short job takes */

/* ---- opening --------------------------------------------------------------------------------------------------- */

void drive_init(struct drive *drive)
{
    pthread_mutex_init(&drive->turn, NULL);
    atomic_init(&drive->claims, 0);
    atomic_init(&drive->others, 0);
    drive->outer = drive->linger = -1;
    drive->sleeps_until = LOOP_NEVER;
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
    drive->linger = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (drive->linger < 0)
        return -errno;
    int rc = watch(drive, drive->linger);
    if (rc == 0)
        rc = watch(drive, backend);
    drive->is_watched = rc == 0;
    return rc;
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
    descriptor_close(&loop->drive.linger);
    pthread_mutex_unlock(&loop->drive.turn);
}

/* ---- the pool's thread ----------------------------------------------------------------------------------------- */

/* Whether the pool's thread wakes up for the loop's events. Changed in place, which needs no memory and cannot fail. */
static void set_watched(struct loop *loop, bool watched)
{
    struct drive *drive = &loop->drive;
    const int fd = uv_backend_fd(&loop->uv);
    struct epoll_event event = {.events = watched ? EPOLLIN : 0, .data.fd = fd};
    if (drive->is_watched == watched)
        return;
    const int rc = epoll_ctl(drive->outer, EPOLL_CTL_MOD, fd, &event);
    assert(rc == 0);
    (void)rc;
    drive->is_watched = watched;
}

/* When the pool's thread is to look by itself; 0: not. */
static void set_linger(struct drive *drive, long ns)
{
    const struct itimerspec time = {.it_value.tv_nsec = ns};
    timerfd_settime(drive->linger, 0, &time, NULL);
    drive->is_lingering = ns > 0;
}

static void drive_sleep(const struct drive *drive, int timeout)
{
    struct epoll_event event;
    uint64_t value;
    if (epoll_wait(drive->outer, &event, 1, timeout) == 1 && event.data.fd == drive->linger) {
        const ssize_t got = read(drive->linger, &value, sizeof value);
        (void)got;
    }
}

void drive_main(struct loop *loop)
{
    struct drive *drive = &loop->drive;
    pthread_mutex_lock(&drive->turn);
    while (uv_run(&loop->uv, UV_RUN_NOWAIT) != 0) {
        set_watched(loop, true);
        if (drive->is_lingering)
            set_linger(drive, 0);
        const int timeout = uv_backend_timeout(&loop->uv);
        drive->sleeps_until = loop->timer_at;
        pthread_mutex_unlock(&drive->turn);
        drive_sleep(drive, timeout);
        pthread_mutex_lock(&drive->turn);
    }
    pthread_mutex_unlock(&drive->turn);
}

/* ---- whose the loop is ----------------------------------------------------------------------------------------- */

void drive_claim(struct loop *loop)
{
    struct drive *drive = &loop->drive;
    if (atomic_fetch_add(&drive->claims, 1) != 0)
        return;
    pthread_mutex_lock(&loop->pool->lock);
    loop_wake(loop); /* who waits in it leaves */
    pthread_mutex_unlock(&loop->pool->lock);
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

/* If nobody comes back soon the pool's thread is to look: there may be events, or a time that it sleeps past. */
static void give_turn(struct loop *loop)
{
    struct drive *drive = &loop->drive;
    if (!uv_loop_alive(&loop->uv))
        set_linger(drive, 1);
    else if (!drive->is_lingering && (!drive->is_watched || loop->timer_at < drive->sleeps_until))
        set_linger(drive, LINGER_NS);
    pthread_mutex_unlock(&drive->turn);
}

bool drive_begin(struct loop *loop)
{
    return take_turn(&loop->drive);
}

/* libuv listens to what is new in uv_run only. */
void drive_end(struct loop *loop)
{
    if (loop->has_news) {
        loop->has_news = false;
        uv_run(&loop->uv, UV_RUN_NOWAIT);
    }
    give_turn(loop);
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
    if (drive->is_lingering)
        set_linger(drive, 0);
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
    if (atomic_load(&drive->others) > 0 || atomic_load(&drive->claims) > 0)
        set_watched(loop, true);
    give_turn(loop);
    pthread_setcancelstate(cancel_state, NULL);
}

enum drive_answer drive_turn(struct loop *loop)
{
    struct drive *drive = &loop->drive;
    const int alive = uv_run(&loop->uv, UV_RUN_ONCE);
    if (atomic_load(&drive->claims) > 0 || alive == 0)
        return DRIVE_CLAIMED;
    return drive->is_late ? DRIVE_LATE : DRIVE_AGAIN;
}

void drive_await(struct loop *loop)
{
    atomic_fetch_add(&loop->drive.others, 1);
}

void drive_awaited(struct loop *loop)
{
    atomic_fetch_sub(&loop->drive.others, 1);
}
