#include "follow.h"

#include "jobrefs.h"
#include "program.h"
#include "say.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CHUNK ((uint64_t)1024 * 1024)

/* The place that was reached in the output of a run. */
struct place {
    uint64_t offset, attempt; /* attempt 0: not known yet */
};

/* Calls `output`. */
static int fetch(struct patience *patience, const struct follow *output, const struct place *place, uint64_t limit,
                 bool follow, msgpack_unpacked *answer)
{
    pool_fields_t request;
    pool_fields_begin(&request);
    pool_fields_uint(&request, "id", output->id);
    pool_fields_text(&request, "stream", output->stream);
    pool_fields_uint(&request, "offset", place->offset);
    pool_fields_uint(&request, "limit", limit);
    if (place->attempt > 0)
        pool_fields_uint(&request, "attempt", place->attempt);
    if (follow)
        pool_fields_bool(&request, "follow", true);
    return patience_call(patience, "output", &request, answer);
}

/* The bytes of an answer. */
static pool_bytes_t data_of(const msgpack_object *answer)
{
    const msgpack_object *data = pool_field(answer, "data");
    if (data != NULL && data->type == MSGPACK_OBJECT_BIN)
        return (pool_bytes_t){data->via.bin.ptr, data->via.bin.size};
    return (pool_bytes_t){0};
}

/* The start of the last `lines` lines of a piece; 0: it has fewer. Subtracts the lines that it has from *lines. */
static size_t back_over_lines(pool_bytes_t piece, bool is_end, int64_t *lines)
{
    const char *data = piece.data;
    for (size_t i = piece.size; i > 0; i--)
        if (data[i - 1] == '\n' && !(is_end && i == piece.size) && --*lines < 0)
            return i;
    return 0;
}

/* Finds the start of the last lines: reads back from the end, a piece at a time. */
static int find_lines(struct patience *patience, const struct follow *output, struct place *place)
{
    msgpack_unpacked answer;
    int64_t lines = output->lines - 1;
    int rc = fetch(patience, output, &(struct place){0}, 1, false, &answer);
    const uint64_t size = pool_field_uint(&answer.data, "size");
    *place = (struct place){size, pool_field_uint(&answer.data, "attempt")};
    msgpack_unpacked_destroy(&answer);
    while (rc == 0 && place->offset > 0 && lines >= -1) {
        const uint64_t end = place->offset, start = end > CHUNK ? end - CHUNK : 0;
        rc = fetch(patience, output, &(struct place){.offset = start}, end - start, false, &answer);
        const pool_bytes_t piece = data_of(&answer.data);
        const size_t found = output->lines == 0 ? piece.size : back_over_lines(piece, end == size, &lines);
        place->offset = start + found;
        msgpack_unpacked_destroy(&answer);
        if (found > 0 || start == 0)
            break;
    }
    return rc;
}

static msgpack_object text_of(const char *text)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_STR, .via.str = {.ptr = text, .size = (uint32_t)strlen(text)}};
}

/* Prints the answer with the stream's name as its first field. */
static int print_json(const struct remote *remote, const struct follow *output, const msgpack_object *answer)
{
    msgpack_object_kv fields[8] = {{.key = text_of("stream"), .val = text_of(output->stream)}};
    msgpack_object line = {.type = MSGPACK_OBJECT_MAP, .via.map = {.ptr = fields, .size = 1}};
    for (uint32_t i = 0; i < answer->via.map.size && line.via.map.size < 8; i++)
        fields[line.via.map.size++] = answer->via.map.ptr[i];
    const int rc = remote_print_json(remote, &line);
    return rc == 0 && fflush(stdout) != 0 ? -1 : rc; /* remote_finish says why */
}

static int print(const struct remote *remote, const struct follow *output, pool_bytes_t piece,
                 const msgpack_object *answer)
{
    if (remote_options.json)
        return piece.size > 0 ? print_json(remote, output, answer) : 0;
    const int rc = write_all(output->fd, piece.data, piece.size);
    return rc < 0 ? say(remote->verb, "%s: %s", output->stream, strerror(-rc)) : 0;
}

/* Once for each run: both streams find out. */
static void say_anew(const struct remote *remote, uint64_t id, uint64_t attempt)
{
    static _Atomic uint64_t said;
    if (atomic_exchange(&said, attempt) != attempt)
        say(remote->verb, "job %llu has begun anew, and so does its output", (unsigned long long)id);
}

/* Prints one answer, and advances *place. 1: it was the last; 0: more may follow; -1: it cannot be printed. */
static int take(const struct patience *patience, const struct follow *output, const msgpack_object *answer,
                struct place *place, bool *was_lost)
{
    const pool_bytes_t piece = data_of(answer);
    const uint64_t offset = pool_field_uint(answer, "offset"), attempt = pool_field_uint(answer, "attempt");
    if (*was_lost && place->offset > 0 && (attempt != place->attempt || offset < place->offset)) {
        say_anew(patience->remote, output->id, attempt);
        *was_lost = false;
    }
    *place = (struct place){offset + piece.size, attempt};
    if (print(patience->remote, output, piece, answer) < 0)
        return -1;
    return piece.size == 0 && (pool_field_bool(answer, "ended") || !output->follow);
}

int follow_copy(struct patience *patience, const struct follow *output)
{
    struct place place = {0};
    bool was_lost = false;
    int code = 0, rc = 0;
    patience->gives_up = !output->follow;
    while (code == 0 && output->lines >= 0 && find_lines(patience, output, &place) < 0)
        code = patience_renew(patience);
    while (code == 0 && rc == 0) {
        msgpack_unpacked answer;
        if (fetch(patience, output, &place, CHUNK, output->follow, &answer) == 0) {
            rc = take(patience, output, &answer.data, &place, &was_lost);
        } else {
            code = patience_renew(patience);
            was_lost = true;
        }
        msgpack_unpacked_destroy(&answer);
    }
    return rc < 0 ? rc : code;
}

/* ---- both -------------------------------------------------------------------------------------------------------- */

struct second {
    struct remote remote;
    struct patience patience; /* quiet: its error is printed only if the first stream has none */
    struct follow output;
    int code;
};

static void *copy_second(void *user)
{
    struct second *second = user;
    struct patience *patience = &second->patience;
    second->code = patience_renew(patience);
    patience->back_at = patience->gone_at = 0; /* it is the first connection */
    if (second->code == 0)
        second->code = follow_copy(patience, &second->output);
    remote_close(&second->remote);
    return NULL;
}

/* Whether the job exists: one question, before both streams ask for it. */
static int check_job(struct patience *patience, const struct follow *output)
{
    for (;;) {
        msgpack_unpacked answer;
        const int rc = fetch(patience, output, &(struct place){0}, 1, false, &answer);
        msgpack_unpacked_destroy(&answer);
        const int code = rc < 0 ? patience_renew(patience) : 0;
        if (rc == 0 || code != 0)
            return code;
    }
}

static int follow_both(struct patience *patience, const struct follow *out, const struct follow *err)
{
    struct second second = {.remote.verb = patience->remote->verb, .patience = *patience, .output = *err};
    pthread_t thread;
    second.patience.remote = &second.remote;
    second.patience.is_quiet = true;
    second.patience.error.code = -EPIPE; /* not open yet */
    const int checked = check_job(patience, out);
    if (checked != 0)
        return checked;
    const int failed = pthread_create(&thread, NULL, copy_second, &second);
    if (failed != 0)
        return say(patience->remote->verb, "a second thread: %s", strerror(failed));
    const int code = follow_copy(patience, out);
    pthread_join(thread, NULL);
    if (code == 0 && second.code != 0 && second.patience.error.code != 0)
        say(patience->remote->verb, "%s", second.patience.error.message);
    return code != 0 ? code : second.code;
}

void follow_say_dropped(struct remote *remote, uint64_t id)
{
    msgpack_unpacked answer;
    pool_error_t gone; /* it may be removed by now */
    struct remote quiet = {.verb = remote->verb, .client = remote->client, .error = &gone};
    if (jobrefs_status(&quiet, &(struct jobref){.id = id}, &answer) == 0 && pool_field_bool(&answer.data, "truncated"))
        say(remote->verb, "job %llu wrote more than was kept: reclaimd --max-output, submit --output-limit",
            (unsigned long long)id);
    msgpack_unpacked_destroy(&answer);
}

int follow_copy_both(struct patience *patience, const struct follow *output)
{
    struct follow out = *output, err = *output;
    out.stream = "stdout";
    out.fd = STDOUT_FILENO;
    err.stream = "stderr";
    err.fd = STDERR_FILENO;
    if (output->follow)
        return follow_both(patience, &out, &err);
    const int code = follow_copy(patience, &out);
    return code != 0 ? code : follow_copy(patience, &err);
}
