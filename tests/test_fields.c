/* Fields by a table: each type takes what it says and refuses the rest in a sentence that names it all. */
#include "fields.h"

#include "support.h"

#include <float.h>
#include <math.h>
#include <string.h>

struct out {
    bool boolean;
    int64_t any, ranged;
    double seconds, number, share;
    struct rpc_text text, bytes;
    const msgpack_object *texts, *array, *job, *jobs, *object;
    struct field_maybe_int maybe;
};

#define ROW(field_name, kind, member, low, high)                                                                     \
    {                                                                                                                \
        .name = (field_name), .type = (kind), .offset = offsetof(struct out, member), .least = (low), .most = (high) \
    }

static const struct field table[] = {
    ROW("boolean", FIELD_BOOL, boolean, 0, 0),
    ROW("any", FIELD_INT, any, 0, 0),
    ROW("ranged", FIELD_INT, ranged, -5, 10),
    ROW("seconds", FIELD_SECONDS, seconds, 0, 0),
    ROW("number", FIELD_NUMBER, number, 0, 0),
    ROW("share", FIELD_NUMBER, share, 1, 100),
    ROW("text", FIELD_TEXT, text, 1, 4),
    ROW("bytes", FIELD_BYTES, bytes, 0, 3),
    ROW("texts", FIELD_TEXTS, texts, 1, 0),
    ROW("array", FIELD_ARRAY, array, 1, 2),
    ROW("job", FIELD_JOB, job, 0, 0),
    ROW("jobs", FIELD_JOBS, jobs, 1, 3),
    ROW("maybe", FIELD_INT_OR_NIL, maybe, 1, 9),
    ROW("object", FIELD_ANY, object, 0, 0),
};

#define ROWS (sizeof table / sizeof table[0])

/* A map of one field, and what came of reading it. */
static struct {
    struct out out, untouched;
    uint64_t given;
    struct rpc_error error;
    int rc;
} got;

static void read_map(const msgpack_object *map)
{
    memset(&got, 0x5a, sizeof got);
    got.error.message[0] = '\0';
    got.untouched = got.out;
    got.rc = fields_read(map, "submit", table, ROWS, &got.out, &got.given, &got.error);
}

static msgpack_object name_of(const char *name)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_STR, .via.str = {.ptr = name, .size = (uint32_t)strlen(name)}};
}

static int read_one(const char *name, msgpack_object value)
{
    static msgpack_object_kv pair;
    pair = (msgpack_object_kv){.key = name_of(name), .val = value};
    read_map(&(msgpack_object){.type = MSGPACK_OBJECT_MAP, .via.map = {.ptr = &pair, .size = 1}});
    return got.rc;
}

static const msgpack_object nil = {.type = MSGPACK_OBJECT_NIL};
static const msgpack_object yes = {.type = MSGPACK_OBJECT_BOOLEAN, .via.boolean = true};

static msgpack_object whole(int64_t number)
{
    return number < 0 ? (msgpack_object){.type = MSGPACK_OBJECT_NEGATIVE_INTEGER, .via.i64 = number}
                      : (msgpack_object){.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = (uint64_t)number};
}

static msgpack_object real(double number)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = number};
}

static msgpack_object str(const char *data, size_t size)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_STR, .via.str = {.ptr = data, .size = (uint32_t)size}};
}

static msgpack_object bin(const char *data, size_t size)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_BIN, .via.bin = {.ptr = data, .size = (uint32_t)size}};
}

static msgpack_object array(msgpack_object *elements, size_t size)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {.ptr = elements, .size = (uint32_t)size}};
}

/* It was refused with that code, nothing was written, and the message has all of the words. */
static void expect_refused(const char *name, msgpack_object value, enum rpc_code code, const char *says)
{
    assert_int_equal(read_one(name, value), -1);
    assert_string_equal(rpc_code_name(got.error.code), rpc_code_name(code));
    assert_memory_equal(&got.out, &got.untouched, sizeof got.out);
    const char *const words[] = {"submit", name, says};
    for (size_t i = 0; i < 3; i++)
        if (strstr(got.error.message, words[i]) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", got.error.message, words[i]);
}

static void test_fields_without_a_map_are_none(void **state)
{
    (void)state;
    read_map(NULL);
    assert_int_equal(got.rc, 0);
    assert_int_equal(got.given, 0);
    assert_memory_equal(&got.out, &got.untouched, sizeof got.out);
    read_map(&nil);
    assert_int_equal(got.rc, -1);
    assert_int_equal(got.error.code, RPC_WRONG_TYPE);
}

static void test_fields_given_has_a_bit_each(void **state)
{
    msgpack_object_kv pairs[] = {
        {.key = name_of("object"), .val = nil},
        {.key = name_of("boolean"), .val = yes},
        {.key = name_of("ranged"), .val = whole(-5)},
    };
    (void)state;
    read_map(&(msgpack_object){.type = MSGPACK_OBJECT_MAP, .via.map = {.ptr = pairs, .size = 3}});
    assert_int_equal(got.rc, 0);
    assert_int_equal(got.given, 1U << 13 | 1U << 0 | 1U << 2);
    assert_true(got.out.boolean);
    assert_int_equal(got.out.ranged, -5);
    assert_ptr_equal(got.out.object, &pairs[0].val);
    assert_int_equal(got.out.any, got.untouched.any);
}

static void test_fields_numbers(void **state)
{
    (void)state;
    assert_int_equal(read_one("any", whole(INT64_MIN)), 0);
    assert_int_equal(got.out.any, INT64_MIN);
    assert_int_equal(read_one("any", whole(INT64_MAX)), 0);
    assert_int_equal(got.out.any, INT64_MAX);
    const msgpack_object huge = {.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = UINT64_C(1) << 63};
    expect_refused("any", huge, RPC_INVALID_VALUE, "9223372036854775808");
    expect_refused("any", real(3), RPC_WRONG_TYPE, "a whole number");
    expect_refused("any", nil, RPC_WRONG_TYPE, "not nil");
    assert_int_equal(read_one("ranged", whole(10)), 0);
    expect_refused("ranged", whole(11), RPC_INVALID_VALUE, "from -5 to 10, not 11");
    expect_refused("ranged", whole(-6), RPC_INVALID_VALUE, "not -6");
    expect_refused("ranged", huge, RPC_INVALID_VALUE, "9223372036854775808");
    expect_refused("boolean", whole(1), RPC_WRONG_TYPE, "true or false, not 1");
    assert_int_equal(read_one("maybe", nil), 0);
    assert_true(got.out.maybe.nil);
    assert_int_equal(read_one("maybe", whole(9)), 0);
    assert_false(got.out.maybe.nil);
    assert_int_equal(got.out.maybe.value, 9);
    expect_refused("maybe", whole(0), RPC_INVALID_VALUE, "from 1 to 9");
    expect_refused("maybe", yes, RPC_WRONG_TYPE, "not true");
}

static void test_fields_real_numbers(void **state)
{
    (void)state;
    assert_int_equal(read_one("seconds", real(0.25)), 0);
    assert_true(got.out.seconds == 0.25);
    assert_int_equal(read_one("seconds", whole(1000000000)), 0);
    assert_true(got.out.seconds == 1e9);
    expect_refused("seconds", whole(1000000001), RPC_INVALID_VALUE, "from 0 to 1e+09");
    expect_refused("seconds", real(-0.5), RPC_INVALID_VALUE, "-0.5");
    expect_refused("seconds", whole(-1), RPC_INVALID_VALUE, "-1");
    expect_refused("seconds", real((double)NAN), RPC_INVALID_VALUE, "nan");
    expect_refused("seconds", real((double)INFINITY), RPC_INVALID_VALUE, "inf");
    expect_refused("seconds", str("5", 1), RPC_WRONG_TYPE, "a number, not \"5\"");
    assert_int_equal(read_one("number", real(-DBL_MAX)), 0);
    assert_int_equal(read_one("number", (msgpack_object){.type = MSGPACK_OBJECT_FLOAT32, .via.f64 = 0.5}), 0);
    assert_true(got.out.number == 0.5);
    expect_refused("number", real((double)-INFINITY), RPC_INVALID_VALUE, "finite");
    assert_int_equal(read_one("share", real(100)), 0);
    expect_refused("share", real(100.1), RPC_INVALID_VALUE, "from 1 to 100");
    expect_refused("share", whole(0), RPC_INVALID_VALUE, "from 1 to 100");
}

static void test_fields_texts(void **state)
{
    (void)state;
    assert_int_equal(read_one("text", str("abcd", 4)), 0);
    assert_int_equal(got.out.text.size, 4);
    assert_memory_equal(got.out.text.data, "abcd", 4);
    expect_refused("text", str("abcde", 5), RPC_INVALID_VALUE, "1 to 4 bytes, not 5");
    expect_refused("text", str("", 0), RPC_INVALID_VALUE, "not 0");
    expect_refused("text", str("a\0b", 3), RPC_INVALID_VALUE, "NUL");
    expect_refused("text", bin("abc", 3), RPC_WRONG_TYPE, "bin of 3 bytes");
    assert_int_equal(read_one("bytes", bin("a\0b", 3)), 0);
    assert_memory_equal(got.out.bytes.data, "a\0b", 3);
    assert_int_equal(read_one("bytes", str("\0", 1)), 0);
    assert_int_equal(got.out.bytes.size, 1);
    expect_refused("bytes", bin("abcd", 4), RPC_INVALID_VALUE, "0 to 3 bytes, not 4");
    expect_refused("bytes", (msgpack_object){.type = MSGPACK_OBJECT_EXT}, RPC_WRONG_TYPE, "an ext");
    expect_refused("text", (msgpack_object){.type = MSGPACK_OBJECT_MAP}, RPC_WRONG_TYPE, "a map");
    expect_refused("any", str("x\n\x1b", 3), RPC_WRONG_TYPE, "\"x\\x0a\\x1b\"");
}

static void test_fields_arrays(void **state)
{
    msgpack_object texts[] = {str("ls", 2), str("", 0), str("a\0", 2)};
    (void)state;
    assert_int_equal(read_one("texts", array(texts, 2)), 0);
    assert_int_equal(got.out.texts->via.array.size, 2);
    expect_refused("texts", array(texts, 0), RPC_INVALID_VALUE, "at least 1 elements, not 0");
    expect_refused("texts", array(texts, 3), RPC_INVALID_VALUE, "element 2");
    expect_refused("texts", str("ls", 2), RPC_WRONG_TYPE, "an array of str");
    assert_int_equal(read_one("array", array(texts, 2)), 0);
    expect_refused("array", array(texts, 3), RPC_INVALID_VALUE, "1 to 2 elements, not 3");
    expect_refused("any", array(texts, 2), RPC_WRONG_TYPE, "not an array of 2");
    expect_refused("array", whole(1), RPC_WRONG_TYPE, "an array, not 1");
}

static void test_fields_jobs(void **state)
{
    static char key[129];
    msgpack_object jobs[] = {whole(1), str("key", 3), whole(INT64_MAX), whole(0)};
    (void)state;
    memset(key, 'k', sizeof key);
    assert_int_equal(read_one("job", whole(1)), 0);
    assert_int_equal(got.out.job->via.u64, 1);
    assert_int_equal(read_one("job", str(key, 128)), 0);
    expect_refused("job", str(key, 129), RPC_INVALID_VALUE, "1 to 128");
    expect_refused("job", str("", 0), RPC_INVALID_VALUE, "1 to 128");
    expect_refused("job", str("a\0", 2), RPC_INVALID_VALUE, "1 to 128");
    expect_refused("job", whole(0), RPC_INVALID_VALUE, "from 1");
    expect_refused("job", whole(-1), RPC_INVALID_VALUE, "from 1");
    expect_refused("job", real(1), RPC_WRONG_TYPE, "from 1");
    expect_refused("job", nil, RPC_WRONG_TYPE, "from 1");
    assert_int_equal(read_one("jobs", array(jobs, 3)), 0);
    assert_int_equal(got.out.jobs->via.array.size, 3);
    expect_refused("jobs", array(jobs, 4), RPC_INVALID_VALUE, "1 to 3");
    expect_refused("jobs", array(jobs + 3, 1), RPC_WRONG_TYPE, "element 0 is 0");
    expect_refused("jobs", whole(1), RPC_WRONG_TYPE, "an array of jobs");
}

static void test_fields_refuses_names(void **state)
{
    static const struct field required[] = {{.name = "id", .type = FIELD_INT, .required = true}};
    msgpack_object_kv pairs[] = {{.key = name_of("any"), .val = whole(1)}, {.key = name_of("any"), .val = whole(1)}};
    msgpack_object map = {.type = MSGPACK_OBJECT_MAP, .via.map = {.ptr = pairs, .size = 2}};
    (void)state;
    read_map(&map);
    assert_int_equal(got.rc, -1);
    assert_int_equal(got.error.code, RPC_INVALID_VALUE);
    assert_non_null(strstr(got.error.message, "any is given twice"));
    expect_refused("Any", nil, RPC_UNKNOWN_FIELD, "boolean any ranged");
    expect_refused("an", nil, RPC_UNKNOWN_FIELD, "no field \"an\"");
    expect_refused("", nil, RPC_UNKNOWN_FIELD, "\"\"");
    pairs[0].key = whole(3);
    read_map(&map);
    assert_int_equal(got.error.code, RPC_WRONG_TYPE);
    map.via.map.size = 0;
    assert_int_equal(fields_read(&map, "status", required, 1, &got.out, &got.given, &got.error), -1);
    assert_int_equal(got.error.code, RPC_MISSING_FIELD);
    assert_string_equal(got.error.message, "status: id is missing");
    assert_int_equal(fields_read(NULL, "status", required, 1, &got.out, &got.given, &got.error), -1);
}

/* However many fields there are, and however long their names: the list is cut, not the buffer. */
static void test_fields_long_messages_are_cut(void **state)
{
    static const char letters[] = "a-name-of-a-field-that-is-longer-than-most";
    static struct field many[64];
    static char name[300];
    msgpack_object_kv pair;
    (void)state;
    for (size_t i = 0; i < 64; i++)
        many[i] = (struct field){.name = letters, .type = FIELD_ANY};
    memset(name, '\n', sizeof name);
    pair = (msgpack_object_kv){.key = str(name, sizeof name), .val = nil};
    const msgpack_object map = {.type = MSGPACK_OBJECT_MAP, .via.map = {.ptr = &pair, .size = 1}};
    assert_int_equal(fields_read(&map, "submit", many, 64, &got.out, &got.given, &got.error), -1);
    assert_int_equal(strlen(got.error.message), sizeof got.error.message - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_fields_without_a_map_are_none),
        SUPPORT_TEST(test_fields_given_has_a_bit_each),
        SUPPORT_TEST(test_fields_numbers),
        SUPPORT_TEST(test_fields_real_numbers),
        SUPPORT_TEST(test_fields_texts),
        SUPPORT_TEST(test_fields_arrays),
        SUPPORT_TEST(test_fields_jobs),
        SUPPORT_TEST(test_fields_refuses_names),
        SUPPORT_TEST(test_fields_long_messages_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
