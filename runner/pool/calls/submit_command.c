/* submit_command.c - pool_submit_command: a program with its arguments, environment, directory and streams. */
#include "failure.h"
#include "options.h"
#include "payload.h"
#include "submit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMAND_MAX ((size_t)4 << 20)

/* Strings one after the other, each with its NUL. */
struct strings {
    char *data;
    size_t size, capacity;
};

static int strings_add(struct strings *strings, const char *text)
{
    const size_t size = strlen(text) + 1;
    if (size > COMMAND_MAX || strings->size + size > COMMAND_MAX)
        return failure(-E2BIG, "argv and envp are larger than %zu bytes: pass large input on stdin", COMMAND_MAX);
    if (strings->data == NULL || strings->size + size > strings->capacity) {
        const size_t capacity = (strings->size + size) * 2;
        char *data = realloc(strings->data, capacity);
        if (data == NULL)
            return failure(-ENOMEM, "no memory for a command of %zu bytes", strings->size + size);
        strings->data = data;
        strings->capacity = capacity;
    }
    memcpy(strings->data + strings->size, text, size);
    strings->size += size;
    return 0;
}

static int strings_add_all(struct strings *strings, const char *const *vector)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && vector[i] != NULL; i++)
        rc = strings_add(strings, vector[i]);
    return rc;
}

#define TUNABLES     "GLIBC_TUNABLES="
#define TUNABLE_HUGE "glibc.malloc.hugetlb=1"

/* The environment, with glibc's tunable for huge pages added to the others; a value that the user has set stays. */
static int add_environment(struct strings *strings, const char *const *envp, bool huge_pages)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && envp[i] != NULL; i++) {
        if (!huge_pages || strncmp(envp[i], TUNABLES, strlen(TUNABLES)) != 0) {
            rc = strings_add(strings, envp[i]);
            continue;
        }
        huge_pages = false;
        if (strstr(envp[i], "glibc.malloc.hugetlb=") != NULL || (rc = strings_add(strings, envp[i])) < 0) {
            rc = rc < 0 ? rc : strings_add(strings, envp[i]);
            continue;
        }
        strings->size--; /* over its NUL */
        rc = strings_add(strings, envp[i][strlen(TUNABLES)] == '\0' ? TUNABLE_HUGE : ":" TUNABLE_HUGE);
    }
    if (rc == 0 && huge_pages)
        rc = strings_add(strings, TUNABLES TUNABLE_HUGE);
    return rc;
}

static int pack_command(pool_job_t *job, const struct message_command *message)
{
    const size_t size =
        FRAME_HEADER_SIZE + message->argv.size + message->envp.size + message->cwd.size + message->numbers.size + 64;
    uint8_t *frame = malloc(size);
    if (frame == NULL)
        return failure(-ENOMEM, "no memory for a command of %zu bytes", size);
    const ssize_t packed = message_pack(frame, size, MESSAGE_COMMAND, message);
    int rc = (int)packed;
    if (packed >= 0) {
        const pool_bytes_t body = {frame + FRAME_HEADER_SIZE, (size_t)packed - FRAME_HEADER_SIZE};
        rc = job_set_payload(job, &body, 1, body.size);
    }
    free(frame);
    return rc;
}

/* A directory that was removed, or cannot be seen from our root, has no name: a descriptor then leads there. */
static int set_nameless_cwd(pool_job_t *job)
{
    job->files->cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return job->files->cwd < 0
               ? failure(-errno, "the working directory cannot be opened: %s; give cwd", strerror(errno))
               : 0;
}

static struct message_slice slice_of(const char *text)
{
    return (struct message_slice){text, text == NULL ? 0 : strlen(text) + 1};
}

static int set_payload(pool_job_t *job, const pool_command_t *command)
{
    extern char **environ;
    struct strings argv = {0}, envp = {0};
    const char *const *environment = command->envp != NULL ? command->envp : (const char *const *)(const void *)environ;
    char *here = command->cwd == NULL ? getcwd(NULL, 0) : NULL;
    const bool has_name = command->cwd != NULL || (here != NULL && here[0] == '/');
    int rc = strings_add_all(&argv, command->argv);
    if (rc == 0 && environment != NULL)
        rc = add_environment(&envp, environment, job_options(job)->huge_pages);
    if (rc == 0 && !has_name)
        rc = set_nameless_cwd(job);
    const struct message_command message = {
        .argv = {argv.data, argv.size},
        .envp = {envp.data, envp.size},
        .cwd = slice_of(!has_name      ? NULL
                        : here != NULL ? here
                                       : command->cwd),
        .group = command->foreground ? getpgrp() : 0,
        .numbers = {command->fd_numbers,
                    command->fd_numbers == NULL ? 0 : job->files->count * sizeof *command->fd_numbers},
    };
    if (rc == 0)
        rc = pack_command(job, &message);
    free(here);
    free(argv.data);
    free(envp.data);
    return rc;
}

static int copy_stream(pool_job_t *job, int which, int fd, const char *name)
{
    job->files->streams[which] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (job->files->streams[which] < 0)
        return failure(-errno, "%s_fd is %d and cannot be duplicated: %s", name, fd, strerror(errno));
    return 0;
}

static int set_streams(pool_job_t *job, const pool_command_t *command)
{
    int rc = 0;
    if (command->stdin_mode == POOL_STDIN_FD)
        rc = copy_stream(job, 0, command->stdin_fd, "stdin");
    if (command->stdin_mode == POOL_STDIN_BYTES) {
        rc = payload_copy("reclaim-stdin", command->stdin_bytes.data, command->stdin_bytes.size);
        job->files->streams[0] = rc;
        rc = rc < 0 ? failure(rc, "stdin_bytes cannot be copied: %s", strerror(-rc)) : 0;
    }
    if (rc == 0 && command->stdout_mode == POOL_STREAM_FD)
        rc = copy_stream(job, 1, command->stdout_fd, "stdout");
    if (rc == 0 && command->stderr_mode == POOL_STREAM_FD)
        rc = copy_stream(job, 2, command->stderr_fd, "stderr");
    return rc;
}

static int submit_command(pool_t *pool, const pool_command_t *command, const pool_job_options_t *options,
                          pool_job_t **job)
{
    struct kind *kind = NULL;
    pool_job_t *made = NULL;
    if (job != NULL)
        *job = NULL;
    int rc = submit_check_caller(pool);
    if (rc < 0 || (rc = options_command(command, options == NULL ? 0 : options->fd_count)) < 0)
        return rc;
    struct kind like = {.is_command = true,
                        .in = command->stdin_mode,
                        .out = command->stdout_mode,
                        .err = command->stderr_mode,
                        .name = command->argv[0]};
    if ((rc = submit_find_kind(pool, options, &like, &kind)) < 0 || (rc = job_new(pool, kind, options, 0, &made)) < 0)
        return rc;
    rc = set_streams(made, command);
    if (rc == 0)
        rc = set_payload(made, command);
    if (rc < 0) {
        job_discard(made);
        return rc;
    }
    return submit_queue(pool, made, options, job);
}

int pool_submit_command(pool_t *pool, const pool_command_t *command, const pool_job_options_t *options,
                        pool_job_t **job)
{
    const int rc = submit_command(pool, command, options, job);
    pool_reservation_free(options != NULL ? options->reservation : NULL);
    return rc;
}
