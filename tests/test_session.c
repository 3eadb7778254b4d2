/* Sessions over a real socket: requests in, answers out at a flush, and every bound of docs/protocol.md. */
#include "inbox.h"
#include "sessions.h"

#include "child.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_MS 30000
#define MS          UINT64_C(1000000) /* of uv_hrtime() */
#define TICK_MS     5
#define KEPT_MAX    2000

/* ---- memory that runs out ---------------------------------------------------------------------------------------- */

static size_t memory_most = SIZE_MAX; /* for one block */
static bool unpack_fails;

void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

msgpack_unpack_return __real_msgpack_unpack_next(msgpack_unpacked *result, const char *data, size_t size,
                                                 size_t *offset);
msgpack_unpack_return __wrap_msgpack_unpack_next(msgpack_unpacked *result, const char *data, size_t size,
                                                 size_t *offset);

msgpack_unpack_return __wrap_msgpack_unpack_next(msgpack_unpacked *result, const char *data, size_t size,
                                                 size_t *offset)
{
    return unpack_fails ? MSGPACK_UNPACK_NOMEM_ERROR : __real_msgpack_unpack_next(result, data, size, offset);
}

void *__wrap_realloc(void *block, size_t size)
{
    return size > memory_most ? NULL : __real_realloc(block, size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return count * size > memory_most ? NULL : __real_calloc(count, size);
}

/* ---- a daemon that knows a few methods --------------------------------------------------------------------------- */

static char root[] = "/tmp/reclaim-session-XXXXXX";

static struct {
    uv_loop_t loop;
    uv_check_t check; /* flushes, as the daemon does after each turn */
    uv_timer_t tick;  /* a turn now and then, to look at what clients have */
    struct door door;
    struct sessions *sessions;
    bool flushes, closing, done;
    uint64_t turns, requests, closes;
    struct {
        struct session *session;
        uint32_t id;
    } late[KEPT_MAX];
    size_t late_count;
    struct session *also; /* to be closed with another */
    struct log *log;
    int logged; /* what it has written */
} daemon_;

static void answer(struct session *session, uint32_t id, size_t size)
{
    msgpack_packer *packer = session_packer(session);
    char *filler = calloc(size + 1, 1);
    assert_non_null(filler);
    rpc_pack_result(packer, id);
    msgpack_pack_bin_with_body(packer, filler, size);
    session_answered(session);
    free(filler);
}

static bool is_method(const struct rpc_request *request, const char *name)
{
    return request->method.size == strlen(name) && memcmp(request->method.data, name, request->method.size) == 0;
}

/* "now": answered; "late": when the test says so; "big": with 64 KiB; "huge": with 4 MiB; "events": a subscriber from
 * now on; "rewind": changes its mind; "leave": closes; "fail": an error. */
static void on_request(void *user, struct session *session, const struct rpc_request *request)
{
    (void)user;
    daemon_.requests++;
    if (is_method(request, "late")) {
        assert_true(daemon_.late_count < KEPT_MAX);
        daemon_.late[daemon_.late_count].session = session;
        daemon_.late[daemon_.late_count++].id = request->id;
    } else if (is_method(request, "leave")) {
        session_close(session, "asked for");
        session_close(session, "once more");
    } else if (is_method(request, "fail")) {
        struct rpc_error error;
        rpc_fail(&error, RPC_UNKNOWN_METHOD, "no such method");
        session_fail(session, request->id, &error);
    } else if (is_method(request, "rewind")) {
        const size_t mark = session_mark(session);
        rpc_pack_result(session_packer(session), request->id);
        session_rewind(session, mark);
        answer(session, request->id, 3);
    } else {
        if (is_method(request, "events"))
            session_info(session)->is_subscriber = true;
        answer(session, request->id,
               is_method(request, "big")    ? 64 * 1024
               : is_method(request, "huge") ? 4 * 1024 * 1024
                                            : 1);
    }
}

static void on_close(void *user, struct session *session)
{
    size_t kept = 0;
    (void)user;
    daemon_.closes++;
    for (size_t i = 0; i < daemon_.late_count; i++)
        if (daemon_.late[i].session != session)
            daemon_.late[kept++] = daemon_.late[i];
    daemon_.late_count = kept;
    struct session *also = daemon_.also;
    daemon_.also = NULL;
    if (also != NULL)
        session_close(also, "with another");
}

static size_t count_logged(const char *what)
{
    static char logged[256 * 1024];
    size_t count = 0;
    const ssize_t size = pread(daemon_.logged, logged, sizeof logged - 1, 0);
    assert_true(size >= 0);
    logged[size] = '\0';
    for (const char *at = logged; (at = strstr(at, what)) != NULL; at++)
        count++;
    return count;
}

static void on_check(uv_check_t *check)
{
    (void)check;
    daemon_.turns++;
    if (daemon_.flushes)
        sessions_flush(daemon_.sessions);
}

static void on_tick(uv_timer_t *tick)
{
    (void)tick;
}

static void on_done(void *user)
{
    (void)user;
    daemon_.done = true;
    daemon_.flushes = false;
}

static const struct session_options defaults = {
    .message_max = 1024 * 1024,
    .unread_max = 256 * 1024,
    .clients_max = 64,
    .on_request = on_request,
    .on_close = on_close,
};

static void start(struct session_options options)
{
    options.log = daemon_.log;
    assert_int_equal(sessions_open(&daemon_.sessions, &daemon_.loop, &daemon_.door, &options), 0);
    uv_check_start(&daemon_.check, on_check);
    daemon_.flushes = true;
}

static void close_all(int64_t grace_ms)
{
    daemon_.closing = true;
    sessions_close(daemon_.sessions, grace_ms, on_done);
}

static void stop(int64_t grace_ms)
{
    const uint64_t give_up = uv_hrtime() + DEADLINE_MS * MS;
    close_all(grace_ms);
    while (!daemon_.done) {
        assert_true(uv_hrtime() < give_up);
        uv_run(&daemon_.loop, UV_RUN_ONCE);
    }
}

static struct rlimit descriptors; /* of before the test */

static int begin(void **state)
{
    static char path[100]; /* the log borrows it */
    char message[512];
    strcpy(root + sizeof root - 7, "XXXXXX");
    if (mkdtemp(root) == NULL || support_begin(state) != 0)
        return -1;
    memset(&daemon_, 0, sizeof daemon_);
    memory_most = SIZE_MAX;
    unpack_fails = false;
    getrlimit(RLIMIT_NOFILE, &descriptors);
    uv_loop_init(&daemon_.loop);
    uv_check_init(&daemon_.loop, &daemon_.check);
    uv_timer_init(&daemon_.loop, &daemon_.tick);
    uv_timer_start(&daemon_.tick, on_tick, TICK_MS, TICK_MS);
    snprintf(path, sizeof path, "%s/log", root);
    if (log_open(&daemon_.log, path, LOG_LEVEL_INFO, message) < 0 || (daemon_.logged = open(path, O_RDONLY)) < 0 ||
        unlink(path) < 0)
        return -1;
    snprintf(path, sizeof path, "%s/x.sock", root);
    return door_open(&daemon_.door, path, message);
}

static int end(void **state)
{
    setrlimit(RLIMIT_NOFILE, &descriptors);
    if (daemon_.sessions != NULL && !daemon_.closing)
        close_all(0);
    uv_close((uv_handle_t *)&daemon_.check, NULL);
    uv_close((uv_handle_t *)&daemon_.tick, NULL);
    uv_run(&daemon_.loop, UV_RUN_DEFAULT);
    const int rc = uv_loop_close(&daemon_.loop);
    door_close(&daemon_.door);
    log_close(daemon_.log);
    close(daemon_.logged);
    const int gone = rmdir(root);
    const int clean = support_end(state);
    return rc != 0 || gone != 0 ? -1 : clean;
}

#define SESSION_TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

/* ---- its clients --------------------------------------------------------------------------------------------------
 */

struct client {
    int fd;
    char *data; /* what came and was not looked at */
    size_t size, capacity;
    uint64_t received;
    bool ended;   /* nothing more comes */
    bool refused; /* the daemon takes nothing more */
};

static struct client dial(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct client client = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    strcpy(address.sun_path, daemon_.door.path);
    assert_true(client.fd >= 0);
    assert_int_equal(connect(client.fd, (const struct sockaddr *)&address, sizeof address), 0);
    return client;
}

static void hang_up(struct client *client)
{
    close(client->fd);
    free(client->data);
    *client = (struct client){.fd = -1};
}

/* Sends what the socket takes; how much that was. */
static size_t send_some(struct client *client, const void *data, size_t size)
{
    const ssize_t sent = send(client->fd, data, size, MSG_NOSIGNAL);
    if (sent < 0)
        client->refused = errno != EAGAIN;
    return sent > 0 ? (size_t)sent : 0;
}

/* Takes up to most bytes that are there. */
static void receive(struct client *client, size_t most)
{
    while (most > 0 && !client->ended) {
        if (client->capacity - client->size < 65536) {
            client->capacity = 2 * client->capacity + 65536;
            client->data = realloc(client->data, client->capacity);
            assert_non_null(client->data);
        }
        const ssize_t size = recv(client->fd, client->data + client->size, most < 65536 ? most : 65536, 0);
        if (size < 0 && errno == EAGAIN)
            return;
        client->ended = size <= 0;
        if (size > 0) {
            client->size += (size_t)size;
            client->received += (uint64_t)size;
            most -= (size_t)size;
        }
    }
}

/* One turn of the daemon; the test fails where it goes on for ever. */
static void turn(uint64_t began)
{
    assert_true(uv_hrtime() - began < (uint64_t)DEADLINE_MS * MS);
    uv_run(&daemon_.loop, UV_RUN_ONCE);
}

#define AWAIT(condition)                     \
    do {                                     \
        const uint64_t began_ = uv_hrtime(); \
        while (!(condition))                 \
            turn(began_);                    \
    } while (0)

/* Sends all of it, however long the daemon does not read. */
static void send_all(struct client *client, const void *data, size_t size)
{
    size_t sent = 0;
    AWAIT((sent += send_some(client, (const char *)data + sent, size - sent)) == size || client->refused);
}

static void put_number(char *out, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        out[i] = (char)(number >> (24 - 8 * i));
}

static size_t pack_request(char *out, uint32_t id, const char *method)
{
    const size_t size = strlen(method);
    out[0] = '\x94';
    out[1] = '\x00';
    out[2] = '\xce';
    put_number(out + 3, id);
    out[7] = (char)(0xa0 | size);
    memcpy(out + 8, method, size);
    out[8 + size] = '\x90';
    return 9 + size;
}

/* So many requests, with ids from 0, one after the other. */
static char *pack_requests(size_t count, const char *method, size_t *size)
{
    char *data = malloc(count * 32);
    assert_non_null(data);
    *size = 0;
    for (size_t i = 0; i < count; i++)
        *size += pack_request(data + *size, (uint32_t)i, method);
    return data;
}

static void request(struct client *client, uint32_t id, const char *method)
{
    char data[32];
    send_all(client, data, pack_request(data, id, method));
}

/* What a response was about. */
struct response {
    bool has_id, is_error;
    uint32_t id;
    char code[32], message[512];
};

static void copy_text(char *out, size_t capacity, const msgpack_object *text)
{
    assert_int_equal(text->type, MSGPACK_OBJECT_STR);
    assert_true(text->via.str.size < capacity);
    memcpy(out, text->via.str.ptr, text->via.str.size);
    out[text->via.str.size] = '\0';
}

static void read_response(const msgpack_object *object, struct response *response)
{
    assert_int_equal(object->type, MSGPACK_OBJECT_ARRAY);
    assert_int_equal(object->via.array.size, 4);
    const msgpack_object *part = object->via.array.ptr;
    *response = (struct response){.has_id = part[1].type == MSGPACK_OBJECT_POSITIVE_INTEGER,
                                  .is_error = part[2].type != MSGPACK_OBJECT_NIL};
    assert_int_equal(part[0].via.u64, 1);
    if (response->has_id)
        response->id = (uint32_t)part[1].via.u64;
    if (!response->is_error)
        return;
    assert_int_equal(part[2].via.map.size, 2);
    copy_text(response->code, sizeof response->code, &part[2].via.map.ptr[0].val);
    copy_text(response->message, sizeof response->message, &part[2].via.map.ptr[1].val);
}

/* A response that is there already. */
static bool take_response(struct client *client, struct response *response)
{
    msgpack_unpacked unpacked;
    size_t offset = 0;
    receive(client, SIZE_MAX);
    msgpack_unpacked_init(&unpacked);
    const bool whole = client->size > 0 &&
                       msgpack_unpack_next(&unpacked, client->data, client->size, &offset) == MSGPACK_UNPACK_SUCCESS;
    if (whole) {
        read_response(&unpacked.data, response);
        client->size -= offset;
        memmove(client->data, client->data + offset, client->size);
    }
    msgpack_unpacked_destroy(&unpacked);
    return whole;
}

static size_t take_responses(struct client *client)
{
    struct response response;
    size_t count = 0;
    while (take_response(client, &response))
        count++;
    return count;
}

static void expect_answer(struct client *client, uint32_t id)
{
    struct response response;
    AWAIT(take_response(client, &response));
    assert_true(response.has_id);
    assert_false(response.is_error);
    assert_int_equal(response.id, id);
}

static struct response expect_error(struct client *client, const char *code)
{
    struct response response;
    AWAIT(take_response(client, &response) || client->ended);
    assert_true(response.is_error);
    assert_string_equal(response.code, code);
    return response;
}

/* One response without a msgid, and the end. */
static void expect_refused(struct client *client, const char *code)
{
    struct response response = expect_error(client, code);
    assert_false(response.has_id);
    AWAIT((receive(client, SIZE_MAX), client->ended));
    assert_int_equal(client->size, 0);
}

/* Others are served at this moment. */
static void expect_service(void)
{
    struct client client = dial();
    request(&client, 77, "now");
    expect_answer(&client, 77);
    hang_up(&client);
}

/* Where nobody wants anything the loop sleeps. */
static void expect_rest(void)
{
    const uint64_t turns = daemon_.turns, began = uv_hrtime();
    AWAIT(uv_hrtime() - began > 150 * MS);
    assert_true(daemon_.turns - turns < 100); /* the test's own ticks are 30 of them */
}

/* ---- requests and answers ---------------------------------------------------------------------------------------- */

static void test_session_answers(void **state)
{
    (void)state;
    start(defaults);
    struct client client = dial();
    request(&client, 5, "now");
    expect_answer(&client, 5);
    request(&client, 6, "rewind");
    expect_answer(&client, 6);
    request(&client, 7, "fail");
    const struct response response = expect_error(&client, "unknown-method");
    assert_int_equal(response.id, 7);
    assert_int_equal(sessions_count(daemon_.sessions), 1);
    hang_up(&client);
    AWAIT(daemon_.closes == 1);
    assert_int_equal(sessions_count(daemon_.sessions), 0);
    assert_int_equal(count_logged("event=connected session=1 uid="), 1);
    assert_int_equal(count_logged("event=closed session=1 uid="), 1);
    stop(1000);
}

static void test_session_knows_its_peer(void **state)
{
    (void)state;
    start(defaults);
    struct client client = dial();
    request(&client, 1, "late");
    AWAIT(daemon_.late_count == 1);
    struct session *session = daemon_.late[0].session;
    assert_int_equal(session_info(session)->uid, geteuid());
    assert_int_equal(session_info(session)->pid, getpid());
    assert_int_equal(session_info(session)->serial, 1);
    assert_null(session_info(session)->user);
    session_info(session)->user = &client;
    assert_ptr_equal(session_info(session)->user, &client);
    hang_up(&client);
    stop(0);
    assert_int_equal(daemon_.closes, 1);
}

static void test_session_takes_a_byte_at_a_time(void **state)
{
    char data[32];
    (void)state;
    start(defaults);
    struct client client = dial();
    const size_t size = pack_request(data, 9, "now");
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(daemon_.requests, 0);
        assert_int_equal(send_some(&client, data + i, 1), 1);
        const uint64_t turns = daemon_.turns;
        AWAIT(daemon_.turns > turns + 1);
    }
    expect_answer(&client, 9);
    hang_up(&client);
    stop(1000);
}

static void test_session_takes_pipelined_requests_in_order(void **state)
{
    size_t size;
    char *data = pack_requests(3000, "now", &size);
    (void)state;
    start(defaults);
    struct client client = dial();
    send_all(&client, data, size);
    for (uint32_t i = 0; i < 3000; i++)
        expect_answer(&client, i);
    free(data);
    hang_up(&client);
    stop(1000);
}

/* An answer is worth something only once what it tells of is on disk. */
static void test_session_sends_nothing_before_a_flush(void **state)
{
    struct response response;
    (void)state;
    start(defaults);
    daemon_.flushes = false;
    struct client client = dial();
    request(&client, 1, "now");
    AWAIT(daemon_.requests == 1);
    const uint64_t turns = daemon_.turns;
    AWAIT(daemon_.turns > turns + 3);
    assert_false(take_response(&client, &response));
    send_all(&client, "\xc1", 1); /* its own error does not take the answer along, and waits for nobody */
    AWAIT(take_response(&client, &response));
    assert_string_equal(response.code, "malformed");
    assert_int_equal(client.size, 0);
    sessions_flush(daemon_.sessions);
    expect_answer(&client, 1);
    AWAIT((receive(&client, SIZE_MAX), client.ended));
    hang_up(&client);
    stop(1000);
}

/* ---- hostile bytes ----------------------------------------------------------------------------------------------- */

static void refuse_bytes(const void *data, size_t size, const char *code)
{
    const uint64_t closes = daemon_.closes;
    const uint64_t requests = daemon_.requests;
    struct client client = dial();
    send_all(&client, data, size);
    expect_refused(&client, code);
    AWAIT(daemon_.closes == closes + 1);
    assert_int_equal(daemon_.requests, requests);
    hang_up(&client);
    expect_service();
    AWAIT(sessions_count(daemon_.sessions) == 0);
}

static void test_session_refuses_hostile_bytes(void **state)
{
    static char nested[1000000];
    struct session_options options = defaults;
    (void)state;
    options.message_max = INBOX_ELEMENTS_MAX / 2;
    start(options);
    const uint64_t before = support_rss();
    refuse_bytes("\xdd\xff\xff\xff\xff", 5, "malformed");
    refuse_bytes("\xdf\xff\xff\xff\xff", 5, "malformed");
    refuse_bytes("\xc1", 1, "malformed");
    refuse_bytes("\x94\x00\x01\xc1", 4, "malformed");
    for (size_t i = 0; i + 3 <= 999; i += 3)
        memcpy(nested + i, "\xdc\xff\xff", 3);
    refuse_bytes(nested, 999, "malformed");
    memset(nested, '\x91', sizeof nested);
    refuse_bytes(nested, sizeof nested, "malformed");
    refuse_bytes("\xdb\xff\xff\xff\xff", 5, "too-large");
    refuse_bytes("\xc6\xff\xff\xff\xff", 5, "too-large");
    refuse_bytes("\xc9\xff\xff\xff\xff", 5, "too-large");
    refuse_bytes("\xdd\x00\x0f\x42\x3f", 5, "too-large"); /* as many elements as may be, but not in so few bytes */
    if (!SUPPORT_SANITIZED)
        assert_true(support_rss() < before + 8 * 1024 * 1024);
    stop(1000);
}

static void test_session_refuses_what_is_no_request(void **state)
{
    static const struct {
        const char *data;
        size_t size;
    } bad[] = {{"\xc0", 1}, {"\x93\x02\xa1x\x90", 5},  {"\x94\x01\x05\xc0\xc0", 5}, {"\x94\x00\x05\xa1x\x80", 6},
               {"\x90", 1}, {"GET / HTTP/1.1\r\n", 16}};
    (void)state;
    start(defaults);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refuse_bytes(bad[i].data, bad[i].size, "invalid-request");
    stop(1000);
}

/* Whatever comes, others are served, and nobody stays. */
static void test_session_survives_random_bytes(void **state)
{
    static const unsigned char often[] = {0x94, 0x00, 0x91, 0x80, 0xa1, 0xdc, 0xdd, 0xde, 0xdf, 0xc4, 0xd9, 0xff};
    struct session_options options = defaults;
    (void)state;
    options.clients_max = 1000;
    start(options);
    srandom(5);
    for (int i = 0; i < 500; i++) {
        unsigned char data[200];
        const size_t size = 1 + (size_t)random() % sizeof data;
        for (size_t n = 0; n < size; n++)
            data[n] = random() % 2 == 0 ? (unsigned char)random() : often[(size_t)random() % sizeof often];
        struct client client = dial();
        send_all(&client, data, size);
        hang_up(&client);
    }
    expect_service();
    AWAIT(sessions_count(daemon_.sessions) == 0 && daemon_.closes == 501);
    stop(1000);
}

/* A request of exactly `size` bytes, with a field that is only there to be large. */
static char *pack_sized(size_t size)
{
    static const char head[] = "\x94\x00\x07\xa3now\x91\x81\xa1x\xc6";
    char *data = calloc(size, 1);
    assert_non_null(data);
    memcpy(data, head, sizeof head - 1);
    const size_t body = size - (sizeof head - 1) - 4;
    put_number(data + sizeof head - 1, (uint32_t)body);
    return data;
}

static void test_session_takes_messages_up_to_the_most(void **state)
{
    const size_t most = defaults.message_max;
    (void)state;
    start(defaults);
    struct client client = dial();
    char *data = pack_sized(most);
    send_all(&client, data, most);
    expect_answer(&client, 7);
    send_all(&client, data, most); /* and once more, on the same connection */
    expect_answer(&client, 7);
    free(data);
    hang_up(&client);
    AWAIT(daemon_.closes == 1);
    data = pack_sized(most + 1);
    refuse_bytes(data, most + 1, "too-large");
    free(data);
    stop(1000);
}

/* ---- slow clients ------------------------------------------------------------------------------------------------ */

static void test_session_ends_a_message_that_does_not_come(void **state)
{
    struct session_options options = defaults;
    char data[64];
    (void)state;
    options.stall_ms = 200;
    start(options);
    struct client idle = dial(), slow = dial();
    const size_t one = pack_request(data, 1, "now");
    const size_t two = one + pack_request(data + one, 2, "now");
    const uint64_t began = uv_hrtime();
    send_all(&slow, data, one + 5); /* the second one has its own time */
    expect_answer(&slow, 1);
    for (size_t i = one + 5; i < two - 1 && uv_hrtime() - began < 100 * MS; i++)
        send_all(&slow, data + i, 1);
    expect_service();
    expect_refused(&slow, "malformed"); /* a byte now and then does not help */
    assert_true(uv_hrtime() - began >= 190 * MS);
    assert_int_equal(daemon_.requests, 2);
    request(&idle, 3, "now"); /* who says nothing may stay */
    expect_answer(&idle, 3);
    hang_up(&idle);
    hang_up(&slow);
    stop(1000);
}

/* One message after the other, each in time, and never a pause between two. */
static void test_session_times_each_message_apart(void **state)
{
    struct session_options options = defaults;
    char data[64];
    (void)state;
    options.stall_ms = 400;
    start(options);
    struct client client = dial();
    const size_t size = pack_request(data, 7, "now");
    pack_request(data + size, 7, "now");
    send_all(&client, data, size / 2);
    const uint64_t began = uv_hrtime();
    for (uint64_t i = 1; i <= 8; i++) {
        AWAIT(uv_hrtime() - began > i * 100 * MS);
        send_all(&client, data + size / 2, size); /* the end of one and the start of the next */
        expect_answer(&client, 7);
    }
    assert_int_equal(daemon_.closes, 0);
    hang_up(&client);
    stop(1000);
}

/* Of 1,000 requests for 64 KiB each only so many are taken as fit; the rest as it reads. */
static void test_session_reads_no_more_from_who_does_not_read(void **state)
{
    size_t size, answered = 0;
    char *data = pack_requests(1000, "big", &size);
    (void)state;
    start(defaults);
    struct client client = dial();
    assert_int_equal(send_some(&client, data, size), size);
    AWAIT(daemon_.requests > 0);
    const uint64_t turns = daemon_.turns;
    AWAIT(daemon_.turns > turns + 10);
    assert_in_range(daemon_.requests, 4, 32); /* unread_max, and what the socket holds */
    expect_service();
    AWAIT((answered += take_responses(&client)) == 1000);
    assert_int_equal(daemon_.requests, 1001);
    expect_rest();
    free(data);
    hang_up(&client);
    stop(1000);
}

static void test_session_closes_who_never_reads(void **state)
{
    struct session_options options = defaults;
    size_t size;
    char *data = pack_requests(100, "big", &size);
    (void)state;
    options.stall_ms = 200;
    start(options);
    struct client client = dial();
    assert_int_equal(send_some(&client, data, size), size);
    const uint64_t began = uv_hrtime();
    AWAIT(daemon_.requests > 0);
    expect_service();
    AWAIT(daemon_.closes == 2);
    assert_true(uv_hrtime() - began >= 190 * MS);
    assert_true(daemon_.requests < 40);
    assert_int_equal(count_logged("reads nothing"), 1);
    free(data);
    hang_up(&client);
    stop(1000);
}

/* A client that reads slowly, but reads, is no client that does not read. */
static void test_session_keeps_who_reads_slowly(void **state)
{
    struct session_options options = defaults;
    (void)state;
    options.stall_ms = 300;
    start(options);
    struct client client = dial();
    request(&client, 1, "huge");
    const uint64_t began = uv_hrtime();
    uint64_t reads = 0;
    while (client.received < 4 * 1024 * 1024 && !client.ended) {
        receive(&client, 64 * 1024);
        const uint64_t next = began + ++reads * 20 * MS;
        AWAIT(uv_hrtime() >= next);
    }
    assert_false(client.ended);
    assert_true(uv_hrtime() - began >= 3 * 300 * MS);
    expect_answer(&client, 1);
    hang_up(&client);
    stop(1000);
}

static void test_session_closes_a_subscriber_that_does_not_read(void **state)
{
    (void)state;
    start(defaults);
    struct client client = dial();
    request(&client, 1, "events");
    expect_answer(&client, 1);
    request(&client, 2, "huge"); /* one answer may be larger than unread_max */
    expect_answer(&client, 2);
    request(&client, 3, "late");
    AWAIT(daemon_.late_count == 1);
    char filler[4096] = {0};
    const uint64_t began = uv_hrtime();
    for (size_t sent = 0; daemon_.closes == 0; sent += sizeof filler) {
        assert_true(sent < 4 * defaults.unread_max);
        msgpack_packer *packer = session_packer(daemon_.late[0].session);
        rpc_pack_notification(packer, "event");
        msgpack_pack_bin_with_body(packer, filler, sizeof filler);
        turn(began);
    }
    assert_int_equal(count_logged("a subscriber"), 1);
    hang_up(&client);
    stop(1000);
}

/* Reading from one that sends without end does not take the others' turn. */
static void test_session_reads_a_little_in_each_turn(void **state)
{
    const int room = 8 * 1024 * 1024;
    size_t size;
    char *data = pack_requests(100000, "now", &size);
    (void)state;
    start(defaults);
    struct client client = dial();
    AWAIT(sessions_count(daemon_.sessions) == 1);
    if (setsockopt(client.fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) < 0) {
        free(data);
        hang_up(&client);
        skip();
    }
    daemon_.flushes = false;
    assert_true(send_some(&client, data, size) > 1024 * 1024);
    uv_run(&daemon_.loop, UV_RUN_NOWAIT);
    assert_in_range(daemon_.requests, 1, 256 * 1024 / 12);
    free(data);
    hang_up(&client);
    stop(0);
}

/* ---- too many ---------------------------------------------------------------------------------------------------- */

static void test_session_bounds_unanswered_requests(void **state)
{
    const size_t count = SESSION_REQUESTS_MAX + 5;
    size_t size;
    char *data = pack_requests(count, "late", &size);
    (void)state;
    start(defaults);
    struct client client = dial();
    send_all(&client, data, size);
    free(data);
    for (uint32_t i = 0; i < 5; i++) {
        const struct response response = expect_error(&client, "too-many-requests");
        assert_true(response.has_id);
        assert_int_equal(response.id, SESSION_REQUESTS_MAX + i);
    }
    assert_int_equal(daemon_.late_count, SESSION_REQUESTS_MAX);
    for (size_t i = 0; i < SESSION_REQUESTS_MAX; i++)
        answer(daemon_.late[i].session, daemon_.late[i].id, 1);
    daemon_.late_count = 0;
    for (uint32_t i = 0; i < SESSION_REQUESTS_MAX; i++)
        expect_answer(&client, i);
    request(&client, 4711, "now");
    expect_answer(&client, 4711);
    hang_up(&client);
    stop(1000);
}

static void test_session_bounds_clients(void **state)
{
    enum { COUNT = 1000, MOST = 4 };
    static struct client clients[COUNT];
    struct session_options options = defaults;
    struct rlimit limit = descriptors;
    size_t served = 0;
    (void)state;
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    options.clients_max = MOST;
    start(options);
    for (size_t i = 0; i < COUNT; i++) {
        clients[i] = dial();
        AWAIT(i + 1 > MOST || sessions_count(daemon_.sessions) == i + 1);
    }
    for (size_t i = MOST; i < COUNT; i++)
        expect_refused(&clients[i], "too-many-clients");
    assert_int_equal(count_logged("event=too-many-clients"), 1);
    for (size_t i = 0; i < COUNT; i++) {
        if (!clients[i].ended) {
            request(&clients[i], 1, "now");
            expect_answer(&clients[i], 1);
            served++;
        }
        hang_up(&clients[i]);
    }
    assert_int_equal(served, MOST);
    AWAIT(sessions_count(daemon_.sessions) == 0);
    expect_service();
    stop(1000);
}

/* Where all places are taken a few more are let in, who are told so when they are to wait, and are closed when they ask
 * nothing. */
static void test_session_reserves_places(void **state)
{
    struct session_options options = defaults;
    struct client clients[4];
    (void)state;
    options.clients_max = 2;
    options.reserved_max = 1;
    options.reserved_ms = 200;
    start(options);
    for (size_t i = 0; i < 3; i++) {
        clients[i] = dial();
        request(&clients[i], 1, "late");
        AWAIT(daemon_.late_count == i + 1);
        assert_int_equal(session_may_stay(daemon_.late[i].session), i < 2);
    }
    clients[3] = dial();
    expect_refused(&clients[3], "too-many-clients");
    assert_int_equal(count_logged("event=too-many-clients"), 1);
    const uint64_t turns = daemon_.turns, began = uv_hrtime(); /* its answer is on its way: that is not idle */
    AWAIT(uv_hrtime() - began > 300 * MS && daemon_.turns > turns);
    answer(daemon_.late[2].session, 1, 1);
    expect_answer(&clients[2], 1);
    hang_up(&clients[0]); /* an ordinary place is free, and the next one has it */
    AWAIT(sessions_count(daemon_.sessions) == 2);
    clients[0] = dial();
    request(&clients[0], 2, "now");
    expect_answer(&clients[0], 2);
    expect_refused(&clients[2], "too-many-clients");
    assert_int_equal(count_logged("idle on a reserved place"), 1);
    request(&clients[0], 3, "now");
    expect_answer(&clients[0], 3);
    expect_service(); /* the reserved place is free */
    AWAIT(sessions_count(daemon_.sessions) == 2);
    hang_up(&clients[2]);
    clients[2] = dial();
    request(&clients[2], 4, "late");
    AWAIT(daemon_.late_count == 2);
    struct session *late = daemon_.late[1].session;
    assert_false(session_may_stay(late));
    hang_up(&clients[1]);
    AWAIT(sessions_count(daemon_.sessions) == 2);
    assert_true(session_may_stay(late)); /* it has the place that has come free */
    answer(late, 4, 1);
    expect_answer(&clients[2], 4);
    expect_service();
    AWAIT(sessions_count(daemon_.sessions) == 2);
    const uint64_t then = uv_hrtime();
    AWAIT(uv_hrtime() - then > 300 * MS);
    request(&clients[2], 5, "now");
    expect_answer(&clients[2], 5);
    for (size_t i = 0; i < 4; i++)
        hang_up(&clients[i]);
    stop(1000);
}

/* One that asks on and on may, and half a message is not asking. */
static void test_session_keeps_a_reserved_place_busy(void **state)
{
    struct session_options options = defaults;
    (void)state;
    options.clients_max = 0;
    options.reserved_max = 1;
    options.reserved_ms = 300;
    start(options);
    struct client client = dial();
    const uint64_t began = uv_hrtime();
    for (uint32_t i = 0; uv_hrtime() - began < 600 * MS; i++) {
        request(&client, i, "now");
        expect_answer(&client, i);
    }
    send_all(&client, "\x94", 1);
    expect_refused(&client, "malformed");
    hang_up(&client);
    client = dial();
    request(&client, 1, "huge"); /* and it reads nothing of that */
    AWAIT(count_logged("reads nothing") == 1);
    hang_up(&client);
    stop(1000);
}

/* Who connects while there are no descriptors waits; the loop does not spin meanwhile. */
static void test_session_waits_for_descriptors(void **state)
{
    struct rlimit limit = descriptors;
    (void)state;
    start(defaults);
    struct client client = dial();
    limit.rlim_cur = (rlim_t)client.fd + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    AWAIT(count_logged("event=accept-failed") == 1);
    const uint64_t turns = daemon_.turns, began = uv_hrtime();
    AWAIT(uv_hrtime() - began > 350 * MS);
    assert_true(daemon_.turns - turns < 200); /* the test's own ticks are 70 of them */
    assert_int_equal(count_logged("event=accept-failed"), 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &descriptors), 0);
    request(&client, 1, "now");
    expect_answer(&client, 1);
    hang_up(&client);
    stop(1000);
}

/* It is not opened again after all. */
static void test_session_waits_for_descriptors_no_more(void **state)
{
    struct rlimit limit = descriptors;
    (void)state;
    start(defaults);
    struct client client = dial();
    limit.rlim_cur = (rlim_t)client.fd + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    AWAIT(count_logged("event=accept-failed") == 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &descriptors), 0);
    sessions_stop_accepting(daemon_.sessions);
    expect_rest();
    assert_int_equal(sessions_count(daemon_.sessions), 0);
    hang_up(&client);
    stop(1000);
}

/* ---- ends -------------------------------------------------------------------------------------------------------- */

static void test_session_closes_once_with_requests_under_way(void **state)
{
    (void)state;
    start(defaults);
    struct client client = dial();
    request(&client, 1, "late");
    request(&client, 2, "late");
    AWAIT(daemon_.late_count == 2);
    const uint64_t began = uv_hrtime();
    hang_up(&client);
    AWAIT(daemon_.closes == 1);
    assert_true(uv_hrtime() - began < SESSION_STALL_MS / 2 * MS); /* at once, not when it is looked at again */
    assert_int_equal(daemon_.late_count, 0);
    stop(1000);
    assert_int_equal(daemon_.closes, 1);
}

/* `printf ... | nc -N -U`: no more requests, but the answers are wanted. */
static void test_session_answers_who_only_listens_on(void **state)
{
    (void)state;
    start(defaults);
    struct client client = dial();
    request(&client, 1, "late");
    request(&client, 2, "now");
    assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
    expect_answer(&client, 2);
    AWAIT(daemon_.late_count == 1);
    expect_rest();
    answer(daemon_.late[0].session, 1, 1);
    daemon_.late_count = 0;
    expect_answer(&client, 1);
    AWAIT((receive(&client, SIZE_MAX), client.ended));
    hang_up(&client);
    stop(1000);
}

static void test_session_answers_all_that_came_before_the_end(void **state)
{
    size_t size;
    char *data = pack_requests(200, "big", &size);
    (void)state;
    start(defaults);
    struct client client = dial();
    assert_int_equal(send_some(&client, data, size), size);
    assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
    for (uint32_t i = 0; i < 200; i++)
        expect_answer(&client, i);
    AWAIT((receive(&client, SIZE_MAX), client.ended));
    free(data);
    hang_up(&client);
    stop(1000);
}

/* Only listening on, and then gone: its place is free again. */
static void test_session_notices_a_listener_that_goes(void **state)
{
    struct session_options options = defaults;
    (void)state;
    options.stall_ms = 100;
    start(options);
    struct client client = dial();
    request(&client, 1, "late");
    assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
    AWAIT(daemon_.late_count == 1);
    const uint64_t began = uv_hrtime();
    AWAIT(uv_hrtime() - began > 250 * MS);
    assert_int_equal(daemon_.closes, 0);
    hang_up(&client);
    AWAIT(daemon_.closes == 1);
    stop(1000);
}

static void test_session_is_closed_by_its_user(void **state)
{
    char data[100];
    size_t size = 0;
    (void)state;
    start(defaults);
    struct client client = dial();
    size += pack_request(data + size, 1, "leave");
    size += pack_request(data + size, 2, "now");
    send_all(&client, data, size);
    AWAIT((receive(&client, SIZE_MAX), client.ended));
    assert_int_equal(client.size, 0);
    assert_int_equal(daemon_.requests, 1); /* the second one came too late */
    assert_int_equal(daemon_.closes, 1);
    assert_int_equal(count_logged("why=\"asked for\""), 1);
    hang_up(&client);
    expect_service();
    stop(1000);
}

/* Even in the midst of a flush. */
static void test_session_is_closed_with_another(void **state)
{
    struct client clients[3];
    (void)state;
    start(defaults);
    for (uint32_t i = 0; i < 3; i++) {
        clients[i] = dial();
        request(&clients[i], i, "late");
        AWAIT(daemon_.late_count == i + 1);
    }
    daemon_.also = daemon_.late[1].session;
    struct session *first = daemon_.late[0].session, *last = daemon_.late[2].session;
    daemon_.late_count = 0;
    answer(first, 0, 1);
    answer(daemon_.also, 1, 1);
    answer(last, 2, 1);
    assert_int_equal(shutdown(clients[2].fd, SHUT_RDWR), 0);
    sessions_flush(daemon_.sessions); /* the newest first, whose write fails */
    assert_int_equal(daemon_.closes, 2);
    expect_answer(&clients[0], 0);
    for (uint32_t i = 0; i < 3; i++)
        hang_up(&clients[i]);
    stop(1000);
}

/* A peer that vanishes while an answer is under way. */
static void test_session_ends_where_a_write_fails(void **state)
{
    (void)state;
    start(defaults);
    struct client client = dial();
    request(&client, 1, "huge");
    AWAIT(daemon_.requests == 1);
    hang_up(&client);
    AWAIT(daemon_.closes == 1);
    client = dial();
    request(&client, 1, "late");
    AWAIT(daemon_.late_count == 1);
    assert_int_equal(shutdown(client.fd, SHUT_RDWR), 0);
    answer(daemon_.late[0].session, 1, 1);
    daemon_.late_count = 0;
    AWAIT(daemon_.closes == 2);
    hang_up(&client);
    stop(1000);
}

static void test_sessions_close_sends_what_waits(void **state)
{
    struct client clients[3];
    (void)state;
    start(defaults);
    for (uint32_t i = 0; i < 3; i++) {
        clients[i] = dial();
        request(&clients[i], i, i == 0 ? "late" : "huge");
    }
    AWAIT(daemon_.requests == 3);
    sessions_flush(daemon_.sessions);
    close_all(DEADLINE_MS);
    expect_answer(&clients[1], 1);
    expect_answer(&clients[2], 2);
    AWAIT(daemon_.closes == 3);
    AWAIT(daemon_.done);
    for (uint32_t i = 0; i < 3; i++) {
        AWAIT((receive(&clients[i], SIZE_MAX), clients[i].ended));
        hang_up(&clients[i]);
    }
}

static void test_sessions_close_waits_only_so_long(void **state)
{
    (void)state;
    start(defaults);
    struct client client = dial();
    request(&client, 1, "huge");
    AWAIT(daemon_.requests == 1);
    sessions_flush(daemon_.sessions);
    daemon_.flushes = false;
    const uint64_t began = uv_hrtime();
    stop(150);
    assert_true(uv_hrtime() - began >= 140 * MS);
    assert_int_equal(daemon_.closes, 1);
    assert_int_equal(count_logged("the daemon ends"), 1);
    hang_up(&client);
}

static void test_sessions_stop_accepting(void **state)
{
    (void)state;
    start(defaults);
    struct client client = dial();
    AWAIT(sessions_count(daemon_.sessions) == 1);
    sessions_stop_accepting(daemon_.sessions);
    struct client later = dial(); /* stays in the socket's queue */
    request(&client, 1, "now");
    expect_answer(&client, 1);
    const uint64_t turns = daemon_.turns;
    AWAIT(daemon_.turns > turns + 5);
    assert_int_equal(sessions_count(daemon_.sessions), 1);
    hang_up(&client);
    hang_up(&later);
    stop(1000);
}

static void test_sessions_open_refuses_what_cannot_be_polled(void **state)
{
    struct sessions *sessions;
    (void)state;
    const int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(sessions_open(&sessions, &daemon_.loop, &(struct door){.fd = fd}, &defaults), -EPERM);
    close(fd);
}

/* ---- no memory --------------------------------------------------------------------------------------------------- */

static void test_session_ends_without_memory_for_a_message(void **state)
{
    (void)state;
    start(defaults);
    struct client client = dial();
    char *data = pack_sized(200 * 1024);
    memory_most = 64 * 1024;
    send_all(&client, data, 200 * 1024);
    AWAIT(daemon_.closes == 1);
    memory_most = SIZE_MAX;
    assert_int_equal(count_logged("why=\"out of memory\""), 1);
    free(data);
    hang_up(&client);
    expect_service();
    stop(1000);
}

static void test_session_ends_without_memory_to_unpack(void **state)
{
    (void)state;
    start(defaults);
    struct client client = dial();
    unpack_fails = true;
    request(&client, 1, "now");
    AWAIT(daemon_.closes == 1);
    unpack_fails = false;
    expect_refused(&client, "internal");
    hang_up(&client);
    stop(1000);
}

/* Half an answer would make nonsense of all that follow. */
static void test_session_ends_without_memory_for_an_answer(void **state)
{
    (void)state;
    start(defaults);
    struct client client = dial();
    request(&client, 1, "late");
    AWAIT(daemon_.late_count == 1);
    rpc_pack_result(session_packer(daemon_.late[0].session), 1);
    memory_most = 64 * 1024;
    static char filler[100 * 1024];
    msgpack_pack_bin_with_body(session_packer(daemon_.late[0].session), filler, sizeof filler);
    msgpack_pack_nil(session_packer(daemon_.late[0].session)); /* would fit, but behind a hole */
    AWAIT(daemon_.closes == 1);
    memory_most = SIZE_MAX;
    AWAIT((receive(&client, SIZE_MAX), client.ended));
    assert_int_equal(client.received, 0);
    hang_up(&client);
    stop(1000);
}

static void test_session_ends_without_memory_for_what_waits(void **state)
{
    (void)state;
    start(defaults);
    struct client client = dial();
    for (uint32_t i = 0; i < 3; i++)
        request(&client, i, "late");
    AWAIT(daemon_.late_count == 3);
    daemon_.flushes = false;
    answer(daemon_.late[0].session, 0, 1024 * 1024); /* under way */
    sessions_flush(daemon_.sessions);
    answer(daemon_.late[0].session, 1, 80 * 1024); /* waits */
    sessions_flush(daemon_.sessions);
    answer(daemon_.late[0].session, 2, 80 * 1024); /* would be put behind it */
    assert_int_equal(daemon_.closes, 0);
    memory_most = 150 * 1024;
    sessions_flush(daemon_.sessions);
    memory_most = SIZE_MAX;
    assert_int_equal(daemon_.closes, 1);
    hang_up(&client);
    stop(1000);
}

static void test_sessions_without_memory_for_one(void **state)
{
    struct sessions *sessions;
    (void)state;
    memory_most = 0;
    assert_int_equal(sessions_open(&sessions, &daemon_.loop, &daemon_.door, &defaults), -ENOMEM);
    memory_most = SIZE_MAX;
    start(defaults);
    struct client client = dial();
    memory_most = 0;
    AWAIT(count_logged("event=accept-failed") == 1);
    memory_most = SIZE_MAX;
    AWAIT((receive(&client, SIZE_MAX), client.ended));
    hang_up(&client);
    expect_service();
    stop(1000);
}

/* ---- somebody else ----------------------------------------------------------------------------------------------- */

/* As nobody: what the daemon tells him. 0 if that is `denied` and the end. */
static int visit(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char data[600];
    size_t size = 0;
    ssize_t got = 0;
    strcpy(address.sun_path, daemon_.door.path);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHILD_CHECK(connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    while (size < sizeof data && (got = recv(fd, data + size, sizeof data - size, 0)) > 0)
        size += (size_t)got;
    CHILD_CHECK(got == 0 && size > 20);
    CHILD_CHECK(memcmp(data,
                       "\x94\x01\xc0\x82\xa4"
                       "code\xa6"
                       "denied",
                       16) == 0);
    return 0;
}

static void test_session_denies_another_uid(void **state)
{
    int status = -1;
    (void)state;
    if (geteuid() != 0)
        skip();
    start(defaults);
    assert_int_equal(chmod(root, 0755), 0);
    assert_int_equal(chmod(daemon_.door.path, 0666), 0);
    fflush(NULL);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(child_drop_privileges() ? visit() : 2);
    AWAIT(waitpid(pid, &status, WNOHANG) == pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    char line[100];
    snprintf(line, sizeof line, "event=denied uid=65534 pid=%d\n", (int)pid);
    assert_int_equal(count_logged(line), 1);
    assert_int_equal(daemon_.closes, 0);
    stop(1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SESSION_TEST(test_session_answers),
        SESSION_TEST(test_session_knows_its_peer),
        SESSION_TEST(test_session_takes_a_byte_at_a_time),
        SESSION_TEST(test_session_takes_pipelined_requests_in_order),
        SESSION_TEST(test_session_sends_nothing_before_a_flush),
        SESSION_TEST(test_session_refuses_hostile_bytes),
        SESSION_TEST(test_session_refuses_what_is_no_request),
        SESSION_TEST(test_session_survives_random_bytes),
        SESSION_TEST(test_session_takes_messages_up_to_the_most),
        SESSION_TEST(test_session_ends_a_message_that_does_not_come),
        SESSION_TEST(test_session_times_each_message_apart),
        SESSION_TEST(test_session_reads_no_more_from_who_does_not_read),
        SESSION_TEST(test_session_closes_who_never_reads),
        SESSION_TEST(test_session_keeps_who_reads_slowly),
        SESSION_TEST(test_session_closes_a_subscriber_that_does_not_read),
        SESSION_TEST(test_session_reads_a_little_in_each_turn),
        SESSION_TEST(test_session_bounds_unanswered_requests),
        SESSION_TEST(test_session_bounds_clients),
        SESSION_TEST(test_session_reserves_places),
        SESSION_TEST(test_session_keeps_a_reserved_place_busy),
        SESSION_TEST(test_session_waits_for_descriptors),
        SESSION_TEST(test_session_waits_for_descriptors_no_more),
        SESSION_TEST(test_session_closes_once_with_requests_under_way),
        SESSION_TEST(test_session_answers_who_only_listens_on),
        SESSION_TEST(test_session_answers_all_that_came_before_the_end),
        SESSION_TEST(test_session_notices_a_listener_that_goes),
        SESSION_TEST(test_session_is_closed_by_its_user),
        SESSION_TEST(test_session_is_closed_with_another),
        SESSION_TEST(test_session_ends_where_a_write_fails),
        SESSION_TEST(test_sessions_close_sends_what_waits),
        SESSION_TEST(test_sessions_close_waits_only_so_long),
        SESSION_TEST(test_sessions_stop_accepting),
        SESSION_TEST(test_sessions_open_refuses_what_cannot_be_polled),
        SESSION_TEST(test_session_ends_without_memory_for_a_message),
        SESSION_TEST(test_session_ends_without_memory_to_unpack),
        SESSION_TEST(test_session_ends_without_memory_for_an_answer),
        SESSION_TEST(test_session_ends_without_memory_for_what_waits),
        SESSION_TEST(test_sessions_without_memory_for_one),
        SESSION_TEST(test_session_denies_another_uid),
    };
    uv_loop_t loop; /* libuv's own pipe, for ever, before descriptors are counted */
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&loop);
    uv_loop_close(&loop);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
