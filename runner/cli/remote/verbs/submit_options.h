/* submit_options.h - the command line of `reclaim submit`. */
#ifndef SUBMIT_OPTIONS_H
#define SUBMIT_OPTIONS_H

#include "jobrefs.h"
#include "limit.h"
#include "text.h"

#include <reclaim/client.h>
#include <reclaim/map.h>

struct submit_options {
    struct limits limits;  /* the first: see limit.h */
    pool_client_job_t job; /* *borrows* from the members below and from the command line */
    struct jobrefs after;  /* the jobs of --after, by id or key */
    msgpack_sbuffer argument;
    const char *stdin_file; /* "-": standard input; NULL: none */
    struct text stdin_bytes;
    const char **env; /* ended by NULL; NULL: the daemon's own */
    size_t env_count, env_capacity;
    bool no_env; /* this environment is not sent */
    char cwd[4096];
    bool wait, follow;
};

/* Reads the command line (*borrows*). 0; -1: *code is the exit code. Call submit_options_deinit in any case. */
int submit_options_read(struct submit_options *options, int argc, char **argv, int *code);
void submit_options_deinit(struct submit_options *options);

#endif
