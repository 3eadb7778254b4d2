#include "peer.h"

#include "descriptor.h"
#include "loop.h"
#include "payload.h"
#include "settle.h"
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WATCH_AFTER_MS       20
#define READ_AT_ONCE         ((size_t)1 << 20)  /* then other workers get their turn */
#define DRAIN_AT_MOST        ((size_t)16 << 20) /* of a dead worker's pipe, which holds 1 MiB at most */
#define UNBEGUN_RESTARTS_MAX 5                  /* workers that died before they took the same job */

/* ---- from birth to death --------------------------------------------------------------------------------------- */

static struct peer *peer_new(struct loop *loop, uint64_t serial)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return NULL;
    peer->loop = loop;
    peer->serial = serial;
    peer->task = peer->pipe = peer->value_fd = -1;
    frame_reader_init(&peer->reader);
    for (int i = 0; i < 2; i++) {
        capture_init(&peer->streams[i].capture);
        peer->streams[i].peer = peer;
    }
    HASH_ADD(hh, loop->peers, serial, sizeof peer->serial, peer);
    return peer;
}

struct peer *peer_find(struct loop *loop, uint64_t serial)
{
    struct peer *peer;
    HASH_FIND(hh, loop->peers, &serial, sizeof serial, peer);
    return peer;
}

static void free_value(struct peer *peer)
{
    free(peer->value);
    peer->value = NULL;
    descriptor_close(&peer->value_fd);
}

static void free_when_closed(struct peer *peer)
{
    if (!peer->removed || peer->handles > 0)
        return;
    frame_reader_deinit(&peer->reader);
    for (int i = 0; i < 2; i++)
        capture_bytes_free(&peer->streams[i].capture.bytes);
    free_value(peer);
    free(peer->text);
    free(peer);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct peer *peer = handle->data;
    peer->handles--;
    free_when_closed(peer);
}

static void on_stream_closed(uv_handle_t *handle)
{
    struct peer_stream *stream = handle->data;
    stream->peer->handles--;
    free_when_closed(stream->peer);
}

static void leave_unwatched(struct peer *peer)
{
    if (peer->is_unwatched)
        TAILQ_REMOVE(&peer->loop->unwatched, peer, unwatched);
    peer->is_unwatched = false;
}

static void stop_reading(struct peer *peer)
{
    leave_unwatched(peer);
    if (peer->is_watched)
        uv_close((uv_handle_t *)&peer->poll, on_poll_closed);
    peer->is_watched = false;
    descriptor_close(&peer->pipe);
}

static void stop_stream(struct peer_stream *stream)
{
    if (stream->capture.fd < 0)
        return;
    uv_close((uv_handle_t *)&stream->poll, on_stream_closed);
    capture_close(&stream->capture);
}

static void leave_idle(struct peer *peer)
{
    if (peer->state != PEER_IDLE)
        return;
    TAILQ_REMOVE(&peer->loop->idle, peer, idle);
    peer->loop->idle_count--;
}

static void peer_free(struct peer *peer)
{
    struct loop *loop = peer->loop;
    leave_idle(peer);
    HASH_DEL(loop->peers, peer);
    stop_reading(peer);
    descriptor_close(&peer->task);
    for (int i = 0; i < 2; i++)
        stop_stream(&peer->streams[i]);
    peer->removed = true;
    free_when_closed(peer);
}

void peer_kill(struct peer *peer, enum message_verdict verdict, int64_t grace_ms)
{
    const struct message_kill kill = {.serial = peer->serial, .verdict = verdict, .grace_ms = grace_ms};
    supervise_send(peer->loop, MESSAGE_KILL, &kill);
}

/* It said something illegal: it is ended, and its channel never trusted again. */
static void distrust(struct peer *peer)
{
    peer->protocol_error = true;
    peer->deaf = true;
    leave_idle(peer);
    if (peer->state == PEER_IDLE)
        peer->state = PEER_DYING;
    stop_reading(peer);
    peer_kill(peer, VERDICT_PROTOCOL, 0);
}

/* ---- what it says ---------------------------------------------------------------------------------------------- */

/* The descriptor that a frame has announced. */
static int receive_descriptor(struct peer *peer)
{
    struct descriptor_set set;
    char byte;
    const ssize_t got = descriptor_receive(peer->task, &byte, 1, MSG_DONTWAIT, &set);
    if (got != 1)
        return -1;
    const int fd = descriptor_set_take(&set);
    descriptor_set_close(&set);
    return fd;
}

static int on_progress(struct peer *peer, const void *message)
{
    const struct message_progress *progress = message;
    pool_event_t event = {.kind = POOL_EVENT_PROGRESS, .done = progress->done, .total = progress->total};
    settle_event(peer->job, &event);
    return 0;
}

static int on_partial(struct peer *peer, const void *message)
{
    const struct message_partial *partial = message;
    pool_event_t event = {.kind = POOL_EVENT_PARTIAL, .data = partial->data.data, .size = partial->data.size};
    void *mapped = NULL;
    if (partial->payload == PAYLOAD_MEMFD) {
        int fd = receive_descriptor(peer);
        if (fd >= 0 && partial->size > 0 && payload_check(fd, partial->size, true) == 0)
            mapped = payload_map(fd, partial->size, false);
        descriptor_close(&fd);
        if (mapped == NULL)
            return -EBADMSG;
        event.data = mapped;
        event.size = partial->size;
    } else if (partial->payload != PAYLOAD_INLINE || partial->size != partial->data.size) {
        return -EBADMSG;
    }
    settle_event(peer->job, &event);
    payload_unmap(mapped, event.size);
    return 0;
}

/* Takes the value out of a result frame. */
static int keep_value(struct peer *peer, const struct message_result *result)
{
    switch (result->payload) {
    case PAYLOAD_NONE:
        return result->size == 0 ? 0 : -EBADMSG;
    case PAYLOAD_INLINE:
        if (result->size != result->data.size || result->size == 0)
            return -EBADMSG;
        peer->value = malloc(result->size);
        if (peer->value == NULL)
            return -ENOMEM;
        memcpy(peer->value, result->data.data, result->size);
        return 0;
    case PAYLOAD_MEMFD:
        peer->value_fd = receive_descriptor(peer);
        if (peer->value_fd < 0 || result->size == 0)
            return -EBADMSG;
        return payload_check(peer->value_fd, (size_t)result->size, false); /* and again when it can change no more */
    default:
        return -EBADMSG;
    }
}

static bool settle_early(struct peer *peer);

static int on_result(struct peer *peer, const void *message)
{
    const struct message_result *result = message;
    if ((result->command != 0) != peer->job->is_command || result->code > INT_MAX || result->code < INT_MIN ||
        result->signal >= NSIG)
        return -EBADMSG;
    const int rc = keep_value(peer, result);
    if (rc < 0)
        return rc;
    peer->result = *result;
    peer->has_result = true;
    if (result->text.size > 0)
        peer->text = strndup(result->text.data, result->text.size);
    atomic_store(&peer->job->state, POOL_STATE_FINISHING);
    if (peer->job->options.early)
        settle_early(peer);
    return 0;
}

/* What a worker that has a task and has not sent its result may say; anything else is illegal, and so is anything at
 * all in every other state. */
static int (*const handlers[MESSAGE_TYPE_COUNT_])(struct peer *, const void *) = {
    [MESSAGE_PROGRESS] = on_progress,
    [MESSAGE_PARTIAL] = on_partial,
    [MESSAGE_RESULT] = on_result,
};

static int handle_frame(struct peer *peer, uint16_t type, const uint8_t *body, size_t size)
{
    union {
        struct message_progress progress;
        struct message_partial partial;
        struct message_result result;
    } message;
    if (peer->job == NULL || peer->has_result || type >= MESSAGE_TYPE_COUNT_ || handlers[type] == NULL)
        return -EBADMSG;
    const int rc = message_unpack(type, body, size, &message);
    return rc < 0 ? rc : handlers[type](peer, &message);
}

static int handle_frames(struct peer *peer)
{
    struct frame_header header;
    const uint8_t *body;
    int rc;
    while ((rc = frame_reader_next(&peer->reader, &header, &body)) == 1) {
        rc = handle_frame(peer, header.type, body, header.length);
        if (rc < 0)
            break;
    }
    return rc;
}

enum read_end { READ_ALL = 0, READ_EOF, READ_BAD };

/* Reads and handles what is there, at most so many bytes. to_the_end: until a read finds nothing, as there will be no
 * other. */
static enum read_end read_pipe(struct peer *peer, size_t most, bool to_the_end)
{
    while (most > 0 && !peer->deaf) {
        size_t room;
        void *space = frame_reader_space(&peer->reader, &room);
        if (space == NULL)
            return READ_BAD;
        const ssize_t got = read(peer->pipe, space, room < most ? room : most);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            break;
        if (got <= 0)
            return READ_EOF;
        most -= (size_t)got;
        frame_reader_filled(&peer->reader, (size_t)got);
        if (handle_frames(peer) < 0)
            return READ_BAD;
        if ((size_t)got < room && !to_the_end)
            break; /* that was all, most likely; if not, poll says so again */
    }
    return READ_ALL;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct peer *peer = poll->data;
    (void)status;
    (void)events;
    const enum read_end end = read_pipe(peer, READ_AT_ONCE, false);
    if (end == READ_BAD)
        distrust(peer);
    else if (end == READ_EOF && peer->is_watched) /* completion is never end-of-file alone: `gone` tells */
        uv_poll_stop(&peer->poll);
    loop_step(peer->loop);
}

static void on_output(uv_poll_t *poll, int status, int events)
{
    struct peer_stream *stream = poll->data;
    (void)status;
    (void)events;
    switch (capture_read(&stream->capture)) {
    case CAPTURE_OPEN:
        break;
    case CAPTURE_ENDED:
        uv_poll_stop(&stream->poll);
        break;
    case CAPTURE_OVER_LIMIT:
        if (stream->told)
            break;
        stream->told = true;
        peer_kill(stream->peer, VERDICT_OUTPUT_LIMIT, stream->peer->job->options.kill_after_ms);
        break;
    }
}

static void watch(struct peer *peer)
{
    leave_unwatched(peer);
    if (uv_poll_init(&peer->loop->uv, &peer->poll, peer->pipe) < 0) {
        loop_log(peer->loop, "worker %llu cannot be listened to until it is gone", (unsigned long long)peer->serial);
        return;
    }
    peer->poll.data = peer;
    peer->is_watched = true;
    peer->handles++;
    uv_poll_start(&peer->poll, UV_READABLE, on_readable);
}

void peer_watch_due(struct loop *loop, int64_t now)
{
    for (struct peer *peer; (peer = TAILQ_FIRST(&loop->unwatched)) != NULL && peer->watch_at <= now;)
        watch(peer);
}

/* Listens at once where somebody waits for more than the end, else when it turns out to be no short job. */
static void watch_later(struct peer *peer)
{
    const pool_job_options_t *o = &peer->job->options;
    if (o->early || o->on_event != NULL) {
        watch(peer);
        return;
    }
    peer->watch_at = (process_now_ms() / WATCH_AFTER_MS + 2) * WATCH_AFTER_MS;
    peer->is_unwatched = true;
    TAILQ_INSERT_TAIL(&peer->loop->unwatched, peer, unwatched);
}

struct peer *peer_born(struct loop *loop, uint64_t serial, int task, int pipe)
{
    struct peer *peer = peer_new(loop, serial);
    if (peer == NULL) {
        close(task);
        close(pipe);
        return NULL;
    }
    peer->task = task;
    peer->pipe = pipe;
    TAILQ_INSERT_TAIL(&loop->idle, peer, idle);
    loop->idle_count++;
    return peer;
}

/* ---- what it is told ------------------------------------------------------------------------------------------- */

/* The descriptors that go down with a task, and what says which they are. */
struct freight {
    int fds[DESCRIPTOR_MAX];
    size_t count;
    uint64_t streams;
    int ours[2]; /* writing ends of captures, closed after the send */
};

static void freight_add(struct freight *freight, int fd, uint64_t bit)
{
    freight->fds[freight->count++] = fd;
    freight->streams |= bit;
}

static int add_capture(struct peer *peer, struct freight *freight, int which, uint64_t bit)
{
    struct peer_stream *stream = &peer->streams[which];
    const int rc = capture_open(&stream->capture, peer->job->options.output_limit, &freight->ours[which]);
    if (rc < 0)
        return rc;
    if (uv_poll_init(&peer->loop->uv, &stream->poll, stream->capture.fd) < 0) {
        capture_close(&stream->capture);
        return -ENOMEM;
    }
    stream->poll.data = stream;
    peer->handles++;
    uv_poll_start(&stream->poll, UV_READABLE, on_output);
    freight_add(freight, freight->ours[which], bit);
    return 0;
}

/* The host's own descriptor, or /dev/null where it has none. */
static int inherited(const struct loop *loop, int fd)
{
    return fcntl(fd, F_GETFD) < 0 ? loop->devnull : fd;
}

static int add_output(struct peer *peer, struct freight *freight, int which, pool_stream_t mode)
{
    const pool_job_t *job = peer->job;
    const uint64_t bit = which == 0 ? TASK_STDOUT : TASK_STDERR;
    switch (mode) {
    case POOL_STREAM_CAPTURE:
        return add_capture(peer, freight, which, bit);
    case POOL_STREAM_DISCARD:
        freight_add(freight, peer->loop->devnull, bit);
        break;
    case POOL_STREAM_FD:
        freight_add(freight, job->streams.fds[which + 1], bit);
        break;
    case POOL_STREAM_INHERIT:
        if (job->is_command) /* a function has what the fork server had */
            freight_add(freight, inherited(peer->loop, which + 1), bit);
        break;
    }
    return 0;
}

static int load_freight(struct peer *peer, struct freight *freight)
{
    const pool_job_t *job = peer->job;
    if (job->payload.kind == PAYLOAD_MEMFD)
        freight_add(freight, job->payload.memfd, 0);
    if (job->streams.in == POOL_STDIN_BYTES)
        lseek(job->streams.fds[0], 0, SEEK_SET); /* an earlier attempt may have read it */
    if (job->streams.in == POOL_STDIN_INHERIT)
        freight_add(freight, inherited(peer->loop, STDIN_FILENO), TASK_STDIN);
    else if (job->streams.in != POOL_STDIN_NULL)
        freight_add(freight, job->streams.fds[0], TASK_STDIN);
    int rc = add_output(peer, freight, 0, job->streams.out);
    if (rc == 0)
        rc = add_output(peer, freight, 1, job->streams.err);
    for (size_t i = 0; rc == 0 && i < job->options.fd_count; i++)
        freight_add(freight, job->fds[i], 0);
    return rc;
}

static int send_task(struct peer *peer, const struct freight *freight)
{
    uint8_t storage[FRAME_HEADER_SIZE + FRAME_BODY_MAX];
    const pool_job_t *job = peer->job;
    struct frame_buffer frame;
    const struct message_task task = {
        .serial = peer->serial,
        .function = job->function,
        .attempt = job->attempt + 1,
        .payload = job->payload.kind,
        .size = job->payload.size,
        .data = {job->payload.data, job->payload.kind == PAYLOAD_INLINE ? job->payload.size : 0},
        .streams = freight->streams,
        .fds = job->options.fd_count,
        .events = job->options.on_event != NULL,
        .early = job->options.early,
        .cpu_ms = job->options.cpu_ms,
        .nofile = job->options.nofile,
        .nice = job->options.nice,
    };
    frame_buffer_init(&frame, storage, sizeof storage);
    const int rc = message_pack(&frame, MESSAGE_TASK, &task);
    if (rc < 0)
        return rc;
    const ssize_t sent = descriptor_send(peer->task, frame.data, frame.size, freight->fds, freight->count);
    if (sent < 0)
        return sent == -ECONNRESET ? -EPIPE : (int)sent;
    return (size_t)sent == frame.size ? 0 : -EPIPE; /* an empty socket takes a whole task, or this worker is no good */
}

/* Tells the fork server what to enforce, if anything. */
static void send_limits(struct peer *peer)
{
    const pool_job_options_t *o = &peer->job->options;
    if (peer->timeout_ms < 0 && o->pids < 0 && o->cpu_ms < 0)
        return;
    const struct message_started started = {.serial = peer->serial,
                                            .timeout_ms = peer->timeout_ms,
                                            .kill_after_ms = o->kill_after_ms,
                                            .cpu_ms = o->cpu_ms,
                                            .pids = o->pids};
    supervise_send(peer->loop, MESSAGE_STARTED, &started);
}

/* The sooner of the attempt's timeout and what the job's deadline leaves. */
static void choose_timeout(struct peer *peer)
{
    const pool_job_t *job = peer->job;
    peer->timeout_ms = job->options.timeout_ms;
    peer->timeout_is_deadline = false;
    if (job->deadline_at == LOOP_NEVER)
        return;
    const int64_t now = process_now_ms();
    const int64_t left = job->deadline_at > now ? job->deadline_at - now : 0;
    if (peer->timeout_ms < 0 || left < peer->timeout_ms) {
        peer->timeout_ms = left;
        peer->timeout_is_deadline = true;
    }
}

static double realtime(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int peer_hand(struct peer *peer, pool_job_t *job)
{
    struct freight freight = {.ours = {-1, -1}};
    leave_idle(peer);
    peer->state = PEER_DYING;
    peer->job = job;
    int rc = load_freight(peer, &freight);
    if (rc == 0) {
        atomic_store(&job->state, POOL_STATE_RUNNING); /* before: whoever hears from the job sees it run */
        rc = send_task(peer, &freight);
    }
    descriptor_close(&freight.ours[0]);
    descriptor_close(&freight.ours[1]);
    if (rc < 0) { /* it may have half a task: no other job for this one */
        peer->job = NULL;
        peer->blamed = true;
        peer_kill(peer, VERDICT_BIRTH, 0);
        return rc;
    }
    peer->state = PEER_BUSY;
    peer->started = realtime();
    peer->started_ns = uv_hrtime();
    job->peer = peer;
    job->attempt++;
    choose_timeout(peer);
    send_limits(peer);
    watch_later(peer);
    pool_event_t event = {.kind = POOL_EVENT_STARTED};
    settle_event(job, &event);
    return 0;
}

/* ---- what became of it ----------------------------------------------------------------------------------------- */

/* A value in a memfd, mapped where nobody can change it any more, or copied where somebody might. */
static int map_value(struct peer *peer)
{
    pool_job_t *job = peer->job;
    const size_t size = (size_t)peer->result.size;
    if (payload_check(peer->value_fd, size, false) < 0)
        return -EBADMSG;
    if (payload_seal(peer->value_fd) == 0 || payload_check(peer->value_fd, size, true) == 0) {
        if (payload_check(peer->value_fd, size, true) < 0) /* sealed after it shrank */
            return -EBADMSG;
        job->value_data = payload_map(peer->value_fd, size, false);
    } else {
        job->value_data = payload_read(peer->value_fd, size);
    }
    if (job->value_data == NULL)
        return -errno;
    job->value_mapped = size;
    return 0;
}

/* Moves the value to the job. */
static int take_value(struct peer *peer)
{
    pool_job_t *job = peer->job;
    int rc = 0;
    if (peer->value_fd >= 0) {
        rc = map_value(peer);
    } else {
        job->value_data = peer->value;
        peer->value = NULL;
    }
    if (rc == 0) {
        job->result.data = job->value_data;
        job->result.size = (size_t)peer->result.size;
    }
    free_value(peer);
    return rc;
}

/* Moves captured output to the job: all writers are gone, or have flushed. */
static void take_output(struct peer *peer)
{
    pool_job_t *job = peer->job;
    const pool_stream_t modes[] = {job->streams.out, job->streams.err};
    for (int i = 0; i < 2; i++) {
        struct peer_stream *stream = &peer->streams[i];
        job->captured_streams[i] = modes[i] == POOL_STREAM_CAPTURE;
        if (stream->capture.fd >= 0)
            capture_read(&stream->capture);
        if (stream->capture.truncated)
            job->result.truncated = true;
        job->captured[i] = stream->capture.bytes;
        stream->capture.bytes = (struct capture_bytes){0};
        stop_stream(stream);
    }
}

static void describe_ending(const struct peer *peer, const struct message_gone *gone, struct verdict_ending *ending)
{
    const pool_job_options_t *o = &peer->job->options;
    *ending = (struct verdict_ending){
        .has_result = peer->has_result,
        .protocol_error = peer->protocol_error,
        .value_bad = peer->value_bad,
        .lost = gone == NULL,
        .status = gone == NULL ? 0 : (int)gone->status,
        .verdict = gone == NULL ? VERDICT_NONE : gone->verdict,
        .is_command = peer->job->is_command,
        .code = peer->result.code,
        .start = peer->result.start,
        .signal = peer->result.signal,
        .text = peer->text,
        .timeout_ms = peer->timeout_ms,
        .cpu_ms = o->cpu_ms,
        .cpu_used_ms = gone == NULL ? 0 : (int64_t)((gone->user_us + gone->system_us) / 1000),
        .output_limit = o->output_limit,
        .pids = o->pids,
        .deadline = peer->timeout_is_deadline,
    };
}

static void fill_times(const struct peer *peer, pool_usage_t *usage)
{
    usage->started = peer->started;
    usage->ended = realtime();
    usage->wall_seconds = (double)(uv_hrtime() - peer->started_ns) / 1e9;
}

static void fill_usage(const struct peer *peer, const struct message_gone *gone, pool_usage_t *usage)
{
    *usage = (pool_usage_t){.complete = true};
    fill_times(peer, usage);
    if (gone == NULL)
        return;
    usage->user_seconds = (double)gone->user_us / 1e6;
    usage->system_seconds = (double)gone->system_us / 1e6;
    usage->minor_faults = gone->minor_faults;
    usage->major_faults = gone->major_faults;
    usage->processes = (uint32_t)(gone->processes + peer->result.processes + (peer->job->is_command ? 0 : 1));
    usage->processes_killed = (uint32_t)gone->killed;
    usage->unkillable = gone->unkillable != 0;
    if (gone->measured == 0)
        return;
    usage->memory_method = POOL_MEMORY_RUSAGE;
    usage->peak_memory = gone->peak;
    usage->peak_bound = gone->bound;
    if (peer->job->is_command && gone->peak == 0 && peer->result.peak > 0) {
        /* Smaller than what it inherited at exec: the worker looked at it while it ran. */
        usage->peak_memory = peer->result.peak;
        usage->peak_bound = gone->bound > peer->result.peak ? gone->bound - peer->result.peak : 0;
    }
    if (peer->has_result && peer->result.copied != 0)
        usage->peak_memory += peer->result.size; /* written, so in no process's resident set */
}

/* `early`: the value is whole and nobody can change it. False: it has to wait for the end after all. */
static bool settle_early(struct peer *peer)
{
    pool_job_t *job = peer->job;
    struct verdict_ending ending;
    struct verdict verdict;
    const struct message_gone left_well = {.verdict = VERDICT_NONE};
    /* A failure has no value, and why a command died, and whether it runs again, is told by its end. */
    if (peer->result.code != 0 || peer->result.signal != 0 || peer->result.start != START_OK)
        return false;
    if (peer->value_fd >= 0 &&
        (peer->result.sealed == 0 || payload_check(peer->value_fd, (size_t)peer->result.size, true) < 0))
        return false;
    if (take_value(peer) < 0)
        return false;
    describe_ending(peer, &left_well, &ending);
    verdict_decide(&ending, &verdict);
    take_output(peer);
    fill_times(peer, &job->result.usage);
    peer->settled_early = true;
    settle_job(job, &verdict);
    return true;
}

static void drain(struct peer *peer)
{
    if (peer->pipe < 0 || peer->deaf || peer->job == NULL)
        return;
    if (read_pipe(peer, DRAIN_AT_MOST, true) == READ_BAD)
        peer->protocol_error = true;
}

/* The worker's last frame, where the job had broken the pipe: as if it had come there. */
static void handle_left_frame(struct peer *peer, const struct message_slice *left)
{
    struct frame_header header;
    const uint8_t *frame = left->data;
    if (left->size < FRAME_HEADER_SIZE || peer->job == NULL || peer->has_result)
        return;
    if (frame_header_read(frame, &header) < 0 || header.length != left->size - FRAME_HEADER_SIZE ||
        header.type != MESSAGE_RESULT || handle_frame(peer, header.type, frame + FRAME_HEADER_SIZE, header.length) < 0)
        peer->protocol_error = true;
}

static void release_slot(struct loop *loop)
{
    pool_t *pool = loop->pool;
    pthread_mutex_lock(&pool->lock);
    pool->running--;
    pthread_cond_broadcast(&pool->room);
    pthread_mutex_unlock(&pool->lock);
}

/* One attempt is over: settled, or once more. */
static void conclude(struct peer *peer, const struct message_gone *gone)
{
    pool_job_t *job = peer->job;
    struct verdict_ending ending;
    struct verdict verdict;
    if (peer->has_result && !peer->protocol_error && take_value(peer) < 0)
        peer->value_bad = true;
    describe_ending(peer, gone, &ending);
    verdict_decide(&ending, &verdict);
    if (gone == NULL && job->cancelled_by_close)
        verdict.outcome = POOL_CANCELLED, verdict.cause = POOL_CAUSE_CANCELLED;
    const struct verdict_retry retry = {
        .outcome = verdict.outcome,
        .cancelled = job->cancel_asked,
        .out_of_time = verdict.cause == POOL_CAUSE_TIMEOUT && peer->timeout_is_deadline,
        .rerunnable = job->options.rerunnable,
        .attempt = job->attempt - job->evictions,
        .retries = job->options.retries,
        .retry_on = job->options.retry_on,
    };
    const enum verdict_next next = verdict_next(&retry);
    fill_usage(peer, gone, &job->result.usage); /* the next attempt may never start */
    if (next != VERDICT_SETTLE) {
        pool_event_t event = {.kind = POOL_EVENT_RETRIED, .outcome = verdict.outcome};
        settle_event(job, &event);
        job_drop_value(job);
        job->evictions += next == VERDICT_RERUN;
        loop_retry(peer->loop, job, next == VERDICT_RERUN ? 0 : job->options.retry_delay_ms);
        return;
    }
    if (verdict.outcome != POOL_DONE) /* what it may have said before it came to grief is no value */
        job_drop_value(job);
    take_output(peer);
    if (gone != NULL && gone->crash.size > 0)
        job->crash = strndup(gone->crash.data, gone->crash.size);
    settle_job(job, &verdict);
    settle_release(job);
}

/* It died before it read its task: the job has not begun, and is quietly given to another. */
static void restart(struct peer *peer)
{
    pool_job_t *job = peer->job;
    job->attempt--;
    if (++job->restarts > UNBEGUN_RESTARTS_MAX)
        settle_unstarted(job, POOL_LOST, POOL_CAUSE_LOST,
                         "its workers died before they could take it, several times in a row");
    else
        loop_requeue(peer->loop, job);
}

void peer_gone(struct peer *peer, const struct message_gone *gone)
{
    struct loop *loop = peer->loop;
    pool_job_t *job = peer->job;
    if (gone->unkillable != 0 && peer->pipe >= 0) /* somebody may hold the other end: no end-of-file comes */
        fcntl(peer->pipe, F_SETFL, O_NONBLOCK);
    drain(peer);
    handle_left_frame(peer, &gone->frame);
    const bool begun = gone->begun != 0 || peer->has_result;
    if (begun)
        births_succeeded(&loop->failures);
    else if (!loop->ending && !peer->blamed)
        loop_birth_failed(loop, "a worker died before it took a job");
    if (job != NULL) {
        job->peer = NULL;
        release_slot(loop);
        if (peer->settled_early)
            settle_release(job);
        else if (!begun && !peer->protocol_error && !job->cancel_asked &&
                 (gone->verdict == VERDICT_NONE || gone->verdict == VERDICT_BIRTH))
            restart(peer);
        else
            conclude(peer, gone);
        peer->job = NULL;
    }
    peer_free(peer);
}

void peer_lost(struct peer *peer)
{
    pool_job_t *job = peer->job;
    if (job != NULL) {
        drain(peer);
        job->peer = NULL;
        release_slot(peer->loop);
        if (peer->settled_early)
            settle_release(job);
        else
            conclude(peer, NULL);
        peer->job = NULL;
    }
    peer_free(peer);
}
