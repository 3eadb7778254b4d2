#include "outcome.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

const char *outcome_word(const pool_result_t *result)
{
    switch (result->cause) {
    case POOL_CAUSE_KILLED: /* by another program: for the reader of a report a signal like others */
        return "signalled";
    case POOL_CAUSE_PROTOCOL:
        return "lost";
    default:
        return pool_cause_name(result->cause);
    }
}

/* Any limit but the timeout, which has an exit code of its own. */
static bool is_over_limit(const pool_result_t *result)
{
    switch (result->cause) {
    case POOL_CAUSE_CPU_LIMIT:
    case POOL_CAUSE_MEMORY_LIMIT:
    case POOL_CAUSE_MACHINE_OOM:
    case POOL_CAUSE_OUTPUT_LIMIT:
    case POOL_CAUSE_PROCESS_LIMIT:
        return true;
    default:
        return false;
    }
}

/* The signal that ended the command, from reclaim or from others; SIGTERM if the command exited by itself after it; 0:
 * none. A timeout has its own codes. */
static int ending_signal(const pool_result_t *result)
{
    if (is_over_limit(result) || result->cause == POOL_CAUSE_CANCELLED)
        return result->signal != 0 ? result->signal : SIGTERM;
    return outcome_own_signal(result);
}

int outcome_exit_code(const pool_result_t *result)
{
    const int signal_number = ending_signal(result);
    if (signal_number != 0)
        return 128 + signal_number;
    switch (result->cause) {
    case POOL_CAUSE_EXITED:
    case POOL_CAUSE_UNKILLABLE: /* the command itself has ended */
        return result->outcome == POOL_CRASHED ? OUTCOME_OWN_FAILURE : result->code;
    case POOL_CAUSE_TIMEOUT:
        return result->signal == SIGKILL ? 128 + SIGKILL : 124;
    case POOL_CAUSE_NOT_FOUND:
        return 127;
    case POOL_CAUSE_NOT_EXECUTABLE:
        return OUTCOME_NOT_EXECUTABLE;
    default:
        return OUTCOME_OWN_FAILURE;
    }
}

int outcome_own_signal(const pool_result_t *result)
{
    return result->cause == POOL_CAUSE_SIGNALLED || result->cause == POOL_CAUSE_KILLED ? result->signal : 0;
}

int outcome_stop_signal(const pool_result_t *result)
{
    const bool says = result->cause == POOL_CAUSE_EXITED && result->code > 128;
    const int number = says ? result->code - 128 : outcome_own_signal(result);
    return number == SIGHUP || number == SIGINT || number == SIGQUIT || number == SIGTERM ? number : 0;
}

static pool_result_t as(pool_result_t result, pool_outcome_t outcome, pool_cause_t cause, const char *message)
{
    result.outcome = outcome;
    result.cause = cause;
    result.message = message;
    return result;
}

pool_result_t outcome_withdrawn(const pool_result_t *result)
{
    return as(*result, POOL_CANCELLED, POOL_CAUSE_CANCELLED, "ended by the signal that stopped reclaim");
}

int outcome_is_ours(const pool_result_t *result)
{
    switch (result->cause) {
    case POOL_CAUSE_TIMEOUT:
    case POOL_CAUSE_LOST:
    case POOL_CAUSE_PROTOCOL:
    case POOL_CAUSE_NOT_FOUND:
    case POOL_CAUSE_NOT_EXECUTABLE:
    case POOL_CAUSE_UNKILLABLE:
        return 1;
    default:
        return is_over_limit(result);
    }
}

pool_result_t outcome_over_output(const pool_result_t *result, int64_t limit, char *message, size_t size)
{
    snprintf(message, size, "killed: over its output limit of %lld bytes", (long long)limit);
    return as(*result, POOL_FAILED, POOL_CAUSE_OUTPUT_LIMIT, message);
}

pool_result_t outcome_over_time(const pool_result_t *result, double seconds, char *message, size_t size)
{
    snprintf(message, size, "killed: over its timeout of %.3g s", seconds);
    return as(*result, POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT, message);
}

void outcome_parallel(const pool_result_t *result, int *exit_value, int *signal_number)
{
    const bool timed_out = result->cause == POOL_CAUSE_TIMEOUT;
    *signal_number = timed_out ? SIGTERM : ending_signal(result);
    if (timed_out)
        *exit_value = -1;
    else
        *exit_value = *signal_number != 0 ? 0 : outcome_exit_code(result);
}
