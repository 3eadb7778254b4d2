#include "remote.h"

#include "outcome.h"
#include "say.h"
#include "value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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
    return pool_client_open(&remote->client, remote_options.socket, &error) == 0 ? 0 : say(verb, "%s", error.message);
}

void remote_close(struct remote *remote)
{
    pool_client_close(remote->client);
    remote->client = NULL;
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

int remote_call(struct remote *remote, const char *method, pool_fields_t *params, msgpack_unpacked *answer)
{
    pool_bytes_t map = {0}, result;
    pool_error_t error = {.code = -ENOMEM, .message = "no memory for the request, or its answer"};
    msgpack_unpacked_init(answer);
    int rc = params != NULL ? pool_fields_end(params, &map) : 0;
    if (rc == 0)
        rc = pool_client_call(remote->client, method, map, &result, &error);
    if (params != NULL)
        pool_fields_free(params);
    if (rc == 0 && msgpack_unpack_next(answer, result.data, result.size, NULL) != MSGPACK_UNPACK_SUCCESS)
        rc = -ENOMEM;
    if (rc < 0 && remote->error != NULL)
        *remote->error = error;
    else if (rc < 0)
        say(remote->verb, "%s", error.message);
    return rc < 0 ? -1 : 0;
}

int remote_order(struct remote *remote, const char *method, pool_fields_t *params)
{
    msgpack_unpacked answer;
    const int rc = remote_call(remote, method, params, &answer);
    msgpack_unpacked_destroy(&answer);
    return rc;
}

/* ---- output ------------------------------------------------------------------------------------------------------ */

int remote_print_json(const struct remote *remote, const msgpack_object *object)
{
    char *line = value_line(object);
    if (line == NULL)
        return say(remote->verb, "%s", strerror(ENOMEM));
    puts(line);
    free(line);
    return 0;
}

int remote_finish(struct remote *remote, int code)
{
    remote_close(remote);
    if (fflush(stdout) != 0 || ferror(stdout))
        code = say(remote->verb, "standard output: %s", strerror(errno));
    return code < 0 ? OUTCOME_OWN_FAILURE : code;
}

int64_t remote_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
