/* jobs.c - a job over a connection: submit, status, wait, result, cancel. */
#include "connection.h"
#include "settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK ((size_t)1024 * 1024) /* bytes of a value in one answer */

/* An answer without a field that the protocol promises. */
static int fail_shape(pool_client_t *client, const char *method, pool_error_t *error)
{
    client->broken = -EBADMSG;
    return connection_fail(error, -EBADMSG, "%s: reclaimd's answer is not what its protocol says", method);
}

/* ---- submit ------------------------------------------------------------------------------------------------------ */

static void pack_text(pool_fields_t *fields, const char *name, const char *text)
{
    if (text != NULL)
        pool_fields_text(fields, name, text);
}

static void pack_texts(pool_fields_t *fields, const char *name, const char *const *texts)
{
    size_t count = 0;
    if (texts == NULL)
        return;
    while (texts[count] != NULL)
        count++;
    msgpack_packer *packer = pool_fields_packer(fields, name);
    msgpack_pack_array(packer, count);
    for (size_t i = 0; i < count; i++)
        msgpack_pack_str_with_body(packer, texts[i], strlen(texts[i]));
}

static void pack_ids(pool_fields_t *fields, const char *name, const uint64_t *ids, size_t count)
{
    msgpack_packer *packer = pool_fields_packer(fields, name);
    msgpack_pack_array(packer, count);
    for (size_t i = 0; i < count; i++)
        msgpack_pack_uint64(packer, ids[i]);
}

static void pack_int(pool_fields_t *fields, const char *name, int64_t value)
{
    if (value != 0)
        pool_fields_int(fields, name, value);
}

/* POOL_NONE is a zero that is sent. */
static void pack_seconds(pool_fields_t *fields, const char *name, double value)
{
    if (value != 0)
        pool_fields_double(fields, name, value == POOL_NONE ? 0 : value);
}

/* What the job runs. */
static void pack_what(pool_fields_t *fields, const pool_client_job_t *job)
{
    pack_texts(fields, "command", job->argv);
    pack_text(fields, "task", job->task);
    if (job->argument.size > 0)
        pool_fields_packed(fields, "argument", job->argument);
    pack_texts(fields, "env", job->env);
    pack_text(fields, "cwd", job->cwd);
    if (job->stdin_bytes.size > 0)
        pool_fields_bin(fields, "stdin", job->stdin_bytes.data, job->stdin_bytes.size);
    pack_text(fields, "key", job->key);
    pack_text(fields, "name", job->name);
    pack_text(fields, "group", job->group);
    pack_int(fields, "priority", job->priority);
}

/* When it runs, how often, and how long it is kept. */
static void pack_when(pool_fields_t *fields, const pool_client_job_t *job)
{
    pack_int(fields, "retries", job->retries);
    pack_seconds(fields, "retry_delay", job->retry_delay);
    if (job->retry_oom != 0)
        pool_fields_double(fields, "retry_oom", job->retry_oom);
    pack_seconds(fields, "delay", job->delay);
    pack_seconds(fields, "start_at", job->start_at);
    if (job->after_count > 0)
        pack_ids(fields, "after", job->after, job->after_count);
    pack_text(fields, "after_failure", job->run_after_failure ? "run" : NULL);
    pack_text(fields, "on_crash", job->requeue_on_crash ? "requeue" : NULL);
    pack_seconds(fields, "keep", job->keep);
}

void pool_client_job_settings(pool_client_job_t *job, const pool_job_options_t *options)
{
    settings_from_options(options, job);
}

int pool_client_submit(pool_client_t *client, const pool_client_job_t *job, uint64_t *id, pool_error_t *error)
{
    pool_fields_t fields;
    msgpack_unpacked answer;
    for (size_t i = 0; i < sizeof job->reserved / sizeof job->reserved[0]; i++)
        if (job->reserved[i] != 0)
            return connection_fail(error, -EINVAL,
                                   "submit: reserved fields must be 0: zero the job before you fill it");
    pool_fields_begin(&fields);
    pack_what(&fields, job);
    settings_pack(job, &fields);
    pack_when(&fields, job);
    int rc = connection_ask(client, "submit", &fields, -1, &answer, error);
    if (rc == 0) {
        *id = pool_field_uint(&answer.data, "id");
        if (*id == 0)
            rc = fail_shape(client, "submit", error);
    }
    msgpack_unpacked_destroy(&answer);
    return rc;
}

/* ---- status and wait --------------------------------------------------------------------------------------------- */

static void read_status(const msgpack_object *job, pool_client_status_t *status)
{
    *status = (pool_client_status_t){.id = pool_field_uint(job, "id"),
                                     .exit_code = (int32_t)pool_field_int(job, "exit_code"),
                                     .peak_memory = pool_field_uint(job, "peak_memory_bytes"),
                                     .result_size = pool_field_uint(job, "result_size"),
                                     .stdout_size = pool_field_uint(job, "stdout_size"),
                                     .stderr_size = pool_field_uint(job, "stderr_size"),
                                     .wall_seconds = pool_field_double(job, "wall_seconds"),
                                     .attempt = (uint32_t)pool_field_uint(job, "attempt")};
    pool_field_text(job, "state", status->state, sizeof status->state);
    pool_field_text(job, "outcome", status->outcome, sizeof status->outcome);
    pool_field_text(job, "message", status->message, sizeof status->message);
    status->ended = strcmp(status->state, "done") == 0 || strcmp(status->state, "failed") == 0 ||
                    strcmp(status->state, "cancelled") == 0;
}

int pool_client_status(pool_client_t *client, uint64_t id, pool_client_status_t *status, pool_error_t *error)
{
    pool_fields_t fields;
    msgpack_unpacked answer;
    pool_fields_begin(&fields);
    pool_fields_uint(&fields, "id", id);
    int rc = connection_ask(client, "status", &fields, -1, &answer, error);
    if (rc == 0) {
        read_status(&answer.data, status);
        if (status->id != id || status->state[0] == '\0')
            rc = fail_shape(client, "status", error);
    }
    msgpack_unpacked_destroy(&answer);
    return rc;
}

int pool_client_wait(pool_client_t *client, uint64_t id, int64_t timeout_ms, pool_client_status_t *status,
                     pool_error_t *error)
{
    pool_fields_t fields;
    msgpack_unpacked answer;
    pool_fields_begin(&fields);
    pack_ids(&fields, "ids", &id, 1);
    if (timeout_ms >= 0)
        pool_fields_double(&fields, "timeout", (double)timeout_ms / 1000);
    int rc = connection_ask(client, "wait", &fields, -1, &answer, error);
    const msgpack_object_array jobs = pool_field_array(&answer.data, "jobs");
    const bool one = rc == 0 && jobs.size == 1;
    if (one)
        read_status(&jobs.ptr[0], status);
    msgpack_unpacked_destroy(&answer);
    if (rc < 0)
        return rc;
    if (one)
        return status->id == id && status->ended ? 0 : fail_shape(client, "wait", error);
    rc = pool_client_status(client, id, status, error);
    return rc < 0 ? rc : connection_fail(error, -ETIMEDOUT, "job %llu has not ended yet", (unsigned long long)id);
}

int pool_client_cancel(pool_client_t *client, uint64_t id, pool_error_t *error)
{
    pool_fields_t fields;
    msgpack_unpacked answer;
    pool_fields_begin(&fields);
    pack_ids(&fields, "ids", &id, 1);
    const int rc = connection_ask(client, "cancel", &fields, -1, &answer, error);
    msgpack_unpacked_destroy(&answer);
    return rc;
}

/* ---- result ------------------------------------------------------------------------------------------------------ */

struct value {
    char *data;
    size_t size;  /* bytes in data so far */
    size_t whole; /* bytes of the whole value */
};

/* Adds the bytes of one answer. 1: the value is whole. */
static int take_chunk(struct value *value, const msgpack_object *answer, size_t most)
{
    const msgpack_object *chunk = pool_field(answer, "value");
    const uint64_t whole = pool_field_uint(answer, "size");
    if (chunk == NULL || chunk->type == MSGPACK_OBJECT_NIL)
        return value->data == NULL ? 1 : -EBADMSG;
    if (chunk->type != MSGPACK_OBJECT_BIN || pool_field_uint(answer, "offset") != value->size)
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
        return connection_fail(error, rc, "job %llu runs again: its value has changed", (unsigned long long)id);
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
        pool_fields_t fields;
        msgpack_unpacked answer;
        pool_fields_begin(&fields);
        pool_fields_uint(&fields, "id", id);
        pool_fields_uint(&fields, "offset", value.size);
        pool_fields_uint(&fields, "limit", CHUNK);
        rc = connection_ask(client, "result", &fields, -1, &answer, error);
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
