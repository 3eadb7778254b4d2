#include "watch.h"

#include "arrays.h"
#include "daemon_client.h"
#include "live.h"
#include "turn.h"
#include "view.h"

#include <errno.h>
#include <stdlib.h>

static void drop(struct daemon *daemon, struct watch *watch)
{
    TAILQ_REMOVE(&daemon->watches, watch, entry);
    watch->client->watched -= watch->count;
    free(watch->ids);
    free(watch);
}

/* Packs those of its jobs that have ended. Negative errno: a job cannot be read. A job that was removed meanwhile has
 * ended, and there is nothing to pack of it. */
static int pack_ended(struct daemon *daemon, const struct watch *watch, msgpack_packer *packer, uint32_t *count)
{
    struct record record;
    for (size_t i = 0; i < watch->count; i++) {
        const int error = store_job_read(daemon->store, watch->ids[i], &record);
        if (error < 0 && error != -ENOENT)
            return error;
        if (error == 0 && record_has_ended(record.state)) {
            view_job(daemon, packer, &record, false);
            ++*count;
        }
    }
    return 0;
}

static void pack_wait(struct daemon *daemon, const struct watch *watch, bool timed_out)
{
    msgpack_packer *packer = session_packer(watch->client->session), job_packer;
    msgpack_sbuffer jobs;
    uint32_t count = 0;
    msgpack_sbuffer_init(&jobs);
    msgpack_packer_init(&job_packer, &jobs, msgpack_sbuffer_write);
    if (pack_ended(daemon, watch, &job_packer, &count) < 0) {
        struct rpc_error failure;
        rpc_fail(&failure, RPC_STORAGE, "a job cannot be read: %s", store_message(daemon->store));
        rpc_pack_error(packer, &watch->request, &failure);
    } else {
        pool_fields_t fields;
        pool_fields_begin(&fields);
        pool_fields_bool(&fields, "timed_out", timed_out);
        rpc_pack_array(&fields, "jobs", count, &jobs);
        rpc_pack_result(packer, watch->request);
        pool_fields_append(&fields, packer);
    }
    msgpack_sbuffer_destroy(&jobs);
}

static void answer_wait(struct daemon *daemon, struct watch *watch, bool timed_out)
{
    if (turn_answer(daemon, watch->client, watch->request))
        pack_wait(daemon, watch, timed_out);
    drop(daemon, watch);
}

static void count_ended(const struct daemon *daemon, struct watch *watch)
{
    watch->ended = 0;
    for (size_t i = 0; i < watch->count; i++)
        watch->ended += live_find(daemon, watch->ids[i]) == NULL;
}

static bool is_over(const struct watch *watch)
{
    return watch->any ? watch->ended > 0 : watch->ended >= watch->count;
}

/* NULL and *error: its ids are freed. */
static struct watch *keep(struct daemon *daemon, const struct watch *wanted, int *error)
{
    struct watch *watch = malloc(sizeof *watch);
    *error = watch == NULL ? -ENOMEM : wanted->client->watched + wanted->count > WATCH_IDS_MAX ? -E2BIG : 0;
    if (*error < 0) {
        free(watch);
        free(wanted->ids);
        return NULL;
    }
    *watch = *wanted;
    wanted->client->watched += wanted->count;
    TAILQ_INSERT_TAIL(&daemon->watches, watch, entry);
    return watch;
}

/* 0, or -EUSERS, and it is dropped. */
static int may_stay(struct daemon *daemon, struct watch *watch)
{
    if (session_may_stay(watch->client->session))
        return 0;
    drop(daemon, watch);
    return -EUSERS;
}

int watch_wait(struct daemon *daemon, const struct watch *wanted)
{
    int error;
    struct watch *watch = keep(daemon, wanted, &error);
    if (watch == NULL)
        return error;
    count_ended(daemon, watch);
    if (is_over(watch))
        answer_wait(daemon, watch, false);
    else if (watch->until >= 0 && watch->until <= (int64_t)uv_now(daemon->loop))
        answer_wait(daemon, watch, true);
    else
        return may_stay(daemon, watch);
    return 0;
}

/* Answers if there is output, and drops the watch then: true. */
static bool try_output(struct daemon *daemon, struct watch *watch)
{
    if (!output_reply_is_due(daemon, &watch->output))
        return false;
    watch->held_back = session_unread(watch->client->session) >= (size_t)daemon->options->unread_max;
    if (watch->held_back)
        return false;
    if (turn_answer(daemon, watch->client, watch->request))
        output_reply_pack(daemon, &watch->output, watch->request, session_packer(watch->client->session));
    drop(daemon, watch);
    return true;
}

int watch_follow(struct daemon *daemon, const struct watch *wanted)
{
    int error;
    struct watch *watch = keep(daemon, wanted, &error);
    if (watch == NULL)
        return error;
    return try_output(daemon, watch) ? 0 : may_stay(daemon, watch);
}

void watch_job_ended(struct daemon *daemon, uint64_t id)
{
    struct watch *watch, *next;
    for (watch = TAILQ_FIRST(&daemon->watches); watch != NULL; watch = next) {
        next = TAILQ_NEXT(watch, entry);
        if (!ids_have(watch->ids, watch->count, id))
            continue;
        watch->ended++; /* at most: one may have been counted already when the wait came */
        if (watch->follow) {
            try_output(daemon, watch);
            continue;
        }
        if (is_over(watch))
            count_ended(daemon, watch);
        if (is_over(watch))
            answer_wait(daemon, watch, false);
    }
}

void watch_output(struct daemon *daemon, uint64_t id)
{
    struct watch *watch, *next;
    for (watch = TAILQ_FIRST(&daemon->watches); watch != NULL; watch = next) {
        next = TAILQ_NEXT(watch, entry);
        if (watch->follow && watch->ids[0] == id)
            try_output(daemon, watch);
    }
}

void watch_turn(struct daemon *daemon)
{
    struct watch *watch, *next;
    for (watch = TAILQ_FIRST(&daemon->watches); watch != NULL; watch = next) {
        next = TAILQ_NEXT(watch, entry);
        if (watch->until >= 0 && watch->until <= (int64_t)uv_now(daemon->loop))
            answer_wait(daemon, watch, true);
        else if (watch->held_back)
            try_output(daemon, watch);
    }
}

int64_t watch_next(const struct daemon *daemon)
{
    const struct watch *watch;
    int64_t least = -1;
    TAILQ_FOREACH(watch, &daemon->watches, entry)
        if (watch->until >= 0 && (least < 0 || watch->until < least))
            least = watch->until;
    return least;
}

void watch_forget_client(struct daemon *daemon, const struct client *client)
{
    struct watch *watch, *next;
    for (watch = TAILQ_FIRST(&daemon->watches); watch != NULL; watch = next) {
        next = TAILQ_NEXT(watch, entry);
        if (watch->client == client)
            drop(daemon, watch);
    }
}
