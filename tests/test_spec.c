/* Specifications: what is read, what is refused and in which words, and the bytes that are kept. */
#include "spec.h"

#include "form.h"
#include "support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((int64_t)1024 * 1024)

static int begin(void **state)
{
    struct form *form = malloc(sizeof *form);
    assert_non_null(form);
    form_init(form);
    *state = form;
    return 0;
}

static int end(void **state)
{
    form_deinit(*state);
    free(*state);
    return 0;
}

static bool is_text(struct rpc_text text, const char *expected)
{
    return text.size == strlen(expected) && memcmp(text.data, expected, text.size) == 0;
}

static struct spec read_well(struct form *form)
{
    struct spec spec;
    struct rpc_error error = {.message = ""};
    if (spec_read(form_map(form), &spec, &error) < 0)
        fail_msg("%s: %s", rpc_code_name(error.code), error.message);
    return spec;
}

/* All that is in the form is refused, with this code and words. */
static void refuse(struct form *form, enum rpc_code code, const char *words)
{
    struct spec spec;
    struct rpc_error error = {.message = ""};
    assert_int_equal(spec_read(form_map(form), &spec, &error), -1);
    if (error.code != code || strstr(error.message, words) == NULL)
        fail_msg("%s: %s", rpc_code_name(error.code), error.message);
    form_deinit(form);
    form_init(form);
}

/* ---- what is read ------------------------------------------------------------------------------------------------ */

static void test_spec_defaults(void **state)
{
    struct form *form = *state;
    form_texts(form, "command", "/usr/bin/sort", "big.txt", NULL);
    const struct spec spec = read_well(form);
    assert_int_equal(spec.given, 1 << SPEC_COMMAND);
    assert_int_equal(spec.command->via.array.size, 2);
    assert_true(is_text(spec.name, "sort"));
    assert_true(is_text(spec.group, "default"));
    assert_true(spec.retry_delay == 1 && spec.keep == -1);
    assert_int_equal(spec.retries, 1);
    assert_int_equal(spec.after_failure, SPEC_FAIL);
    assert_int_equal(spec.on_crash, SPEC_INTERRUPTED);
    assert_true(spec.env == NULL && spec.after == NULL && spec.cwd.size == 0);
    pool_job_options_t options, none;
    memset(&options, 0, sizeof options);
    memset(&none, 0, sizeof none);
    spec_to_options(&spec, &options);
    assert_memory_equal(&options, &none, sizeof none);
}

static void test_spec_default_names(void **state)
{
    static const char *const names[][2] = {{"sort", "sort"}, {"./a/b", "b"}, {"/", "/"}, {"dir/", "dir/"}, {"/x", "x"}};
    struct form *form = *state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        form_texts(form, "command", names[i][0], NULL);
        assert_true(is_text(read_well(form).name, names[i][1]));
        form_deinit(form);
        form_init(form);
    }
    char program[600];
    memset(program, 'x', sizeof program);
    program[sizeof program - 1] = '\0';
    form_texts(form, "command", program, NULL);
    assert_int_equal(read_well(form).name.size, 255);
    form_deinit(form);
    form_init(form);
    form_text(form, "task", "square");
    assert_true(is_text(read_well(form).name, "square"));
}

/* Every field that a command can have. */
static void put_all(struct form *form)
{
    form_texts(form, "command", "sort", NULL);
    form_texts(form, "env", "A=1", "B=", NULL);
    form_text(form, "cwd", "/data");
    form_bytes(form, "stdin", "a\0b", 3);
    form_text(form, "key", "k1");
    form_text(form, "name", "sorting");
    form_text(form, "group", "night");
    form_int(form, "priority", -7);
    form_int(form, "timeout", 60);
    form_double(form, "kill_after", 0);
    form_double(form, "cpu_time", 1.5);
    form_int(form, "memory", 64 * MIB);
    form_double(form, "memory_share", 0.5);
    form_bool(form, "memory_backstop", 1);
    form_int(form, "expected", 32 * MIB);
    form_int(form, "pids", 8);
    form_int(form, "cpu_weight", 50);
    form_int(form, "nofile", 64);
    form_int(form, "nice", -5);
    form_int(form, "output_limit", 0);
    form_bool(form, "huge_pages", 1);
    form_bool(form, "rerunnable", 1);
    form_int(form, "retries", 3);
    form_double(form, "retry_delay", 0.5);
    form_double(form, "retry_oom", 1.5);
    form_double(form, "start_at", 1.9e9);
    form_texts(form, "after", "k0", NULL);
    form_text(form, "after_failure", "run");
    form_text(form, "on_crash", "requeue");
    form_int(form, "keep", 0);
}

static void expect_all(const struct spec *spec)
{
    assert_int_equal(spec->env->via.array.size, 2);
    assert_true(is_text(spec->cwd, "/data") && is_text(spec->name, "sorting") && is_text(spec->group, "night"));
    assert_int_equal(spec->stdin_bytes.size, 3);
    assert_memory_equal(spec->stdin_bytes.data, "a\0b", 3);
    assert_int_equal(spec->priority, -7);
    const pool_client_job_t *set = &spec->settings;
    assert_true(set->timeout == 60 && set->kill_after == 0 && set->cpu_time == 1.5);
    assert_int_equal(set->memory, 64 * MIB);
    assert_true(set->memory_share == 0.5);
    assert_int_equal(set->expected, 32 * MIB);
    assert_true(set->pids == 8 && set->nofile == 64 && set->nice == -5 && set->output_limit == 0);
    assert_true(set->huge_pages && set->rerunnable && set->memory_backstop && set->cpu_weight == 50);
    assert_true(spec->retries == 3 && spec->retry_delay == 0.5 && spec->retry_oom == 1.5);
    assert_true(spec->start_at == 1.9e9 && spec->keep == 0 && spec->delay == 0);
    assert_int_equal(spec->after->via.array.size, 1);
    assert_int_equal(spec->after_failure, SPEC_RUN);
    assert_int_equal(spec->on_crash, SPEC_REQUEUE);
}

static void test_spec_every_field(void **state)
{
    struct form *form = *state;
    put_all(form);
    const struct spec spec = read_well(form);
    expect_all(&spec);
    assert_true(is_text(spec.key, "k1"));
    const uint64_t not_there = UINT64_C(1) << (SPEC_SETTINGS + SETTING_RESULT_LIMIT) | UINT64_C(1) << SPEC_TASK |
                               UINT64_C(1) << SPEC_ARGUMENT | UINT64_C(1) << SPEC_DELAY;
    assert_true(spec.given == (((UINT64_C(1) << SPEC_FIELD_COUNT_) - 1) & ~not_there));
}

/* 0 of a setting that has a zero is "none" for the library, and it rounds times up. */
static void test_spec_to_options(void **state)
{
    struct form *form = *state;
    pool_job_options_t options = {.name = "kept"};
    form_texts(form, "command", "sort", NULL);
    form_double(form, "timeout", 0.0001);
    form_int(form, "kill_after", 0);
    form_int(form, "expected", 0);
    form_int(form, "nofile", 64);
    form_bool(form, "rerunnable", 1);
    const struct spec spec = read_well(form);
    spec_to_options(&spec, &options);
    assert_true(options.timeout_ms == 1 && options.kill_after_ms == POOL_NONE && options.cpu_ms == 0);
    assert_true(options.memory_expected == POOL_NONE && options.output_limit == 0 && options.nofile == 64);
    assert_true(options.rerunnable && !options.huge_pages);
    assert_string_equal(options.name, "kept");
}

static void test_spec_task(void **state)
{
    struct form *form = *state;
    form_text(form, "task", "square");
    form_name(form, "argument");
    msgpack_pack_nil(&form->packer);
    form_double(form, "delay", 2.5);
    form_int(form, "result_limit", 4096);
    const struct spec spec = read_well(form);
    assert_true(is_text(spec.task, "square") && spec.command == NULL && spec.delay == 2.5);
    assert_int_equal(spec.settings.result_limit, 4096);
    assert_int_equal(spec.argument->type, MSGPACK_OBJECT_NIL);
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void test_spec_contradictions(void **state)
{
    struct form *form = *state;
    form_text(form, "cwd", "/");
    refuse(form, RPC_MISSING_FIELD, "command or task");
    form_text(form, "task", "t");
    form_texts(form, "command", "c", NULL);
    refuse(form, RPC_INVALID_VALUE, "command is given beside task");
    form_texts(form, "command", "c", NULL);
    form_int(form, "argument", 1);
    refuse(form, RPC_INVALID_VALUE, "argument is given without task");
    static const char *const of_commands[] = {"stdin", "cwd"};
    for (size_t i = 0; i < 2; i++) {
        form_text(form, "task", "t");
        form_text(form, of_commands[i], "/x");
        refuse(form, RPC_INVALID_VALUE, of_commands[i]);
    }
    form_text(form, "task", "t");
    form_texts(form, "env", "A=1", NULL);
    refuse(form, RPC_INVALID_VALUE, "env is given beside task");
    form_text(form, "task", "t");
    form_bool(form, "huge_pages", 1);
    refuse(form, RPC_INVALID_VALUE, "huge_pages is given beside task");
    form_texts(form, "command", "c", NULL);
    form_int(form, "result_limit", 4096);
    refuse(form, RPC_INVALID_VALUE, "result_limit is given beside command");
    form_text(form, "task", "t");
    form_double(form, "retry_oom", 2);
    refuse(form, RPC_INVALID_VALUE, "retry_oom is given without memory");
    form_text(form, "task", "t");
    form_bool(form, "memory_backstop", 1);
    refuse(form, RPC_INVALID_VALUE, "memory_backstop is given without memory");
    form_text(form, "task", "t");
    form_int(form, "delay", 1);
    form_double(form, "start_at", 1.9e9);
    refuse(form, RPC_INVALID_VALUE, "delay is given beside start_at");
}

static void test_spec_bad_values(void **state)
{
    struct form *form = *state;
    form_texts(form, "command", "", "x", NULL);
    refuse(form, RPC_INVALID_VALUE, "empty");
    form_texts(form, "command", "c", NULL);
    form_text(form, "cwd", "da\nta");
    refuse(form, RPC_INVALID_VALUE, "\\x0ata\": give an absolute path");
    static const char *const entries[] = {"A", "=1", ""};
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        form_texts(form, "command", "c", NULL);
        form_texts(form, "env", "B=1", entries[i], NULL);
        refuse(form, RPC_INVALID_VALUE, "NAME=value");
    }
    form_texts(form, "command", "c", NULL);
    form_text(form, "after_failure", "ignore");
    refuse(form, RPC_INVALID_VALUE, "after_failure is \"ignore\": it is \"fail\" or \"run\"");
    form_texts(form, "command", "c", NULL);
    form_int(form, "after_failure", 1);
    refuse(form, RPC_WRONG_TYPE, "after_failure has to be a str, not 1");
    form_texts(form, "command", "c", NULL);
    form_text(form, "on_crash", "");
    refuse(form, RPC_INVALID_VALUE, "on_crash is \"\"");
    form_texts(form, "command", "c", NULL);
    form_int(form, "memory", 64 * MIB);
    form_double(form, "retry_oom", 1.05);
    refuse(form, RPC_INVALID_VALUE, "retry_oom is 1.05");
}

/* Ranges that the table has, at their ends. */
static void test_spec_ranges(void **state)
{
    static const struct {
        const char *name;
        int64_t least, most;
    } ranges[] = {
        {"priority", INT32_MIN, INT32_MAX}, {"memory", MIB, INT64_MAX / 4}, {"pids", 1, INT32_MAX},
        {"cpu_weight", 1, 10000},           {"nofile", 1, INT32_MAX},       {"nice", -40, 40},
        {"retries", 1, INT32_MAX},
    };
    struct form *form = *state;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        for (int side = 0; side < 2; side++) {
            const int64_t edge = side == 0 ? ranges[i].least : ranges[i].most;
            form_texts(form, "command", "c", NULL);
            form_int(form, ranges[i].name, edge);
            read_well(form);
            form_deinit(form);
            form_init(form);
            form_texts(form, "command", "c", NULL);
            form_int(form, ranges[i].name, side == 0 ? edge - 1 : edge + 1);
            refuse(form, RPC_INVALID_VALUE, ranges[i].name);
        }
    form_texts(form, "command", NULL);
    refuse(form, RPC_INVALID_VALUE, "command");
    form_texts(form, "command", "c", NULL);
    form_int(form, "colour", 1);
    refuse(form, RPC_UNKNOWN_FIELD, "colour");
    form_text(form, "command", "sort big.txt");
    refuse(form, RPC_WRONG_TYPE, "command");
}

/* Decodes a copy, with nothing behind it, for the sanitizer to see a read too far. */
static int decode_on(const void *data, size_t size, uint64_t machine, struct spec_kept *kept)
{
    char *copy = malloc(size + (size == 0));
    assert_non_null(copy);
    memcpy(copy, data, size);
    return spec_decode(copy, size, machine, kept);
}

static int decode(const void *data, size_t size, struct spec_kept *kept)
{
    return decode_on(data, size, 0, kept);
}

/* ---- kept bytes -------------------------------------------------------------------------------------------------- */

static void test_spec_encode_and_decode(void **state)
{
    struct form *form = *state;
    msgpack_sbuffer kept, again;
    struct spec_kept back;
    put_all(form);
    struct spec spec = read_well(form);
    msgpack_sbuffer_init(&kept);
    msgpack_sbuffer_init(&again);
    assert_int_equal(spec_encode(&spec, &kept), 0);
    assert_int_equal(decode(kept.data, kept.size, &back), 0);
    expect_all(&back.spec);
    assert_int_equal(back.spec.key.size, 0); /* is not part of it */
    assert_true(back.spec.given == (spec.given & ~(UINT64_C(1) << SPEC_KEY)));
    assert_int_equal(spec_encode(&back.spec, &again), 0);
    assert_int_equal(again.size, kept.size);
    assert_memory_equal(again.data, kept.data, kept.size);
    spec_free(&back);
    msgpack_sbuffer_destroy(&kept);
    msgpack_sbuffer_destroy(&again);
}

/* Of memory and memory_share the lower one counts, where it is known how much there is. */
static void test_spec_memory_share(void **state)
{
    struct form *form = *state;
    static const struct {
        uint64_t machine;
        int64_t memory;
        double share;
    } rows[] = {{0, 64 * MIB, 0.5}, {100 * MIB, 50 * MIB, 0}, {200 * MIB, 64 * MIB, 0}};
    msgpack_sbuffer kept;
    put_all(form);
    const struct spec spec = read_well(form);
    msgpack_sbuffer_init(&kept);
    assert_int_equal(spec_encode(&spec, &kept), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct spec_kept back;
        assert_int_equal(decode_on(kept.data, kept.size, rows[i].machine, &back), 0);
        assert_int_equal(back.spec.settings.memory, rows[i].memory);
        assert_true(back.spec.settings.memory_share == rows[i].share);
        spec_free(&back);
    }
    msgpack_sbuffer_destroy(&kept);
    form_deinit(form);
    form_init(form);
    form_texts(form, "command", "c", NULL);
    form_double(form, "memory_share", 0.5);
    form_double(form, "retry_oom", 2);
    form_bool(form, "memory_backstop", 1);
    read_well(form);
}

/* The same fields in another order, numbers packed in another way, another key: the same job. Another value: not. */
static void test_spec_same_job_same_bytes(void **state)
{
    struct form *form = *state;
    msgpack_sbuffer kept[3];
    for (int i = 0; i < 3; i++) {
        if (i == 0)
            form_int(form, "timeout", 3);
        form_texts(form, "command", "sort", i == 2 ? "b" : "a", NULL);
        if (i > 0)
            form_double(form, "timeout", 3);
        form_text(form, "key", i == 0 ? "one" : "two");
        const struct spec spec = read_well(form);
        msgpack_sbuffer_init(&kept[i]);
        assert_int_equal(spec_encode(&spec, &kept[i]), 0);
        form_deinit(form);
        form_init(form);
    }
    assert_int_equal(kept[0].size, kept[1].size);
    assert_memory_equal(kept[0].data, kept[1].data, kept[0].size);
    assert_int_equal(kept[0].size, kept[2].size);
    assert_memory_not_equal(kept[0].data, kept[2].data, kept[0].size);
    for (int i = 0; i < 3; i++)
        msgpack_sbuffer_destroy(&kept[i]);
}

/* Cut anywhere, or with any byte changed: damaged, or a specification all the same, never more. */
static void test_spec_damaged(void **state)
{
    struct form *form = *state;
    msgpack_sbuffer kept;
    struct spec_kept back;
    put_all(form);
    const struct spec spec = read_well(form);
    msgpack_sbuffer_init(&kept);
    assert_int_equal(spec_encode(&spec, &kept), 0);
    for (size_t size = 0; size < kept.size; size++)
        assert_int_equal(decode(kept.data, size, &back), -EBADMSG);
    for (size_t at = 0; at < kept.size; at++) {
        kept.data[at] = (char)(kept.data[at] ^ 0xc1);
        const int rc = decode(kept.data, kept.size, &back);
        assert_true(rc == 0 || rc == -EBADMSG);
        if (rc == 0)
            spec_free(&back);
        kept.data[at] = (char)(kept.data[at] ^ 0xc1);
    }
    assert_int_equal(decode("\x01", 1, &back), -EBADMSG); /* no map */
    msgpack_sbuffer_destroy(&kept);
}

#define SPEC_TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPEC_TEST(test_spec_defaults),     SPEC_TEST(test_spec_default_names), SPEC_TEST(test_spec_every_field),
        SPEC_TEST(test_spec_to_options),   SPEC_TEST(test_spec_task),          SPEC_TEST(test_spec_contradictions),
        SPEC_TEST(test_spec_bad_values),   SPEC_TEST(test_spec_ranges),        SPEC_TEST(test_spec_encode_and_decode),
        SPEC_TEST(test_spec_memory_share), SPEC_TEST(test_spec_damaged),       SPEC_TEST(test_spec_same_job_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
