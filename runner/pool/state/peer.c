#include "peer.h"

#include "attempt.h"
#include "descriptor.h"
#include "loop.h"
#include "payload.h"
#include "process.h"
#include "settle.h"
#include "supervise.h"
#include "task.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define YOUNG_MS      8                  /* to twice that */
#define READ_AT_ONCE  ((size_t)1 << 20)  /* then other workers get their turn */
#define DRAIN_AT_MOST ((size_t)16 << 20) /* of a dead worker's pipe, which holds 1 MiB at most */

/* ---- from birth to death --------------------------------------------------------------------------------------- */

static struct peer *peer_new(struct loop *loop, uint64_t serial)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return NULL;
    peer->loop = loop;
    peer->serial = serial;
    peer->task = peer->pipe = peer->value_fd = peer->readable.fd = -1;
    frame_reader_init(&peer->reader);
    for (int i = 0; i < 2; i++) {
        capture_init(&peer->streams[i].capture);
        peer->streams[i].peer = peer;
        peer->streams[i].readable.fd = -1;
    }
    HASH_ADD(hh, loop->peers, serial, sizeof peer->serial, peer);
    if (!peer->left_out)
        return peer;
    frame_reader_deinit(&peer->reader);
    free(peer);
    return NULL;
}

struct peer *peer_find(struct loop *loop, uint64_t serial)
{
    struct peer *peer;
    HASH_FIND(hh, loop->peers, &serial, sizeof serial, peer);
    return peer;
}

void peer_drop_value(struct peer *peer)
{
    free(peer->value);
    peer->value = NULL;
    descriptor_close(&peer->value_fd);
}

static void leave_young(struct peer *peer)
{
    if (peer->is_young)
        TAILQ_REMOVE(&peer->loop->young, peer, young);
    peer->is_young = false;
}

static void stop_reading(struct peer *peer)
{
    readable_remove(&peer->loop->readables, &peer->readable);
    descriptor_close(&peer->pipe);
}

void peer_stop_stream(struct peer_stream *stream)
{
    readable_remove(&stream->peer->loop->readables, &stream->readable);
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
    leave_young(peer);
    stop_reading(peer);
    descriptor_close(&peer->task);
    for (int i = 0; i < 2; i++) {
        peer_stop_stream(&peer->streams[i]);
        capture_bytes_free(&peer->streams[i].capture.bytes);
    }
    frame_reader_deinit(&peer->reader);
    peer_drop_value(peer);
    free(peer->text);
    free(peer);
}

void peer_kill(struct peer *peer, enum message_verdict verdict, int64_t grace_ms)
{
    const struct message_kill kill = {.serial = peer->serial, .verdict = verdict, .grace_ms = grace_ms};
    supervise_send(peer->loop, MESSAGE_KILL, &kill);
}

void peer_signal(struct peer *peer, int signal)
{
    const struct message_signal request = {.serial = peer->serial, .signal = (uint64_t)signal};
    supervise_send(peer->loop, MESSAGE_SIGNAL, &request);
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
        return -EBADMSG;
    if (set.truncated)
        return -EMFILE;
    const int fd = descriptor_set_take(&set);
    descriptor_set_close(&set);
    return fd < 0 ? -EBADMSG : fd;
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
        if (fd < 0)
            return fd;
        if (partial->size > 0 && payload_check(fd, partial->size, true) == 0)
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

static int on_halted(struct peer *peer, const void *message)
{
    const struct message_halted *halted = message;
    pool_event_t event = {.kind = halted->signal != 0 ? POOL_EVENT_STOPPED : POOL_EVENT_CONTINUED};
    if (!peer->job->kind->is_command || halted->signal >= NSIG)
        return -EBADMSG;
    event.signal = (int32_t)halted->signal;
    settle_event(peer->job, &event);
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
        if (peer->value_fd < 0)
            return peer->value_fd;
        if (result->size == 0)
            return -EBADMSG;
        return payload_check(peer->value_fd, (size_t)result->size, false); /* and again when it can change no more */
    default:
        return -EBADMSG;
    }
}

static int on_result(struct peer *peer, const void *message)
{
    const struct message_result *result = message;
    if ((result->command != 0) != peer->job->kind->is_command || result->code > INT_MAX || result->code < INT_MIN ||
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
    if (job_options(peer->job)->early)
        attempt_settle_early(peer);
    return 0;
}

/* What a worker that has a task and has not sent its result may say; anything else is illegal, and so is anything at
 * all in every other state. */
static int (*const handlers[MESSAGE_TYPE_COUNT_])(struct peer *, const void *) = {
    [MESSAGE_PROGRESS] = on_progress,
    [MESSAGE_PARTIAL] = on_partial,
    [MESSAGE_HALTED] = on_halted,
    [MESSAGE_RESULT] = on_result,
};

static int handle_frame(struct peer *peer, uint16_t type, const uint8_t *body, size_t size)
{
    union {
        struct message_progress progress;
        struct message_partial partial;
        struct message_halted halted;
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
        if (rc == -EMFILE || rc == -ENOMEM)
            peer->host_error = -rc;
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

static void on_readable(struct readable *readable)
{
    struct peer *peer = (struct peer *)(void *)((char *)readable - offsetof(struct peer, readable));
    const enum read_end end = read_pipe(peer, READ_AT_ONCE, false);
    if (end == READ_BAD)
        distrust(peer);
    else if (end == READ_EOF) /* completion is never end-of-file alone: `gone` tells */
        readable_remove(&peer->loop->readables, readable);
}

static void on_output(struct readable *readable)
{
    struct peer_stream *stream =
        (struct peer_stream *)(void *)((char *)readable - offsetof(struct peer_stream, readable));
    switch (capture_read(&stream->capture)) {
    case CAPTURE_OPEN:
        break;
    case CAPTURE_ENDED:
        readable_remove(&stream->peer->loop->readables, readable);
        break;
    case CAPTURE_OVER_LIMIT:
        if (stream->told)
            break;
        stream->told = true;
        peer_kill(stream->peer, VERDICT_OUTPUT_LIMIT, job_options(stream->peer->job)->kill_after_ms);
        break;
    }
}

static bool is_watched(const struct peer *peer)
{
    return peer->readable.fd >= 0;
}

static void watch(struct peer *peer)
{
    fcntl(peer->pipe, F_SETFL, O_NONBLOCK);
    peer->readable.on_ready = on_readable;
    if (readable_add(&peer->loop->readables, &peer->readable, peer->pipe) < 0)
        loop_log(peer->loop, "worker %llu cannot be listened to until it is gone", (unsigned long long)peer->serial);
}

int peer_capture(struct peer *peer, int which, int *write_end)
{
    struct peer_stream *stream = &peer->streams[which];
    int rc = capture_open(&stream->capture, job_options(peer->job)->output_limit, write_end);
    if (rc < 0)
        return rc;
    stream->readable.on_ready = on_output;
    rc = readable_add(&peer->loop->readables, &stream->readable, stream->capture.fd);
    if (rc < 0) {
        descriptor_close(write_end);
        capture_close(&stream->capture);
    }
    return rc;
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

/* Tells the fork server what to enforce, and that there is a job to look at. */
static int send_limits(struct peer *peer)
{
    const pool_job_options_t *o = job_options(peer->job);
    const struct job_payload *payload = &peer->job->payload;
    const struct message_started started = {.serial = peer->serial,
                                            .timeout_ms = peer->timeout_ms,
                                            .kill_after_ms = o->kill_after_ms,
                                            .cpu_ms = o->cpu_ms,
                                            .pids = o->pids,
                                            .pausable = peer->job->kind->is_command,
                                            .memory_limit = peer->job->record->memory_limit,
                                            .every_ms = o->memory_every_ms,
                                            .argument = payload->kind == PAYLOAD_MEMFD ? payload->size : 0};
    const int rc = supervise_send(peer->loop, MESSAGE_STARTED, &started);
    peer->limits_sent = rc == 0;
    return rc;
}

void peer_grow_up(struct loop *loop, int64_t now)
{
    for (struct peer *peer; (peer = TAILQ_FIRST(&loop->young)) != NULL && peer->grown_at <= now;) {
        leave_young(peer);
        if (!is_watched(peer) && peer->pipe >= 0)
            watch(peer);
        if (!peer->limits_sent)
            send_limits(peer);
    }
}

/* Whether the fork server has to know from the first moment. */
static bool is_limited(const struct peer *peer)
{
    const pool_job_options_t *o = job_options(peer->job);
    return peer->timeout_ms >= 0 || o->pids >= 0 || o->cpu_ms >= 0 || peer->job->record->memory_limit >= 0 ||
           o->memory_every_ms > 0;
}

/* Listens at once where somebody waits for more than the end; else when it turns out to be no short job. */
static void grow_up_later(struct peer *peer)
{
    const pool_job_options_t *o = job_options(peer->job);
    if (o->early || o->on_event != NULL)
        watch(peer);
    if (is_watched(peer) && peer->limits_sent)
        return;
    peer->grown_at = (process_now_ms() / YOUNG_MS + 2) * YOUNG_MS;
    peer->is_young = true;
    TAILQ_INSERT_TAIL(&peer->loop->young, peer, young);
}

void peer_memory(struct peer *peer, const struct message_memory *memory)
{
    pool_event_t event = {.kind = POOL_EVENT_MEMORY, .memory = memory->bytes};
    if (peer->job == NULL)
        return;
    loop_job_used(peer->loop, peer->job, memory->most);
    if (job_options(peer->job)->memory_every_ms > 0 && !peer->settled_early)
        settle_event(peer->job, &event);
}

/* The sooner of the attempt's timeout and what the job's deadline leaves. */
static void choose_timeout(struct peer *peer)
{
    const pool_job_t *job = peer->job;
    peer->timeout_ms = job_options(job)->timeout_ms;
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

double peer_realtime(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int peer_hand(struct peer *peer, pool_job_t *job)
{
    leave_idle(peer);
    peer->state = PEER_DYING;
    peer->job = job;
    atomic_store(&job->state, POOL_STATE_RUNNING); /* before: whoever hears from the job sees it run */
    choose_timeout(peer);
    peer->started = peer_realtime(); /* before its timeout begins */
    peer->started_ns = uv_hrtime();
    int rc = is_limited(peer) ? send_limits(peer) : 0; /* first: the worker waits until the fork server has them */
    if (rc == 0)
        rc = task_send(peer);
    if (rc < 0) { /* it may have half a task: no other job for this one */
        peer->job = NULL;
        peer->blamed = true;
        peer_kill(peer, VERDICT_BIRTH, 0);
        return rc;
    }
    peer->state = PEER_BUSY;
    job->peer = peer;
    job->record->attempt++;
    grow_up_later(peer);
    pool_event_t event = {.kind = POOL_EVENT_STARTED};
    settle_event(job, &event);
    return 0;
}

/* ---- what became of it ----------------------------------------------------------------------------------------- */

static void drain(struct peer *peer)
{
    if (peer->pipe < 0 || peer->deaf || peer->job == NULL)
        return;
    fcntl(peer->pipe, F_SETFL, O_NONBLOCK); /* somebody who outlived the worker may hold the other end */
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

/* Its job has been settled before; now its worker is gone, too. */
static void end_early(struct peer *peer, const struct message_gone *gone)
{
    loop_job_ended(peer->loop, peer->job, gone == NULL ? 0 : gone->peak, gone != NULL);
    settle_release(peer->job);
}

void peer_gone(struct peer *peer, const struct message_gone *gone)
{
    struct loop *loop = peer->loop;
    pool_job_t *job = peer->job;
    drain(peer);
    handle_left_frame(peer, &gone->frame);
    const bool begun = gone->begun != 0 || peer->has_result;
    if (begun)
        births_succeeded(&loop->failures);
    else if (gone->ready != 0 && WIFSIGNALED((int)gone->status))
        births_died_idle(&loop->failures, process_now_ms());
    else if (!loop->ending && !peer->blamed)
        loop_birth_failed(loop, "a worker died before it took a job");
    if (job != NULL) {
        job->peer = NULL;
        release_slot(loop);
        if (peer->settled_early)
            end_early(peer, gone);
        else if (!begun && !peer->protocol_error && !job->cancel_asked &&
                 (gone->verdict == VERDICT_NONE || gone->verdict == VERDICT_BIRTH))
            attempt_restart(peer);
        else
            attempt_conclude(peer, gone);
        peer->job = NULL;
    }
    peer_free(peer);
}

/* Whether a dead worker had read its task. unix(7): a socket that is closed with something unread in it resets its
 * peer. */
static bool task_was_read(const struct peer *peer)
{
    char byte;
    return recv(peer->task, &byte, 1, MSG_DONTWAIT | MSG_PEEK) >= 0 || errno != ECONNRESET;
}

void peer_lost(struct peer *peer)
{
    pool_job_t *job = peer->job;
    if (job != NULL) {
        drain(peer);
        job->peer = NULL;
        release_slot(peer->loop);
        if (peer->settled_early)
            end_early(peer, NULL);
        else if (!peer->has_result && !peer->protocol_error && !job->cancel_asked && !task_was_read(peer))
            attempt_restart(peer);
        else
            attempt_conclude(peer, NULL);
        peer->job = NULL;
    }
    peer_free(peer);
}
