/* verdict.h - from the facts of an ended attempt to exactly one outcome and one cause. Pure.
 *
 * A whole result, code 0 and exit 0 count first, whatever kill was under way; then the fork server's reason for a kill;
 * then how the process died. */
#ifndef VERDICT_H
#define VERDICT_H

#include "message.h"

#include <reclaim/pool.h>

#define VERDICT_TEXT_MAX 1280

struct verdict_ending {
    bool has_result;      /* a whole result frame came */
    bool protocol_error;  /* something illegal came */
    bool value_bad;       /* the result's memfd was not what the frame said */
    int host_error;       /* errno: the host lacked memory or a descriptor for what the worker sent; else 0 */
    int unkept;           /* errno: the same for the value; EFBIG: it is over its limit */
    uint64_t value_size;  /* bytes, of an unkept value */
    bool output_unkept;   /* the host has no memory for more captured output */
    int64_t result_limit; /* bytes; 0: the memory limit is the value's, too */
    bool lost;            /* the fork server died: status and verdict are unknown */
    bool unkillable;      /* a process of the job could not be killed */
    int status;           /* as wait(2) */
    uint64_t reason;      /* enum message_kill_reason */
    bool is_command;
    int64_t code;                                   /* of the result */
    uint64_t start, signal;                         /* of a command's result */
    const char *text;                               /* the job's own words, or NULL */
    int64_t timeout_ms, cpu_ms, output_limit, pids; /* to say which limit it was; -1: none */
    int64_t memory_limit;                           /* bytes; -1: none */
    uint64_t peak;                                  /* bytes */
    const char *method;                             /* how peak was measured */
    uint64_t oom;                                   /* enum message_oom */
    int64_t cpu_used_ms;                            /* by the whole tree, as far as it was waited for */
    bool deadline;                                  /* the timeout was what deadline_ms had left */
};

struct verdict {
    pool_outcome_t outcome;
    pool_cause_t cause;
    int32_t code, signal;
    bool keeps_value; /* the value of this attempt, if it has one, is the job's */
    char message[VERDICT_TEXT_MAX];
};

void verdict_decide(const struct verdict_ending *ending, struct verdict *verdict);

/* What a further attempt depends on. */
struct verdict_retry {
    pool_outcome_t outcome;
    bool unbegun;     /* its worker died before it took the job */
    bool cancelled;   /* by the caller, or the pool closes */
    bool out_of_time; /* its deadline has ended this attempt */
    bool rerunnable;
    bool evicted;
    uint32_t attempt; /* of those that retries counts */
    int32_t retries;
    uint32_t retry_on; /* 0: the default */

    bool over_memory;     /* it has died of its own memory limit */
    double retry_oom;     /* 0: no */
    int64_t memory_limit; /* bytes; -1: none */
    uint64_t memory_most; /* that its limit may grow to */
};

enum verdict_next {
    VERDICT_SETTLE = 0,
    VERDICT_RETRY,
    VERDICT_RESTART, /* does not count: the job had not begun */
    VERDICT_RERUN,   /* costs no attempt */
    VERDICT_LARGER   /* with verdict_larger_limit */
};

enum verdict_next verdict_next(const struct verdict_retry *retry);

/* The limit of an attempt after one that has outgrown its own. */
int64_t verdict_larger_limit(const struct verdict_retry *retry);

#endif
