/* record.c - the words for numbers on disk. */
#include "record.h"

const char *record_state_name(enum record_state state)
{
    static const char *const names[] = {
        [RECORD_WAITING] = "waiting", [RECORD_RUNNING] = "running",     [RECORD_DONE] = "done",
        [RECORD_FAILED] = "failed",   [RECORD_CANCELLED] = "cancelled",
    };
    return state >= RECORD_WAITING && state <= RECORD_CANCELLED ? names[state] : "unknown";
}

const char *record_cause_name(int32_t cause)
{
    switch (cause) {
    case RECORD_INTERRUPTED:
        return "interrupted";
    case RECORD_DEPENDENCY_FAILED:
        return "dependency-failed";
    case POOL_CAUSE_KILLED: /* from someone else: for the reader a signal like others */
        return "signalled";
    case POOL_CAUSE_PROTOCOL:
        return "lost";
    default:
        return pool_cause_name((pool_cause_t)cause);
    }
}
