/* commit.c - the end of a turn of the loop: its requests and its ends of runs become one transaction, and then have
 * effects. */
#include "clock.h"
#include "daemon_client.h"
#include "ends.h"
#include "live.h"
#include "starts.h"
#include "stop.h"
#include "turn.h"
#include "watch.h"

#include <errno.h>
#include <string.h>

#define PROBE_SECONDS  1.0 /* between two tries to write again */
#define EXPIRE_SECONDS 5.0
#define EXPIRE_AT_ONCE 1000

/* ---- read-only ------------------------------------------------------------------------------------------------- */

static void stay_read_only(struct daemon *daemon)
{
    log_event(daemon->log, LOG_LEVEL_ERROR, "read-only", log_text("message", daemon->read_only));
    daemon->probe_at = clock_now() + PROBE_SECONDS;
}

/* A disk that does not take a value: read-only from now on, though what this turn has written may stand. */
static void suspend(struct daemon *daemon, uint64_t id, int error)
{
    snprintf(daemon->read_only, sizeof daemon->read_only, "the value of job %llu cannot be written: %s",
             (unsigned long long)id, strerror(-error));
    stay_read_only(daemon);
}

/* Tries whether the store can be written again. */
static void probe(struct daemon *daemon)
{
    if (daemon->read_only[0] == '\0' || clock_now() < daemon->probe_at)
        return;
    int error = store_probe(daemon->store);
    if (error == 0)
        error = live_load(daemon);
    if (error == 0) {
        daemon->read_only[0] = '\0';
        log_event(daemon->log, LOG_LEVEL_WARNING, "writable");
        return;
    }
    snprintf(daemon->read_only, sizeof daemon->read_only, "%s", store_message(daemon->store));
    daemon->probe_at = clock_now() + PROBE_SECONDS;
}

/* ---- what the turn brings by itself ---------------------------------------------------------------------------- */

static void apply_endings(struct daemon *daemon)
{
    struct ending *ending;
    STAILQ_FOREACH(ending, &daemon->endings, entry) {
        if (ends_held_until(daemon, ending) > (int64_t)uv_now(daemon->loop))
            continue;
        const int ready = ending_write_value(ending, daemon->loop, &daemon->outputs);
        if (ready < 0)
            suspend(daemon, ending->id, ready);
        if (ready <= 0)
            continue;
        ending->applied = true; /* until undo() */
        if (ends_apply(daemon, ending) < 0 || daemon->one_end_only)
            return;
    }
}

/* The state directory was removed or replaced: all that is acknowledged from now on would be lost. */
static void stop_without_state(struct daemon *daemon)
{
    if (daemon->phase != DAEMON_SERVING || statedir_is_there(&daemon->statedir))
        return;
    log_event(daemon->log, LOG_LEVEL_ERROR, "state", log_text("message", "the state directory was removed or replaced"),
              log_text("path", daemon->statedir.path));
    stop_failed(daemon);
}

static void forget_expired(struct daemon *daemon)
{
    uint64_t ids[EXPIRE_AT_ONCE];
    size_t count = 0;
    const double now = clock_now();
    if (now < daemon->expire_at)
        return;
    stop_without_state(daemon);
    int error = store_expired(daemon->store, now, (double)daemon->options->keep_ms / 1000, ids, EXPIRE_AT_ONCE, &count);
    turn_check(daemon, error, NULL);
    for (size_t i = 0; i < count && error == 0; i++)
        error = ends_forget(daemon, ids[i]);
    daemon->expire_at = count == EXPIRE_AT_ONCE ? now : now + EXPIRE_SECONDS;
}

/* After a turn that found no room this is one end alone: if that one finds none either, its value is too large. */
static void add_own(struct daemon *daemon)
{
    if (!daemon->recovered)
        ends_recover(daemon);
    if (daemon->turn_error == 0)
        apply_endings(daemon);
    if (daemon->turn_error == 0 && !daemon->one_end_only)
        forget_expired(daemon);
    if (daemon->turn_error == 0 && !daemon->one_end_only)
        starts_pick(daemon);
}

/* ---- after the commit ------------------------------------------------------------------------------------------ */

static void carry_out(struct daemon *daemon, const struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_START:
        starts_hand_over(daemon, effect->id);
        break;
    case EFFECT_CANCEL:
        runs_cancel(daemon->runs, effect->id); /* -ESRCH: it has ended meanwhile */
        break;
    case EFFECT_ENDED:
        watch_job_ended(daemon, effect->id);
        break;
    case EFFECT_REMOVE_FILES:
        outputs_remove(&daemon->outputs, effect->id);
        break;
    case EFFECT_EVENT:
        if (effect->data != NULL)
            client_send_event(daemon, effect->id, effect->group, (pool_bytes_t){effect->data, effect->size});
        break;
    }
}

static void forget_endings(struct daemon *daemon)
{
    struct ending *ending;
    struct endings kept = STAILQ_HEAD_INITIALIZER(kept);
    while ((ending = STAILQ_FIRST(&daemon->endings)) != NULL) {
        STAILQ_REMOVE_HEAD(&daemon->endings, entry);
        if (ending->applied)
            ending_free(ending);
        else
            STAILQ_INSERT_TAIL(&kept, ending, entry);
    }
    STAILQ_CONCAT(&daemon->endings, &kept);
}

static void succeed(struct daemon *daemon)
{
    daemon->recovered |= daemon->read_only[0] == '\0' && daemon->store != NULL;
    forget_endings(daemon);
    turn_keep_answers(daemon);
    client_mark_behind(daemon);
    /* Effects may answer waits, and so add answers; none adds effects. */
    for (size_t i = 0; i < daemon->effect_count; i++)
        carry_out(daemon, &daemon->effects[i]);
    turn_drop_effects(daemon);
    turn_keep_answers(daemon);
}

static void undo(struct daemon *daemon)
{
    struct ending *ending;
    const bool no_room = daemon->turn_error == -ENOSPC;
    store_rollback(daemon->store);
    turn_drop_effects(daemon);
    turn_refuse_answers(daemon);
    STAILQ_FOREACH(ending, &daemon->endings, entry) {
        if (ending->applied)
            ending_undone(ending, no_room && daemon->one_end_only);
        else if (no_room)
            ending_doubt(ending);
        ending->applied = false;
    }
    daemon->one_end_only = no_room;
    stay_read_only(daemon);
    const int error = live_load(daemon);
    if (error < 0)
        log_event(daemon->log, LOG_LEVEL_ERROR, "unreadable", log_text("message", store_message(daemon->store)));
    daemon->turn_error = 0;
    starts_look_again(daemon);
}

bool commit_turn(struct daemon *daemon)
{
    live_follow_clock(daemon);
    watch_turn(daemon);
    probe(daemon);
    if (daemon->store != NULL && daemon->read_only[0] == '\0' && daemon->turn_error == 0)
        add_own(daemon);
    if (daemon->turn_error == 0 && daemon->store != NULL)
        turn_check(daemon, store_commit(daemon->store), NULL);
    if (daemon->turn_error == 0)
        succeed(daemon);
    else
        undo(daemon);
    if (daemon->sessions != NULL && daemon->phase < DAEMON_LEAVING)
        sessions_flush(daemon->sessions);
    const bool at_once = daemon->one_end_only && daemon->read_only[0] == '\0';
    daemon->one_end_only &= !at_once;
    return at_once;
}
