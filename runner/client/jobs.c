/* jobs.c - a job over a connection: submit, status, wait, result, cancel. */
#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK ((size_t)1024 * 1024) /* bytes of a value in one answer */

/* ---- requests ---------------------------------------------------------------------------------------------------- */

/* A map whose number of fields is written over its header when they are all there. */
struct fields {
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    uint32_t count;
};

static void fields_begin(struct fields *fields)
{
    static const char header[] = {(char)0xdf, 0, 0, 0, 0}; /* map 32 */
    fields->count = 0;
    msgpack_sbuffer_init(&fields->buffer);
    msgpack_packer_init(&fields->packer, &fields->buffer, msgpack_sbuffer_write);
    msgpack_sbuffer_write(&fields->buffer, header, sizeof header);
}

static msgpack_packer *name(struct fields *fields, const char *text)
{
    fields->count++;
    connection_pack_text(&fields->packer, text);
    return &fields->packer;
}

static void put_text(struct fields *fields, const char *key, const char *text)
{
    if (text != NULL)
        connection_pack_text(name(fields, key), text);
}

static void put_texts(struct fields *fields, const char *key, const char *const *texts)
{
    size_t count = 0;
    if (texts == NULL)
        return;
    while (texts[count] != NULL)
        count++;
    msgpack_pack_array(name(fields, key), count);
    for (size_t i = 0; i < count; i++)
        connection_pack_text(&fields->packer, texts[i]);
}

static void put_int(struct fields *fields, const char *key, int64_t value)
{
    if (value != 0)
        msgpack_pack_int64(name(fields, key), value);
}

/* POOL_NONE is a zero that is sent. */
static void put_limit(struct fields *fields, const char *key, int64_t value)
{
    if (value != 0)
        msgpack_pack_int64(name(fields, key), value == POOL_NONE ? 0 : value);
}

static void put_seconds(struct fields *fields, const char *key, double value)
{
    if (value != 0)
        msgpack_pack_double(name(fields, key), value == POOL_NONE ? 0 : value);
}

static void put_true(struct fields *fields, const char *key, bool value)
{
    if (value)
        msgpack_pack_true(name(fields, key));
}

/* Sends the fields (*takes*). As connection_ask. */
static int ask(pool_client_t *client, const char *method, struct fields *fields, msgpack_unpacked *unpacked,
               pool_error_t *error)
{
    for (size_t i = 0; i < 4 && fields->buffer.size > 4; i++)
        fields->buffer.data[1 + i] = (char)(fields->count >> (24 - 8 * i));
    const int rc = connection_ask(client, method, &fields->buffer, unpacked, error);
    msgpack_sbuffer_destroy(&fields->buffer);
    return rc;
}

static int fail_shape(pool_client_t *client, const char *method, pool_error_t *error)
{
    client->broken = -EBADMSG;
    return connection_fail(error, -EBADMSG, "%s: reclaimd's answer is not what its protocol says", method);
}

/* ---- submit ------------------------------------------------------------------------------------------------------ */

static void put_what(struct fields *fields, const pool_client_job_t *job)
{
    put_texts(fields, "command", job->argv);
    put_text(fields, "task", job->task);
    if (job->argument.size > 0) {
        name(fields, "argument");
        msgpack_sbuffer_write(&fields->buffer, job->argument.data, job->argument.size);
    }
    put_texts(fields, "env", job->env);
    put_text(fields, "cwd", job->cwd);
    if (job->stdin_bytes.size > 0)
        msgpack_pack_bin_with_body(name(fields, "stdin"), job->stdin_bytes.data, job->stdin_bytes.size);
    put_text(fields, "key", job->key);
    put_text(fields, "name", job->name);
    put_text(fields, "group", job->group);
    put_int(fields, "priority", job->priority);
}

static void put_limits(struct fields *fields, const pool_client_job_t *job)
{
    put_seconds(fields, "timeout", job->timeout);
    put_seconds(fields, "kill_after", job->kill_after);
    put_seconds(fields, "cpu_time", job->cpu_time);
    put_int(fields, "memory", job->memory);
    put_int(fields, "expected", job->expected);
    put_int(fields, "pids", job->pids);
    put_int(fields, "nofile", job->nofile);
    put_int(fields, "nice", job->nice);
    put_limit(fields, "output_limit", job->output_limit);
    put_true(fields, "huge_pages", job->huge_pages);
    put_true(fields, "rerunnable", job->rerunnable);
}

static void put_when(struct fields *fields, const pool_client_job_t *job)
{
    put_int(fields, "retries", job->retries);
    put_seconds(fields, "retry_delay", job->retry_delay);
    if (job->retry_oom != 0)
        msgpack_pack_double(name(fields, "retry_oom"), job->retry_oom);
    put_seconds(fields, "delay", job->delay);
    put_seconds(fields, "start_at", job->start_at);
    if (job->after_count > 0) {
        msgpack_pack_array(name(fields, "after"), job->after_count);
        for (size_t i = 0; i < job->after_count; i++)
            msgpack_pack_uint64(&fields->packer, job->after[i]);
    }
    if (job->run_after_failure)
        put_text(fields, "after_failure", "run");
    if (job->requeue_on_crash)
        put_text(fields, "on_crash", "requeue");
    put_seconds(fields, "keep", job->keep);
}

int pool_client_submit(pool_client_t *client, const pool_client_job_t *job, uint64_t *id, pool_error_t *error)
{
    struct fields fields;
    msgpack_unpacked answer;
    for (size_t i = 0; i < sizeof job->reserved / sizeof job->reserved[0]; i++)
        if (job->reserved[i] != 0)
            return connection_fail(error, -EINVAL,
                                   "submit: reserved fields must be 0: zero the job before you fill it");
    fields_begin(&fields);
    put_what(&fields, job);
    put_limits(&fields, job);
    put_when(&fields, job);
    int rc = ask(client, "submit", &fields, &answer, error);
    if (rc == 0) {
        *id = reply_uint(&answer.data, "id");
        if (*id == 0)
            rc = fail_shape(client, "submit", error);
    }
    msgpack_unpacked_destroy(&answer);
    return rc;
}

/* ---- status and wait --------------------------------------------------------------------------------------------- */

static void read_status(const msgpack_object *job, pool_client_status_t *status)
{
    *status = (pool_client_status_t){.id = reply_uint(job, "id"),
                                     .exit_code = (int32_t)reply_int(job, "exit_code"),
                                     .peak_memory = reply_uint(job, "peak_memory_bytes"),
                                     .result_size = reply_uint(job, "result_size"),
                                     .stdout_size = reply_uint(job, "stdout_size"),
                                     .stderr_size = reply_uint(job, "stderr_size"),
                                     .wall_seconds = reply_double(job, "wall_seconds"),
                                     .attempt = (uint32_t)reply_uint(job, "attempt")};
    reply_text(job, "state", status->state, sizeof status->state);
    reply_text(job, "outcome", status->outcome, sizeof status->outcome);
    reply_text(job, "message", status->message, sizeof status->message);
    status->ended = strcmp(status->state, "done") == 0 || strcmp(status->state, "failed") == 0 ||
                    strcmp(status->state, "cancelled") == 0;
}

int pool_client_status(pool_client_t *client, uint64_t id, pool_client_status_t *status, pool_error_t *error)
{
    struct fields fields;
    msgpack_unpacked answer;
    fields_begin(&fields);
    msgpack_pack_uint64(name(&fields, "id"), id);
    int rc = ask(client, "status", &fields, &answer, error);
    if (rc == 0) {
        read_status(&answer.data, status);
        if (status->id != id || status->state[0] == '\0')
            rc = fail_shape(client, "status", error);
    }
    msgpack_unpacked_destroy(&answer);
    return rc;
}

static void put_ids(struct fields *fields, uint64_t id)
{
    msgpack_pack_array(name(fields, "ids"), 1);
    msgpack_pack_uint64(&fields->packer, id);
}

int pool_client_wait(pool_client_t *client, uint64_t id, int64_t timeout_ms, pool_client_status_t *status,
                     pool_error_t *error)
{
    struct fields fields;
    msgpack_unpacked answer;
    fields_begin(&fields);
    put_ids(&fields, id);
    if (timeout_ms >= 0)
        msgpack_pack_double(name(&fields, "timeout"), (double)timeout_ms / 1000);
    int rc = ask(client, "wait", &fields, &answer, error);
    if (rc < 0) {
        msgpack_unpacked_destroy(&answer);
        return rc;
    }
    const msgpack_object *jobs = reply_field(&answer.data, "jobs");
    const bool one = jobs != NULL && jobs->type == MSGPACK_OBJECT_ARRAY && jobs->via.array.size == 1;
    if (one)
        read_status(&jobs->via.array.ptr[0], status);
    msgpack_unpacked_destroy(&answer);
    if (one)
        return status->id == id && status->ended ? 0 : fail_shape(client, "wait", error);
    rc = pool_client_status(client, id, status, error);
    return rc < 0 ? rc : connection_fail(error, -ETIMEDOUT, "job %llu has not ended yet", (unsigned long long)id);
}

int pool_client_cancel(pool_client_t *client, uint64_t id, pool_error_t *error)
{
    struct fields fields;
    msgpack_unpacked answer;
    fields_begin(&fields);
    put_ids(&fields, id);
    const int rc = ask(client, "cancel", &fields, &answer, error);
    msgpack_unpacked_destroy(&answer);
    return rc;
}

/* ---- result ------------------------------------------------------------------------------------------------------ */

struct value {
    char *data;
    size_t size;  /* of what is in data */
    size_t whole; /* that it will have */
};

/* What one answer adds to it. 1: that was all. */
static int take_chunk(struct value *value, const msgpack_object *answer, size_t most)
{
    const msgpack_object *chunk = reply_field(answer, "value");
    const uint64_t whole = reply_uint(answer, "size");
    if (chunk == NULL || chunk->type == MSGPACK_OBJECT_NIL)
        return value->data == NULL ? 1 : -EBADMSG;
    if (chunk->type != MSGPACK_OBJECT_BIN || reply_uint(answer, "offset") != value->size)
        return -EBADMSG;
    if (value->data != NULL && whole != value->whole)
        return -EBUSY;
    if (most > 0 && whole > most)
        return -EFBIG;
    const size_t size = chunk->via.bin.size;
    if (size > whole - value->size || (size == 0 && value->size < whole))
        return -EBADMSG;
    char *grown = realloc(value->data, value->size + size + 1); /* never of 0 bytes */
    if (grown == NULL)
        return -ENOMEM;
    value->data = grown;
    if (size > 0)
        memcpy(grown + value->size, chunk->via.bin.ptr, size);
    value->size += size;
    value->whole = (size_t)whole;
    return value->size == whole;
}

static int fail_chunk(pool_client_t *client, uint64_t id, int rc, pool_error_t *error)
{
    switch (rc) {
    case -EBADMSG:
        return fail_shape(client, "result", error);
    case -EBUSY:
        return connection_fail(error, rc, "job %llu runs again: its value is another now", (unsigned long long)id);
    case -EFBIG:
        return connection_fail(error, rc, "the value of job %llu is larger than was asked for", (unsigned long long)id);
    default:
        return connection_fail(error, rc, "the value of job %llu: %s", (unsigned long long)id, strerror(-rc));
    }
}

int pool_client_result(pool_client_t *client, uint64_t id, size_t most, void **data, size_t *size, pool_error_t *error)
{
    struct value value = {0};
    int rc = 0;
    while (rc == 0) {
        struct fields fields;
        msgpack_unpacked answer;
        fields_begin(&fields);
        msgpack_pack_uint64(name(&fields, "id"), id);
        msgpack_pack_uint64(name(&fields, "offset"), value.size);
        msgpack_pack_uint64(name(&fields, "limit"), CHUNK);
        rc = ask(client, "result", &fields, &answer, error);
        if (rc == 0) {
            rc = take_chunk(&value, &answer.data, most);
            if (rc < 0)
                fail_chunk(client, id, rc, error);
        }
        msgpack_unpacked_destroy(&answer);
    }
    if (rc < 0) {
        free(value.data);
        return rc;
    }
    *data = value.data;
    *size = value.size;
    return 0;
}
