/* runs_command.h - a specification's command as the pool takes it: texts with their NULs, an environment, a directory.
 */
#ifndef RUNS_COMMAND_H
#define RUNS_COMMAND_H

#include "spec.h"

#include <reclaim/pool.h>

struct runs_command {
    pool_command_t command; /* streams are left to the caller */
    char *text;             /* what argv, envp and cwd point into */
    const char **argv, **envp;
    char job_id[40], attempt[40]; /* RECLAIM_JOB_ID and RECLAIM_ATTEMPT, which every command is told */
};

/* Everything is *copied* but spec's stdin, and this process's environment where spec has none. -ENOMEM, and then there
 * is nothing to free. Not to be moved: command points into it. */
int runs_command_make(struct runs_command *command, const struct spec *spec, uint64_t id, uint32_t attempt);
void runs_command_free(struct runs_command *command);

#endif
