/* methods_change.c - cancel, remove, retry, set, groups, pausing: all or nothing, so all checks come first. */
#include "clock.h"
#include "ends.h"
#include "live.h"
#include "methods.h"
#include "turn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IDS_MAX 10000

/* One step of a change, of one job. */
typedef int (*step_fn)(struct daemon *daemon, uint64_t id, struct rpc_error *error);

static int for_each(struct call *call, const uint64_t *ids, size_t count, step_fn step, struct rpc_error *error)
{
    for (size_t i = 0; i < count; i++)
        if (step(call->daemon, ids[i], error) < 0)
            return -1;
    return 0;
}

/* Each step is done for all jobs before the next one (NULL: no more); the first that fails ends it. needs_room: behind
 * the first step there has to be room for the jobs. */
static int change_jobs(struct call *call, const char *method, const step_fn *steps, bool needs_room,
                       struct rpc_error *error)
{
    static const struct field table[] = {{"ids", FIELD_JOBS, .required = true, .least = 1, .most = IDS_MAX}};
    const msgpack_object *references = NULL;
    uint64_t given, *ids;
    size_t count;
    if (fields_read(call->params, method, table, 1, &references, &given, error) < 0 ||
        call_find_jobs(call, references, &ids, &count, error) < 0)
        return -1;
    int result = for_each(call, ids, count, *steps++, error);
    if (result == 0 && needs_room)
        result = call_check_room(call, count, error);
    for (; result == 0 && *steps != NULL; steps++)
        result = for_each(call, ids, count, *steps, error);
    free(ids);
    return result < 0 ? -1 : call_done(call);
}

static int check_live(struct daemon *daemon, uint64_t id, struct rpc_error *error)
{
    return live_find(daemon, id) != NULL
               ? 0
               : rpc_fail(error, RPC_ALREADY_ENDED, "job %llu has ended", (unsigned long long)id);
}

static int check_ended(struct daemon *daemon, uint64_t id, struct rpc_error *error)
{
    return live_find(daemon, id) == NULL
               ? 0
               : rpc_fail(error, RPC_NOT_ENDED, "job %llu has not ended: cancel it, or wait", (unsigned long long)id);
}

static int cancel(struct daemon *daemon, uint64_t id, struct rpc_error *error)
{
    struct job *job = live_find(daemon, id);
    struct record record;
    if (job == NULL) /* ended with another of the same request that it needed */
        return 0;
    if (turn_check(daemon, store_job_read(daemon->store, id, &record), error) < 0)
        return -1;
    if (job->schedule.state != SCHEDULE_RUNNING) {
        ends_say(&record.end, POOL_CAUSE_CANCELLED, "cancelled before it ran");
        return turn_check(daemon, ends_finish(daemon, job, &record), error);
    }
    record.cancelling = true;
    if (turn_check(daemon, store_job_update(daemon->store, &record), error) < 0)
        return -1;
    turn_effect(daemon, EFFECT_CANCEL, id);
    return 0;
}

int methods_cancel(struct call *call, struct rpc_error *error)
{
    static const step_fn steps[] = {check_live, cancel, NULL};
    return change_jobs(call, "cancel", steps, false, error);
}

static int forget(struct daemon *daemon, uint64_t id, struct rpc_error *error)
{
    return turn_check(daemon, ends_forget(daemon, id), error);
}

int methods_remove(struct call *call, struct rpc_error *error)
{
    static const step_fn steps[] = {check_ended, forget, NULL};
    return change_jobs(call, "remove", steps, false, error);
}

/* An ended job is new again, but for its id and its place in the order. */
static int revive(struct daemon *daemon, uint64_t id, struct rpc_error *error)
{
    struct record record;
    if (turn_check(daemon, store_result_write(daemon->store, id, NULL, 0), error) < 0 ||
        turn_check(daemon, store_job_read(daemon->store, id, &record), error) < 0)
        return -1;
    record.state = RECORD_WAITING;
    record.cancelling = false;
    record.start_at = 0;
    record.failures = record.oom_retries = 0;
    memset(&record.end, 0, sizeof record.end);
    const struct job *job = live_new(daemon, &record, 0);
    if (turn_check(daemon, job == NULL ? -ENOMEM : store_job_update(daemon->store, &record), error) < 0)
        return -1;
    turn_effect(daemon, EFFECT_REMOVE_FILES, id);
    return 0;
}

/* It waits again for those that have not ended, also of the same request; what became of others is settled. */
static int revive_needs(struct daemon *daemon, uint64_t id, struct rpc_error *error)
{
    struct job *job = live_find(daemon, id);
    size_t count;
    uint64_t *after;
    int failed = store_job_after(daemon->store, id, &after, &count);
    for (size_t i = 0; i < count && failed == 0; i++)
        failed = live_need(daemon, job, after[i]);
    free(after);
    return turn_check(daemon, failed, error);
}

static int requeue(struct daemon *daemon, uint64_t id, struct rpc_error *error)
{
    (void)error;
    live_add(daemon, live_find(daemon, id));
    turn_event_of(daemon, "requeued", id);
    return 0;
}

int methods_retry(struct call *call, struct rpc_error *error)
{
    static const step_fn steps[] = {check_ended, revive, revive_needs, requeue, NULL};
    return change_jobs(call, "retry", steps, true, error);
}

/* ---- set */

struct changes {
    const msgpack_object *ids;
    int64_t priority;
    struct rpc_text group;
};

static const struct field changes_fields[] = {
    {"ids", FIELD_JOBS, .required = true, .offset = offsetof(struct changes, ids), .least = 1, .most = IDS_MAX},
    {"priority", FIELD_INT, .offset = offsetof(struct changes, priority), .least = INT32_MIN, .most = INT32_MAX},
    {"group", FIELD_TEXT, .offset = offsetof(struct changes, group), .least = 1, .most = RECORD_GROUP_MAX},
};
enum { SET_PRIORITY = 1 << 1, SET_GROUP = 1 << 2 };

static int check_settable(struct daemon *daemon, uint64_t id, struct rpc_error *error)
{
    if (check_live(daemon, id, error) < 0)
        return -1;
    return live_find(daemon, id)->schedule.state != SCHEDULE_RUNNING
               ? 0
               : rpc_fail(error, RPC_ALREADY_RUNNING, "job %llu runs: nothing can be set any more",
                          (unsigned long long)id);
}

static int set_one(struct daemon *daemon, uint64_t id, const struct changes *changes, uint64_t given,
                   struct rpc_error *error)
{
    struct job *job = live_find(daemon, id);
    struct record record;
    if (turn_check(daemon, store_job_read(daemon->store, id, &record), error) < 0)
        return -1;
    if (given & SET_PRIORITY)
        record.priority = (int32_t)changes->priority;
    if (given & SET_GROUP)
        record.group = (struct record_bytes){changes->group.data, changes->group.size};
    struct schedule_group *group = schedule_group(&daemon->schedule, record.group.data, record.group.size);
    if (turn_check(daemon, group == NULL ? -ENOMEM : store_job_update(daemon->store, &record), error) < 0)
        return -1;
    schedule_change(&daemon->schedule, &job->schedule, record.priority, group, job->schedule.start_at, clock_now());
    return 0;
}

int methods_set(struct call *call, struct rpc_error *error)
{
    struct changes changes = {0};
    uint64_t given, *ids;
    size_t count;
    if (fields_read(call->params, "set", changes_fields, 3, &changes, &given, error) < 0)
        return -1;
    if ((given & (SET_PRIORITY | SET_GROUP)) == 0)
        return rpc_fail(error, RPC_MISSING_FIELD, "set: neither priority nor group is given");
    if (call_find_jobs(call, changes.ids, &ids, &count, error) < 0)
        return -1;
    int result = for_each(call, ids, count, check_settable, error);
    if (result == 0 && (given & SET_GROUP) && call_group_of(call, changes.group, error) == NULL)
        result = -1;
    for (size_t i = 0; i < count && result == 0; i++)
        result = set_one(call->daemon, ids[i], &changes, given, error);
    free(ids);
    return result < 0 ? -1 : call_done(call);
}

/* ---- groups, pausing */

static int write_group(struct daemon *daemon, const struct schedule_group *group, struct rpc_error *error)
{
    const struct store_group stored = {
        .name = {group->name, strlen(group->name)}, .limit = group->limit, .paused = group->paused};
    return turn_check(daemon, store_group_write(daemon->store, &stored), error);
}

int methods_group(struct call *call, struct rpc_error *error)
{
    struct {
        struct rpc_text name;
        struct field_maybe_int limit;
    } wanted = {0};
    const struct field table[] = {
        {"name", FIELD_TEXT, .required = true, .least = 1, .most = RECORD_GROUP_MAX},
        {"limit", FIELD_INT_OR_NIL, .offset = offsetof(__typeof__(wanted), limit), .least = 1, .most = INT32_MAX},
    };
    uint64_t given;
    if (fields_read(call->params, "group", table, 2, &wanted, &given, error) < 0)
        return -1;
    struct schedule_group *group = call_group_of(call, wanted.name, error);
    if (group == NULL)
        return -1;
    if (given & 2)
        group->limit = wanted.limit.nil ? 0 : wanted.limit.value;
    return write_group(call->daemon, group, error) < 0 ? -1 : call_done(call);
}

/* Whether it is a job's number or key: people try to pause jobs, too. */
static bool is_job(struct daemon *daemon, struct rpc_text name)
{
    char digits[24], *end;
    uint64_t id;
    if (name.size < sizeof digits && name.data[0] >= '1' && name.data[0] <= '9') {
        memcpy(digits, name.data, name.size);
        digits[name.size] = '\0';
        struct record record;
        id = strtoull(digits, &end, 10);
        if (*end == '\0')
            return store_job_read(daemon->store, id, &record) == 0;
    }
    return store_job_find(daemon->store, name.data, name.size, &id) == 0;
}

static int no_such_group(struct daemon *daemon, struct rpc_text name, bool paused, struct rpc_error *error)
{
    char quoted[256];
    rpc_quote(name.data, name.size, quoted);
    if (!is_job(daemon, name))
        return rpc_fail(error, RPC_UNKNOWN_GROUP,
                        "there is no group %s: `reclaim group` lists them, `reclaim group NAME --limit none` makes one",
                        quoted);
    if (paused)
        return rpc_fail(error, RPC_UNKNOWN_GROUP,
                        "there is no group %s, and a job is not paused by itself: put job %s into a group of its own "
                        "(`reclaim set %s --group NAME`) and pause that, or cancel it",
                        quoted, quoted, quoted);
    return rpc_fail(error, RPC_UNKNOWN_GROUP,
                    "there is no group %s, and a job is not resumed by itself: job %s starts in its turn, and "
                    "`reclaim retry %s` runs it again when it has ended",
                    quoted, quoted, quoted);
}

static int set_paused(struct call *call, const char *method, bool paused, struct rpc_error *error)
{
    static const struct field table[] = {{"group", FIELD_TEXT, .least = 1, .most = RECORD_GROUP_MAX}};
    struct daemon *daemon = call->daemon;
    struct rpc_text name = {0};
    uint64_t given;
    if (fields_read(call->params, method, table, 1, &name, &given, error) < 0)
        return -1;
    if (given == 0) {
        daemon->schedule.paused = paused;
        const int failed = turn_check(daemon, store_fact_write(daemon->store, "paused", paused), error);
        return failed < 0 ? -1 : call_done(call);
    }
    struct schedule_group *group = schedule_group_find(&daemon->schedule, name.data, name.size);
    if (group == NULL)
        return no_such_group(daemon, name, paused, error);
    group->paused = paused;
    return write_group(daemon, group, error) < 0 ? -1 : call_done(call);
}

int methods_pause(struct call *call, struct rpc_error *error)
{
    return set_paused(call, "pause", true, error);
}

int methods_resume(struct call *call, struct rpc_error *error)
{
    return set_paused(call, "resume", false, error);
}
