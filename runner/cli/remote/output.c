#include "output.h"

#include "answer.h"
#include "say.h"
#include "value.h"
#include "write_all.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CHUNK ((uint64_t)1024 * 1024)

/* How far it is read, in which run's output. */
struct place {
    uint64_t offset, attempt; /* attempt 0: not known yet */
};

/* One answer of `output`. */
static int fetch(struct remote *remote, const struct output *output, const struct place *place, uint64_t limit,
                 bool follow, msgpack_unpacked *answer)
{
    struct request request;
    request_begin(&request);
    request_uint(&request, "id", output->id);
    request_text(&request, "stream", output->stream);
    request_uint(&request, "offset", place->offset);
    request_uint(&request, "limit", limit);
    if (place->attempt > 0)
        request_uint(&request, "attempt", place->attempt);
    if (follow)
        msgpack_pack_true(request_field(&request, "follow"));
    return remote_call(remote, "output", &request, answer);
}

/* The bytes of an answer; none where there are none. */
static pool_bytes_t data_of(const msgpack_object *answer)
{
    const msgpack_object *data = answer_field(answer, "data");
    if (data != NULL && data->type == MSGPACK_OBJECT_BIN)
        return (pool_bytes_t){data->via.bin.ptr, data->via.bin.size};
    return (pool_bytes_t){0};
}

/* Where the newline before the last `lines` lines of a piece is, plus 1; lines loses what was found. */
static size_t back_over_lines(pool_bytes_t piece, bool is_end, int64_t *lines)
{
    const char *data = piece.data;
    for (size_t i = piece.size; i > 0; i--)
        if (data[i - 1] == '\n' && !(is_end && i == piece.size) && --*lines < 0)
            return i;
    return 0;
}

/* Where the last lines begin: looks back from the end, a piece at a time. */
static int find_lines(struct remote *remote, const struct output *output, struct place *place)
{
    msgpack_unpacked answer;
    int64_t lines = output->lines - 1;
    int rc = fetch(remote, output, place, 1, false, &answer);
    const uint64_t size = answer_uint(&answer.data, "size");
    *place = (struct place){size, answer_uint(&answer.data, "attempt")};
    msgpack_unpacked_destroy(&answer);
    while (rc == 0 && place->offset > 0 && lines >= -1) {
        const uint64_t end = place->offset, start = end > CHUNK ? end - CHUNK : 0;
        rc = fetch(remote, output, &(struct place){.offset = start}, end - start, false, &answer);
        const pool_bytes_t piece = data_of(&answer.data);
        const size_t found = output->lines == 0 ? piece.size : back_over_lines(piece, end == size, &lines);
        place->offset = start + found;
        msgpack_unpacked_destroy(&answer);
        if (found > 0 || start == 0)
            break;
    }
    return rc;
}

/* The answer as it is, and of which stream it tells. */
static int print_json(const struct remote *remote, const struct output *output, const msgpack_object *answer)
{
    msgpack_object_kv fields[8] = {{.key = value_text("stream"), .val = value_text(output->stream)}};
    msgpack_object line = {.type = MSGPACK_OBJECT_MAP, .via.map = {.ptr = fields, .size = 1}};
    for (uint32_t i = 0; i < answer->via.map.size && line.via.map.size < 8; i++)
        fields[line.via.map.size++] = answer->via.map.ptr[i];
    const int rc = remote_print_json(remote, &line);
    return rc == 0 && fflush(stdout) != 0 ? -1 : rc; /* remote_finish says why */
}

static int print(const struct remote *remote, const struct output *output, pool_bytes_t piece,
                 const msgpack_object *answer)
{
    if (remote_options.json)
        return piece.size > 0 ? print_json(remote, output, answer) : 0;
    const int rc = write_all(output->fd, piece.data, piece.size);
    if (rc < 0)
        say(remote->verb, "%s: %s", output->stream, strerror(-rc));
    return rc;
}

int output_copy(struct remote *remote, const struct output *output)
{
    struct place place = {0};
    if (output->lines >= 0 && find_lines(remote, output, &place) < 0)
        return -1;
    for (;;) {
        msgpack_unpacked answer;
        int rc = fetch(remote, output, &place, CHUNK, output->follow, &answer);
        const pool_bytes_t piece = data_of(&answer.data);
        const bool ended = answer_bool(&answer.data, "ended");
        place = (struct place){answer_uint(&answer.data, "offset") + piece.size, answer_uint(&answer.data, "attempt")};
        if (rc == 0)
            rc = print(remote, output, piece, &answer.data);
        msgpack_unpacked_destroy(&answer);
        if (rc < 0)
            return -1;
        if (piece.size == 0 && (ended || !output->follow))
            return 0;
    }
}

/* ---- both -------------------------------------------------------------------------------------------------------- */

struct second {
    const char *verb;
    struct output output;
    pool_error_t error; /* of its connection: said where the other one has nothing to say */
    int rc;
};

static void *copy_second(void *user)
{
    struct second *second = user;
    struct remote remote;
    second->rc = remote_open(&remote, second->verb);
    remote.error = &second->error;
    if (second->rc == 0)
        second->rc = output_copy(&remote, &second->output);
    remote_close(&remote);
    return NULL;
}

/* Whether there is such a job: once, before two ask for it. */
static int check_job(struct remote *remote, const struct output *output)
{
    msgpack_unpacked answer;
    const int rc = fetch(remote, output, &(struct place){0}, 1, false, &answer);
    msgpack_unpacked_destroy(&answer);
    return rc;
}

static int follow_both(struct remote *remote, const struct output *out, const struct output *err)
{
    struct second second = {.verb = remote->verb, .output = *err};
    pthread_t thread;
    if (check_job(remote, out) < 0)
        return -1;
    const int failed = pthread_create(&thread, NULL, copy_second, &second);
    if (failed != 0) {
        say(remote->verb, "a second thread: %s", strerror(failed));
        return -1;
    }
    const int rc = output_copy(remote, out);
    pthread_join(thread, NULL);
    if (rc == 0 && second.error.code != 0)
        say(remote->verb, "%s", second.error.message);
    return rc < 0 ? rc : second.rc;
}

void output_say_dropped(struct remote *remote, uint64_t id)
{
    struct request request;
    msgpack_unpacked answer;
    pool_error_t gone; /* it may be removed by now */
    struct remote quiet = {.verb = remote->verb, .client = remote->client, .error = &gone};
    request_begin(&request);
    request_uint(&request, "id", id);
    if (remote_call(&quiet, "status", &request, &answer) == 0 && answer_bool(&answer.data, "truncated"))
        say(remote->verb, "job %llu wrote more than was kept: reclaimd --max-output, submit --output-limit",
            (unsigned long long)id);
    msgpack_unpacked_destroy(&answer);
}

int output_copy_both(struct remote *remote, const struct output *output)
{
    struct output out = *output, err = *output;
    out.stream = "stdout";
    out.fd = STDOUT_FILENO;
    err.stream = "stderr";
    err.fd = STDERR_FILENO;
    if (output->follow)
        return follow_both(remote, &out, &err);
    const int rc = output_copy(remote, &out);
    return rc < 0 ? rc : output_copy(remote, &err);
}
