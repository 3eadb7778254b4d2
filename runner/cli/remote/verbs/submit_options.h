/* submit_options.h - what `reclaim submit` is asked to do. */
#ifndef SUBMIT_OPTIONS_H
#define SUBMIT_OPTIONS_H

#include "jobrefs.h"
#include "limit.h"
#include "text.h"

#include <reclaim/client.h>
#include <reclaim/map.h>

struct submit_options {
    struct limits limits;  /* the first: see limit.h */
    pool_client_job_t job; /* but what is below; borrows from that and from the command line */
    struct jobrefs after;  /* jobs that it waits for, by id or key */
    msgpack_sbuffer argument;
    const char *stdin_file; /* "-": ours; NULL: none */
    struct text stdin_bytes;
    const char **env; /* NULL-terminated; NULL: reclaimd's own */
    size_t env_count, env_capacity;
    bool no_env; /* ours is not sent */
    char cwd[4096];
    bool wait, follow;
};

/* Reads the command line (*borrows*). 0; else the exit code to end with is in *code. submit_options_deinit in any case.
 */
int submit_options_read(struct submit_options *options, int argc, char **argv, int *code);
void submit_options_deinit(struct submit_options *options);

#endif
