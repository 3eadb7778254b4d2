#include "output.h"

#include "answer.h"
#include "say.h"
#include "write_all.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define CHUNK ((uint64_t)1024 * 1024)

/* One answer of `output`. *at is where it begins, *size what there is in all. */
static int fetch(struct remote *remote, const struct output *output, uint64_t offset, uint64_t limit, bool follow,
                 msgpack_unpacked *answer)
{
    struct request request;
    request_begin(&request);
    request_uint(&request, "id", output->id);
    request_text(&request, "stream", output->stream);
    request_uint(&request, "offset", offset);
    request_uint(&request, "limit", limit);
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
static int find_lines(struct remote *remote, const struct output *output, uint64_t *offset)
{
    msgpack_unpacked answer;
    int64_t lines = output->lines - 1;
    int rc = fetch(remote, output, 0, 1, false, &answer);
    const uint64_t size = answer_uint(&answer.data, "size");
    msgpack_unpacked_destroy(&answer);
    *offset = size;
    while (rc == 0 && *offset > 0 && lines >= -1) {
        const uint64_t start = *offset > CHUNK ? *offset - CHUNK : 0;
        rc = fetch(remote, output, start, *offset - start, false, &answer);
        const pool_bytes_t piece = data_of(&answer.data);
        const size_t found = output->lines == 0 ? piece.size : back_over_lines(piece, *offset == size, &lines);
        *offset = start + found;
        msgpack_unpacked_destroy(&answer);
        if (found > 0 || start == 0)
            break;
    }
    return rc;
}

int output_copy(struct remote *remote, const struct output *output)
{
    uint64_t offset = 0;
    if (output->lines >= 0 && find_lines(remote, output, &offset) < 0)
        return -1;
    for (;;) {
        msgpack_unpacked answer;
        int rc = fetch(remote, output, offset, CHUNK, output->follow, &answer);
        const pool_bytes_t piece = data_of(&answer.data);
        const bool ended = answer_bool(&answer.data, "ended"), first = rc == 0;
        offset = answer_uint(&answer.data, "offset") + piece.size;
        if (first) {
            rc = write_all(output->fd, piece.data, piece.size);
            if (rc < 0)
                say(remote->verb, "%s: %s", output->stream, strerror(-rc));
        }
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
    int rc;
};

static void *copy_second(void *user)
{
    struct second *second = user;
    struct remote remote;
    second->rc = remote_open(&remote, second->verb);
    if (second->rc == 0)
        second->rc = output_copy(&remote, &second->output);
    remote_close(&remote);
    return NULL;
}

int output_copy_both(struct remote *remote, const struct output *output)
{
    struct output out = *output;
    struct second second = {.verb = remote->verb, .output = *output};
    pthread_t thread;
    out.stream = "stdout";
    out.fd = STDOUT_FILENO;
    second.output.stream = "stderr";
    second.output.fd = STDERR_FILENO;
    if (!output->follow) {
        const int rc = output_copy(remote, &out);
        return rc < 0 ? rc : output_copy(remote, &second.output);
    }
    const int failed = pthread_create(&thread, NULL, copy_second, &second);
    if (failed != 0) {
        say(remote->verb, "a second thread: %s", strerror(failed));
        return -1;
    }
    const int rc = output_copy(remote, &out);
    pthread_join(thread, NULL);
    return rc < 0 ? rc : second.rc;
}
