#include "watch.h"

#include "daemon_client.h"
#include "ids.h"
#include "live.h"
#include "turn.h"
#include "view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_MAX ((uint64_t)1024 * 1024)

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

/* Answers if it is over, or its time is, and drops the watch then: true. */
static bool try_wait(struct daemon *daemon, struct watch *watch)
{
    const bool over = is_over(watch);
    if (!over && (watch->until < 0 || watch->until > (int64_t)uv_now(daemon->loop)))
        return false;
    answer_wait(daemon, watch, !over);
    return true;
}

/* ---- output ------------------------------------------------------------------------------------------------------ */

/* 0: it never ran, or cannot be read. */
static uint32_t attempt_of(const struct daemon *daemon, uint64_t id)
{
    struct record record;
    return store_job_read(daemon->store, id, &record) == 0 ? record.attempt : 0;
}

static bool is_of_another_run(const struct output_wanted *wanted, uint32_t attempt)
{
    return wanted->attempt != 0 && attempt != 0 && wanted->attempt != attempt;
}

/* Whether there is output beyond offset or of another run, or the job has ended (or is gone). */
static bool is_due(struct daemon *daemon, const struct output_wanted *wanted)
{
    uint64_t total = 0;
    size_t none = 0;
    if (live_find(daemon, wanted->id) == NULL)
        return true;
    if (outputs_read(&daemon->outputs, wanted->id, wanted->kind, 0, NULL, &none, &total) < 0)
        return true;
    return total != wanted->offset || (total > 0 && is_of_another_run(wanted, attempt_of(daemon, wanted->id)));
}

struct piece {
    void *data;
    size_t size;
    uint64_t offset, total; /* where it is, and how much there is in all */
};

static int read_piece(struct daemon *daemon, const struct output_wanted *wanted, struct piece *piece)
{
    const size_t most = (size_t)(wanted->limit < PIECE_MAX ? wanted->limit : PIECE_MAX);
    piece->data = malloc(most + 1);
    if (piece->data == NULL)
        return -ENOMEM;
    for (;; piece->offset = 0) {
        piece->size = most;
        const int error = outputs_read(&daemon->outputs, wanted->id, wanted->kind, piece->offset, piece->data,
                                       &piece->size, &piece->total);
        if (error < 0 || piece->total >= piece->offset) /* else a new run has begun since */
            return error;
    }
}

static void pack_output(struct daemon *daemon, const struct watch *watch)
{
    msgpack_packer *packer = session_packer(watch->client->session);
    const struct output_wanted *wanted = &watch->output;
    const uint32_t attempt = attempt_of(daemon, wanted->id);
    const bool ended = live_find(daemon, wanted->id) == NULL; /* before the read, which then has all of its output */
    struct piece piece = {.offset = is_of_another_run(wanted, attempt) ? 0 : wanted->offset};
    const int error = read_piece(daemon, wanted, &piece);
    if (error < 0) {
        struct rpc_error failure;
        rpc_fail(&failure, error == -ENOMEM ? RPC_INTERNAL : RPC_STORAGE, "output of job %llu cannot be read: %s",
                 (unsigned long long)wanted->id, strerror(-error));
        rpc_pack_error(packer, &watch->request, &failure);
    } else {
        pool_fields_t fields;
        pool_fields_begin(&fields);
        pool_fields_bin(&fields, "data", piece.data, piece.size);
        pool_fields_uint(&fields, "offset", piece.offset);
        pool_fields_uint(&fields, "size", piece.total);
        pool_fields_uint(&fields, "attempt", attempt);
        pool_fields_bool(&fields, "ended", ended);
        rpc_pack_result(packer, watch->request);
        pool_fields_append(&fields, packer);
    }
    free(piece.data);
}

void watch_answer_output(struct daemon *daemon, const struct watch *watch)
{
    if (turn_answer(daemon, watch->client, watch->request))
        pack_output(daemon, watch);
}

/* Answers if there is output, and drops the watch then: true. */
static bool try_output(struct daemon *daemon, struct watch *watch)
{
    if (!is_due(daemon, &watch->output))
        return false;
    watch->held_back = session_unread(watch->client->session) >= (size_t)daemon->options->unread_max;
    if (watch->held_back)
        return false;
    watch_answer_output(daemon, watch);
    drop(daemon, watch);
    return true;
}

/* ---- what happens ------------------------------------------------------------------------------------------------ */

int watch_add(struct daemon *daemon, const struct watch *wanted)
{
    struct watch *watch = malloc(sizeof *watch);
    const bool is_too_much = wanted->client->watched + wanted->count > WATCH_IDS_MAX;
    if (watch == NULL || is_too_much) {
        free(wanted->ids);
        free(watch);
        return is_too_much ? -E2BIG : -ENOMEM;
    }
    *watch = *wanted;
    watch->client->watched += watch->count;
    TAILQ_INSERT_TAIL(&daemon->watches, watch, entry);
    count_ended(daemon, watch);
    if ((watch->follow ? try_output(daemon, watch) : try_wait(daemon, watch)) ||
        session_may_stay(watch->client->session))
        return 0;
    drop(daemon, watch);
    return -EUSERS;
}

void watch_job_ended(struct daemon *daemon, uint64_t id)
{
    for (struct watch *watch = TAILQ_FIRST(&daemon->watches), *next; watch != NULL; watch = next) {
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
    for (struct watch *watch = TAILQ_FIRST(&daemon->watches), *next; watch != NULL; watch = next) {
        next = TAILQ_NEXT(watch, entry);
        if (watch->follow && watch->ids[0] == id)
            try_output(daemon, watch);
    }
}

void watch_turn(struct daemon *daemon)
{
    for (struct watch *watch = TAILQ_FIRST(&daemon->watches), *next; watch != NULL; watch = next) {
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
    for (struct watch *watch = TAILQ_FIRST(&daemon->watches), *next; watch != NULL; watch = next) {
        next = TAILQ_NEXT(watch, entry);
        if (watch->client == client)
            drop(daemon, watch);
    }
}
