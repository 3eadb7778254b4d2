#include "ending.h"

#include "payload.h"
#include "peer.h"

#include <errno.h>
#include <string.h>

/* A value in a memfd, mapped where nobody can change it any more, or copied where somebody might. */
static int map_value(struct peer *peer)
{
    struct job_record *record = peer->job->record;
    const size_t size = (size_t)peer->result.size;
    if (payload_check(peer->value_fd, size, false) < 0)
        return -EBADMSG;
    if (payload_seal(peer->value_fd) == 0 || payload_check(peer->value_fd, size, true) == 0) {
        if (payload_check(peer->value_fd, size, true) < 0) /* sealed after it shrank */
            return -EBADMSG;
        record->value_data = payload_map(peer->value_fd, size, false);
    } else {
        record->value_data = payload_read(peer->value_fd, size);
    }
    if (record->value_data == NULL)
        return -errno;
    record->value_mapped = size;
    return 0;
}

/* Moves the value to the job. */
int ending_take_value(struct peer *peer)
{
    struct job_record *record = peer->job->record;
    int rc = 0;
    if (peer->value_fd >= 0) {
        rc = map_value(peer);
    } else {
        record->value_data = peer->value;
        peer->value = NULL;
    }
    if (rc == 0) {
        record->result.data = record->value_data;
        record->result.size = (size_t)peer->result.size;
    }
    peer_drop_value(peer);
    return rc;
}

/* Moves captured output to the job: all writers are gone, or have flushed. */
void ending_take_output(struct peer *peer)
{
    struct job_record *record = peer->job->record;
    const pool_stream_t modes[] = {peer->job->kind->out, peer->job->kind->err};
    for (int i = 0; i < 2; i++) {
        struct peer_stream *stream = &peer->streams[i];
        record->captured_streams[i] = modes[i] == POOL_STREAM_CAPTURE;
        if (stream->capture.fd >= 0)
            capture_read(&stream->capture);
        if (stream->capture.truncated)
            record->result.truncated = true;
        record->captured[i] = stream->capture.bytes;
        stream->capture.bytes = (struct capture_bytes){0};
        peer_stop_stream(stream);
    }
}

void ending_describe(const struct peer *peer, const struct message_gone *gone, struct verdict_ending *ending)
{
    const pool_job_options_t *o = job_options(peer->job);
    const struct job_record *record = peer->job->record;
    *ending = (struct verdict_ending){
        .has_result = peer->has_result,
        .protocol_error = peer->protocol_error,
        .value_bad = peer->value_bad,
        .host_error = peer->host_error,
        .lost = gone == NULL,
        .unkillable = gone != NULL && gone->unkillable != 0,
        .status = gone == NULL ? 0 : (int)gone->status,
        .reason = gone == NULL ? KILL_NONE : gone->reason,
        .is_command = peer->job->kind->is_command,
        .code = peer->result.code,
        .start = peer->result.start,
        .signal = peer->result.signal,
        .text = peer->text,
        .timeout_ms = peer->timeout_ms,
        .cpu_ms = o->cpu_ms,
        .cpu_used_ms = gone == NULL ? 0 : (int64_t)((gone->user_us + gone->system_us) / 1000),
        .memory_limit = record->memory_limit,
        .peak = record->result.usage.peak_memory,
        .method = pool_memory_method_name(record->result.usage.memory_method),
        .oom = gone == NULL ? OOM_NONE : gone->oom,
        .output_limit = o->output_limit,
        .pids = o->pids,
        .deadline = peer->timeout_is_deadline,
    };
}

void ending_fill_times(const struct peer *peer, pool_usage_t *usage)
{
    usage->started = peer->started;
    usage->ended = moment_realtime();
    usage->wall_seconds = (double)(uv_hrtime() - peer->started_ns) / 1e9;
}

/* Those that were there while somebody looked, or whose ends were seen, whichever are more. A command's worker is none
 * of its processes. */
static uint32_t count_processes(const struct peer *peer, const struct message_gone *gone)
{
    const uint64_t worker = peer->job->kind->is_command ? 1 : 0;
    const uint64_t ended = gone->processes + peer->result.processes + 1 - worker;
    const uint64_t seen = gone->seen > worker ? gone->seen - worker : 0;
    return (uint32_t)(seen > ended ? seen : ended);
}

void ending_fill_usage(const struct peer *peer, const struct message_gone *gone, pool_usage_t *usage)
{
    const struct job_record *record = peer->job->record;
    const int64_t limit = record->memory_limit;
    *usage = (pool_usage_t){.complete = true};
    ending_fill_times(peer, usage);
    usage->memory_limit = limit >= 0 ? (uint64_t)limit : 0;
    usage->memory_first_limit = record->first_limit;
    usage->oom_retries = record->oom_retries;
    if (gone == NULL)
        return;
    usage->user_seconds = (double)gone->user_us / 1e6;
    usage->system_seconds = (double)gone->system_us / 1e6;
    usage->minor_faults = gone->minor_faults;
    usage->major_faults = gone->major_faults;
    usage->processes = count_processes(peer, gone);
    usage->processes_killed = (uint32_t)gone->killed;
    usage->unkillable = gone->unkillable != 0;
    usage->memory_method = (pool_memory_method_t)gone->method;
    if (usage->memory_method == POOL_MEMORY_UNMEASURED)
        return;
    usage->peak_memory = gone->peak;
    usage->peak_bound = gone->bound;
    if (usage->memory_method == POOL_MEMORY_RUSAGE && peer->job->kind->is_command && gone->peak == 0 &&
        peer->result.peak > 0) {
        /* Smaller than what it inherited at exec: the worker looked at it while it ran. */
        usage->peak_memory = peer->result.peak;
        usage->peak_bound = gone->bound > peer->result.peak ? gone->bound - peer->result.peak : 0;
    }
    if (limit >= 0 && usage->peak_memory > (uint64_t)limit)
        usage->overshoot = usage->peak_memory - (uint64_t)limit;
}
