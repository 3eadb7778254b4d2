#include "peer.h"

#include "descriptor.h"
#include "payload.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_AT_ONCE  ((size_t)1 << 20)   /* then other workers get their turn */
#define LARGE_VALUE   ((size_t)256 << 10) /* above it a memfd is cheaper than pieces: such jobs get full workers */
#define DRAIN_AT_MOST ((size_t)16 << 20)  /* of a dead worker's pipe, which holds 1 MiB at most */

/* ---- from birth to death ----------------------------------------------------------------------------------------- */

struct peer *peer_new(pool_t *pool, struct link *link, const struct message_born *born, int pipe, int socket)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer != NULL) {
        peer->serial = born->serial;
        peer->slot = (size_t)born->slot;
        peer->secret = born->secret;
        peer->pipe = pipe;
        peer->socket = socket;
    }
    if (peer == NULL || !crew_add(&pool->crew, peer)) {
        free(peer);
        descriptor_close(&pipe);
        descriptor_close(&socket);
        return NULL;
    }
    peer->pool = pool;
    peer->link = link;
    peer->value_fd = peer->readable.fd = -1;
    frame_reader_init(&peer->reader);
    for (int i = 0; i < 2; i++) {
        capture_init(&peer->streams[i].capture);
        peer->streams[i].peer = peer;
        peer->streams[i].readable.fd = -1;
    }
    return peer;
}

static void drop_value(struct peer *peer)
{
    pieces_drop(&peer->value);
    descriptor_close(&peer->value_fd);
}

static void stop_reading(struct peer *peer)
{
    readable_remove(&peer->pool->readables, &peer->readable);
    descriptor_close(&peer->pipe);
}

static void stop_stream(struct peer_stream *stream)
{
    readable_remove(&stream->peer->pool->readables, &stream->readable);
    capture_close(&stream->capture);
}

/* The next worker of the slot sees this one's area. */
static void wipe_task(const struct peer *peer)
{
    if (peer->task_size > 0 && peer->pool->area.tasks != NULL)
        memset(area_task(&peer->pool->area, peer->slot), 0, peer->task_size);
}

void peer_free(struct peer *peer)
{
    crew_remove(&peer->pool->crew, peer);
    stop_reading(peer);
    descriptor_close(&peer->socket);
    wipe_task(peer);
    for (int i = 0; i < 2; i++) {
        stop_stream(&peer->streams[i]);
        capture_bytes_free(&peer->streams[i].capture.bytes);
    }
    frame_reader_deinit(&peer->reader);
    drop_value(peer);
    pieces_drop(&peer->partial);
    free(peer->text);
    free(peer);
}

void peer_kill(struct peer *peer, enum message_kill_reason reason, int64_t grace_ms)
{
    const struct message_kill kill = {.serial = peer->serial, .reason = reason, .grace_ms = grace_ms};
    link_send(peer->link, MESSAGE_KILL, &kill);
}

void peer_signal(struct peer *peer, int signal)
{
    const struct message_signal request = {.serial = peer->serial, .signal = (uint64_t)signal};
    link_send(peer->link, MESSAGE_SIGNAL, &request);
}

void peer_distrust(struct peer *peer)
{
    peer->protocol_error = true;
    peer->is_closed = true;
    crew_leave_idle(&peer->pool->crew, peer);
    stop_reading(peer);
    peer_kill(peer, KILL_PROTOCOL, 0);
}

/* ---- its messages ------------------------------------------------------------------------------------------------ */

/* The descriptor that a frame has announced. */
static int receive_descriptor(struct peer *peer)
{
    struct descriptor_set set;
    char byte;
    const ssize_t got = peer->socket < 0 ? -1 : descriptor_receive(peer->socket, &byte, 1, MSG_DONTWAIT, &set);
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
    job_event(peer->job, &event);
    return 0;
}

/* What this process lacks for a value, which is no fault of the worker's. */
static bool is_lack(int rc)
{
    return rc == -EMFILE || rc == -ENOMEM || rc == -EFBIG;
}

/* By its size: a hole has none of the job's memory, and would have this process's. */
static bool is_too_large(const struct peer *peer, uint64_t size)
{
    const int64_t own = job_options(peer->job)->result_limit, memory = peer->job->record->memory_limit;
    const int64_t limit = own != 0 ? own : memory;
    return limit >= 0 && size > (uint64_t)limit;
}

/* The next part of what is too large for a frame, of a plain worker. A value that cannot be kept is only counted. */
static int on_piece(struct peer *peer, const void *message)
{
    const struct message_piece *piece = message;
    const struct machine *machine = &peer->pool->room.machine;
    const size_t size = (size_t)piece->data.size;
    if (size == 0 || peer->socket >= 0)
        return -EBADMSG;
    if (peer->partial.size + size > LARGE_VALUE || peer->value_pieces + size > LARGE_VALUE)
        atomic_store(&peer->job->kind->has_large_values, true);
    if (piece->value == 0)
        return pieces_add(&peer->partial, piece->data.data, size, piece->left, machine);
    peer->value_pieces += size;
    if (peer->unkept != 0)
        return 0;
    int rc = is_too_large(peer, peer->value_pieces) ? -EFBIG : 0;
    if (rc == 0)
        rc = pieces_add(&peer->value, piece->data.data, size, piece->left, machine);
    if (rc < 0) {
        drop_value(peer);
        peer->unkept = -rc;
    }
    return 0;
}

static int on_partial(struct peer *peer, const void *message)
{
    const struct message_partial *partial = message;
    pool_event_t event = {.kind = POOL_EVENT_PARTIAL, .data = partial->data.data, .size = partial->data.size};
    void *mapped = NULL;
    const int64_t limit = job_options(peer->job)->result_limit;
    if (partial->payload != PAYLOAD_PIECES && peer->partial.size > 0)
        return -EBADMSG;
    if (limit > 0 && partial->size > (uint64_t)limit)
        return -EBADMSG; /* pool_call_emit refuses it */
    if (partial->payload == PAYLOAD_MEMFD) {
        int fd = receive_descriptor(peer);
        if (fd < 0)
            return fd;
        const bool is_good = partial->size > 0 && payload_check(fd, partial->size, true) == 0;
        if (is_good)
            mapped = payload_map(fd, partial->size, false);
        descriptor_close(&fd);
        if (mapped == NULL)
            return is_good ? -ENOMEM : -EBADMSG;
        event.data = mapped;
        event.size = partial->size;
    } else if (partial->payload == PAYLOAD_PIECES) {
        if (partial->size == 0 || partial->size != peer->partial.size)
            return -EBADMSG;
        event.data = peer->partial.data;
        event.size = peer->partial.size;
    } else if (partial->payload != PAYLOAD_INLINE || partial->size != partial->data.size) {
        return -EBADMSG;
    }
    job_event(peer->job, &event);
    payload_unmap(mapped, event.size);
    pieces_drop(&peer->partial);
    return 0;
}

static int on_halted(struct peer *peer, const void *message)
{
    const struct message_halted *halted = message;
    pool_event_t event = {.kind = halted->signal != 0 ? POOL_EVENT_STOPPED : POOL_EVENT_CONTINUED};
    if (!peer->job->kind->is_command || halted->signal >= NSIG)
        return -EBADMSG;
    event.signal = (int32_t)halted->signal;
    job_event(peer->job, &event);
    return 0;
}

/* Takes the value out of a result frame. -EFBIG: it is over its limit. */
static int keep_value(struct peer *peer, const struct message_result *result)
{
    if (result->payload != PAYLOAD_PIECES && peer->value_pieces > 0) {
        if (result->payload != PAYLOAD_NONE)
            return -EBADMSG;
        drop_value(peer); /* the worker could not send all of it */
    }
    switch (result->payload) {
    case PAYLOAD_NONE:
        return result->size == 0 ? 0 : -EBADMSG;
    case PAYLOAD_INLINE:
        if (result->size != result->data.size || result->size == 0)
            return -EBADMSG;
        if (is_too_large(peer, result->size))
            return -EFBIG;
        return pieces_add(&peer->value, result->data.data, result->data.size, 0, &peer->pool->room.machine);
    case PAYLOAD_MEMFD:
        peer->value_fd = receive_descriptor(peer);
        if (peer->value_fd < 0)
            return peer->value_fd;
        if (result->size == 0)
            return -EBADMSG;
        if (payload_check(peer->value_fd, (size_t)result->size, false) < 0) /* and again when it can change no more */
            return -EBADMSG;
        return is_too_large(peer, result->size) ? -EFBIG : 0;
    case PAYLOAD_PIECES:
        return result->size == 0 || result->size != peer->value_pieces ? -EBADMSG : -peer->unkept;
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
    if (rc < 0 && !is_lack(rc))
        return rc;
    if (rc < 0) { /* the job fails by it when it has ended */
        drop_value(peer);
        peer->unkept = -rc;
    }
    peer->result = *result;
    peer->has_result = true;
    if (result->text.size > 0)
        peer->text = strndup(result->text.data, result->text.size);
    atomic_store(&peer->job->state, POOL_STATE_FINISHING);
    return 0;
}

/* What a worker may send that has a task, and has not sent its result. All else, and in any other state, is illegal. */
static int (*const handlers[MESSAGE_TYPE_COUNT_])(struct peer *, const void *) = {
    [MESSAGE_PROGRESS] = on_progress, [MESSAGE_PIECE] = on_piece,   [MESSAGE_PARTIAL] = on_partial,
    [MESSAGE_HALTED] = on_halted,     [MESSAGE_RESULT] = on_result,
};

static int handle_frame(struct peer *peer, uint16_t type, const uint8_t *body, size_t size)
{
    union {
        struct message_progress progress;
        struct message_piece piece;
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

/* Whether a dead worker has said all, in whole frames: a read gives all that is in the pipe, or fills its room. */
static bool is_complete(const struct peer *peer)
{
    return peer->has_result && peer->reader.start == peer->reader.end;
}

/* Reads and handles at most so many bytes. to_the_end: until a read finds nothing, as no later read will. */
static enum peer_heard read_pipe(struct peer *peer, size_t most, bool to_the_end)
{
    while (most > 0 && !peer->is_closed) {
        size_t room;
        void *space = frame_reader_space(&peer->reader, &room);
        if (space == NULL) {
            peer->host_error = ENOMEM;
            return PEER_HEARD_BAD;
        }
        const ssize_t got = read(peer->pipe, space, room < most ? room : most);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            break;
        if (got <= 0)
            return PEER_HEARD_END;
        most -= (size_t)got;
        frame_reader_filled(&peer->reader, (size_t)got);
        if (handle_frames(peer) < 0)
            return PEER_HEARD_BAD;
        if ((size_t)got < room && (!to_the_end || is_complete(peer)))
            break; /* the pipe is most likely empty; if not, poll says so again */
    }
    return PEER_HEARD_ALL;
}

enum peer_heard peer_read(struct peer *peer)
{
    return read_pipe(peer, READ_AT_ONCE, false);
}

static void on_output(void *owner)
{
    struct peer_stream *stream = owner;
    switch (capture_read(&stream->capture)) {
    case CAPTURE_OPEN:
        break;
    case CAPTURE_ENDED:
        readable_remove(&stream->peer->pool->readables, &stream->readable);
        break;
    case CAPTURE_OVER_LIMIT:
        if (stream->is_reported)
            break;
        stream->is_reported = true;
        peer_kill(stream->peer, KILL_OUTPUT_LIMIT, job_options(stream->peer->job)->kill_after_ms);
        break;
    }
}

void peer_listen(struct peer *peer, void (*on_ready)(void *peer))
{
    fcntl(peer->pipe, F_SETFL, O_NONBLOCK);
    if (readable_add(&peer->pool->readables, &peer->readable, peer->pipe, on_ready, peer) < 0)
        log_hook_say(&peer->pool->log, "worker %llu cannot be polled: its result is read when it has ended",
                     (unsigned long long)peer->serial);
}

int peer_capture(struct peer *peer, int which, int *write_end)
{
    struct peer_stream *stream = &peer->streams[which];
    int rc = capture_open(&stream->capture, job_options(peer->job)->output_limit, write_end);
    if (rc < 0)
        return rc;
    rc = readable_add(&peer->pool->readables, &stream->readable, stream->capture.fd, on_output, stream);
    if (rc < 0) {
        descriptor_close(write_end);
        capture_close(&stream->capture);
    }
    return rc;
}

/* ---- when it is dead --------------------------------------------------------------------------------------------- */

static void drain(struct peer *peer)
{
    if (peer->pipe < 0 || peer->is_closed)
        return;
    fcntl(peer->pipe, F_SETFL, O_NONBLOCK); /* a process that outlived the worker may hold the other end */
    if (read_pipe(peer, DRAIN_AT_MOST, true) == PEER_HEARD_BAD)
        peer->protocol_error = true;
}

/* As if it had come through the pipe. */
static void handle_left_frame(struct peer *peer, const struct message_slice *left)
{
    struct frame_header header;
    const uint8_t *frame = left->data;
    if (left->size < FRAME_HEADER_SIZE || peer->has_result)
        return;
    if (frame_header_read(frame, &header) < 0 || header.length != left->size - FRAME_HEADER_SIZE ||
        header.type != MESSAGE_RESULT || handle_frame(peer, header.type, frame + FRAME_HEADER_SIZE, header.length) < 0)
        peer->protocol_error = true;
}

void peer_read_rest(struct peer *peer, const struct message_gone *gone)
{
    if (peer->job == NULL)
        return;
    drain(peer);
    if (gone != NULL)
        handle_left_frame(peer, &gone->frame);
}

bool peer_has_begun(const struct peer *peer)
{
    const struct area_page *page = area_page(&peer->pool->area, peer->slot);
    return atomic_load(&page->untaken) != peer->secret;
}

/* ---- its value and output ---------------------------------------------------------------------------------------- */

int peer_give_value(struct peer *peer)
{
    struct job_record *record = peer->job->record;
    const size_t size = (size_t)peer->result.size;
    int rc = 0;
    if (peer->value.data == NULL && peer->value_fd < 0)
        return 0;
    if (peer->value_fd >= 0) {
        rc = job_value_receive(&record->value, peer->value_fd, size, &peer->pool->room.machine);
        peer->value_fd = -1;
    } else {
        record->value.data = peer->value.data;
        peer->value = (struct pieces){0};
    }
    if (rc == 0) {
        record->result.data = record->value.data;
        record->result.size = size;
    }
    return rc;
}

void peer_give_output(struct peer *peer)
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
        stop_stream(stream);
    }
}
