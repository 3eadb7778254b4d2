#include "room.h"

#include "descriptor.h"
#include "options.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Documentation/accounting/psi.rst. Without privilege the window has to be a multiple of 2 s, and the kernel reports at
 * most once a window: pressure is over when a window, and a little more, has passed without an event. */
#define PRESSURE_TRIGGER  "some 150000 2000000" /* µs of stalls, in a window of so many µs */
#define PRESSURE_QUIET_MS 2500

#define LOOK_MS        50 /* the machine is looked at no more often */
#define LISTEN_MS      1000
#define BUDGET_PERCENT 80
#define FLOOR_PERCENT  5

/* ---- opening ----------------------------------------------------------------------------------------------------- */

void room_open(struct room *room, const pool_options_t *options, struct drive *drive, const struct log_hook *log)
{
    struct machine_memory memory = {0};
    const int64_t now = process_now_ms();
    *room = (struct room){.seen_at = now,
                          .look_at = MOMENT_NEVER,
                          .watch_at = MOMENT_NEVER,
                          .listen_at = MOMENT_NEVER,
                          .pressure_fd = -1,
                          .stalled_at = -PRESSURE_QUIET_MS,
                          .drive = drive,
                          .log = log};
    machine_open(&room->machine);
    const bool is_known = machine_read(&room->machine, &memory);
    const struct admission_rules rules = {
        .budget = (uint64_t)options_choose(options->memory_budget, (int64_t)(memory.total / 100 * BUDGET_PERCENT)),
        .budget_is_given = options->memory_budget > 0,
        .floor = (uint64_t)options_choose(options->memory_floor, (int64_t)(memory.total / 100 * FLOOR_PERCENT)),
        .total = memory.total,
        .workers = (size_t)options->workers,
    };
    admission_init(&room->admission, &rules);
    room->admission.available = is_known ? memory.available : UINT64_MAX;
    if (admission_is_on(&room->admission))
        room->listen_at = now + LISTEN_MS;
}

void room_close(struct room *room)
{
    room->listen_at = MOMENT_NEVER;
    drive_unlisten(room->drive, room->pressure_fd);
    descriptor_close(&room->pressure_fd);
}

void room_deinit(struct room *room)
{
    admission_deinit(&room->admission);
    machine_close(&room->machine);
}

/* ---- looking at the machine -------------------------------------------------------------------------------------- */

static void on_pressure(void *user)
{
    struct room *room = user;
    atomic_store(&room->stalled_at, process_now_ms());
}

bool room_is_pressed(const struct room *room, int64_t now)
{
    return now - atomic_load(&room->stalled_at) < PRESSURE_QUIET_MS;
}

/* Negative errno: this machine does not report pressure. */
static int open_pressure(struct room *room)
{
    room->pressure_fd = open("/proc/pressure/memory", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (room->pressure_fd < 0)
        return -errno;
    int rc = write(room->pressure_fd, PRESSURE_TRIGGER, sizeof PRESSURE_TRIGGER) < 0 ? -errno : 0; /* with its NUL */
    if (rc == 0)
        rc = drive_listen(room->drive, room->pressure_fd, on_pressure, room);
    if (rc < 0)
        descriptor_close(&room->pressure_fd);
    return rc;
}

/* Not at once: the kernel takes up to 2 s to report pressure anyway, and some 10 ms to free a trigger. A pool that is
 * opened for one short command would wait for that. */
static void listen_when_due(struct room *room, int64_t now)
{
    if (now < room->listen_at)
        return;
    room->listen_at = MOMENT_NEVER;
    const int rc = open_pressure(room);
    if (rc < 0)
        log_hook_say(room->log, "memory pressure (PSI) cannot be watched: %s", strerror(-rc));
}

void room_look(struct room *room, int64_t now)
{
    struct admission *admission = &room->admission;
    struct machine_memory memory;
    admission->pressure = room_is_pressed(room, now);
    if (admission->rules.floor > 0 && now - room->seen_at >= LOOK_MS) {
        room->seen_at = now;
        admission->available = machine_read(&room->machine, &memory) ? memory.available : UINT64_MAX;
    }
}

/* ---- starting ---------------------------------------------------------------------------------------------------- */

static void publish(struct room *room)
{
    atomic_store(&room->reserved, admission_reserved(&room->admission));
}

void room_begin_dispatch(struct room *room, int64_t now, bool can_start)
{
    room->look_at = MOMENT_NEVER;
    if (can_start)
        room_look(room, now);
}

enum admission_answer room_try(struct room *room, struct admission_scan *scan, struct admission_ticket *ticket)
{
    const enum admission_answer answer = admission_try(scan, ticket);
    if (answer == ADMISSION_START)
        publish(room);
    else
        room->look_at = admission_look_at(&room->admission, scan->now);
    return answer;
}

void room_give_back(struct room *room, struct admission_ticket *ticket)
{
    admission_give_back(&room->admission, ticket);
    publish(room);
}

void room_used(struct room *room, struct admission_ticket *ticket, uint64_t most)
{
    admission_used(&room->admission, ticket, most, process_now_ms());
    publish(room);
}

void room_ended(struct room *room, struct admission_ticket *ticket, uint64_t peak, bool learn)
{
    admission_end(&room->admission, ticket, peak, learn, process_now_ms());
    publish(room);
}

/* ---- below the floor --------------------------------------------------------------------------------------------- */

bool room_is_watch_due(struct room *room, int64_t now)
{
    listen_when_due(room, now);
    if (!admission_is_watching(&room->admission)) {
        room->watch_at = MOMENT_NEVER;
        return false;
    }
    if (room->watch_at != MOMENT_NEVER && now < room->watch_at)
        return false;
    room->watch_at = now + ADMISSION_LOOK_MS;
    room_look(room, now);
    return true;
}

void room_evict(struct room *room, struct admission_ticket *ticket, const char *name, int64_t now)
{
    admission_evict(&room->admission, ticket, now);
    log_hook_say(room->log, "job %s is stopped and queued again: %llu MiB are available, memory_floor is %llu MiB",
                 name, (unsigned long long)room->admission.available >> 20,
                 (unsigned long long)room->admission.rules.floor >> 20);
}

/* ---- reporting --------------------------------------------------------------------------------------------------- */

bool room_ask(struct room *room)
{
    if (room->is_reported || !admission_is_held(&room->admission))
        return false;
    room->is_asked = true;
    return true;
}

/* One line when starting is held up while jobs wait, one when it is over. */
static void report(struct room *room)
{
    const bool held = admission_is_held(&room->admission);
    if (held && !room->is_reported && (room->look_at != MOMENT_NEVER || room->is_asked)) {
        room->is_reported = true;
        log_hook_say(room->log, "jobs wait: %s",
                     room->admission.pressure ? "tasks stall for lack of memory (PSI)"
                                              : "less memory is available than memory_floor");
    } else if (!held && room->is_reported) {
        room->is_reported = false;
        log_hook_say(room->log, "there is memory again: jobs start");
    }
    room->is_asked = false;
}

int64_t room_next(struct room *room)
{
    report(room);
    publish(room);
    return moment_earlier(moment_earlier(room->look_at, room->watch_at), room->listen_at);
}
