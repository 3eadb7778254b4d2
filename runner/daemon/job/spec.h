/* spec.h - what a job is to do: the fields of `submit` (docs/protocol.md, "A job"), read, checked and kept.
 *
 * Pure. Kept as MessagePack with fields in the table's order, so that two specifications are the same job exactly when
 * their bytes are. */
#ifndef SPEC_H
#define SPEC_H

#include "fields.h"
#include "record.h"

enum spec_after_failure { SPEC_FAIL = 0, SPEC_RUN };
enum spec_on_crash { SPEC_INTERRUPTED = 0, SPEC_REQUEUE };

/* A bit for each field that was given. */
enum spec_given {
    SPEC_COMMAND,
    SPEC_TASK,
    SPEC_ARGUMENT,
    SPEC_ENV,
    SPEC_CWD,
    SPEC_STDIN,
    SPEC_KEY,
    SPEC_NAME,
    SPEC_GROUP,
    SPEC_PRIORITY,
    SPEC_TIMEOUT,
    SPEC_KILL_AFTER,
    SPEC_CPU_TIME,
    SPEC_MEMORY,
    SPEC_EXPECTED,
    SPEC_PIDS,
    SPEC_NOFILE,
    SPEC_NICE,
    SPEC_OUTPUT_LIMIT,
    SPEC_HUGE_PAGES,
    SPEC_RERUNNABLE,
    SPEC_RETRIES,
    SPEC_RETRY_DELAY,
    SPEC_RETRY_OOM,
    SPEC_DELAY,
    SPEC_START_AT,
    SPEC_AFTER,
    SPEC_AFTER_FAILURE,
    SPEC_ON_CRASH,
    SPEC_KEEP,
    SPEC_FIELD_COUNT_
};

/* Defaults are filled in for what was not given; texts, bytes and objects are *borrowed* from what it was read from. */
struct spec {
    uint64_t given;
    const msgpack_object *command; /* array of str */
    struct rpc_text task;
    const msgpack_object *argument; /* any object */
    const msgpack_object *env;
    struct rpc_text cwd, stdin_bytes, key, name, group;
    int64_t priority;
    double timeout, kill_after, cpu_time; /* seconds; 0: none */
    int64_t memory, expected, pids, nofile, nice, output_limit;
    bool huge_pages, rerunnable;
    int64_t retries;
    double retry_delay, retry_oom, delay, start_at, keep; /* keep < 0: the daemon's */
    const msgpack_object *after;                          /* array of job references; NULL: none */
    enum spec_after_failure after_failure;
    enum spec_on_crash on_crash;
};

/* From a submit's fields. 0, or -1 and error: also what contradicts (command and task, argument without a task; stdin,
 * env, cwd or huge_pages with a task; retry_oom without memory; delay and start_at; a relative cwd, an env entry
 * without '=', an empty command). */
int spec_read(const msgpack_object *map, struct spec *spec, struct rpc_error *error);

/* The bytes to keep (key left out), appended to buffer. -ENOMEM. */
int spec_encode(const struct spec *spec, msgpack_sbuffer *buffer);

/* From kept bytes; unpacked is the caller's, for msgpack_unpacked_destroy, and the spec borrows from it and from data.
 * -EBADMSG: damaged. */
int spec_decode(const void *data, size_t size, struct spec *spec, msgpack_unpacked *unpacked);

#endif
