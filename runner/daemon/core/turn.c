#include "turn.h"

#include "array.h"
#include "daemon_client.h"
#include "view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct answer {
    struct client *client;
    uint32_t request;
    size_t mark; /* where the session's buffer stood before */
};

int turn_check(struct daemon *daemon, int code, struct rpc_error *error)
{
    if (code >= 0)
        return 0;
    if (daemon->turn_error == 0) {
        const char *reason = code == -ENOMEM ? "" : store_message(daemon->store);
        daemon->turn_error = code;
        snprintf(daemon->read_only, sizeof daemon->read_only, "%s", reason[0] != '\0' ? reason : strerror(-code));
    }
    return error == NULL ? -1 : rpc_fail(error, RPC_READ_ONLY, "the store cannot be written: %s", daemon->read_only);
}

/* ---- effects --------------------------------------------------------------------------------------------------- */

/* An effect that cannot be recorded must not be lost silently: the turn is undone instead. */
struct effect *turn_effect(struct daemon *daemon, enum effect_kind kind, uint64_t id)
{
    void *grown = array_grow(daemon->effects, daemon->effect_count, &daemon->effect_capacity, sizeof *daemon->effects);
    if (grown == NULL) {
        turn_check(daemon, -ENOMEM, NULL);
        return NULL;
    }
    daemon->effects = grown;
    struct effect *effect = &daemon->effects[daemon->effect_count++];
    *effect = (struct effect){.kind = kind, .id = id};
    return effect;
}

void turn_event(struct daemon *daemon, const char *event, const struct record *job)
{
    struct effect *effect = client_has_subscribers(daemon) ? turn_effect(daemon, EFFECT_EVENT, job->id) : NULL;
    if (effect == NULL)
        return;
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    pool_fields_t fields;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    pool_fields_begin(&fields);
    pool_fields_text(&fields, "event", event);
    view_job(daemon, pool_fields_packer(&fields, "job"), job, false);
    turn_check(daemon, pool_fields_append(&fields, &packer), NULL);
    effect->group = strndup(job->group.data, job->group.size);
    effect->size = buffer.size;
    effect->data = msgpack_sbuffer_release(&buffer);
}

void turn_event_of(struct daemon *daemon, const char *event, uint64_t id)
{
    struct record job;
    if (!client_has_subscribers(daemon))
        return;
    if (turn_check(daemon, store_job_read(daemon->store, id, &job), NULL) == 0)
        turn_event(daemon, event, &job);
}

void turn_drop_effects(struct daemon *daemon)
{
    for (size_t i = 0; i < daemon->effect_count; i++) {
        free(daemon->effects[i].data);
        free(daemon->effects[i].group);
    }
    daemon->effect_count = 0;
}

/* ---- answers --------------------------------------------------------------------------------------------------- */

bool turn_answer(struct daemon *daemon, struct client *client, uint32_t request)
{
    void *grown = array_grow(daemon->answers, daemon->answer_count, &daemon->answer_capacity, sizeof *daemon->answers);
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

void turn_keep_answers(struct daemon *daemon)
{
    for (size_t i = 0; i < daemon->answer_count; i++)
        session_answered(daemon->answers[i].client->session);
    daemon->answer_count = 0;
}

/* Takes back to each client's first mark, then packs an error for each of its requests. */
void turn_refuse_answers(struct daemon *daemon)
{
    struct rpc_error error;
    rpc_fail(&error, RPC_READ_ONLY, "the store cannot be written: %s", daemon->read_only);
    for (size_t i = daemon->answer_count; i > 0; i--)
        session_rewind(daemon->answers[i - 1].client->session, daemon->answers[i - 1].mark);
    for (size_t i = 0; i < daemon->answer_count; i++)
        session_fail(daemon->answers[i].client->session, daemon->answers[i].request, &error);
    daemon->answer_count = 0;
}

void turn_deinit(struct daemon *daemon)
{
    turn_drop_effects(daemon);
    free(daemon->effects);
    free(daemon->answers);
}
