/* runs_end.c - what the pool says of a job, as the daemon keeps it. */
#include "clock.h"
#include "outcome.h"
#include "runs_state.h"

#include <stdio.h>

/* A task's code may be any number; what no exit status can hold is not to be cut down to a success. */
static int exit_code(const pool_result_t *result)
{
    const int code = outcome_exit_code(result);
    return code < 0 || code > UINT8_MAX ? 1 : code;
}

static void fill(const pool_result_t *result, struct record_end *end)
{
    const pool_usage_t *usage = &result->usage;
    *end = (struct record_end){
        .cause = (int32_t)result->cause,
        .code = result->code,
        .signal = result->signal,
        .exit_code = exit_code(result),
        .started_at = usage->started,
        .ended_at = usage->ended > 0 ? usage->ended : clock_now(), /* it never started */
        .wall_seconds = usage->wall_seconds,
        .user_seconds = usage->user_seconds,
        .system_seconds = usage->system_seconds,
        .peak_memory = usage->peak_memory,
        .memory_limit = usage->memory_limit,
        .memory_method = (int32_t)usage->memory_method,
        .processes = usage->processes,
        .killed_processes = usage->processes_killed,
        .unkillable = usage->unkillable,
        .result_size = result->size,
    };
    snprintf(end->message, sizeof end->message, "%s", result->message);
}

void run_describe(const struct run *run, struct record_end *end)
{
    const struct runs_output *out = &run->streams[0].output, *err = &run->streams[1].output;
    const pool_result_t *result = pool_job_result(run->job);
    const bool is_over = run->is_over || out->over || err->over;
    char message[128];
    if (run->is_limited && is_over) {
        const pool_result_t over = outcome_over_output(result, run->output_limit, message, sizeof message);
        fill(&over, end);
        end->result_size = 0; /* a failed run has no value */
    } else
        fill(result, end);
    end->stdout_size = out->size;
    end->stderr_size = err->size;
    end->truncated = is_over || out->error < 0 || err->error < 0;
}
