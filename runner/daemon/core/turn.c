/* turn.c - one turn of the loop: what was asked and what has ended becomes one transaction, and then has effects. */
#include "daemon.h"
#include "grow.h"
#include "ids.h"
#include "valuefile.h"
#include "watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PROBE_SECONDS  1.0 /* between two tries to write again */
#define BURST          4   /* times --max-unread */
#define EXPIRE_SECONDS 5.0
#define EXPIRE_AT_ONCE 1000

enum effect_kind { EFFECT_START, EFFECT_CANCEL, EFFECT_ENDED, EFFECT_REMOVE_FILES, EFFECT_EVENT };

struct effect {
    enum effect_kind kind;
    uint64_t id;
    char *data; /* EVENT: the notification's one value */
    size_t size;
    char *group; /* EVENT: for subscribers of a group */
};

struct answer {
    struct client *client;
    uint32_t request;
    size_t mark; /* where the session's buffer stood before */
};

int turn_fail(struct daemon *daemon, int code, struct rpc_error *error)
{
    if (daemon->turn_error == 0) {
        const char *reason = code == -ENOMEM ? "" : store_message(daemon->store);
        daemon->turn_error = code;
        snprintf(daemon->read_only, sizeof daemon->read_only, "%s", reason[0] != '\0' ? reason : strerror(-code));
    }
    return error == NULL ? -1 : rpc_fail(error, RPC_READ_ONLY, "the store cannot be written: %s", daemon->read_only);
}

/* An effect that cannot be remembered must not be lost silently: the turn is undone instead. */
static struct effect *remember(struct daemon *daemon, enum effect_kind kind, uint64_t id)
{
    void *grown = grow(daemon->effects, daemon->effect_count, &daemon->effect_capacity, sizeof *daemon->effects);
    if (grown == NULL) {
        turn_fail(daemon, -ENOMEM, NULL);
        return NULL;
    }
    daemon->effects = grown;
    struct effect *effect = &daemon->effects[daemon->effect_count++];
    *effect = (struct effect){.kind = kind, .id = id};
    return effect;
}

void turn_start(struct daemon *daemon, uint64_t id)
{
    remember(daemon, EFFECT_START, id);
}

void turn_cancel(struct daemon *daemon, uint64_t id)
{
    remember(daemon, EFFECT_CANCEL, id);
}

void turn_ended(struct daemon *daemon, uint64_t id)
{
    remember(daemon, EFFECT_ENDED, id);
}

void turn_remove_files(struct daemon *daemon, uint64_t id)
{
    remember(daemon, EFFECT_REMOVE_FILES, id);
}

static bool anyone_subscribed(const struct daemon *daemon)
{
    const struct client *client, *next;
    HASH_ITER(hh, daemon->clients, client, next)
        if (client->subscribed)
            return true;
    return false;
}

void turn_event(struct daemon *daemon, const char *event, uint64_t id)
{
    struct record record;
    if (!anyone_subscribed(daemon))
        return;
    const int error = store_job_read(daemon->store, id, &record);
    struct effect *effect = error < 0 ? NULL : remember(daemon, EFFECT_EVENT, id);
    if (error < 0)
        turn_fail(daemon, error, NULL);
    if (effect == NULL)
        return;
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 2);
    rpc_pack_named_text(&packer, "event", event);
    rpc_pack_text(&packer, "job");
    view_job(daemon, &packer, &record, false);
    effect->group = strndup(record.group.data, record.group.size);
    effect->size = buffer.size;
    effect->data = msgpack_sbuffer_release(&buffer);
}

bool turn_answer(struct daemon *daemon, struct client *client, uint32_t request)
{
    void *grown = grow(daemon->answers, daemon->answer_count, &daemon->answer_capacity, sizeof *daemon->answers);
    if (grown == NULL) {
        session_close(client->session, "no memory for its answer");
        return false;
    }
    daemon->answers = grown;
    daemon->answers[daemon->answer_count++] =
        (struct answer){.client = client, .request = request, .mark = session_mark(client->session)};
    return true;
}

void turn_forget_client(struct daemon *daemon, const struct client *client)
{
    size_t kept = 0;
    for (size_t i = 0; i < daemon->answer_count; i++)
        if (daemon->answers[i].client != client)
            daemon->answers[kept++] = daemon->answers[i];
    daemon->answer_count = kept;
}

static bool is_subscribed(const struct client *client, const struct effect *effect)
{
    return client->subscribed &&
           (client->subscribed_ids == NULL || ids_have(client->subscribed_ids, client->subscribed_count, effect->id)) &&
           (client->subscribed_group == NULL ||
            (effect->group != NULL && strcmp(client->subscribed_group, effect->group) == 0));
}

/* One turn's events may be more than a client that reads can take while it lasts; one that does not read is not waited
 * for. */
static bool may_be_told(const struct daemon *daemon, const struct client *client)
{
    const size_t most = (size_t)daemon->options->unread_max;
    if (session_unread(client->session) < (client->behind ? most : BURST * most))
        return true;
    session_close(client->session, "a subscriber that does not read its events");
    return false;
}

static void see_who_is_behind(struct daemon *daemon)
{
    struct client *client, *next;
    HASH_ITER(hh, daemon->clients, client, next)
        client->behind = session_unread(client->session) > 0;
}

static void notify(struct daemon *daemon, const struct effect *effect)
{
    struct client *client, *next;
    HASH_ITER(hh, daemon->clients, client, next) {
        if (effect->data == NULL || !is_subscribed(client, effect) || !may_be_told(daemon, client))
            continue;
        msgpack_packer *packer = session_packer(client->session);
        rpc_pack_notification(packer, "event");
        msgpack_pack_str_body(packer, effect->data, effect->size); /* the packed bytes, as they are */
    }
}

static void carry_out(struct daemon *daemon, const struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_START:
        launch_start(daemon, effect->id);
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
        notify(daemon, effect);
        break;
    }
}

static void forget_effects(struct daemon *daemon)
{
    for (size_t i = 0; i < daemon->effect_count; i++) {
        free(daemon->effects[i].data);
        free(daemon->effects[i].group);
    }
    daemon->effect_count = 0;
}

static void forget_endings(struct daemon *daemon)
{
    struct ending *ending;
    struct endings kept = STAILQ_HEAD_INITIALIZER(kept);
    while ((ending = STAILQ_FIRST(&daemon->endings)) != NULL) {
        STAILQ_REMOVE_HEAD(&daemon->endings, entry);
        if (!ending->applied) {
            STAILQ_INSERT_TAIL(&kept, ending, entry);
            continue;
        }
        ending_free(ending);
    }
    STAILQ_CONCAT(&daemon->endings, &kept);
}

static void succeed(struct daemon *daemon)
{
    daemon->recovered |= daemon->read_only[0] == '\0' && daemon->store != NULL;
    forget_endings(daemon);
    for (size_t i = 0; i < daemon->answer_count; i++)
        session_answered(daemon->answers[i].client->session);
    daemon->answer_count = 0;
    see_who_is_behind(daemon);
    /* Effects may answer (waits), and so add to answers; none adds effects. */
    for (size_t i = 0; i < daemon->effect_count; i++)
        carry_out(daemon, &daemon->effects[i]);
    forget_effects(daemon);
    for (size_t i = 0; i < daemon->answer_count; i++)
        session_answered(daemon->answers[i].client->session);
    daemon->answer_count = 0;
}

/* Takes back every answer of the turn: to each client's first mark, then an error for each of its requests. */
static void refuse_answers(struct daemon *daemon)
{
    struct rpc_error error;
    rpc_fail(&error, RPC_READ_ONLY, "the store cannot be written: %s", daemon->read_only);
    for (size_t i = daemon->answer_count; i > 0; i--)
        session_rewind(daemon->answers[i - 1].client->session, daemon->answers[i - 1].mark);
    for (size_t i = 0; i < daemon->answer_count; i++)
        session_fail(daemon->answers[i].client->session, daemon->answers[i].request, &error);
    daemon->answer_count = 0;
}

static void undo(struct daemon *daemon)
{
    struct ending *ending;
    const bool no_room = daemon->turn_error == -ENOSPC;
    store_rollback(daemon->store);
    forget_effects(daemon);
    refuse_answers(daemon);
    STAILQ_FOREACH(ending, &daemon->endings, entry) {
        if (ending->applied)
            valuefile_undone(ending, no_room && daemon->cramped);
        ending->applied = false;
    }
    daemon->cramped = no_room;
    log_event(daemon->log, LOG_LEVEL_ERROR, "read-only", log_text("message", daemon->read_only));
    daemon->probe_at = daemon_now() + PROBE_SECONDS;
    const int error = live_load(daemon);
    if (error < 0)
        log_event(daemon->log, LOG_LEVEL_ERROR, "unreadable", log_text("message", store_message(daemon->store)));
    daemon->turn_error = 0;
    daemon->look_at = 0;
}

/* Read-only: is it over? */
static void probe(struct daemon *daemon)
{
    if (daemon->read_only[0] == '\0' || daemon_now() < daemon->probe_at)
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
    daemon->probe_at = daemon_now() + PROBE_SECONDS;
}

/* A disk that does not take a value: read-only from now on, though what this turn has written may stand. */
static void suspend(struct daemon *daemon, uint64_t id, int error)
{
    snprintf(daemon->read_only, sizeof daemon->read_only, "the value of job %llu cannot be written: %s",
             (unsigned long long)id, strerror(-error));
    log_event(daemon->log, LOG_LEVEL_ERROR, "read-only", log_text("message", daemon->read_only));
    daemon->probe_at = daemon_now() + PROBE_SECONDS;
}

static void apply_endings(struct daemon *daemon)
{
    struct ending *ending;
    STAILQ_FOREACH(ending, &daemon->endings, entry) {
        if (ends_held_until(daemon, ending) > (int64_t)uv_now(daemon->loop))
            continue;
        const int prepared = valuefile_prepare(daemon, ending);
        if (prepared < 0)
            suspend(daemon, ending->id, prepared);
        if (prepared <= 0)
            continue;
        ending->applied = true; /* until undo() */
        if (ends_apply(daemon, ending) < 0 || daemon->cramped)
            return;
    }
}

/* Removed or replaced under us: whatever is acknowledged from now on would be lost. */
static void stop_without_state(struct daemon *daemon)
{
    if (daemon->phase != DAEMON_SERVING || statedir_is_there(&daemon->statedir))
        return;
    log_event(daemon->log, LOG_LEVEL_ERROR, "state", log_text("message", "the state directory was removed or replaced"),
              log_text("path", daemon->statedir.path));
    daemon->exit_code = 1;
    daemon_stop(daemon, 0);
}

static void expire(struct daemon *daemon)
{
    uint64_t ids[EXPIRE_AT_ONCE];
    size_t count = 0;
    const double now = daemon_now();
    if (now < daemon->expire_at)
        return;
    stop_without_state(daemon);
    int error = store_expired(daemon->store, now, (double)daemon->options->keep_ms / 1000, ids, EXPIRE_AT_ONCE, &count);
    if (error < 0)
        turn_fail(daemon, error, NULL);
    for (size_t i = 0; i < count && error == 0; i++)
        error = ends_forget(daemon, ids[i]);
    daemon->expire_at = count == EXPIRE_AT_ONCE ? now : now + EXPIRE_SECONDS;
}

static void recover(struct daemon *daemon)
{
    const int error = daemon->recovered ? 0 : live_recover(daemon);
    if (error < 0)
        turn_fail(daemon, error, NULL);
}

/* What the turn brings by itself. After a turn that found no room it is one end alone: if that one finds none either,
 * it is its value that is too large. */
static void add_own(struct daemon *daemon)
{
    recover(daemon);
    if (daemon->turn_error == 0)
        apply_endings(daemon);
    if (daemon->turn_error == 0 && !daemon->cramped)
        expire(daemon);
    if (daemon->turn_error == 0 && !daemon->cramped)
        launch_pick(daemon);
}

void turn_end(struct daemon *daemon)
{
    live_follow_clock(daemon);
    watch_timeouts(daemon);
    watch_held_back(daemon);
    probe(daemon);
    if (daemon->store != NULL && daemon->read_only[0] == '\0' && daemon->turn_error == 0)
        add_own(daemon);
    if (daemon->turn_error == 0 && daemon->store != NULL && store_is_dirty(daemon->store)) {
        const int error = store_commit(daemon->store);
        if (error < 0)
            turn_fail(daemon, error, NULL);
    }
    if (daemon->turn_error == 0)
        succeed(daemon);
    else
        undo(daemon);
    if (daemon->sessions != NULL && daemon->phase < DAEMON_LEAVING)
        sessions_flush(daemon->sessions);
    daemon_arm(daemon);
    daemon->cramped &= daemon->read_only[0] != '\0';
}

void turn_deinit(struct daemon *daemon)
{
    struct ending *ending;
    forget_effects(daemon);
    free(daemon->effects);
    free(daemon->answers);
    while ((ending = STAILQ_FIRST(&daemon->endings)) != NULL) {
        STAILQ_REMOVE_HEAD(&daemon->endings, entry);
        ending_free(ending);
    }
}
