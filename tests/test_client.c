/* The C client, against a daemon that says what a script tells it to. */
#include "connection.h"
#include "scan.h"
#include "trust.h"

#include "support.h"

#include <errno.h>
#include <msgpack.h>
#include <pthread.h>
#include <reclaim/client.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS_MOST 16
#define NOBODY     65534

/* ---- a scripted daemon ------------------------------------------------------------------------------------------- */

/* Packs what is sent for a request. */
typedef void (*answer_fn)(msgpack_packer *packer, uint32_t id);

struct step {
    answer_fn answer; /* NULL: bytes */
    const char *bytes;
    size_t size;
    size_t piece; /* bytes at once; 0: all */
    bool closes;  /* afterwards */
    bool unread;  /* it is sent before the request is read */
    bool waits;   /* until `signals` counts some */
};

static struct {
    char directory[64], path[128];
    int listener;
    pthread_t thread;
    const struct step *steps;
    size_t count;
    char *requests[STEPS_MOST]; /* as they came, hello the first */
    size_t sizes[STEPS_MOST];
    size_t seen;
    bool is_rude; /* the script has the answer to hello, too */
} server;

static atomic_int signals;

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str_with_body(packer, text, strlen(text));
}

static void begin_result(msgpack_packer *packer, uint32_t id)
{
    msgpack_pack_array(packer, 4);
    msgpack_pack_uint8(packer, 1);
    msgpack_pack_uint32(packer, id);
    msgpack_pack_nil(packer);
}

static void pack_error(msgpack_packer *packer, const uint32_t *id, const char *code, const char *message)
{
    msgpack_pack_array(packer, 4);
    msgpack_pack_uint8(packer, 1);
    if (id != NULL)
        msgpack_pack_uint32(packer, *id);
    else
        msgpack_pack_nil(packer);
    msgpack_pack_map(packer, 2);
    pack_text(packer, "code");
    pack_text(packer, code);
    pack_text(packer, "message");
    pack_text(packer, message);
    msgpack_pack_nil(packer);
}

static void answer_hello(msgpack_packer *packer, uint32_t id)
{
    begin_result(packer, id);
    msgpack_pack_map(packer, 2);
    pack_text(packer, "protocol");
    msgpack_pack_uint8(packer, 1);
    pack_text(packer, "max_message");
    msgpack_pack_uint32(packer, 8 << 20);
}

/* One whole request into requests[]; its id. */
static uint32_t read_request(int fd)
{
    struct scan scan;
    size_t size = 0, capacity = 0;
    char *data = NULL;
    scan_begin(&scan, 1 << 20);
    while (scan_step(&scan, data, size) == 0) {
        if (size == capacity)
            data = realloc(data, capacity = capacity == 0 ? 65536 : 2 * capacity);
        const ssize_t got = data != NULL ? recv(fd, data + size, capacity - size, 0) : -1;
        if (got <= 0)
            break;
        size += (size_t)got;
    }
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    uint32_t id = 0;
    if (msgpack_unpack_next(&unpacked, data, size, NULL) == MSGPACK_UNPACK_SUCCESS)
        id = (uint32_t)unpacked.data.via.array.ptr[1].via.u64;
    msgpack_unpacked_destroy(&unpacked);
    server.requests[server.seen] = data;
    server.sizes[server.seen++] = size;
    return id;
}

static void send_pieces(int fd, const char *data, size_t size, size_t piece)
{
    while (size > 0) {
        const size_t now = piece == 0 || piece > size ? size : piece;
        const ssize_t sent = send(fd, data, now, MSG_NOSIGNAL);
        if (sent < 0)
            return;
        data += sent;
        size -= (size_t)sent;
    }
}

static void run_step(int fd, const struct step *step)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    const uint32_t id = step->unread ? 0 : read_request(fd);
    while (step->waits && signals < 3)
        usleep(1000);
    if (step->answer != NULL)
        step->answer(&packer, id);
    else if (step->size > 0)
        msgpack_sbuffer_write(&buffer, step->bytes, step->size);
    send_pieces(fd, buffer.data, buffer.size, step->piece);
    msgpack_sbuffer_destroy(&buffer);
}

static void *serve(void *user)
{
    static const struct step hello = {.answer = answer_hello};
    (void)user;
    const int fd = accept(server.listener, NULL, NULL);
    if (fd < 0)
        return NULL;
    bool closed = false;
    if (!server.is_rude)
        run_step(fd, &hello);
    for (size_t i = 0; i < server.count && !closed; i++) {
        run_step(fd, &server.steps[i]);
        closed = server.steps[i].closes;
    }
    char byte;
    while (!closed && recv(fd, &byte, 1, 0) > 0)
        continue;
    close(fd);
    return NULL;
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memcpy(address.sun_path, path, strlen(path) + 1);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 4), 0);
    return fd;
}

static void forget_requests(void)
{
    for (size_t i = 0; i < server.seen; i++)
        free(server.requests[i]);
    server.seen = 0;
}

static int begin(void **state)
{
    memset(&server, 0, sizeof server);
    strcpy(server.directory, "/tmp/test_client.XXXXXX");
    if (support_begin(state) != 0 || mkdtemp(server.directory) == NULL)
        return -1;
    snprintf(server.path, sizeof server.path, "%s/socket", server.directory);
    server.listener = listen_at(server.path);
    return 0;
}

static int end(void **state)
{
    close(server.listener);
    unlink(server.path);
    rmdir(server.directory);
    forget_requests();
    return support_end(state);
}

#define CLIENT_TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

static void start(const struct step *steps, size_t count)
{
    forget_requests();
    server.steps = steps;
    server.count = count;
    assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static pool_client_t *open_client(const struct step *steps, size_t count)
{
    pool_client_t *client;
    pool_error_t error;
    start(steps, count);
    if (pool_client_open(&client, server.path, &error) < 0)
        fail_msg("%s", error.message);
    return client;
}

static void finish(pool_client_t *client)
{
    pool_client_close(client);
    pthread_join(server.thread, NULL);
}

#define OPEN(steps) open_client(steps, sizeof(steps) / sizeof((steps)[0]))

/* ---- requests as they came --------------------------------------------------------------------------------------- */

static const msgpack_object *find(const msgpack_object *map, const char *name)
{
    for (uint32_t i = 0; i < map->via.map.size; i++)
        if (map->via.map.ptr[i].key.via.str.size == strlen(name) &&
            memcmp(map->via.map.ptr[i].key.via.str.ptr, name, strlen(name)) == 0)
            return &map->via.map.ptr[i].val;
    return NULL;
}

/* The method and the fields of a request. */
static const msgpack_object *unpack_request(size_t index, const char *method, msgpack_unpacked *unpacked)
{
    msgpack_unpacked_init(unpacked);
    assert_true(index < server.seen);
    assert_int_equal(msgpack_unpack_next(unpacked, server.requests[index], server.sizes[index], NULL),
                     MSGPACK_UNPACK_SUCCESS);
    const msgpack_object_array *request = &unpacked->data.via.array;
    assert_int_equal(request->size, 4);
    assert_int_equal(request->ptr[0].via.u64, 0);
    assert_int_equal(request->ptr[2].via.str.size, strlen(method));
    assert_memory_equal(request->ptr[2].via.str.ptr, method, strlen(method));
    assert_int_equal(request->ptr[3].via.array.size, 1);
    return &request->ptr[3].via.array.ptr[0];
}

static void expect_text(const msgpack_object *map, const char *name, const char *text)
{
    const msgpack_object *value = find(map, name);
    assert_non_null(value);
    assert_int_equal(value->type, MSGPACK_OBJECT_STR);
    assert_int_equal(value->via.str.size, strlen(text));
    assert_memory_equal(value->via.str.ptr, text, strlen(text));
}

static void expect_uint(const msgpack_object *map, const char *name, uint64_t number)
{
    const msgpack_object *value = find(map, name);
    assert_non_null(value);
    assert_int_equal(value->type, MSGPACK_OBJECT_POSITIVE_INTEGER);
    assert_int_equal(value->via.u64, number);
}

static void expect_double(const msgpack_object *map, const char *name, double number)
{
    const msgpack_object *value = find(map, name);
    assert_non_null(value);
    assert_int_equal(value->type, MSGPACK_OBJECT_FLOAT64);
    assert_true(value->via.f64 == number);
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static void answer_empty(msgpack_packer *packer, uint32_t id)
{
    begin_result(packer, id);
    msgpack_pack_map(packer, 0);
}

static void answer_seven(msgpack_packer *packer, uint32_t id)
{
    begin_result(packer, id);
    msgpack_pack_map(packer, 2);
    pack_text(packer, "id");
    msgpack_pack_uint8(packer, 7);
    pack_text(packer, "created");
    msgpack_pack_true(packer);
}

static void answer_key_taken(msgpack_packer *packer, uint32_t id)
{
    pack_error(packer, &id, "key-taken", "the key x belongs to job 3");
}

static void answer_new_code(msgpack_packer *packer, uint32_t id)
{
    pack_error(packer, &id, "too-blue", "it is too blue");
}

static void answer_denied(msgpack_packer *packer, uint32_t id)
{
    (void)id;
    pack_error(packer, NULL, "denied", "uid 7 may not");
}

static void pack_job(msgpack_packer *packer, const char *state)
{
    msgpack_pack_map(packer, 6);
    pack_text(packer, "id");
    msgpack_pack_uint8(packer, 7);
    pack_text(packer, "state");
    pack_text(packer, state);
    pack_text(packer, "outcome");
    pack_text(packer, "timeout");
    pack_text(packer, "exit_code");
    msgpack_pack_uint8(packer, 124);
    pack_text(packer, "peak_memory_bytes");
    msgpack_pack_uint64(packer, UINT64_C(5) << 32);
    pack_text(packer, "wall_seconds");
    msgpack_pack_double(packer, 1.5);
}

static void answer_running(msgpack_packer *packer, uint32_t id)
{
    begin_result(packer, id);
    pack_job(packer, "running");
}

static void answer_ended(msgpack_packer *packer, uint32_t id)
{
    begin_result(packer, id);
    msgpack_pack_map(packer, 2);
    pack_text(packer, "jobs");
    msgpack_pack_array(packer, 1);
    pack_job(packer, "failed");
    pack_text(packer, "timed_out");
    msgpack_pack_false(packer);
}

static void answer_timed_out(msgpack_packer *packer, uint32_t id)
{
    begin_result(packer, id);
    msgpack_pack_map(packer, 2);
    pack_text(packer, "jobs");
    msgpack_pack_array(packer, 0);
    pack_text(packer, "timed_out");
    msgpack_pack_true(packer);
}

static void pack_chunk(msgpack_packer *packer, uint32_t id, const char *chunk, uint64_t offset, uint64_t size)
{
    begin_result(packer, id);
    msgpack_pack_map(packer, 3);
    pack_text(packer, "value");
    if (chunk != NULL)
        msgpack_pack_bin_with_body(packer, chunk, strlen(chunk));
    else
        msgpack_pack_nil(packer);
    pack_text(packer, "offset");
    msgpack_pack_uint64(packer, offset);
    pack_text(packer, "size");
    msgpack_pack_uint64(packer, size);
}

static void answer_first_chunk(msgpack_packer *packer, uint32_t id)
{
    pack_chunk(packer, id, "hel", 0, 5);
}

static void answer_second_chunk(msgpack_packer *packer, uint32_t id)
{
    pack_chunk(packer, id, "lo", 3, 5);
}

static void answer_other_size(msgpack_packer *packer, uint32_t id)
{
    pack_chunk(packer, id, "lo", 3, 6);
}

static void answer_no_progress(msgpack_packer *packer, uint32_t id)
{
    pack_chunk(packer, id, "", 3, 5);
}

static void answer_too_much(msgpack_packer *packer, uint32_t id)
{
    pack_chunk(packer, id, "longer than it says", 0, 5);
}

static void answer_no_value(msgpack_packer *packer, uint32_t id)
{
    pack_chunk(packer, id, NULL, 0, 0);
}

static void answer_empty_value(msgpack_packer *packer, uint32_t id)
{
    pack_chunk(packer, id, "", 0, 0);
}

static void pack_event(msgpack_packer *packer, unsigned number)
{
    msgpack_pack_array(packer, 3);
    msgpack_pack_uint8(packer, 2);
    pack_text(packer, "event");
    msgpack_pack_array(packer, 1);
    msgpack_pack_unsigned_int(packer, number);
}

static void answer_between_events(msgpack_packer *packer, uint32_t id)
{
    pack_event(packer, 1);
    pack_event(packer, 2);
    answer_seven(packer, id);
    pack_event(packer, 3);
}

static void answer_other_request(msgpack_packer *packer, uint32_t id)
{
    answer_seven(packer, id + 1);
}

static void answer_no_map(msgpack_packer *packer, uint32_t id)
{
    begin_result(packer, id);
    msgpack_pack_nil(packer);
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void test_client_says_hello(void **state)
{
    msgpack_unpacked unpacked;
    (void)state;
    pool_client_t *client = open_client(NULL, 0);
    assert_true(pool_client_fd(client) > 2);
    assert_string_equal(pool_client_error_code(client), "");
    finish(client);
    const msgpack_object *fields = unpack_request(0, "hello", &unpacked);
    expect_uint(fields, "protocol", 1);
    expect_text(fields, "client", "libreclaim");
    msgpack_unpacked_destroy(&unpacked);
}

static void check_times(const msgpack_object *fields)
{
    expect_double(fields, "timeout", 1.5);
    expect_double(fields, "kill_after", 0);
    expect_double(fields, "cpu_time", 2);
    expect_double(fields, "retry_delay", 0.5);
    expect_double(fields, "retry_oom", 1.5);
    expect_double(fields, "start_at", 1e9);
    expect_double(fields, "keep", 0);
    assert_null(find(fields, "delay"));
}

static void check_command(const msgpack_object *fields)
{
    const msgpack_object *command = find(fields, "command"), *input = find(fields, "stdin");
    assert_int_equal(command->via.array.size, 2);
    assert_memory_equal(command->via.array.ptr[1].via.str.ptr, "two words", 9);
    assert_int_equal(find(fields, "env")->via.array.size, 1);
    assert_int_equal(input->type, MSGPACK_OBJECT_BIN);
    assert_memory_equal(input->via.bin.ptr, "a\0b", 3);
    expect_text(fields, "cwd", "/tmp");
    expect_text(fields, "key", "k");
    expect_text(fields, "name", "n");
    expect_text(fields, "group", "g");
    assert_null(find(fields, "task"));
}

static void check_numbers(const msgpack_object *fields)
{
    expect_uint(fields, "memory", UINT64_C(3) << 32);
    expect_uint(fields, "expected", 1 << 20);
    expect_uint(fields, "pids", 4);
    expect_uint(fields, "nofile", 64);
    expect_uint(fields, "nice", 5);
    expect_uint(fields, "output_limit", 0);
    expect_uint(fields, "retries", 3);
    assert_int_equal(find(fields, "priority")->via.i64, -2);
    assert_true(find(fields, "huge_pages")->via.boolean && find(fields, "rerunnable")->via.boolean);
    assert_int_equal(find(fields, "after")->via.array.size, 2);
    expect_text(fields, "after_failure", "run");
    expect_text(fields, "on_crash", "requeue");
}

static void test_client_submits_every_field(void **state)
{
    static const struct step steps[] = {{.answer = answer_seven}};
    static const char *const argv[] = {"echo", "two words", NULL}, *const env[] = {"A=b", NULL};
    static const uint64_t after[] = {1, 2};
    const pool_client_job_t job = {
        .argv = argv,
        .env = env,
        .cwd = "/tmp",
        .stdin_bytes = {"a\0b", 3},
        .key = "k",
        .name = "n",
        .group = "g",
        .priority = -2,
        .timeout = 1.5,
        .kill_after = POOL_NONE,
        .cpu_time = 2,
        .memory = INT64_C(3) << 32,
        .expected = 1 << 20,
        .pids = 4,
        .nofile = 64,
        .nice = 5,
        .output_limit = POOL_NONE,
        .huge_pages = true,
        .rerunnable = true,
        .retries = 3,
        .retry_delay = 0.5,
        .retry_oom = 1.5,
        .start_at = 1e9,
        .after = after,
        .after_count = 2,
        .run_after_failure = true,
        .requeue_on_crash = true,
        .keep = POOL_NONE,
    };
    uint64_t id;
    msgpack_unpacked unpacked;
    (void)state;
    pool_client_t *client = OPEN(steps);
    assert_int_equal(pool_client_submit(client, &job, &id, NULL), 0);
    assert_int_equal(id, 7);
    finish(client);
    const msgpack_object *fields = unpack_request(1, "submit", &unpacked);
    check_times(fields);
    check_command(fields);
    check_numbers(fields);
    assert_int_equal(fields->via.map.size, 27);
    msgpack_unpacked_destroy(&unpacked);
}

static void test_client_submits_a_task(void **state)
{
    static const struct step steps[] = {{.answer = answer_seven}};
    const pool_client_job_t job = {.task = "square", .argument = {"\x93\x01\x02\x03", 4}},
                            bad = {.task = "square", .argument = {"\x93\x01\x02", 3}};
    uint64_t id;
    pool_error_t error;
    msgpack_unpacked unpacked;
    (void)state;
    pool_client_t *client = OPEN(steps);
    assert_int_equal(pool_client_submit(client, &bad, &id, &error), -EINVAL); /* and nothing is sent */
    assert_non_null(strstr(error.message, "MessagePack"));
    assert_int_equal(pool_client_submit(client, &job, &id, NULL), 0);
    finish(client);
    const msgpack_object *fields = unpack_request(1, "submit", &unpacked);
    expect_text(fields, "task", "square");
    assert_int_equal(find(fields, "argument")->via.array.size, 3);
    assert_int_equal(fields->via.map.size, 2);
    msgpack_unpacked_destroy(&unpacked);
}

static void test_client_reads_answers_byte_by_byte(void **state)
{
    static const struct step steps[] = {{.answer = answer_ended, .piece = 1}, {.answer = answer_seven, .piece = 3}};
    static const char *const argv[] = {"true", NULL};
    const pool_client_job_t job = {.argv = argv};
    pool_client_status_t status;
    uint64_t id;
    (void)state;
    pool_client_t *client = OPEN(steps);
    assert_int_equal(pool_client_wait(client, 7, -1, &status, NULL), 0);
    assert_true(status.ended);
    assert_string_equal(status.state, "failed");
    assert_string_equal(status.outcome, "timeout");
    assert_int_equal(status.exit_code, 124);
    assert_int_equal(status.peak_memory, UINT64_C(5) << 32);
    assert_true(status.wall_seconds == 1.5);
    assert_int_equal(pool_client_submit(client, &job, &id, NULL), 0);
    finish(client);
}

static void test_client_tells_errors_and_goes_on(void **state)
{
    static const struct step steps[] = {
        {.answer = answer_key_taken}, {.answer = answer_new_code}, {.answer = answer_empty}};
    pool_error_t error;
    (void)state;
    pool_client_t *client = OPEN(steps);
    assert_int_equal(pool_client_cancel(client, 7, &error), -EEXIST);
    assert_string_equal(error.message, "the key x belongs to job 3");
    assert_int_equal(error.code, -EEXIST);
    assert_string_equal(pool_client_error_code(client), "key-taken");
    assert_int_equal(pool_client_cancel(client, 7, &error), -EPROTO);
    assert_string_equal(pool_client_error_code(client), "too-blue");
    assert_int_equal(pool_client_cancel(client, 7, &error), 0);
    assert_string_equal(pool_client_error_code(client), "");
    finish(client);
}

static void test_client_keeps_events_that_come_between(void **state)
{
    static const struct step steps[] = {{.answer = answer_between_events}};
    pool_bytes_t result, event;
    (void)state;
    pool_client_t *client = OPEN(steps);
    assert_int_equal(pool_client_call(client, "subscribe", (pool_bytes_t){0}, &result, NULL), 0);
    for (char number = 1; number <= 3; number++) {
        assert_int_equal(pool_client_event(client, 10000, &event, NULL), 0);
        assert_int_equal(event.size, 1);
        assert_memory_equal(event.data, &number, 1);
    }
    assert_int_equal(pool_client_event(client, 20, &event, NULL), -ETIMEDOUT);
    assert_int_equal(pool_client_event(client, 0, &event, NULL), -ETIMEDOUT);
    finish(client);
}

static void test_client_frees_events_that_nobody_took(void **state)
{
    static const struct step steps[] = {{.answer = answer_between_events}};
    pool_bytes_t result, event;
    (void)state;
    pool_client_t *client = OPEN(steps);
    assert_int_equal(pool_client_call(client, "subscribe", (pool_bytes_t){0}, &result, NULL), 0);
    assert_int_equal(pool_client_event(client, 0, &event, NULL), 0);
    finish(client);
}

static void test_client_refuses_hostile_bytes(void **state)
{
    static const struct step table[] = {
        {.bytes = "\xc1", .size = 1},
        {.bytes = "\x07", .size = 1},
        {.bytes = "\x90", .size = 1},
        {.bytes = "\x94\x01\xa1x\xc0\xc0", .size = 6},                /* an id of the wrong type */
        {.bytes = "\x94\x01\xc0\xc0\x80", .size = 5},                 /* no id, and no error */
        {.bytes = "\x94\x00\x01\xa1x\x90", .size = 6},                /* a request */
        {.bytes = "\x93\x02\xa1x\x92\x01\x02", .size = 7},            /* an event with two parameters */
        {.bytes = "\x93\x02\xa1x\x80", .size = 5},                    /* and one with none */
        {.bytes = "\x94\x01\xce\xff\xff\xff\xff\xc0\xc0", .size = 9}, /* an answer to nothing */
        {.bytes = "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"
                  "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91",
         .size = 34},
        {.answer = answer_other_request},
        {.answer = answer_no_map},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        pool_error_t error;
        pool_client_t *client = open_client(&table[i], 1);
        if (pool_client_cancel(client, 7, &error) != -EBADMSG)
            fail_msg("row %zu: %s", i, error.message);
        assert_non_null(strstr(error.message, server.path));
        assert_int_equal(pool_client_cancel(client, 7, NULL), -EBADMSG); /* of no more use */
        pool_client_close(client);
        pthread_join(server.thread, NULL);
    }
}

static void test_client_survives_a_daemon_that_goes(void **state)
{
    static const struct step steps[] = {{.answer = answer_empty, .closes = true}};
    pool_error_t error;
    pool_bytes_t event;
    (void)state;
    assert_ptr_equal(signal(SIGPIPE, SIG_DFL), SIG_DFL); /* it would end this process */
    pool_client_t *client = OPEN(steps);
    assert_int_equal(pool_client_cancel(client, 7, NULL), 0);
    pthread_join(server.thread, NULL);
    assert_int_equal(pool_client_cancel(client, 7, &error), -EPIPE);
    assert_int_equal(pool_client_cancel(client, 7, NULL), -EPIPE);
    assert_int_equal(pool_client_event(client, -1, &event, &error), -EPIPE);
    pool_client_close(client);
}

static void test_client_hears_why_it_was_sent_away(void **state)
{
    static const struct step steps[] = {{.answer = answer_denied, .closes = true}};
    pool_error_t error;
    pool_bytes_t event;
    (void)state;
    pool_client_t *client = OPEN(steps);
    assert_int_equal(pool_client_cancel(client, 7, &error), -EACCES);
    assert_string_equal(error.message, "uid 7 may not");
    assert_string_equal(pool_client_error_code(client), "denied");
    assert_int_equal(pool_client_event(client, -1, &event, NULL), -EPIPE);
    finish(client);
}

/* Its last word may already lie there when the request is sent into a closed connection. */
static void test_client_hears_it_after_the_end(void **state)
{
    static const struct step steps[] = {{.answer = answer_denied, .closes = true, .unread = true}};
    pool_error_t error;
    (void)state;
    pool_client_t *client = OPEN(steps);
    pthread_join(server.thread, NULL);
    assert_int_equal(pool_client_cancel(client, 7, &error), -EACCES);
    pool_client_close(client);
}

static void test_client_hears_it_instead_of_an_event(void **state)
{
    static const struct step steps[] = {{.answer = answer_denied, .closes = true, .unread = true}};
    pool_error_t error;
    pool_bytes_t event;
    (void)state;
    pool_client_t *client = OPEN(steps);
    assert_int_equal(pool_client_event(client, 10000, &event, &error), -EACCES);
    assert_string_equal(error.message, "uid 7 may not");
    finish(client);
}

static void test_client_waits_no_longer_than_it_is_told(void **state)
{
    static const struct step steps[] = {{.answer = answer_timed_out}, {.answer = answer_running}};
    pool_client_status_t status;
    pool_error_t error;
    msgpack_unpacked unpacked;
    (void)state;
    pool_client_t *client = OPEN(steps);
    assert_int_equal(pool_client_wait(client, 7, 250, &status, &error), -ETIMEDOUT);
    assert_string_equal(status.state, "running");
    assert_false(status.ended);
    finish(client);
    expect_double(unpack_request(1, "wait", &unpacked), "timeout", 0.25);
    msgpack_unpacked_destroy(&unpacked);
}

static void on_alarm(int number)
{
    (void)number;
    signals++;
}

static void test_client_goes_on_after_signals(void **state)
{
    static const struct step steps[] = {{.answer = answer_ended, .waits = true}};
    const struct sigaction action = {.sa_handler = on_alarm}; /* and no SA_RESTART */
    const struct itimerval often = {{0, 5000}, {0, 5000}}, never = {0};
    struct sigaction before;
    pool_client_status_t status;
    sigset_t alarm;
    (void)state;
    signals = 0;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm, NULL); /* in the daemon's thread */
    pool_client_t *client = OPEN(steps);
    pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &often, NULL);
    const int rc = pool_client_wait(client, 7, -1, &status, NULL);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    assert_int_equal(rc, 0);
    assert_true(signals >= 3);
    finish(client);
}

static void test_client_fetches_a_value_by_pieces(void **state)
{
    static const struct step steps[] = {{.answer = answer_first_chunk},
                                        {.answer = answer_second_chunk},
                                        {.answer = answer_no_value},
                                        {.answer = answer_empty_value},
                                        {.answer = answer_first_chunk}};
    void *data;
    size_t size;
    (void)state;
    pool_client_t *client = OPEN(steps);
    assert_int_equal(pool_client_result(client, 7, 5, &data, &size, NULL), 0);
    assert_int_equal(size, 5);
    assert_memory_equal(data, "hello", 5);
    free(data);
    assert_int_equal(pool_client_result(client, 7, 0, &data, &size, NULL), 0);
    assert_null(data);
    assert_int_equal(pool_client_result(client, 7, 0, &data, &size, NULL), 0);
    assert_non_null(data);
    assert_int_equal(size, 0);
    free(data);
    assert_int_equal(pool_client_result(client, 7, 4, &data, &size, NULL), -EFBIG);
    finish(client);
}

static void test_client_refuses_a_value_that_is_none(void **state)
{
    static const struct {
        answer_fn second;
        int rc;
    } table[] = {{answer_other_size, -EBUSY},
                 {answer_no_progress, -EBADMSG},
                 {answer_no_value, -EBADMSG},
                 {answer_first_chunk, -EBADMSG},
                 {answer_key_taken, -EEXIST}};
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct step steps[] = {{.answer = answer_first_chunk}, {.answer = table[i].second}};
        void *data;
        size_t size;
        pool_client_t *client = OPEN(steps);
        assert_int_equal(pool_client_result(client, 7, 0, &data, &size, NULL), table[i].rc);
        pool_client_close(client);
        pthread_join(server.thread, NULL);
    }
    static const struct step steps[] = {{.answer = answer_too_much}};
    void *data;
    size_t size;
    pool_client_t *client = OPEN(steps);
    assert_int_equal(pool_client_result(client, 7, 0, &data, &size, NULL), -EBADMSG);
    finish(client);
}

static void answer_many_events(msgpack_packer *packer, uint32_t id)
{
    (void)id;
    for (unsigned i = 0; i < 300000; i++) /* more than two sockets hold */
        pack_event(packer, 5);
}

static void answer_flood(msgpack_packer *packer, uint32_t id)
{
    static const char piece[1 << 20];
    (void)id;
    for (int i = 0; i < 65; i++) {
        msgpack_pack_array(packer, 3);
        msgpack_pack_uint8(packer, 2);
        pack_text(packer, "event");
        msgpack_pack_array(packer, 1);
        msgpack_pack_bin_with_body(packer, piece, sizeof piece);
    }
}

static void test_client_keeps_no_flood(void **state)
{
    static const struct step steps[] = {{.answer = answer_flood}};
    pool_bytes_t event;
    (void)state;
    pool_client_t *client = OPEN(steps);
    assert_int_equal(pool_client_cancel(client, 7, NULL), -ENOBUFS);
    assert_int_equal(pool_client_event(client, 0, &event, NULL), 0); /* what came before is still there */
    assert_int_equal(pool_client_cancel(client, 7, NULL), -ENOBUFS);
    finish(client);
}

static void test_client_gives_up_a_daemon_that_is_stuck(void **state)
{
    static const struct step steps[] = {{.size = 0}};
    pool_fields_t params;
    msgpack_unpacked answer;
    pool_error_t error;
    (void)state;
    pool_client_t *client = OPEN(steps);
    pool_fields_begin(&params);
    assert_int_equal(connection_ask(client, "x", &params, 50, &answer, &error), -ETIMEDOUT);
    msgpack_unpacked_destroy(&answer);
    assert_non_null(strstr(error.message, "does not answer"));
    assert_int_equal(pool_client_cancel(client, 7, NULL),
                     -ETIMEDOUT); /* its late answer would be taken for this one's */
    finish(client);
}

/* {"x": bytes}, of `size` with what stands before them. */
static void begin_large_map(char *params, size_t size)
{
    const size_t bytes = size - 8;
    const char head[8] = {(char)0x81,          (char)0xa1,         'x',        (char)0xc6, (char)(bytes >> 24),
                          (char)(bytes >> 16), (char)(bytes >> 8), (char)bytes};
    memcpy(params, head, sizeof head);
}

/* Who only sends while the other only sends waits for ever. */
static void test_client_reads_while_it_sends(void **state)
{
    static const struct step steps[] = {{.answer = answer_many_events, .unread = true}, {.answer = answer_empty}};
    const size_t size = 4 << 20;
    pool_bytes_t result, event;
    (void)state;
    char *params = calloc(1, size);
    assert_non_null(params);
    begin_large_map(params, size);
    pool_client_t *client = OPEN(steps);
    assert_int_equal(pool_client_call(client, "x", (pool_bytes_t){params, size}, &result, NULL), 0);
    for (unsigned i = 0; i < 300000; i++)
        assert_int_equal(pool_client_event(client, 0, &event, NULL), 0);
    free(params);
    finish(client);
    assert_true(server.sizes[1] > size);
}

static void test_client_sends_nothing_too_large(void **state)
{
    static const struct step steps[] = {{.answer = answer_empty}};
    const size_t size = 8 << 20; /* as hello told */
    pool_bytes_t result;
    pool_error_t error;
    (void)state;
    char *params = calloc(1, size);
    assert_non_null(params);
    begin_large_map(params, size);
    pool_client_t *client = OPEN(steps);
    assert_int_equal(pool_client_call(client, "x", (pool_bytes_t){params, size}, &result, &error), -E2BIG);
    assert_non_null(strstr(error.message, "--max-message"));
    assert_int_equal(pool_client_cancel(client, 7, NULL), 0);
    free(params);
    finish(client);
}

/* What the daemon would close the connection for is not sent to it. */
static void test_client_refuses_what_is_no_map(void **state)
{
    static const struct step steps[] = {{.answer = answer_empty}};
    static const pool_bytes_t params[] = {{"\x01", 1}, {"\x90", 1}, {"\x81\x01", 2}, {"\x80\x80", 2}, {"\xde\x00", 2}};
    pool_client_job_t job = {.task = "x", .reserved[0] = 1};
    pool_bytes_t result;
    pool_error_t error;
    uint64_t id;
    (void)state;
    pool_client_t *client = OPEN(steps);
    for (size_t i = 0; i < sizeof params / sizeof params[0]; i++)
        assert_int_equal(pool_client_call(client, "x", params[i], &result, NULL), -EINVAL);
    assert_int_equal(pool_client_submit(client, &job, &id, &error), -EINVAL);
    assert_non_null(strstr(error.message, "reserved"));
    assert_int_equal(pool_client_call(client, "x", (pool_bytes_t){"\xde\x00\x00", 3}, &result, NULL), 0);
    finish(client);
}

static void test_client_says_how_to_start_a_daemon(void **state)
{
    pool_client_t *client;
    pool_error_t error;
    char path[256];
    (void)state;
    snprintf(path, sizeof path, "%s/none", server.directory);
    assert_int_equal(pool_client_open(&client, path, &error), -ENOENT);
    assert_null(client);
    assert_non_null(strstr(error.message, "reclaim daemon start"));
    assert_int_equal(pool_client_open(&client, path, NULL), -ENOENT);
    close(listen_at(path)); /* its file stays */
    assert_int_equal(pool_client_open(&client, path, &error), -ECONNREFUSED);
    assert_non_null(strstr(error.message, "reclaim daemon start"));
    unlink(path);
    assert_int_equal(pool_client_open(&client, server.directory, &error), -ECONNREFUSED);
    memset(path, 'x', 200);
    path[200] = '\0';
    assert_int_equal(pool_client_open(&client, path, &error), -ENAMETOOLONG);
}

static void answer_protocol_two(msgpack_packer *packer, uint32_t id)
{
    begin_result(packer, id);
    msgpack_pack_map(packer, 1);
    pack_text(packer, "protocol");
    msgpack_pack_uint8(packer, 2);
}

/* What a program prints, one of whose streams is closed, must not go to the daemon as requests. */
static void test_client_takes_no_standard_streams_number(void **state)
{
    (void)state;
    const int kept = dup(STDIN_FILENO);
    close(STDIN_FILENO);
    pool_client_t *client = open_client(NULL, 0);
    const int fd = pool_client_fd(client);
    finish(client);
    dup2(kept, STDIN_FILENO);
    close(kept);
    assert_true(fd > STDERR_FILENO);
}

static void test_client_refuses_another_protocol(void **state)
{
    static const struct {
        struct step step;
        int rc;
        const char *word;
    } table[] = {
        {{.answer = answer_protocol_two}, -EPROTONOSUPPORT, "version"},
        {{.answer = answer_no_map}, -EBADMSG, "protocol"},
        {{.answer = answer_denied}, -EACCES, "uid 7"},
        {{.bytes = "HTTP/1.1 400 Bad Request\r\n", .size = 26}, -EBADMSG, "protocol"},
        /* four billion elements are claimed: nothing is reserved for them */
        {{.bytes = "\xdd\xff\xff\xff\xff", .size = 5, .closes = true}, -EBADMSG, "protocol"},
        {{.bytes = "\x94\x01", .size = 2, .closes = true}, -EPIPE, "closed"},
        {{.closes = true}, -EPIPE, "closed"},
    };
    (void)state;
    server.is_rude = true;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        pool_client_t *client;
        pool_error_t error;
        start(&table[i].step, 1);
        const int rc = pool_client_open(&client, server.path, &error);
        pthread_join(server.thread, NULL);
        if (rc != table[i].rc || strstr(error.message, table[i].word) == NULL)
            fail_msg("row %zu: %d: %s", i, rc, error.message);
        assert_null(client);
    }
}

/* The kernel tells who listened; nobody else is told anything. */
static void test_client_says_nothing_to_somebody_else(void **state)
{
    pool_client_t *client;
    pool_error_t error;
    char byte;
    (void)state;
    if (geteuid() != 0)
        skip(); /* it takes root to be somebody else for a moment */
    const pid_t pid = fork();
    if (pid == 0)
        _exit(setuid(NOBODY) < 0 || listen(server.listener, 4) < 0);
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(pool_client_open(&client, server.path, &error), -EPERM);
    assert_int_equal(error.code, -EPERM);
    assert_null(client);
    assert_non_null(strstr(error.message, server.path));
    assert_non_null(strstr(error.message, "uid 65534"));
    assert_non_null(strstr(error.message, "RECLAIM_SOCKET"));
    const int fd = accept(server.listener, NULL, NULL);
    assert_true(fd >= 0);
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
    assert_int_equal(pool_client_open(&client, server.path, NULL), -EPERM);
}

static void test_client_trusts_few(void **state)
{
    char link[160], *before = getcwd(NULL, 0);
    (void)state;
    assert_true(trust_uid(1000, 1000, server.path));
    assert_true(trust_uid(0, 1000, server.path));
    assert_false(trust_uid(1001, 1000, server.path));
    assert_false(trust_uid(1001, 1000, "/usr/bin/env"));
    /* Root: where nobody else can have put it. */
    assert_true(trust_uid(1001, 0, "/usr/bin/env"));
    assert_true(trust_uid(1001, 0, "/usr/bin/../bin/env"));
    assert_false(trust_uid(1001, 0, "/usr/bin/there is none"));
    assert_false(trust_uid(NOBODY, 0, server.path)); /* below /tmp, where whoever comes first has a name */
    snprintf(link, sizeof link, "%s/link", server.directory);
    assert_int_equal(symlink("/usr/bin", link), 0);
    snprintf(link, sizeof link, "%s/link/env", server.directory);
    assert_false(trust_uid(NOBODY, 0, link)); /* where it leads to is kept, but not who says so */
    assert_int_equal(chdir("/usr/bin"), 0);
    assert_true(trust_uid(NOBODY, 0, "env"));
    assert_int_equal(chdir(server.directory), 0);
    assert_false(trust_uid(NOBODY, 0, "socket"));
    assert_int_equal(unlink("link"), 0);
    assert_int_equal(chdir(before), 0);
    free(before);
}

static void test_client_knows_where_the_daemon_is(void **state)
{
    char path[64];
    (void)state;
    setenv("RECLAIM_SOCKET", "/some/where", 1);
    assert_int_equal(pool_client_path(path, sizeof path), 0);
    assert_string_equal(path, "/some/where");
    assert_int_equal(pool_client_path(path, 11), -ENAMETOOLONG);
    unsetenv("RECLAIM_SOCKET");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(test_client_says_hello),
        CLIENT_TEST(test_client_submits_every_field),
        CLIENT_TEST(test_client_submits_a_task),
        CLIENT_TEST(test_client_reads_answers_byte_by_byte),
        CLIENT_TEST(test_client_tells_errors_and_goes_on),
        CLIENT_TEST(test_client_keeps_events_that_come_between),
        CLIENT_TEST(test_client_frees_events_that_nobody_took),
        CLIENT_TEST(test_client_refuses_hostile_bytes),
        CLIENT_TEST(test_client_survives_a_daemon_that_goes),
        CLIENT_TEST(test_client_hears_why_it_was_sent_away),
        CLIENT_TEST(test_client_hears_it_after_the_end),
        CLIENT_TEST(test_client_hears_it_instead_of_an_event),
        CLIENT_TEST(test_client_waits_no_longer_than_it_is_told),
        CLIENT_TEST(test_client_goes_on_after_signals),
        CLIENT_TEST(test_client_fetches_a_value_by_pieces),
        CLIENT_TEST(test_client_refuses_a_value_that_is_none),
        CLIENT_TEST(test_client_keeps_no_flood),
        CLIENT_TEST(test_client_gives_up_a_daemon_that_is_stuck),
        CLIENT_TEST(test_client_reads_while_it_sends),
        CLIENT_TEST(test_client_sends_nothing_too_large),
        CLIENT_TEST(test_client_refuses_what_is_no_map),
        CLIENT_TEST(test_client_says_how_to_start_a_daemon),
        CLIENT_TEST(test_client_takes_no_standard_streams_number),
        CLIENT_TEST(test_client_refuses_another_protocol),
        CLIENT_TEST(test_client_says_nothing_to_somebody_else),
        CLIENT_TEST(test_client_trusts_few),
        CLIENT_TEST(test_client_knows_where_the_daemon_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
