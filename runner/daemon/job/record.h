/* record.h - a job as the store keeps it: one row. */
#ifndef RECORD_H
#define RECORD_H

#include <reclaim/pool.h>
#include <stdbool.h>
#include <stdint.h>

/* Numbers are on disk: never change one. */
enum record_state {
    RECORD_WAITING = 1, /* for a time, a retry or other jobs, or queued: the schedule knows which */
    RECORD_RUNNING = 2,
    RECORD_DONE = 3,
    RECORD_FAILED = 4,
    RECORD_CANCELLED = 5
};

static inline bool record_has_ended(enum record_state state)
{
    return state >= RECORD_DONE;
}

/* Causes of the daemon, beside those of pool_cause_t. On disk: never change one. */
enum record_cause { RECORD_INTERRUPTED = 100, RECORD_DEPENDENCY_FAILED = 101 };

#define RECORD_KEY_MAX     128 /* bytes, as of name and group */
#define RECORD_NAME_MAX    255
#define RECORD_GROUP_MAX   64
#define RECORD_MESSAGE_MAX 512

struct record_bytes {
    const void *data; /* *borrowed* */
    size_t size;
};

/* How a run ended, or why there was none. */
struct record_end {
    int32_t cause; /* pool_cause_t or record_cause; 0: not ended */
    int32_t code, signal, exit_code;
    char message[RECORD_MESSAGE_MAX];
    double started_at, ended_at;
    double wall_seconds, user_seconds, system_seconds;
    uint64_t peak_memory, memory_limit;
    int32_t memory_method; /* pool_memory_method_t */
    uint32_t processes, killed_processes;
    uint64_t result_size, stdout_size, stderr_size;
    bool truncated;
    bool unkillable; /* processes of it may still live */
};

/* Without the specification (spec.h). A record that was read borrows key, name and group from its own texts, so a copy
 * of it would borrow from the original. */
struct record {
    uint64_t id;
    struct record_bytes key;  /* size 0: none */
    struct record_bytes name; /* never empty */
    struct record_bytes group;
    int32_t priority;
    enum record_state state;
    bool cancelling;               /* a cancel came while it ran: never run again */
    bool requeue;                  /* on_crash: requeue */
    bool after_any;                /* after_failure: run */
    double submitted_at, start_at; /* epoch; start_at 0: at once */
    double keep_seconds;           /* < 0: the daemon's */
    uint32_t attempt;              /* runs begun */
    uint32_t failures;             /* of those that count for `retries` */
    uint32_t oom_retries;          /* for the next memory limit */
    uint32_t interruptions, evictions;
    struct record_end end; /* of the last run, also while it waits for a retry */
    char texts[RECORD_KEY_MAX + RECORD_NAME_MAX + RECORD_GROUP_MAX];
};

/* "done"; static. */
const char *record_state_name(enum record_state state);
/* "exited", "interrupted": the words of docs/protocol.md; static. */
const char *record_cause_name(int32_t cause);

#endif
