/* spec.h - the specification of a job: the fields of `submit` (docs/protocol.md, "A job"), read, checked and kept.
 *
 * Pure. Kept as MessagePack with fields in the table's order, so that two specifications are the same job exactly when
 * their bytes are. */
#ifndef SPEC_H
#define SPEC_H

#include "fields.h"
#include "record.h"
#include "settings.h"

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
    SPEC_SETTINGS, /* a bit for each row of settings.h, in its order */
    SPEC_RETRIES = SPEC_SETTINGS + SETTING_ROW_COUNT_,
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

/* Fields that were not given have their defaults, settings 0. Texts, bytes and objects are *borrowed* from the map. */
struct spec {
    uint64_t given;
    const msgpack_object *command; /* array of str */
    struct rpc_text task;
    const msgpack_object *argument; /* any object */
    const msgpack_object *env;
    struct rpc_text cwd, stdin_bytes, key, name, group;
    int64_t priority;
    pool_client_job_t settings; /* only the members that settings.h has, as in the protocol: no POOL_NONE */
    int64_t retries;
    double retry_delay, retry_oom, delay, start_at, keep; /* keep < 0: the daemon's */
    const msgpack_object *after;                          /* array of job references; NULL: none */
    enum spec_after_failure after_failure;
    enum spec_on_crash on_crash;
};

static inline bool spec_has(const struct spec *spec, unsigned field)
{
    return (spec->given >> field & 1) != 0;
}

/* Reads a submit's fields. 0, or -1 and error; contradictions are errors, too (command and task, argument without a
 * task; stdin, env, cwd or huge_pages with a task; retry_oom or memory_backstop without memory; delay and start_at; a
 * relative cwd, an env entry without '=', an empty command). */
int spec_read(const msgpack_object *map, struct spec *spec, struct rpc_error *error);

/* Copies the settings into options; the other members stay as they are. */
void spec_to_options(const struct spec *spec, pool_job_options_t *options);

/* Appends the bytes to keep to buffer; key is left out. -ENOMEM. */
int spec_encode(const struct spec *spec, msgpack_sbuffer *buffer);

/* A specification that was kept, with the memory that it borrows from. */
struct spec_kept {
    struct spec spec;
    msgpack_unpacked unpacked; /* its map */
    void *bytes;
};

/* Reads kept bytes, which it *takes* (free(3)), also on failure. -EBADMSG: damaged; -ENOMEM. Then nothing is to free. */
int spec_decode(void *bytes, size_t size, struct spec_kept *kept);
void spec_free(struct spec_kept *kept);

#endif
