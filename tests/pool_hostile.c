/* Workers that say what they must not. Each is CRASHED for a protocol error, whatever it did next; the host's memory
 * stays flat, and a job that runs beside it does not notice. */
#include "descriptor.h"
#include "message.h"
#include "payload.h"
#include "support.h"
#include "thief.h"

#include <errno.h>
#include <reclaim/call.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MIB         ((uint64_t)1 << 20)
#define RESIDENT_MB (SUPPORT_SANITIZED ? 128U : 16U)
#define MAPPED_MB   (SUPPORT_SANITIZED ? 2048U : 512U) /* arenas of malloc's for threads are 64 MiB each */

static uint8_t storage[FRAME_HEADER_SIZE + FRAME_BODY_MAX];

/* What a worker does when it has had its say. */
enum then { THEN_EXIT = 0, THEN_STAY };

/* ---- saying it, in the worker ----------------------------------------------------------------------------------- */

static bool say_frame(enum message_type type, const void *message)
{
    const ssize_t size = message_pack(storage, sizeof storage, type, message);
    return size > 0 && thief_write(storage, (size_t)size);
}

static bool say_result(const struct message_result *result)
{
    return say_frame(MESSAGE_RESULT, result);
}

/* A frame with this body and a header that tells its true length, or the length given. */
static bool say_body(uint16_t type, const void *body, size_t size, const uint32_t *length)
{
    struct frame_buffer frame;
    frame_buffer_init(&frame, storage, sizeof storage);
    if (frame_buffer_write(&frame, body, size) != 0)
        return false;
    frame_buffer_finish(&frame, type);
    if (length != NULL)
        memcpy(frame.data + 8, length, sizeof *length);
    return thief_write(frame.data, frame.size);
}

static bool say_garbage(void)
{
    uint8_t garbage[512];
    for (size_t i = 0; i < sizeof garbage; i++)
        garbage[i] = (uint8_t)(i * 37 + 11);
    return thief_write(garbage, sizeof garbage);
}

static bool say_text(void)
{
    static const char text[] = "Segmentation fault (core dumped)\n";
    return thief_write(text, sizeof text);
}

static bool say_two_results(void)
{
    const struct message_result result = {.payload = PAYLOAD_INLINE, .size = 5, .data = {"value", 5}};
    return say_result(&result) && say_result(&result);
}

static bool say_progress_after_result(void)
{
    const struct message_result result = {.payload = PAYLOAD_NONE};
    const struct message_progress progress = {.done = 1, .total = 2};
    return say_result(&result) && say_frame(MESSAGE_PROGRESS, &progress);
}

static bool say_garbage_after_result(void)
{
    const struct message_result result = {.payload = PAYLOAD_NONE};
    return say_result(&result) && say_garbage();
}

static bool say_four_gib(void)
{
    const uint32_t length = UINT32_MAX;
    return say_body(MESSAGE_RESULT, "x", 1, &length);
}

static bool say_just_too_long(void)
{
    const uint32_t length = FRAME_BODY_MAX + 1;
    return say_body(MESSAGE_RESULT, "x", 1, &length);
}

static bool say_empty_body(void)
{
    return say_body(MESSAGE_RESULT, "", 0, NULL);
}

static bool say_huge_array(void)
{
    static const uint8_t body[] = {0xdd, 0xff, 0xff, 0xff, 0xff};
    return say_body(MESSAGE_RESULT, body, sizeof body, NULL);
}

static bool say_large_array(void)
{
    static const uint8_t body[] = {0xdd, 0x02, 0x00,
                                   0x00, 0x00, 0xc0}; /* 1.6 GB of msgpack-c's, where they are to be had */
    return say_body(MESSAGE_RESULT, body, sizeof body, NULL);
}

static bool say_huge_map(void)
{
    static const uint8_t body[] = {0xdf, 0xff, 0xff, 0xff, 0xff};
    return say_body(MESSAGE_RESULT, body, sizeof body, NULL);
}

static bool say_huge_bytes(void)
{
    static const uint8_t body[] = {0xc6, 0xff, 0xff, 0xff, 0xff, 'x'};
    return say_body(MESSAGE_RESULT, body, sizeof body, NULL);
}

/* An array of one array of one array... */
static bool say_deep(void)
{
    static uint8_t body[32 * 1024];
    memset(body, 0x91, sizeof body);
    body[sizeof body - 1] = 0xc0;
    return say_body(MESSAGE_RESULT, body, sizeof body, NULL);
}

static bool say_wrong_object(void)
{
    static const uint8_t nil = 0xc0;
    return say_body(MESSAGE_RESULT, &nil, 1, NULL);
}

static bool say_wrong_fields(void)
{
    static const uint8_t body[] = {0x92, 0x01, 0x02};
    return say_body(MESSAGE_RESULT, body, sizeof body, NULL);
}

static bool say_type_for_others(void)
{
    const struct message_hello hello = {.code = 0};
    return say_frame(MESSAGE_HELLO, &hello);
}

static bool say_gone(void)
{
    const struct message_gone gone = {.serial = 1};
    return say_frame(MESSAGE_GONE, &gone);
}

static bool say_unknown_type(void)
{
    static const uint8_t body[] = {0x90};
    return say_body(UINT16_MAX, body, sizeof body, NULL);
}

static bool say_type_zero(void)
{
    static const uint8_t body[] = {0x90};
    return say_body(0, body, sizeof body, NULL);
}

static bool say_unsent_memfd(void)
{
    const struct message_result result = {.payload = PAYLOAD_MEMFD, .size = MIB};
    return say_result(&result);
}

static bool say_unsent_partial(void)
{
    const struct message_partial partial = {.payload = PAYLOAD_MEMFD, .size = MIB};
    return say_frame(MESSAGE_PARTIAL, &partial);
}

/* Hands over a memfd of 4 KiB. */
static bool hand_memfd(void)
{
    static const char data[4096] = "data";
    const int fd = payload_copy("hostile", data, sizeof data);
    return fd >= 0 && descriptor_send(thief_task_socket(), "d", 1, &fd, 1) == 1;
}

static bool say_larger_memfd(void)
{
    const struct message_result result = {.payload = PAYLOAD_MEMFD, .size = UINT64_C(1) << 40};
    return hand_memfd() && say_result(&result);
}

static bool say_memfd_beyond_files(void)
{
    const struct message_result result = {.payload = PAYLOAD_MEMFD, .size = UINT64_C(1) << 63};
    return hand_memfd() && say_result(&result);
}

static bool say_smaller_memfd(void)
{
    const struct message_result result = {.payload = PAYLOAD_MEMFD, .size = 100};
    return hand_memfd() && say_result(&result);
}

static bool say_empty_memfd(void)
{
    const struct message_result result = {.payload = PAYLOAD_MEMFD, .size = 0};
    return hand_memfd() && say_result(&result);
}

static bool say_larger_partial(void)
{
    const struct message_partial partial = {.payload = PAYLOAD_MEMFD, .size = UINT64_C(1) << 40};
    return hand_memfd() && say_frame(MESSAGE_PARTIAL, &partial);
}

/* A pipe in place of a memfd. */
static bool say_pipe_for_memfd(void)
{
    const struct message_result result = {.payload = PAYLOAD_MEMFD, .size = 4096};
    int ends[2];
    return pipe(ends) == 0 && descriptor_send(thief_task_socket(), "d", 1, ends, 1) == 1 && say_result(&result);
}

static bool say_longer_value(void)
{
    const struct message_result result = {.payload = PAYLOAD_INLINE, .size = UINT64_C(1) << 40, .data = {"value", 5}};
    return say_result(&result);
}

static bool say_shorter_value(void)
{
    const struct message_result result = {.payload = PAYLOAD_INLINE, .size = 2, .data = {"value", 5}};
    return say_result(&result);
}

static bool say_size_without_value(void)
{
    const struct message_result result = {.payload = PAYLOAD_NONE, .size = 5};
    return say_result(&result);
}

static bool say_unknown_payload(void)
{
    const struct message_result result = {.payload = 77, .size = 5, .data = {"value", 5}};
    return say_result(&result);
}

static bool say_code_out_of_range(void)
{
    const struct message_result result = {.code = INT64_C(1) << 40};
    return say_result(&result);
}

static bool say_signal_out_of_range(void)
{
    const struct message_result result = {.signal = 1000};
    return say_result(&result);
}

/* A function that says it was a command. */
static bool say_command_result(void)
{
    const struct message_result result = {.command = 1, .start = 99};
    return say_result(&result);
}

static bool say_piece(const void *data, size_t size)
{
    const struct message_piece piece = {.value = 1, .left = UINT64_MAX, .data = {data, size}};
    return say_frame(MESSAGE_PIECE, &piece);
}

static bool say_empty_piece(void)
{
    return say_piece("", 0);
}

static bool say_pieces_too_few(void)
{
    const struct message_result result = {.payload = PAYLOAD_PIECES, .size = UINT64_C(1) << 40};
    return say_piece("piece", 5) && say_piece("piece", 5) && say_result(&result);
}

static bool say_no_pieces(void)
{
    const struct message_result result = {.payload = PAYLOAD_PIECES};
    return say_result(&result);
}

static bool say_pieces_and_a_value(void)
{
    const struct message_result result = {.payload = PAYLOAD_INLINE, .size = 5, .data = {"value", 5}};
    return say_piece("piece", 5) && say_result(&result);
}

static bool say_piece_of_a_part(void)
{
    const struct message_piece piece = {.data = {"piece", 5}};
    return say_frame(MESSAGE_PIECE, &piece);
}

static bool say_pieces_and_a_part(void)
{
    const struct message_partial partial = {.payload = PAYLOAD_INLINE, .size = 5, .data = {"value", 5}};
    return say_piece_of_a_part() && say_frame(MESSAGE_PARTIAL, &partial);
}

static bool say_too_few_for_a_part(void)
{
    const struct message_partial partial = {.payload = PAYLOAD_PIECES, .size = 6};
    return say_piece_of_a_part() && say_frame(MESSAGE_PARTIAL, &partial);
}

struct saying {
    const char *name;
    bool (*say)(void);
    bool needs_socket; /* a full worker's */
};

static const struct saying sayings[] = {
    {"garbage", say_garbage, false},
    {"text", say_text, false},
    {"two results", say_two_results, false},
    {"progress after the result", say_progress_after_result, false},
    {"garbage after the result", say_garbage_after_result, false},
    {"a length of 4 GiB", say_four_gib, false},
    {"a length just too long", say_just_too_long, false},
    {"an empty body", say_empty_body, false},
    {"an array of 2^32", say_huge_array, false},
    {"an array of 2^25", say_large_array, false},
    {"a map of 2^32", say_huge_map, false},
    {"bytes of 4 GiB", say_huge_bytes, false},
    {"nesting", say_deep, false},
    {"no array", say_wrong_object, false},
    {"too few fields", say_wrong_fields, false},
    {"a hello", say_type_for_others, false},
    {"a gone", say_gone, false},
    {"an unknown type", say_unknown_type, false},
    {"type 0", say_type_zero, false},
    {"a memfd that was not sent", say_unsent_memfd, false},
    {"a partial memfd that was not sent", say_unsent_partial, false},
    {"a memfd larger than it is", say_larger_memfd, true},
    {"a memfd of 2^63", say_memfd_beyond_files, true},
    {"a memfd smaller than it is", say_smaller_memfd, true},
    {"a memfd of size 0", say_empty_memfd, true},
    {"a partial memfd larger than it is", say_larger_partial, true},
    {"a pipe for a memfd", say_pipe_for_memfd, true},
    {"a value longer than it is", say_longer_value, false},
    {"a value shorter than it is", say_shorter_value, false},
    {"a size without a value", say_size_without_value, false},
    {"an unknown payload", say_unknown_payload, false},
    {"a code out of range", say_code_out_of_range, false},
    {"a signal out of range", say_signal_out_of_range, false},
    {"a command's result", say_command_result, false},
    {"an empty piece", say_empty_piece, false},
    {"too few pieces", say_pieces_too_few, false},
    {"no pieces", say_no_pieces, false},
    {"pieces and a value", say_pieces_and_a_value, false},
    {"pieces and a partial result", say_pieces_and_a_part, false},
    {"too few pieces for a partial result", say_too_few_for_a_part, false},
};

#define SAYINGS (sizeof sayings / sizeof *sayings)

struct order {
    size_t which;
    enum then then;
};

static int say(pool_call_t *call)
{
    const struct order *order = pool_call_arg(call, NULL);
    if (!sayings[order->which].say())
        return pool_call_fail(call, 1, "could not say it: %s", strerror(errno));
    while (order->then == THEN_STAY)
        pause();
    _exit(0);
}

/* ---- the host --------------------------------------------------------------------------------------------------- */

static int decent(pool_call_t *call)
{
    size_t size;
    const void *arg = pool_call_arg(call, &size);
    return pool_call_return(call, arg, size);
}

static void count_settled(pool_job_t *job, const pool_result_t *result, void *user)
{
    (void)job;
    (void)result;
    (*(unsigned *)user)++;
}

/* A line of /proc/self/status, in bytes. */
static uint64_t status_bytes(const char *name)
{
    char line[256];
    unsigned long long kib = 0;
    const size_t length = strlen(name);
    FILE *file = fopen("/proc/self/status", "re");
    assert_non_null(file);
    while (kib == 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, length) == 0)
            assert_int_equal(sscanf(line + length, ": %llu", &kib), 1);
    fclose(file);
    assert_true(kib > 0);
    return kib * 1024;
}

static void assert_hostile(const pool_result_t *result, const char *name)
{
    if (result->outcome != POOL_CRASHED || result->cause != POOL_CAUSE_PROTOCOL)
        fail_msg("%s: %s/%s: %s", name, pool_outcome_name(result->outcome), pool_cause_name(result->cause),
                 result->message);
    assert_null(result->data);
    assert_int_equal(result->size, 0);
    assert_true(result->message[0] != '\0');
}

/* One that says it and a decent one, at once. Frees the pool. */
static void run_pair(pool_t *pool, const struct order *order)
{
    unsigned settled = 0;
    const pool_job_options_t options = {.on_settled = count_settled, .user = &settled};
    pool_job_t *beside = support_submit(pool, decent, "argument", 8, NULL);
    pool_job_t *hostile = support_submit(pool, say, order, sizeof *order, &options);
    assert_hostile(support_wait(hostile), sayings[order->which].name);
    const pool_result_t *result = support_wait(beside);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->size, 8);
    assert_memory_equal(result->data, "argument", 8);
    pool_job_release(beside);
    pool_job_release(hostile);
    assert_int_equal(pool_close(pool, POOL_CLOSE_WAIT), 0); /* after which no callback runs any more */
    assert_int_equal(settled, 1);
    pool_free(pool);
}

static void run_all(enum then then)
{
    for (size_t i = 0; i < SAYINGS; i++) {
        const struct order order = {.which = i, .then = then};
        if (!sayings[i].needs_socket)
            run_pair(support_open(2, POOL_NONE), &order);
        run_pair(support_open_full(2, POOL_NONE), &order);
    }
}

static void test_hostile_saying_and_leaving_is_a_protocol_error(void **state)
{
    (void)state;
    run_all(THEN_EXIT);
}

/* It would stay for ever: the pool ends it. */
static void test_hostile_saying_and_staying_is_a_protocol_error(void **state)
{
    (void)state;
    run_all(THEN_STAY);
}

/* Its large value cannot go up any more, but the words for that can. */
static int shut_task_socket(pool_call_t *call)
{
    const size_t size = 1 << 20;
    void *data = pool_call_alloc_result(call, size);
    if (data == NULL || shutdown(thief_task_socket(), SHUT_RDWR) < 0)
        return pool_call_fail(call, 1, "%s", strerror(errno));
    return pool_call_return(call, data, size);
}

static void test_hostile_value_that_cannot_go_up_fails_its_job(void **state)
{
    (void)state;
    pool_t *pool = support_open_full(1, POOL_NONE);
    pool_job_t *job = support_submit(pool, shut_task_socket, NULL, 0, NULL);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_FAILED, POOL_CAUSE_EXITED);
    assert_non_null(strstr(result->message, "the value could not be returned"));
    pool_job_release(job);
    pool_free(pool);
}

static void test_hostile_memory_of_the_host_stays_flat(void **state)
{
    pool_t *pool = support_open_full(2, 0);
    pool_job_t *jobs[SAYINGS];
    (void)state;
    const uint64_t resident = status_bytes("VmHWM"), mapped = status_bytes("VmPeak");
    for (size_t i = 0; i < SAYINGS; i++) {
        const struct order order = {.which = i, .then = THEN_EXIT};
        jobs[i] = support_submit(pool, say, &order, sizeof order, NULL);
    }
    for (size_t i = 0; i < SAYINGS; i++) {
        assert_hostile(support_wait(jobs[i]), sayings[i].name);
        pool_job_release(jobs[i]);
    }
    assert_in_range(status_bytes("VmHWM"), resident, resident + RESIDENT_MB * MIB);
    assert_in_range(status_bytes("VmPeak"), mapped, mapped + MAPPED_MB * MIB);
    pool_free(pool);
}

/* Many at once, and one decent job after each: nothing of one ends up in another. */
static void test_hostile_many_disturb_nobody(void **state)
{
    enum { COUNT = SUPPORT_SANITIZED ? 100 : 400 };
    pool_t *pool = support_open_full(4, 0);
    static pool_job_t *hostile[COUNT], *others[COUNT];
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        const struct order order = {.which = i % SAYINGS, .then = THEN_EXIT};
        hostile[i] = support_submit(pool, say, &order, sizeof order, NULL);
        others[i] = support_submit(pool, decent, &i, sizeof i, NULL);
    }
    for (size_t i = 0; i < COUNT; i++) {
        assert_hostile(support_wait(hostile[i]), sayings[i % SAYINGS].name);
        const pool_result_t *result = support_wait(others[i]);
        support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
        assert_int_equal(result->size, sizeof i);
        assert_memory_equal(result->data, &i, sizeof i);
        pool_job_release(hostile[i]);
        pool_job_release(others[i]);
    }
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_hostile_memory_of_the_host_stays_flat), /* first: a peak never falls */
        SUPPORT_TEST(test_hostile_value_that_cannot_go_up_fails_its_job),
        SUPPORT_TEST(test_hostile_saying_and_leaving_is_a_protocol_error),
        SUPPORT_TEST(test_hostile_saying_and_staying_is_a_protocol_error),
        SUPPORT_TEST(test_hostile_many_disturb_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
