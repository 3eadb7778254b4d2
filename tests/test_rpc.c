/* MessagePack-RPC: what is a request, what is none, and how answers look on the wire. */
#include "rpc.h"

#include "support.h"

#include <stdlib.h>
#include <string.h>

struct bytes {
    const char *data;
    size_t size;
};

#define BYTES(literal)               \
    {                                \
        literal, sizeof(literal) - 1 \
    }

static int parse(const struct bytes *bytes, msgpack_unpacked *unpacked, struct rpc_request *request,
                 struct rpc_error *error)
{
    size_t offset = 0;
    memset(error, 0, sizeof *error);
    msgpack_unpacked_init(unpacked);
    assert_int_equal(msgpack_unpack_next(unpacked, bytes->data, bytes->size, &offset), MSGPACK_UNPACK_SUCCESS);
    return rpc_parse(&unpacked->data, request, error);
}

static void test_rpc_takes_requests(void **state)
{
    static const struct {
        struct bytes bytes;
        uint32_t id, fields;
        bool has_params;
    } good[] = {
        {BYTES("\x94\x00\x07\xa4ping\x90"), 7, 0, false},
        {BYTES("\x94\x00\xce\xff\xff\xff\xff\xa4ping\x91\x80"), UINT32_MAX, 0, true},
        {BYTES("\x94\xcc\x00\xcf\x00\x00\x00\x00\x00\x00\x00\x01\xd9\x04ping\xdc\x00\x01\x81\xa1x\x05"), 1, 1, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        msgpack_unpacked unpacked;
        struct rpc_request request;
        struct rpc_error error;
        assert_int_equal(parse(&good[i].bytes, &unpacked, &request, &error), 0);
        assert_int_equal(request.id, good[i].id);
        assert_int_equal(request.method.size, 4);
        assert_memory_equal(request.method.data, "ping", 4);
        assert_int_equal(request.params != NULL, good[i].has_params);
        if (request.params != NULL)
            assert_int_equal(request.params->via.map.size, good[i].fields);
        msgpack_unpacked_destroy(&unpacked);
    }
}

static void test_rpc_refuses_what_is_no_request(void **state)
{
    static const struct {
        struct bytes bytes;
        const char *says;
    } bad[] = {
        {BYTES("\xc0"), "array of four"},
        {BYTES("\x01"), "array of four"},
        {BYTES("\x84\x00\x07\xa4ping\x90\x01\x02\x03\x04"), "array of four"},
        {BYTES("\x90"), "array of four"},
        {BYTES("\x93\x00\x07\xa4ping"), "array of four"},
        {BYTES("\x95\x00\x07\xa4ping\x90\xc0"), "array of four"},
        {BYTES("\x93\x02\xa4ping\x90"), "array of four"},
        {BYTES("\x94\x01\x07\xc0\xc0"), "requests only"},
        {BYTES("\x94\xc0\x07\xa4ping\x90"), "requests only"},
        {BYTES("\x94\x00\xff\xa4ping\x90"), "msgid"},
        {BYTES("\x94\x00\xcf\x00\x00\x00\x01\x00\x00\x00\x00\xa4ping\x90"), "msgid"},
        {BYTES("\x94\x00\xca\x3f\x80\x00\x00\xa4ping\x90"), "msgid"},
        {BYTES("\x94\x00\xa1x\xa4ping\x90"), "msgid"},
        {BYTES("\x94\x00\x07\x01\x90"), "method"},
        {BYTES("\x94\x00\x07\xc4\x04ping\x90"), "method"},
        {BYTES("\x94\x00\x07\xa4ping\x80"), "params"},
        {BYTES("\x94\x00\x07\xa4ping\xc0"), "params"},
        {BYTES("\x94\x00\x07\xa4ping\x92\x80\x80"), "params"},
        {BYTES("\x94\x00\x07\xa4ping\x91\x01"), "map"},
        {BYTES("\x94\x00\x07\xa4ping\x91\x90"), "map"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        msgpack_unpacked unpacked;
        struct rpc_request request;
        struct rpc_error error;
        assert_int_equal(parse(&bad[i].bytes, &unpacked, &request, &error), -1);
        assert_int_equal(error.code, RPC_INVALID_REQUEST);
        if (strstr(error.message, bad[i].says) == NULL)
            fail_msg("%zu: \"%s\" does not say \"%s\"", i, error.message, bad[i].says);
        msgpack_unpacked_destroy(&unpacked);
    }
}

static void test_rpc_quote_is_one_printable_line(void **state)
{
    char out[256], long_text[300];
    (void)state;
    assert_string_equal(rpc_quote("plain text", 10, out), "plain text");
    assert_string_equal(rpc_quote("", 0, out), "");
    assert_string_equal(rpc_quote(NULL, 0, out), "");
    assert_string_equal(rpc_quote("a\nb\0c\x1b[0m", 9, out), "a\\x0ab\\x00c\\x1b[0m");
    assert_string_equal(rpc_quote("\"\\\x7f\xff", 4, out), "\\x22\\x5c\\x7f\\xff");
    memset(long_text, 'x', sizeof long_text);
    rpc_quote(long_text, 60, out);
    assert_int_equal(strlen(out), 60);
    rpc_quote(long_text, 61, out);
    assert_int_equal(strlen(out), 63);
    assert_string_equal(out + 60, "...");
    memset(long_text, '\n', sizeof long_text);
    rpc_quote(long_text, sizeof long_text, out);
    assert_int_equal(strlen(out), 4 * 60 + 3);
}

static void test_rpc_fail_cuts_to_fit(void **state)
{
    struct rpc_error error;
    char text[1000];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(rpc_fail(&error, RPC_CYCLE, "%s", text), -1);
    assert_int_equal(error.code, RPC_CYCLE);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
}

/* All are there, all differ, all are words of the protocol. */
static void test_rpc_codes_have_names(void **state)
{
    (void)state;
    for (enum rpc_code code = RPC_MALFORMED; code < RPC_CODE_COUNT_; code++) {
        const char *name = rpc_code_name(code);
        assert_non_null(name);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz-"), strlen(name));
        for (enum rpc_code other = RPC_MALFORMED; other < code; other++)
            assert_string_not_equal(name, rpc_code_name(other));
    }
    assert_string_equal(rpc_code_name(RPC_UNKNOWN_METHOD), "unknown-method");
    assert_string_equal(rpc_code_name(RPC_INTERNAL), "internal");
}

static void expect(msgpack_sbuffer *buffer, const char *bytes, size_t size)
{
    assert_int_equal(buffer->size, size);
    assert_memory_equal(buffer->data, bytes, size);
    msgpack_sbuffer_clear(buffer);
}

#define EXPECT(literal) expect(&buffer, literal, sizeof(literal) - 1)

static void test_rpc_packs_as_the_protocol_says(void **state)
{
    struct rpc_error error = {.code = RPC_DENIED, .message = "no"};
    const uint32_t id = 300;
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    (void)state;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    rpc_pack_result(&packer, 7);
    EXPECT("\x94\x01\x07\xc0");
    rpc_pack_error(&packer, &id, &error);
    EXPECT("\x94\x01\xcd\x01\x2c\x82\xa4"
           "code\xa6"
           "denied\xa7message\xa2no\xc0");
    rpc_pack_error(&packer, NULL, &error);
    EXPECT("\x94\x01\xc0\x82\xa4"
           "code\xa6"
           "denied\xa7message\xa2no\xc0");
    rpc_pack_notification(&packer, "event");
    EXPECT("\x93\x02\xa5"
           "event\x91");
    rpc_pack_text(&packer, "b");
    EXPECT("\xa1"
           "b");
    msgpack_pack_int(&packer, 1);
    msgpack_pack_int(&packer, 2);
    pool_fields_t fields;
    msgpack_sbuffer answer;
    msgpack_sbuffer_init(&answer);
    msgpack_packer_init(&packer, &answer, msgpack_sbuffer_write);
    pool_fields_begin(&fields);
    rpc_pack_array(&fields, "a", 2, &buffer);
    assert_int_equal(pool_fields_append(&fields, &packer), 0);
    expect(&answer, "\x81\xa1\x61\x92\x01\x02", 6);
    msgpack_sbuffer_destroy(&answer);
    msgpack_sbuffer_destroy(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_rpc_takes_requests),
        SUPPORT_TEST(test_rpc_refuses_what_is_no_request),
        SUPPORT_TEST(test_rpc_quote_is_one_printable_line),
        SUPPORT_TEST(test_rpc_fail_cuts_to_fit),
        SUPPORT_TEST(test_rpc_codes_have_names),
        SUPPORT_TEST(test_rpc_packs_as_the_protocol_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
