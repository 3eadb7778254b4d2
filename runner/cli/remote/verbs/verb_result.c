/* verb_result.c - `reclaim result`: the value of a task. */
#include "outfile.h"
#include "program.h"
#include "remote_verb.h"
#include "say.h"
#include "verbs.h"

#include <errno.h>
#include <reclaim/msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct result {
    bool raw;
    const char *file; /* NULL: standard output */
    void *data;
    size_t size;
} result;

static const struct table_option rows[] = {
    {"output", 'o', "FILE", "write the bytes to a file", TABLE_TEXT(struct result, file)},
    {"raw", 0, NULL, "print the bytes even on a terminal", TABLE_FLAG(struct result, raw)},
    {0}};

static int write_file(void)
{
    FILE *file;
    if (outfile_open("output", result.file, &file) < 0)
        return -1;
    int rc = outfile_empty(result.file, file);
    if (rc == 0 && result.size > 0 && fwrite(result.data, 1, result.size, file) != result.size)
        rc = -errno;
    return outfile_close("output", result.file, file, rc);
}

static int print_value(const struct remote *remote)
{
    const pool_result_t bytes = {.data = result.data, .size = result.size};
    msgpack_unpacked value;
    msgpack_unpacked_init(&value);
    int rc = pool_result_unpack(&bytes, &value);
    if (rc == -EBADMSG)
        say("result", "its %zu bytes are not one MessagePack object: --raw shows them, -o FILE writes them",
            result.size);
    else if (rc < 0)
        say("result", "the value: %s", strerror(-rc));
    else
        rc = remote_print_json(remote, &value.data);
    msgpack_unpacked_destroy(&value);
    return rc;
}

static int write_value(const struct remote *remote)
{
    if (result.file != NULL)
        return write_file();
    if (!result.raw && (remote_options.json || isatty(STDOUT_FILENO)))
        return print_value(remote);
    const int rc = write_all(STDOUT_FILENO, result.data, result.size);
    return rc < 0 ? say("result", "standard output: %s", strerror(-rc)) : 0;
}

static int run(struct remote *remote, const struct remote_given *given)
{
    uint64_t id;
    pool_error_t error;
    pool_client_status_t status;
    if (jobrefs_resolve(remote, &given->jobs.items[0], &id) < 0)
        return -1;
    if (pool_client_result(remote->client, id, 0, &result.data, &result.size, &error) < 0 ||
        pool_client_status(remote->client, id, &status, &error) < 0)
        return say("result", "%s", error.message);
    const bool has_failed = strcmp(status.state, "done") != 0;
    if (result.data == NULL || has_failed)
        say("result", "job %llu has %s: %s", (unsigned long long)id, result.data == NULL ? "no value" : "failed",
            status.message);
    const int rc = result.data == NULL ? 0 : write_value(remote);
    return rc == 0 ? status.exit_code : rc;
}

const struct remote_verb result_verb = {
    .usage = "[OPTION...] JOB",
    .intro = "Prints the value of an ended task: JSON on a terminal, else its bytes.",
    .rows = rows,
    .words = REMOTE_ONE_JOB,
    .context = &result,
    .run = run,
};
