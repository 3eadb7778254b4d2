/* fuzz_peer.c - a hostile worker and its host: bytes in the pipe, in pieces, read as the pool's loop reads them, with
 * descriptors in the socket and a last frame in the page.
 *
 * The first byte is the size of the pieces, the second says what worker and job are (BIT_), the third how much of the
 * end is the frame in the page, in units of 8 bytes; the rest is the stream. */
#include "descriptor.h"
#include "payload.h"
#include "peer.h"
#include "state.h"

#include "fuzz.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD     ((size_t)3)
#define LIMIT    4096
#define BELIEVED ((size_t)1 << 20) /* of what is said to follow, room is made for so much: pieces.c */

enum {
    BIT_FULL = 1,      /* it has a socket */
    BIT_COMMAND = 2,   /* its job is a command */
    BIT_RESULT = 4,    /* the job has a result_limit of LIMIT */
    BIT_MEMORY = 8,    /* the job has a memory limit of LIMIT */
    BIT_SEALED = 16,   /* a sealed memfd of LIMIT bytes is in the socket */
    BIT_UNSEALED = 32, /* and one that is not */
    BIT_OTHER = 64,    /* and then two of something that is none */
    BIT_DEAD = 128     /* nothing is read before it is dead */
};

static volatile uint8_t seen;

/* Reads all of it, for the address sanitizer. */
static void look_at(const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        seen ^= ((const uint8_t *)data)[i];
}

static void on_event(pool_job_t *job, const pool_event_t *event, void *user)
{
    (void)user;
    FUZZ_REQUIRE(event->kind == POOL_EVENT_PROGRESS || event->kind == POOL_EVENT_PARTIAL ||
                 (job->kind->is_command && (event->kind == POOL_EVENT_STOPPED || event->kind == POOL_EVENT_CONTINUED)));
    FUZZ_REQUIRE(event->size == 0 || event->kind == POOL_EVENT_PARTIAL);
    const int64_t limit = job_options(job)->result_limit;
    FUZZ_REQUIRE(limit <= 0 || event->size <= (size_t)limit);
    FUZZ_REQUIRE(event->signal >= 0 && event->signal < NSIG);
    look_at(event->data, event->size);
}

static void no_step(void *owner)
{
    (void)owner;
}

static pool_job_t *make_job(pool_t *pool, uint8_t bits)
{
    const struct kind like = {
        .is_command = (bits & BIT_COMMAND) != 0,
        .function = (bits & BIT_COMMAND) != 0 ? 0 : 1,
        .name = "fuzz",
        .options = {.on_event = on_event, .deadline_ms = -1, .result_limit = (bits & BIT_RESULT) != 0 ? LIMIT : 0},
    };
    pool_job_t *job;
    struct kind *kind = kind_take(&pool->kinds, &like);
    FUZZ_REQUIRE(kind != NULL && job_new(pool, kind, NULL, 0, &job) == 0);
    job->record = job_record_new(NULL, (bits & BIT_MEMORY) != 0 ? LIMIT : -1);
    FUZZ_REQUIRE(job->record != NULL);
    job->record->job = job;
    return job;
}

static void hand_over(int socket, int fd, size_t count)
{
    const int fds[2] = {fd, fd};
    FUZZ_REQUIRE(fd >= 0 && descriptor_send(socket, "d", 1, fds, count) == 1);
    close(fd);
}

/* The host's end of a socket in which descriptors wait; -1: the worker is a plain one. */
static int make_socket(uint8_t bits)
{
    static const char data[LIMIT] = "data";
    int ends[2];
    if ((bits & BIT_FULL) == 0)
        return -1;
    FUZZ_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    if ((bits & BIT_SEALED) != 0)
        hand_over(ends[1], payload_copy("sealed", data, sizeof data), 1);
    if ((bits & BIT_UNSEALED) != 0) {
        const int fd = payload_create("unsealed");
        FUZZ_REQUIRE(fd >= 0 && ftruncate(fd, LIMIT) == 0);
        hand_over(ends[1], fd, 1);
    }
    if ((bits & BIT_OTHER) != 0)
        hand_over(ends[1], open("/dev/null", O_RDWR | O_CLOEXEC), 2);
    close(ends[1]);
    return ends[0];
}

/* Whatever has been said: nothing is larger than what came, but for what is believed. */
static void check_peer(const struct peer *peer, size_t came)
{
    FUZZ_REQUIRE(peer->value.size <= came && peer->value.room <= 2 * came + BELIEVED);
    FUZZ_REQUIRE(peer->partial.size <= came && peer->partial.room <= 2 * came + BELIEVED);
    FUZZ_REQUIRE(peer->reader.capacity <= (came < 256 ? 1024 : 4 * came));
    FUZZ_REQUIRE(!peer->has_result || peer->result.code == (int)peer->result.code);
    if (peer->text != NULL)
        look_at(peer->text, strlen(peer->text) + 1);
}

/* Writes the stream as it would come, and reads it: false after something illegal. */
static bool read_stream(struct peer *peer, int pipe, const uint8_t *data, size_t size, const uint8_t *head)
{
    const size_t most = (size_t)head[0] + 1;
    const bool is_dead = (head[1] & BIT_DEAD) != 0;
    size_t unread = 0;
    for (size_t at = 0; at < size;) {
        const size_t piece = most < size - at ? most : size - at;
        FUZZ_REQUIRE(write(pipe, data + at, piece) == (ssize_t)piece);
        at += piece;
        unread += piece;
        if (is_dead && unread + 2 * most < 65536)
            continue;
        unread = 0;
        if (peer_read(peer) == PEER_HEARD_BAD)
            return false;
        check_peer(peer, at);
    }
    return true;
}

static void take_value(struct peer *peer)
{
    const struct job_record *record = peer->job->record;
    const int64_t limit = job_options(peer->job)->result_limit;
    FUZZ_REQUIRE(peer->value.size == 0 || peer->value.size == peer->result.size);
    if (peer_give_value(peer) < 0)
        return;
    look_at(record->result.data, record->result.size);
    FUZZ_REQUIRE(record->result.size == 0 || record->result.data != NULL);
    FUZZ_REQUIRE(limit <= 0 || record->result.size <= (size_t)limit);
}

static void converse(pool_t *pool, const uint8_t *head, const uint8_t *data, size_t size)
{
    const struct message_born born = {.serial = 7};
    const size_t wanted = (size_t)head[2] * 8, left = wanted < size ? wanted : size;
    int ends[2];
    FUZZ_REQUIRE(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    struct peer *peer = peer_new(pool, &pool->server, &born, ends[0], make_socket(head[1]));
    FUZZ_REQUIRE(peer != NULL);
    pool_job_t *job = make_job(pool, head[1]);
    crew_leave_idle(&pool->crew, peer);
    peer->job = job;

    const bool was_good = read_stream(peer, ends[1], data, size - left, head);
    close(ends[1]);
    if (!was_good)
        peer_distrust(peer);
    uint8_t *frame = fuzz_copy(data + size - left, left);
    const struct message_gone gone = {.serial = born.serial, .frame = {frame, left}};
    peer_read_rest(peer, left > 0 ? &gone : NULL);
    check_peer(peer, size);
    if (peer->has_result && !peer->protocol_error && peer->unkept == 0)
        take_value(peer);
    free(frame);
    peer_free(peer);
    job_discard(job);
}

/* Which of the first numbers are open: a bit each. */
static uint32_t open_descriptors(void)
{
    uint32_t bits = 0;
    for (int fd = 0; fd < 16; fd++)
        bits |= (uint32_t)(fcntl(fd, F_GETFD) >= 0) << fd;
    return bits;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static pool_t *pool;
    static const pool_options_t options = {.workers = 1};
    if (pool == NULL)
        pool = state_new(&options, no_step);
    FUZZ_REQUIRE(pool != NULL);
    if (size < HEAD)
        return 0;
    const uint32_t before = open_descriptors();
    converse(pool, data, data + HEAD, size - HEAD);
    FUZZ_REQUIRE(open_descriptors() == before);
    return 0;
}
