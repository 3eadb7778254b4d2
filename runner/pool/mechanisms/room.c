#include "room.h"

#include "loop.h"
#include "process.h"

#include <stddef.h>
#include <string.h>

#define LOOK_MS        50 /* the machine is looked at no more often */
#define LISTEN_MS      1000
#define BUDGET_PERCENT 80
#define FLOOR_PERCENT  5

/* ---- opening --------------------------------------------------------------------------------------------------- */

/* What was asked for; 0: the default, POOL_NONE: none. */
static uint64_t choose(int64_t asked, uint64_t by_default)
{
    return asked == 0 ? by_default : asked == POOL_NONE ? 0 : (uint64_t)asked;
}

/* Budget and floor in bytes, from what was asked for and what the machine has. */
static void set_rules(struct room *room, const pool_options_t *options)
{
    struct machine_memory memory = {0};
    machine_open(&room->machine);
    const bool is_known = machine_read(&room->machine, &memory);
    const struct admission_rules rules = {
        .budget = choose(options->memory_budget, memory.total / 100 * BUDGET_PERCENT),
        .budget_is_given = options->memory_budget > 0,
        .floor = choose(options->memory_floor, memory.total / 100 * FLOOR_PERCENT),
        .total = memory.total,
        .workers = (size_t)options->workers,
    };
    admission_init(&room->admission, &rules);
    room->admission.available = is_known ? memory.available : UINT64_MAX;
    room->seen_at = process_now_ms();
}

void room_deinit(struct room *room)
{
    admission_deinit(&room->admission);
    machine_close(&room->machine);
}

void room_open(struct loop *loop)
{
    struct room *room = &loop->room;
    *room = (struct room){
        .look_at = LOOP_NEVER, .watch_at = LOOP_NEVER, .listen_at = LOOP_NEVER, .pressure = PRESSURE_INITIAL};
    set_rules(room, &loop->pool->options);
    if (admission_is_on(&room->admission))
        room->listen_at = process_now_ms() + LISTEN_MS;
}

/* Not at once: the kernel takes up to 2 s to tell of pressure anyway, and some 10 ms to let go of a trigger, for which
 * a pool that was opened for a short command would have to wait. */
static void listen_when_due(struct loop *loop, int64_t now)
{
    struct room *room = &loop->room;
    if (now < room->listen_at)
        return;
    room->listen_at = LOOP_NEVER;
    int rc = pressure_open(&room->pressure);
    if (rc == 0)
        rc = drive_listen(loop, room->pressure.fd);
    if (rc < 0)
        loop_log(loop, "the kernel does not tell of memory pressure (PSI): %s", strerror(-rc));
}

void room_close(struct loop *loop)
{
    loop->room.listen_at = LOOP_NEVER;
    drive_unlisten(loop, loop->room.pressure.fd);
    pressure_close(&loop->room.pressure);
}

/* ---- starting -------------------------------------------------------------------------------------------------- */

void room_look(struct loop *loop, int64_t now)
{
    struct room *room = &loop->room;
    struct admission *admission = &room->admission;
    struct machine_memory memory;
    admission->pressure = pressure_is_on(&room->pressure, now);
    if (admission->rules.floor > 0 && (room->seen_at == 0 || now - room->seen_at >= LOOK_MS)) {
        room->seen_at = now;
        admission->available = machine_read(&room->machine, &memory) ? memory.available : UINT64_MAX;
    }
}

static void publish(struct room *room)
{
    atomic_store(&room->reserved, admission_reserved(&room->admission));
}

enum admission_answer room_try_ticket(struct room *room, struct admission_scan *scan, struct admission_ticket *ticket)
{
    const enum admission_answer answer = admission_try(scan, ticket);
    if (answer == ADMISSION_START)
        publish(room);
    return answer;
}

enum admission_answer room_try(struct room *room, struct admission_scan *scan, pool_job_t *job)
{
    const struct job_record *record = job->record;
    struct admission_ticket *ticket = &job->record->ticket;
    ticket->name = job->kind->name;
    ticket->said = job_options(job)->memory_expected;
    ticket->limit = record->memory_limit > 0 ? (uint64_t)record->memory_limit : 0;
    if (record->expected_floor > ticket->least)
        ticket->least = record->expected_floor;
    ticket->rerunnable = job_options(job)->rerunnable;
    return room_try_ticket(room, scan, ticket);
}

void room_begin(struct room *room, pool_job_t *job, int64_t now)
{
    job->record->ticket.name = job->kind->name;
    admission_begin(&room->admission, &job->record->ticket, job_options(job)->rerunnable, now);
}

void room_give_back(struct room *room, struct job_record *record)
{
    admission_give_back(&room->admission, &record->ticket);
    publish(room);
}

void loop_job_used(struct loop *loop, pool_job_t *job, uint64_t most)
{
    admission_used(&loop->room.admission, &job->record->ticket, most, process_now_ms());
    publish(&loop->room);
}

void loop_job_ended(struct loop *loop, pool_job_t *job, uint64_t peak, bool learn)
{
    admission_end(&loop->room.admission, &job->record->ticket, peak, learn, process_now_ms());
    publish(&loop->room);
}

uint64_t loop_memory_most(struct loop *loop)
{
    return admission_cap(&loop->room.admission);
}

/* ---- below the floor ------------------------------------------------------------------------------------------- */

/* It runs, and its end is not on its way already. */
static bool can_be_evicted(const pool_job_t *job)
{
    return job->peer != NULL && !job->peer->settled_early && !job->peer->has_result && !job->cancel_asked;
}

static void evict(struct loop *loop, pool_job_t *job, int64_t now)
{
    admission_evict(&loop->room.admission, &job->record->ticket, now);
    peer_kill(job->peer, VERDICT_EVICTED, 0);
    pthread_mutex_lock(&loop->pool->lock);
    loop->pool->stats.evictions++;
    pthread_mutex_unlock(&loop->pool->lock);
    loop_log(loop, "job %s gives way: %llu MiB are available, memory_floor is %llu MiB", job->kind->name,
             (unsigned long long)loop->room.admission.available >> 20,
             (unsigned long long)loop->room.admission.rules.floor >> 20);
}

void room_watch(struct loop *loop, int64_t now)
{
    struct room *room = &loop->room;
    struct admission_ticket *ticket;
    listen_when_due(loop, now);
    if (!admission_is_watching(&room->admission)) {
        room->watch_at = LOOP_NEVER;
        return;
    }
    if (room->watch_at != LOOP_NEVER && now < room->watch_at)
        return;
    room->watch_at = now + ADMISSION_LOOK_MS;
    room_look(loop, now);
    while ((ticket = admission_victim(&room->admission, now)) != NULL) {
        const struct job_record *record =
            (struct job_record *)(void *)((char *)ticket - offsetof(struct job_record, ticket));
        pool_job_t *job = record->job;
        if (can_be_evicted(job))
            evict(loop, job, now);
        else
            admission_spare(&room->admission, ticket);
    }
}

/* ---- telling --------------------------------------------------------------------------------------------------- */

/* One line when starting is held up while jobs wait, one when it is over. */
static void tell(struct loop *loop, bool held)
{
    struct room *room = &loop->room;
    if (held && !room->told && (room->look_at != LOOP_NEVER || room->is_asked)) {
        room->told = true;
        loop_log(loop, "jobs wait: %s",
                 room->admission.pressure ? "tasks stall for want of memory (PSI)"
                                          : "less memory is available than memory_floor");
    } else if (!held && room->told) {
        room->told = false;
        loop_log(loop, "there is memory again: jobs start");
    }
    room->is_asked = false;
}

int64_t room_next(struct loop *loop)
{
    struct room *room = &loop->room;
    const bool held = admission_is_on(&room->admission) && admission_is_held(&room->admission);
    tell(loop, held);
    publish(room);
    const int64_t look_at = room->look_at < room->watch_at ? room->look_at : room->watch_at;
    return look_at < room->listen_at ? look_at : room->listen_at;
}
