#include "runs_command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

#define ID      "RECLAIM_JOB_ID="
#define ATTEMPT "RECLAIM_ATTEMPT="

/* Copies it, and a NUL, to *at, which moves on. */
static const char *put(char **at, const char *text, size_t size)
{
    char *copy = *at;
    memcpy(copy, text, size);
    copy[size] = '\0';
    *at += size + 1;
    return copy;
}

static size_t count_of(const msgpack_object *texts)
{
    return texts == NULL ? 0 : texts->via.array.size;
}

static size_t bytes_of(const msgpack_object *texts)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count_of(texts); i++)
        bytes += texts->via.array.ptr[i].via.str.size + 1;
    return bytes;
}

static size_t put_all(char **at, const msgpack_object *texts, const char **out)
{
    const size_t count = count_of(texts);
    for (size_t i = 0; i < count; i++)
        out[i] = put(at, texts->via.array.ptr[i].via.str.ptr, texts->via.array.ptr[i].via.str.size);
    return count;
}

static size_t count_environment(void)
{
    size_t count = 0;
    while (environ != NULL && environ[count] != NULL)
        count++;
    return count;
}

/* The entries, and ours: those of an outer job, or of the client, do not stay beside them. */
static void put_environment(struct runs_command *command, char **at, const struct spec *spec)
{
    size_t count = 0;
    if (spec->env != NULL)
        count = put_all(at, spec->env, command->envp);
    else
        for (; environ != NULL && environ[count] != NULL; count++)
            command->envp[count] = environ[count];
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (strncmp(command->envp[i], ID, strlen(ID)) != 0 && strncmp(command->envp[i], ATTEMPT, strlen(ATTEMPT)) != 0)
            command->envp[kept++] = command->envp[i];
    command->envp[kept++] = command->job_id;
    command->envp[kept++] = command->attempt;
    command->envp[kept] = NULL;
}

int runs_command_make(struct runs_command *command, const struct spec *spec, uint64_t id, uint32_t attempt)
{
    const size_t entries = spec->env != NULL ? count_of(spec->env) : count_environment();
    *command = (struct runs_command){
        .text = malloc(bytes_of(spec->command) + bytes_of(spec->env) + spec->cwd.size + 1),
        .argv = calloc(count_of(spec->command) + 1, sizeof(*command->argv)),
        .envp = calloc(entries + 3, sizeof(*command->envp)),
    };
    if (command->text == NULL || command->argv == NULL || command->envp == NULL) {
        runs_command_free(command);
        return -ENOMEM;
    }
    char *at = command->text;
    put_all(&at, spec->command, command->argv);
    snprintf(command->job_id, sizeof command->job_id, ID "%" PRIu64, id);
    snprintf(command->attempt, sizeof command->attempt, ATTEMPT "%" PRIu32, attempt);
    put_environment(command, &at, spec);
    command->command = (pool_command_t){
        .argv = command->argv,
        .envp = command->envp,
        .cwd = spec->cwd.size > 0 ? put(&at, spec->cwd.data, spec->cwd.size) : "/",
        .stdin_mode = spec_has(spec, SPEC_STDIN) ? POOL_STDIN_BYTES : POOL_STDIN_NULL,
        .stdin_bytes = {spec->stdin_bytes.data, spec->stdin_bytes.size},
    };
    return 0;
}

void runs_command_free(struct runs_command *command)
{
    free(command->text);
    free(command->argv);
    free(command->envp);
}
