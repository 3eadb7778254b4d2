#include "verdict.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define MIB           1048576.0
#define RETRY_DEFAULT (POOL_RETRY_ON(POOL_CRASHED) | POOL_RETRY_ON(POOL_TIMED_OUT) | POOL_RETRY_ON(POOL_LOST))

__attribute__((format(printf, 4, 5))) static void say(struct verdict *verdict, pool_outcome_t outcome,
                                                      pool_cause_t cause, const char *format, ...)
{
    va_list args;
    verdict->outcome = outcome;
    verdict->cause = cause;
    va_start(args, format);
    if (vsnprintf(verdict->message, sizeof verdict->message, format, args) < 0)
        verdict->message[0] = '\0';
    va_end(args);
}

static const char *advice(int error)
{
    return error == EMFILE ? "; raise this process's limit on open files (ulimit -n)" : "";
}

static void say_command(const struct verdict_ending *ending, struct verdict *verdict)
{
    const char *text =
        ending->text != NULL && ending->text[0] != '\0' ? ending->text : "the command could not be started";
    verdict->code = (int32_t)ending->code;
    if (ending->start == START_NO_PROCESS)
        say(verdict, POOL_LOST, POOL_CAUSE_LOST, "%s", text);
    else if (ending->start != START_OK)
        say(verdict, POOL_FAILED, ending->start == START_NOT_FOUND ? POOL_CAUSE_NOT_FOUND : POOL_CAUSE_NOT_EXECUTABLE,
            "%s", text);
    else if (ending->code == 0)
        say(verdict, POOL_DONE, POOL_CAUSE_EXITED, "exited 0");
    else
        say(verdict, POOL_FAILED, POOL_CAUSE_EXITED, "exited %d", verdict->code);
}

/* A value that this process cannot keep fails its job. */
static void say_unkept(const struct verdict_ending *ending, struct verdict *verdict)
{
    const unsigned long long size = ending->value_size;
    if (ending->unkept == EFBIG && ending->result_limit > 0)
        say(verdict, POOL_FAILED, POOL_CAUSE_OUTPUT_LIMIT, "its value of %llu bytes is over its result_limit of %lld",
            size, (long long)ending->result_limit);
    else if (ending->unkept == EFBIG)
        say(verdict, POOL_OUT_OF_MEMORY, POOL_CAUSE_MEMORY_LIMIT,
            "its value of %llu bytes is over its memory limit of %.1f MiB", size, (double)ending->memory_limit / MIB);
    else
        say(verdict, POOL_FAILED, POOL_CAUSE_OUTPUT_LIMIT, "its value of %llu bytes cannot be kept: %s%s", size,
            strerror(ending->unkept), advice(ending->unkept));
}

static void say_function(const struct verdict_ending *ending, struct verdict *verdict)
{
    verdict->code = (int32_t)ending->code;
    if (ending->code == 0 && ending->unkept != 0)
        say_unkept(ending, verdict);
    else if (ending->code == 0)
        say(verdict, POOL_DONE, POOL_CAUSE_EXITED, "returned 0");
    else if (ending->text != NULL && ending->text[0] != '\0')
        say(verdict, POOL_FAILED, POOL_CAUSE_EXITED, "%s", ending->text);
    else
        say(verdict, POOL_FAILED, POOL_CAUSE_EXITED, "returned %d", verdict->code);
}

/* A command that the kernel ended for its CPU time, at the soft or at the hard limit: only its worker saw that. */
static bool command_over_cpu(const struct verdict_ending *ending)
{
    if (!ending->is_command || ending->cpu_ms < 0)
        return false;
    return ending->signal == SIGXCPU || (ending->signal == SIGKILL && ending->cpu_used_ms >= ending->cpu_ms);
}

static void say_memory_limit(const struct verdict_ending *ending, struct verdict *verdict)
{
    say(verdict, POOL_OUT_OF_MEMORY, POOL_CAUSE_MEMORY_LIMIT,
        "killed: over its memory limit of %.1f MiB (peak %.1f MiB, %s)", (double)ending->memory_limit / MIB,
        (double)ending->peak / MIB, ending->method);
}

/* A SIGKILL that reclaim has not sent, and an OOM killer's count that has grown. False: another may have sent it. */
static bool say_oom(const struct verdict_ending *ending, struct verdict *verdict)
{
    if (ending->oom == OOM_LIMIT && ending->memory_limit >= 0)
        say_memory_limit(ending, verdict);
    else if (ending->oom == OOM_LIMIT || ending->oom == OOM_MACHINE)
        say(verdict, POOL_OUT_OF_MEMORY, POOL_CAUSE_MACHINE_OOM,
            "killed by the kernel for lack of memory on the machine or in an enclosing cgroup, not for its own limit "
            "(peak %.1f MiB, %s)",
            (double)ending->peak / MIB, ending->method);
    return ending->oom == OOM_LIMIT || ending->oom == OOM_MACHINE;
}

static const char *timeout_of(const struct verdict_ending *ending)
{
    return ending->deadline ? "deadline, which left this attempt" : "timeout of";
}

/* The fork server ended it, for a reason, or the kernel at a limit of ours. False: neither did. */
static bool say_enforced(const struct verdict_ending *ending, struct verdict *verdict)
{
    const uint64_t why = ending->reason == KILL_NONE && command_over_cpu(ending) ? KILL_CPU_LIMIT : ending->reason;
    switch ((enum message_kill_reason)why) {
    case KILL_CANCELLED:
        say(verdict, POOL_CANCELLED, POOL_CAUSE_CANCELLED, "cancelled while it ran");
        return true;
    case KILL_TIMEOUT:
        say(verdict, POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT, "killed: over its %s %.3g s", timeout_of(ending),
            (double)ending->timeout_ms / 1000);
        return true;
    case KILL_CPU_LIMIT:
        say(verdict, POOL_TIMED_OUT, POOL_CAUSE_CPU_LIMIT, "killed: over its CPU time of %.3g s",
            (double)ending->cpu_ms / 1000);
        return true;
    case KILL_OUTPUT_LIMIT:
        if (ending->output_unkept)
            say(verdict, POOL_FAILED, POOL_CAUSE_OUTPUT_LIMIT,
                "killed: there is no memory to capture more of its output");
        else
            say(verdict, POOL_FAILED, POOL_CAUSE_OUTPUT_LIMIT, "killed: over its output limit of %lld bytes",
                (long long)ending->output_limit);
        return true;
    case KILL_PROCESS_LIMIT:
        say(verdict, POOL_FAILED, POOL_CAUSE_PROCESS_LIMIT, "killed: over its limit of %lld processes",
            (long long)ending->pids);
        return true;
    case KILL_PROTOCOL:
        say(verdict, POOL_CRASHED, POOL_CAUSE_PROTOCOL, "killed: it sent an invalid message");
        return true;
    case KILL_BIRTH:
        say(verdict, POOL_LOST, POOL_CAUSE_LOST, "its worker was not ready in time");
        return true;
    case KILL_MEMORY_LIMIT:
        say_memory_limit(ending, verdict);
        return true;
    case KILL_EVICTED:
        say(verdict, POOL_LOST, POOL_CAUSE_LOST, "ended to make room: the machine's memory ran short");
        return true;
    case KILL_NONE:
    case KILL_COUNT_:
        break;
    }
    return false;
}

static void say_signal(const struct verdict_ending *ending, struct verdict *verdict, int signal)
{
    const char *who = ending->is_command ? "the command" : "the job";
    verdict->signal = signal;
    if (signal == SIGKILL && say_oom(ending, verdict))
        return;
    if (signal == SIGKILL)
        say(verdict, POOL_CRASHED, POOL_CAUSE_KILLED, "%s was killed by someone else (signal 9)%s", who,
            ending->oom == OOM_BELOW ? ", or by the kernel for lack of memory: it killed something in the job's own "
                                       "cgroups, and Linux before 5.17 does not say what"
                                     : "");
    else
        say(verdict, POOL_CRASHED, POOL_CAUSE_SIGNALLED, "%s died of signal %d (%s)", who, signal, strsignal(signal));
}

static void say_exit(const struct verdict_ending *ending, struct verdict *verdict)
{
    const int code = WEXITSTATUS(ending->status);
    verdict->code = code;
    if (code == WORKER_EXIT_CHANNEL)
        say(verdict, POOL_CRASHED, POOL_CAUSE_PROTOCOL,
            "its result could not be delivered: the job closed or reused descriptors that are not its own");
    else
        say(verdict, POOL_CRASHED, POOL_CAUSE_EXITED, "exited %d before its result was complete", code);
}

/* Added to any outcome: a job may be done while a process of it lives on. */
static void add_unkillable(struct verdict *verdict)
{
    const size_t length = strlen(verdict->message);
    snprintf(verdict->message + length, sizeof verdict->message - length,
             "; a process that it left cannot be killed, and may still be there");
    if (verdict->cause == POOL_CAUSE_EXITED)
        verdict->cause = POOL_CAUSE_UNKILLABLE;
}

/* It ended by itself, perhaps when it was asked to: unless it ended well, the reason for that counts. */
static void say_returned(const struct verdict_ending *ending, struct verdict *verdict)
{
    struct verdict own = *verdict;
    const double seconds = (double)ending->timeout_ms / 1000;
    (ending->is_command ? say_command : say_function)(ending, &own);
    *verdict = own;
    if (ending->code != 0 && say_enforced(ending, verdict) && verdict->cause == POOL_CAUSE_TIMEOUT)
        say(verdict, POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT, "over its %s %.3g s; asked to end, it ended by itself: %s",
            timeout_of(ending), seconds, own.message);
    else if (ending->code == 0 && ending->reason == KILL_TIMEOUT)
        say(verdict, own.outcome, own.cause, "%s when it was asked to end, over its %s %.3g s", own.message,
            timeout_of(ending), seconds);
    verdict->keeps_value = ending->unkept == 0 && verdict->outcome != POOL_CANCELLED && verdict->outcome != POOL_LOST;
}

static void decide(const struct verdict_ending *ending, struct verdict *verdict)
{
    const bool left_well = WIFEXITED(ending->status) && WEXITSTATUS(ending->status) == 0;
    *verdict = (struct verdict){0};
    if (!ending->lost && WIFSIGNALED(ending->status))
        verdict->signal = WTERMSIG(ending->status);
    if (ending->host_error != 0)
        say(verdict, POOL_LOST, POOL_CAUSE_LOST, "its messages could not be received: %s%s",
            strerror(ending->host_error), advice(ending->host_error));
    else if (ending->protocol_error)
        say(verdict, POOL_CRASHED, POOL_CAUSE_PROTOCOL, "killed: it sent an invalid message");
    else if (ending->value_bad)
        say(verdict, POOL_CRASHED, POOL_CAUSE_PROTOCOL, "its value was no memfd of the announced size");
    else if (ending->lost)
        say(verdict, POOL_LOST, POOL_CAUSE_LOST, "the fork server died while it ran");
    else if (ending->has_result && left_well && ending->is_command && ending->signal != 0) {
        /* A command that died of our own signal did so for the fork server's reason. */
        if (!say_enforced(ending, verdict))
            say_signal(ending, verdict, (int)ending->signal);
        verdict->signal = (int32_t)ending->signal;
    } else if (ending->has_result && left_well)
        say_returned(ending, verdict);
    else if (say_enforced(ending, verdict))
        ;
    else if (WIFSIGNALED(ending->status))
        say_signal(ending, verdict, WTERMSIG(ending->status));
    else
        say_exit(ending, verdict);
}

void verdict_decide(const struct verdict_ending *ending, struct verdict *verdict)
{
    decide(ending, verdict);
    if (ending->unkillable)
        add_unkillable(verdict);
}

enum verdict_next verdict_next(const struct verdict_retry *retry)
{
    if (retry->unbegun && !retry->cancelled)
        return VERDICT_RESTART;
    if (retry->cancelled || retry->out_of_time || retry->outcome == POOL_CANCELLED || retry->outcome == POOL_DONE)
        return VERDICT_SETTLE;
    if (retry->outcome == POOL_LOST && (retry->rerunnable || retry->evicted))
        return VERDICT_RERUN;
    if (retry->over_memory && retry->retry_oom > 0 && verdict_larger_limit(retry) > retry->memory_limit)
        return VERDICT_LARGER;
    const uint32_t on = retry->retry_on != 0 ? retry->retry_on : RETRY_DEFAULT;
    if ((on & POOL_RETRY_ON(retry->outcome)) == 0 || retry->retries <= 0)
        return VERDICT_SETTLE;
    return retry->attempt <= (uint32_t)retry->retries ? VERDICT_RETRY : VERDICT_SETTLE;
}

int64_t verdict_larger_limit(const struct verdict_retry *retry)
{
    const double larger = (double)retry->memory_limit * retry->retry_oom;
    const double most = retry->memory_most < INT64_MAX ? (double)retry->memory_most : (double)(INT64_MAX / 2);
    return (int64_t)(larger < most ? larger : most);
}
