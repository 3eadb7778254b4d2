#include "remote.h"

#include "outcome.h"
#include "say.h"
#include "value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct remote_options remote_options;

const struct table_option remote_table[] = {{"json", 0, NULL, "print JSON for programs, an object a line",
                                             TABLE_FLAG(struct remote_options, json), .base = &remote_options},
                                            {"socket", 0, "FILE", "socket of reclaimd (default: $RECLAIM_SOCKET)",
                                             TABLE_TEXT(struct remote_options, socket), .base = &remote_options},
                                            {0}};

int remote_read(const struct table *table, int *argc, char ***argv, void *context, int *code)
{
    const int first = table_read(table, *argc, *argv, context);
    if (first < 0) {
        *code = first == -2 ? 0 : OUTCOME_OWN_FAILURE;
        return -1;
    }
    *argc -= first;
    *argv += first;
    return 0;
}

int remote_open(struct remote *remote, const char *verb)
{
    pool_error_t error;
    *remote = (struct remote){.verb = verb};
    if (pool_client_open(&remote->client, remote_options.socket, &error) == 0)
        return 0;
    say(verb, "%s", error.message);
    return -1;
}

void remote_close(struct remote *remote)
{
    pool_client_close(remote->client);
    remote->client = NULL;
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str_with_body(packer, text, strlen(text));
}

void request_begin(struct request *request)
{
    static const char header[] = {(char)0xdf, 0, 0, 0, 0}; /* map 32, whose size is written over it at the end */
    request->count = 0;
    msgpack_sbuffer_init(&request->buffer);
    msgpack_packer_init(&request->packer, &request->buffer, msgpack_sbuffer_write);
    msgpack_sbuffer_write(&request->buffer, header, sizeof header);
}

msgpack_packer *request_field(struct request *request, const char *name)
{
    request->count++;
    pack_text(&request->packer, name);
    return &request->packer;
}

void request_text(struct request *request, const char *name, const char *text)
{
    if (text != NULL)
        pack_text(request_field(request, name), text);
}

void request_uint(struct request *request, const char *name, uint64_t value)
{
    msgpack_pack_uint64(request_field(request, name), value);
}

int remote_call(struct remote *remote, const char *method, struct request *request, msgpack_unpacked *answer)
{
    pool_bytes_t result;
    pool_error_t error;
    msgpack_unpacked_init(answer);
    for (size_t i = 0; i < 4 && request->buffer.size > 4; i++)
        request->buffer.data[1 + i] = (char)(request->count >> (24 - 8 * i));
    const pool_bytes_t params = {request->buffer.data, request->buffer.size};
    int rc = pool_client_call(remote->client, method, params, &result, &error);
    msgpack_sbuffer_destroy(&request->buffer);
    if (rc == 0 && msgpack_unpack_next(answer, result.data, result.size, NULL) != MSGPACK_UNPACK_SUCCESS) {
        snprintf(error.message, sizeof error.message, "%s", strerror(ENOMEM));
        rc = error.code = -ENOMEM;
    }
    if (rc < 0 && remote->error != NULL)
        *remote->error = error;
    else if (rc < 0)
        say(remote->verb, "%s", error.message);
    return rc < 0 ? -1 : 0;
}

int remote_order(struct remote *remote, const char *method, struct request *request)
{
    msgpack_unpacked answer;
    const int rc = remote_call(remote, method, request, &answer);
    msgpack_unpacked_destroy(&answer);
    return rc;
}

/* ---- output ------------------------------------------------------------------------------------------------------ */

int remote_print_json(const struct remote *remote, const msgpack_object *object)
{
    char *line = value_line(object);
    if (line == NULL) {
        say(remote->verb, "%s", strerror(ENOMEM));
        return -1;
    }
    puts(line);
    free(line);
    return 0;
}

int remote_finish(struct remote *remote, int code)
{
    remote_close(remote);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    say(remote->verb, "standard output: %s", strerror(errno));
    return OUTCOME_OWN_FAILURE;
}
