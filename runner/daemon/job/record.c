/* record.c - the words for numbers on disk. */
#include "record.h"

const char *record_state_name(enum record_state state)
{
    switch (state) {
    case RECORD_WAITING:
        return "waiting";
    case RECORD_RUNNING:
        return "running";
    case RECORD_DONE:
        return "done";
    case RECORD_FAILED:
        return "failed";
    case RECORD_CANCELLED:
        return "cancelled";
    }
    return "unknown";
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
