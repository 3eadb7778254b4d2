/* The store's rows: written, read, listed, counted, and rolled back. Faults are test_store_faults.c's. */
#include "store.h"

#include "directory.h"
#include "jobs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct store *store;

static int begin(void **state)
{
    if (directory_begin(state) < 0)
        return -1;
    store = jobs_open();
    return 0;
}

static int end(void **state)
{
    store_close(store);
    store = NULL;
    return directory_end(state);
}

static void reopen(void)
{
    store_close(store);
    store = jobs_open();
}

static struct record_bytes bytes(const char *text)
{
    return (struct record_bytes){text, strlen(text)};
}

static struct record some_record(const char *key)
{
    return (struct record){.key = bytes(key),
                           .name = bytes("sort"),
                           .group = bytes("default"),
                           .state = RECORD_WAITING,
                           .submitted_at = 1.5,
                           .keep_seconds = -1};
}

static const struct record_bytes spec = {"s\0pec", 5};

static uint64_t insert(struct record record)
{
    assert_int_equal(store_job_insert(store, &record, spec, NULL, 0), 0);
    return record.id;
}

static void expect_bytes(struct record_bytes is, struct record_bytes wanted)
{
    assert_int_equal(is.size, wanted.size);
    if (is.size > 0)
        assert_memory_equal(is.data, wanted.data, is.size);
}

/* ---- one job ----------------------------------------------------------------------------------------------------- */

/* Each field with a value of its own, so that none is mistaken for another. */
static struct record full_record(void)
{
    struct record record = {.key = {"k\0ey", 4},
                            .name = {"\xff\n\0name", 7},
                            .group = {"g\xfe", 2},
                            .priority = INT32_MIN,
                            .state = RECORD_RUNNING,
                            .cancelling = true,
                            .requeue = false,
                            .after_any = true,
                            .submitted_at = 1700000000.25,
                            .start_at = 1700000001.5,
                            .keep_seconds = 0.125,
                            .attempt = UINT32_MAX,
                            .failures = 2,
                            .oom_retries = 3,
                            .interruptions = 4,
                            .evictions = 5,
                            .end = {.cause = 6,
                                    .code = -7,
                                    .signal = 8,
                                    .exit_code = 9,
                                    .started_at = 10.5,
                                    .ended_at = 11.5,
                                    .wall_seconds = 12.5,
                                    .user_seconds = 13.5,
                                    .system_seconds = 14.5,
                                    .peak_memory = INT64_MAX,
                                    .memory_limit = 16,
                                    .memory_method = 3,
                                    .processes = 17,
                                    .killed_processes = 18,
                                    .result_size = 19,
                                    .stdout_size = 20,
                                    .stderr_size = 21,
                                    .truncated = true}};
    memset(record.end.message, 'm', sizeof record.end.message - 1);
    return record;
}

static void expect_spec(uint64_t id)
{
    struct record_bytes back;
    void *data;
    assert_int_equal(store_spec_read(store, id, &data, &back.size), 0);
    back.data = data;
    expect_bytes(back, spec);
    free(data);
}

static void expect_end(const struct record_end *is, const struct record_end *wanted)
{
    assert_int_equal(is->cause, wanted->cause);
    assert_int_equal(is->code, wanted->code);
    assert_int_equal(is->signal, wanted->signal);
    assert_int_equal(is->exit_code, wanted->exit_code);
    assert_string_equal(is->message, wanted->message);
    assert_true(is->started_at == wanted->started_at && is->ended_at == wanted->ended_at);
    assert_true(is->wall_seconds == wanted->wall_seconds && is->user_seconds == wanted->user_seconds);
    assert_true(is->system_seconds == wanted->system_seconds);
    assert_true(is->peak_memory == wanted->peak_memory && is->memory_limit == wanted->memory_limit);
    assert_int_equal(is->memory_method, wanted->memory_method);
    assert_int_equal(is->processes, wanted->processes);
    assert_int_equal(is->killed_processes, wanted->killed_processes);
    assert_int_equal(is->result_size, wanted->result_size);
    assert_int_equal(is->stdout_size, wanted->stdout_size);
    assert_int_equal(is->stderr_size, wanted->stderr_size);
    assert_int_equal(is->truncated, wanted->truncated);
}

static void expect_record(const struct record *is, const struct record *wanted)
{
    assert_int_equal(is->id, wanted->id);
    expect_bytes(is->key, wanted->key);
    expect_bytes(is->name, wanted->name);
    expect_bytes(is->group, wanted->group);
    assert_int_equal(is->priority, wanted->priority);
    assert_int_equal(is->state, wanted->state);
    assert_true(is->cancelling == wanted->cancelling && is->requeue == wanted->requeue);
    assert_true(is->after_any == wanted->after_any);
    assert_true(is->submitted_at == wanted->submitted_at && is->start_at == wanted->start_at);
    assert_true(is->keep_seconds == wanted->keep_seconds);
    assert_int_equal(is->attempt, wanted->attempt);
    assert_int_equal(is->failures, wanted->failures);
    assert_int_equal(is->oom_retries, wanted->oom_retries);
    assert_int_equal(is->interruptions, wanted->interruptions);
    assert_int_equal(is->evictions, wanted->evictions);
    expect_end(&is->end, &wanted->end);
}

static void test_store_record_comes_back(void **state)
{
    (void)state;
    struct record record = full_record(), back;
    assert_int_equal(store_job_insert(store, &record, spec, NULL, 0), 0);
    assert_int_equal(record.id, 1);
    assert_true(store_is_dirty(store));
    assert_int_equal(store_commit(store), 0);
    assert_false(store_is_dirty(store));
    reopen();
    assert_int_equal(store_job_read(store, 1, &back), 0);
    expect_record(&back, &record);
    expect_spec(1);
    assert_int_equal(store_job_read(store, 2, &back), -ENOENT);
    void *none;
    size_t size;
    assert_int_equal(store_spec_read(store, 2, &none, &size), -ENOENT);
}

/* A record that was read owns its texts; what it has no room for is not inserted. */
static void test_store_record_texts(void **state)
{
    (void)state;
    char key[RECORD_KEY_MAX + 1], name[RECORD_NAME_MAX + 1], group[RECORD_GROUP_MAX + 1];
    memset(key, 'k', sizeof key);
    memset(name, 'n', sizeof name);
    memset(group, 'g', sizeof group);
    struct record record = some_record(""), back, other;
    record.key = (struct record_bytes){key, RECORD_KEY_MAX};
    record.name = (struct record_bytes){name, RECORD_NAME_MAX};
    record.group = (struct record_bytes){group, RECORD_GROUP_MAX};
    record.id = insert(record);
    insert(some_record("other"));
    assert_int_equal(store_job_read(store, record.id, &back), 0);
    assert_int_equal(store_job_read(store, record.id + 1, &other), 0);
    assert_int_equal(store_job_delete(store, record.id), 0);
    expect_record(&back, &record);
    struct record_bytes *const texts[] = {&record.key, &record.name, &record.group};
    for (size_t i = 0; i < 3; i++) {
        texts[i]->size++;
        assert_int_equal(store_job_insert(store, &record, spec, NULL, 0), -EINVAL);
        texts[i]->size--;
    }
    record.group.size++;
    assert_int_equal(store_job_update(store, &record), -EINVAL);
}

static void test_store_update(void **state)
{
    (void)state;
    struct record record = full_record(), back, changed = some_record("other");
    assert_int_equal(store_job_insert(store, &record, spec, NULL, 0), 0);
    assert_int_equal(store_result_write(store, record.id, "value", 5), 0);
    changed.id = record.id;
    changed.name = bytes("other");
    changed.state = RECORD_DONE;
    assert_int_equal(store_job_update(store, &changed), 0);
    assert_int_equal(store_commit(store), 0);
    assert_int_equal(store_job_read(store, record.id, &back), 0);
    expect_spec(record.id); /* as it was */
    changed.key = record.key;
    changed.name = record.name;
    changed.submitted_at = record.submitted_at;
    expect_record(&back, &changed);
    char value[8];
    size_t size = sizeof value;
    assert_int_equal(store_result_read(store, record.id, 0, value, &size), 0);
    assert_int_equal(size, 5);
    changed.id = 77;
    assert_int_equal(store_job_update(store, &changed), -ENOENT);
    assert_int_equal(store_commit(store), 0); /* that was harmless */
}

static void test_store_keys(void **state)
{
    (void)state;
    uint64_t id = 0;
    const uint64_t first = insert(some_record("a"));
    insert(some_record(""));
    insert(some_record("")); /* none is not a key */
    struct record again = some_record("a");
    assert_int_equal(store_job_insert(store, &again, spec, NULL, 0), -EEXIST);
    assert_int_equal(store_commit(store), 0); /* what came before it stays */
    assert_int_equal(store_job_find(store, "a", 1, &id), 0);
    assert_int_equal(id, first);
    assert_int_equal(store_job_find(store, "b", 1, &id), -ENOENT);
    assert_int_equal(store_job_find(store, "a\0", 2, &id), -ENOENT);
    assert_int_equal(store_job_delete(store, first), 0);
    assert_int_equal(store_job_find(store, "a", 1, &id), -ENOENT);
    assert_int_equal(store_job_insert(store, &again, spec, NULL, 0), 0);
}

static void test_store_ids_are_never_used_again(void **state)
{
    (void)state;
    insert(some_record(""));
    const uint64_t last = insert(some_record(""));
    assert_int_equal(store_job_delete(store, last), 0);
    assert_int_equal(store_job_delete(store, last), -ENOENT);
    assert_int_equal(store_commit(store), 0);
    reopen();
    assert_int_equal(insert(some_record("")), last + 1);
}

static int collect_pair(void *user, uint64_t job, uint64_t needs)
{
    char *text = user;
    sprintf(text + strlen(text), "%d>%d ", (int)job, (int)needs);
    return strlen(text) > 60 ? 7 : 0;
}

static void test_store_after(void **state)
{
    (void)state;
    const uint64_t needed[] = {2, 1, 99};
    uint64_t *after;
    size_t count;
    char text[128] = "";
    struct record record = some_record("");
    insert(record);
    record.state = RECORD_DONE;
    insert(record);
    record.state = RECORD_WAITING;
    assert_int_equal(store_job_insert(store, &record, spec, needed, 3), 0);
    assert_int_equal(store_job_after(store, 3, &after, &count), 0);
    assert_int_equal(count, 3);
    assert_memory_equal(after, needed, sizeof needed);
    free(after);
    assert_int_equal(store_job_after(store, 1, &after, &count), 0);
    assert_int_equal(count, 0);
    assert_null(after);
    assert_int_equal(store_job_insert(store, &record, spec, needed, 2), 0);
    assert_int_equal(store_after_each(store, collect_pair, text), 0);
    assert_string_equal(text, "3>1 4>1 ");
    assert_int_equal(store_job_delete(store, 2), 0); /* the needed one goes, the need is only known */
    record.id = 4;
    record.state = RECORD_CANCELLED;
    assert_int_equal(store_job_update(store, &record), 0);
    text[0] = '\0';
    assert_int_equal(store_after_each(store, collect_pair, text), 0);
    assert_string_equal(text, "3>1 ");
    memset(text, ' ', 60);
    text[60] = '\0';
    assert_int_equal(store_after_each(store, collect_pair, text), 7);
    assert_int_equal(store_job_delete(store, 3), 0);
    assert_int_equal(store_job_after(store, 3, &after, &count), 0);
    assert_int_equal(count, 0);
}

static void test_store_results(void **state)
{
    (void)state;
    char buffer[16], *large = malloc(STORE_INLINE_MAX), *back = malloc(STORE_INLINE_MAX);
    size_t size = sizeof buffer;
    const uint64_t id = insert(some_record(""));
    assert_int_equal(store_result_read(store, id, 0, buffer, &size), -ENOENT);
    assert_int_equal(store_result_write(store, id, "0123456789", 10), 0);
    size = 4;
    assert_int_equal(store_result_read(store, id, 3, buffer, &size), 0);
    assert_int_equal(size, 4);
    assert_memory_equal(buffer, "3456", 4);
    size = sizeof buffer;
    assert_int_equal(store_result_read(store, id, 10, buffer, &size), 0);
    assert_int_equal(size, 0);
    memset(large, 'v', STORE_INLINE_MAX);
    assert_int_equal(store_result_write(store, id, large, STORE_INLINE_MAX), 0);
    assert_int_equal(store_commit(store), 0);
    size = STORE_INLINE_MAX;
    assert_int_equal(store_result_read(store, id, 0, back, &size), 0);
    assert_int_equal(size, STORE_INLINE_MAX);
    assert_memory_equal(large, back, size);
    assert_int_equal(store_result_write(store, id, NULL, 0), 0);
    size = sizeof buffer;
    assert_int_equal(store_result_read(store, id, 0, buffer, &size), -ENOENT);
    assert_int_equal(store_result_write(store, id, "x", 1), 0);
    assert_int_equal(store_result_write(store, 99, "x", 1), -ENOENT); /* no such job */
    assert_int_equal(store_job_delete(store, id), 0);
    size = sizeof buffer;
    assert_int_equal(store_result_read(store, id, 0, buffer, &size), -ENOENT);
    assert_int_equal(store_commit(store), 0);
    free(large);
    free(back);
}

static void test_store_rollback(void **state)
{
    (void)state;
    struct record back;
    uint64_t counts[RECORD_CANCELLED + 1];
    const uint64_t kept = insert(some_record("kept"));
    assert_int_equal(store_commit(store), 0);
    assert_int_equal(store_commit(store), 0); /* nothing: fine */
    assert_false(store_is_dirty(store));
    const uint64_t dropped = insert(some_record("dropped"));
    assert_int_equal(store_job_delete(store, kept), 0);
    assert_int_equal(store_job_read(store, dropped, &back), 0); /* reads see it */
    store_rollback(store);
    assert_false(store_is_dirty(store));
    assert_int_equal(store_job_read(store, dropped, &back), -ENOENT);
    assert_int_equal(store_job_read(store, kept, &back), 0);
    assert_int_equal(store_count(store, counts), 0);
    assert_int_equal(counts[RECORD_WAITING], 1);
    insert(some_record("closed"));
    reopen();
    assert_int_equal(store_count(store, counts), 0);
    assert_int_equal(counts[RECORD_WAITING], 1);
    store_close(NULL);
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

static int collect(void *user, const struct record *record)
{
    char *text = user;
    sprintf(text + strlen(text), "%d ", (int)record->id);
    return 0;
}

static void expect_list(struct store_filter filter, const char *wanted)
{
    char text[256] = "";
    if (filter.limit == 0)
        filter.limit = 100;
    assert_int_equal(store_job_list(store, &filter, collect, text), 0);
    assert_string_equal(text, wanted);
}

/* Ids 1 to 12: states 1 to 5 in turn, groups a a b, names x and y. */
static void insert_twelve(void)
{
    for (int i = 1; i <= 12; i++) {
        struct record record = some_record("");
        record.state = (enum record_state)((i - 1) % 5 + 1);
        record.group = bytes(i % 3 == 0 ? "b" : "a");
        record.name = bytes(i % 2 == 0 ? "y" : "x");
        assert_int_equal(insert(record), i);
    }
}

static void test_store_list_filters(void **state)
{
    (void)state;
    const uint64_t ids[] = {9, 3, 99, 3, 12, 1};
    insert_twelve();
    expect_list((struct store_filter){.newest = false}, "1 2 3 4 5 6 7 8 9 10 11 12 ");
    expect_list((struct store_filter){.newest = true, .limit = 3}, "12 11 10 ");
    expect_list((struct store_filter){.newest = true, .limit = 3, .after = 10}, "9 8 7 ");
    expect_list((struct store_filter){.after = 10}, "11 12 ");
    expect_list((struct store_filter){.states = 1U << RECORD_DONE}, "3 8 ");
    expect_list((struct store_filter){.states = 1U << RECORD_DONE | 1U << RECORD_WAITING}, "1 3 6 8 11 ");
    expect_list((struct store_filter){.states = 1U << RECORD_DONE | 1U << RECORD_WAITING, .newest = true, .after = 8},
                "6 3 1 ");
    expect_list((struct store_filter){.states = 1U}, "");
    expect_list((struct store_filter){.group = bytes("b")}, "3 6 9 12 ");
    expect_list((struct store_filter){.name = bytes("y"), .limit = 2, .after = 2}, "4 6 ");
    expect_list((struct store_filter){.name = bytes("y"), .group = bytes("b")}, "6 12 ");
    expect_list((struct store_filter){.name = bytes("y"), .group = bytes("b"), .states = 1U << RECORD_WAITING}, "6 ");
    expect_list((struct store_filter){.name = bytes("yy")}, "");
    expect_list((struct store_filter){.ids = ids, .id_count = 6}, "1 3 9 12 ");
    expect_list((struct store_filter){.ids = ids, .id_count = 6, .newest = true, .limit = 2}, "12 9 ");
    expect_list((struct store_filter){.ids = ids, .id_count = 6, .newest = true, .after = 9}, "3 1 ");
    expect_list((struct store_filter){.ids = ids, .id_count = 6, .name = bytes("y"), .after = 3}, "12 ");
    expect_list((struct store_filter){.ids = ids, .id_count = 6, .states = 1U << RECORD_DONE, .group = bytes("b")},
                "3 ");
    expect_list((struct store_filter){.ids = ids, .id_count = 0}, "");
}

static int stop_at_third(void *user, const struct record *record)
{
    struct record other;
    assert_int_equal(store_job_read(store, record->id, &other), 0); /* reading meanwhile is allowed */
    return ++*(int *)user == 3 ? -42 : 0;
}

static void test_store_walks_can_be_ended(void **state)
{
    (void)state;
    int seen = 0;
    const struct store_filter filter = {.limit = 100};
    insert_twelve();
    assert_int_equal(store_job_list(store, &filter, stop_at_third, &seen), -42);
    assert_int_equal(seen, 3);
    seen = 0;
    assert_int_equal(store_live_each(store, stop_at_third, &seen), -42);
    char text[256] = "";
    assert_int_equal(store_live_each(store, collect, text), 0);
    assert_string_equal(text, "1 2 6 7 11 12 ");
    assert_int_equal(store_commit(store), 0);
}

static void test_store_counts(void **state)
{
    (void)state;
    uint64_t counts[RECORD_CANCELLED + 1];
    insert_twelve();
    struct record record = some_record("");
    record.id = 1;
    record.state = RECORD_CANCELLED;
    assert_int_equal(store_job_update(store, &record), 0);
    assert_int_equal(store_job_update(store, &record), 0);
    assert_int_equal(store_job_delete(store, 2), 0);
    assert_int_equal(store_commit(store), 0);
    reopen();
    assert_int_equal(store_count(store, counts), 0);
    static const uint64_t wanted[] = {0, 2, 2, 2, 2, 3};
    assert_memory_equal(counts, wanted, sizeof wanted);
}

static void test_store_expired(void **state)
{
    (void)state;
    static const struct {
        enum record_state state;
        double keep, ended;
    } rows[] = {{RECORD_DONE, -1, 100}, {RECORD_DONE, 5, 100},    {RECORD_DONE, 50, 100},
                {RECORD_WAITING, 0, 1}, {RECORD_FAILED, -1, 104}, {RECORD_CANCELLED, 0, 112.5}};
    uint64_t ids[8];
    size_t count;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct record record = some_record("");
        record.state = rows[i].state;
        record.keep_seconds = rows[i].keep;
        record.end.ended_at = rows[i].ended;
        insert(record);
    }
    assert_int_equal(store_expired(store, 104, 10, ids, 8, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(store_expired(store, 110, 10, ids, 8, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(ids[0] + ids[1], 1 + 2);
    assert_int_equal(store_expired(store, 120, 10, ids, 8, &count), 0);
    assert_int_equal(count, 4);
    assert_int_equal(store_expired(store, 1e9, 10, ids, 3, &count), 0);
    assert_int_equal(count, 3);
    assert_int_equal(store_expired(store, 1e9, 1e9, ids, 8, &count), 0);
    assert_int_equal(count, 3); /* those with a time of their own */
}

/* ---- groups and facts -------------------------------------------------------------------------------------------- */

static int collect_group(void *user, const struct store_group *group)
{
    char *text = user;
    sprintf(text + strlen(text), "%.*s:%d%s ", (int)group->name.size, (const char *)group->name.data, (int)group->limit,
            group->paused ? "!" : "");
    return strstr(text, "stop") != NULL ? 5 : 0;
}

static void test_store_groups_and_facts(void **state)
{
    (void)state;
    char text[128] = "";
    int64_t value;
    assert_int_equal(store_group_write(store, &(struct store_group){bytes("b"), 3, false}), 0);
    assert_int_equal(store_group_write(store, &(struct store_group){bytes("a"), 0, true}), 0);
    assert_int_equal(store_group_write(store, &(struct store_group){bytes("b"), 4, true}), 0);
    assert_int_equal(store_fact_read(store, "paused", &value), -ENOENT);
    assert_int_equal(store_fact_write(store, "paused", 1), 0);
    assert_int_equal(store_fact_write(store, "paused", INT64_MIN), 0);
    assert_int_equal(store_commit(store), 0);
    reopen();
    assert_int_equal(store_group_each(store, collect_group, text), 0);
    assert_string_equal(text, "a:0! b:4! ");
    assert_int_equal(store_fact_read(store, "paused", &value), 0);
    assert_true(value == INT64_MIN);
    assert_int_equal(store_group_write(store, &(struct store_group){bytes("stop"), 0, false}), 0);
    assert_int_equal(store_group_write(store, &(struct store_group){bytes("z"), 0, false}), 0);
    text[0] = '\0';
    assert_int_equal(store_group_each(store, collect_group, text), 5);
    assert_null(strchr(text, 'z'));
}

static void test_store_probe(void **state)
{
    (void)state;
    assert_int_equal(store_probe(store), 0);
    assert_int_equal(store_probe(store), 0);
    assert_false(store_is_dirty(store));
}

/* ---- many -------------------------------------------------------------------------------------------------------- */

#define MANY (SUPPORT_SANITIZED ? 5000 : 100000)

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int count_one(void *user, const struct record *record)
{
    (void)record;
    ++*(int *)user;
    return 0;
}

/* Sanitizers and a busy machine are given ten times what is seen on an idle one. */
static void time_list(const char *what, struct store_filter filter, int wanted, double seconds)
{
    int seen = 0;
    const double start = now();
    filter.limit = 100;
    assert_int_equal(store_job_list(store, &filter, count_one, &seen), 0);
    const double took = now() - start;
    print_message("%s: %.1f ms\n", what, took * 1e3);
    assert_int_equal(seen, wanted);
    assert_true(took < seconds);
}

static void insert_many(void)
{
    static const char specification[] = "a specification of some two hundred bytes, as it is for a short command, "
                                        "with its environment left out, and its directory, its name and some "
                                        "limits given; so this is about what it comes to for one job...";
    for (int i = 0; i < MANY; i++) {
        char key[32];
        snprintf(key, sizeof key, "job-%d", i);
        struct record record = some_record(key);
        record.state = i % 1000 == 7 ? RECORD_FAILED : RECORD_WAITING;
        record.group = bytes(i % 2000 == 7 ? "rare" : "default");
        assert_int_equal(store_job_insert(store, &record, bytes(specification), NULL, 0), 0);
        if (i % 1000 == 999)
            assert_int_equal(store_commit(store), 0);
    }
}

static void test_store_many(void **state)
{
    (void)state;
    int seen = 0;
    double start = now();
    insert_many();
    print_message("%d inserts, 1000 a commit: %.2f s\n", MANY, now() - start);
    start = now();
    reopen();
    print_message("open with its checks: %.2f s\n", now() - start);
    start = now();
    assert_int_equal(store_live_each(store, count_one, &seen), 0);
    const double took = now() - start;
    print_message("store_live_each: %.2f s\n", took);
    assert_int_equal(seen, MANY - MANY / 1000);
    assert_true(took < 5);
    time_list("first page", (struct store_filter){.limit = 0}, 100, 0.2);
    time_list("newest page", (struct store_filter){.newest = true}, 100, 0.2);
    time_list("middle page", (struct store_filter){.after = MANY / 2}, 100, 0.2);
    time_list("of a rare state", (struct store_filter){.states = 1U << RECORD_FAILED | 1U << RECORD_DONE},
              MANY / 1000 < 100 ? MANY / 1000 : 100, 0.2);
    time_list("of a rare group", (struct store_filter){.group = bytes("rare")},
              (MANY + 1999) / 2000 < 100 ? (MANY + 1999) / 2000 : 100, 0.2);
    time_list("of the common name", (struct store_filter){.name = bytes("sort"), .newest = true}, 100, 0.2);
    time_list("of no name", (struct store_filter){.name = bytes("none")}, 0, 0.2);
    time_list("both: of the common name in a rare group",
              (struct store_filter){.name = bytes("sort"), .group = bytes("rare")}, (MANY + 1999) / 2000, 2);
    uint64_t counts[RECORD_CANCELLED + 1], size;
    assert_int_equal(store_count(store, counts), 0);
    assert_int_equal(counts[RECORD_WAITING] + counts[RECORD_FAILED], MANY);
    assert_int_equal(store_bytes(store, &size), 0);
    print_message("%.0f bytes a job on disk, %.1f MiB resident\n", (double)size / MANY,
                  (double)support_rss() / 1048576);
    assert_true(size / MANY < 1500);
}

/* The log is written back into the database as it goes, and not only at the end. */
static void test_store_log_stays_small(void **state)
{
    (void)state;
    uint64_t size;
    struct record record = some_record("");
    record.id = insert(record);
    for (int i = 0; i < 2000; i++) {
        record.attempt++;
        assert_int_equal(store_job_update(store, &record), 0);
        assert_int_equal(store_commit(store), 0);
    }
    assert_int_equal(store_bytes(store, &size), 0);
    assert_true(size < (uint64_t)10 << 20);
}

#define STORE_TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_store_record_comes_back),
        STORE_TEST(test_store_record_texts),
        STORE_TEST(test_store_update),
        STORE_TEST(test_store_keys),
        STORE_TEST(test_store_ids_are_never_used_again),
        STORE_TEST(test_store_after),
        STORE_TEST(test_store_results),
        STORE_TEST(test_store_rollback),
        STORE_TEST(test_store_list_filters),
        STORE_TEST(test_store_walks_can_be_ended),
        STORE_TEST(test_store_counts),
        STORE_TEST(test_store_expired),
        STORE_TEST(test_store_groups_and_facts),
        STORE_TEST(test_store_probe),
        STORE_TEST(test_store_many),
        STORE_TEST(test_store_log_stays_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
