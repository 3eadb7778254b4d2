/* Bytes of a peer in any pieces become whole messages, or an error. */
#include "inbox.h"

#include "support.h"

#include <string.h>

static void feed(struct inbox *inbox, const char *bytes, size_t size)
{
    assert_true(size <= INBOX_PIECE);
    char *room = inbox_room(inbox);
    assert_non_null(room);
    memcpy(room, bytes, size);
    inbox->size += size;
}

/* The next message as a whole number; else inbox_next's answer. */
static int next(struct inbox *inbox, struct rpc_error *error)
{
    msgpack_unpacked message;
    msgpack_unpacked_init(&message);
    int rc = inbox_next(inbox, &message, error);
    if (rc == 1) {
        assert_int_equal(message.data.type, MSGPACK_OBJECT_ARRAY);
        rc = (int)message.data.via.array.ptr[0].via.u64;
    }
    msgpack_unpacked_destroy(&message);
    return rc;
}

static void test_inbox_takes_pieces(void **state)
{
    static const char bytes[] = "\x91\x07\x92\x08\xa3xyz\x91";
    struct rpc_error error;
    struct inbox inbox;
    (void)state;
    inbox_init(&inbox, 100);
    assert_int_equal(next(&inbox, &error), 0);
    feed(&inbox, bytes, 5); /* one, and the beginning of the next */
    assert_int_equal(next(&inbox, &error), 7);
    assert_int_equal(next(&inbox, &error), 0);
    inbox_drop(&inbox);
    assert_int_equal(inbox.size, 3);
    for (size_t i = 5; i < sizeof bytes - 2; i++) {
        assert_int_equal(next(&inbox, &error), 0);
        feed(&inbox, bytes + i, 1);
    }
    assert_int_equal(next(&inbox, &error), 8);
    assert_int_equal(inbox.taken, inbox.size);
    inbox_drop(&inbox);
    assert_null(inbox.data); /* a peer that waits costs nothing */
    feed(&inbox, bytes, 2);
    assert_int_equal(next(&inbox, &error), 7);
    inbox_deinit(&inbox);
}

static void test_inbox_refuses(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        enum rpc_code code;
    } cases[] = {
        {"\xc1", 1, RPC_MALFORMED},                 /* no MessagePack */
        {"\xdb\x00\x00\x10\x00", 5, RPC_TOO_LARGE}, /* announces 4096 bytes */
        {"\xdd\x7f\xff\xff\xff", 5, RPC_MALFORMED}, /* announces 2147483647 elements */
    };
    struct rpc_error error;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct inbox inbox;
        inbox_init(&inbox, 100);
        feed(&inbox, cases[i].bytes, cases[i].size);
        assert_int_equal(next(&inbox, &error), -1);
        assert_int_equal(error.code, cases[i].code);
        inbox_deinit(&inbox);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_inbox_takes_pieces),
        SUPPORT_TEST(test_inbox_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
