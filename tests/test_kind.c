/* Kinds: one for all jobs that are alike, another for each difference, and none is freed that somebody has. */
#include "kind.h"

#include "options.h"
#include "support.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static void on_settled(pool_job_t *job, const pool_result_t *result, void *user)
{
    (void)job;
    (void)result;
    (void)user;
}

static void on_event(pool_job_t *job, const pool_event_t *event, void *user)
{
    (void)job;
    (void)event;
    (void)user;
}

static void on_release(void *user)
{
    (void)user;
}

/* The default options, for a function at this address. */
static struct kind plain(uint64_t function, const char *name)
{
    struct kind kind = {.function = function, .name = name};
    assert_int_equal(options_job(NULL, false, &(struct options_means){0}, &kind.options), 0);
    return kind;
}

static void test_kind_is_shared(void **state)
{
    struct kind_cache cache;
    char name[] = "crunch";
    (void)state;
    kind_cache_init(&cache);
    struct kind like = plain(1, name);
    struct kind *first = kind_take(&cache, &like);
    assert_non_null(first);
    assert_string_equal(first->name, "crunch");
    assert_ptr_not_equal(first->name, name);
    name[0] = 'C'; /* it was copied */
    assert_string_equal(first->name, "crunch");
    like.name = "crunch";
    struct kind *second = kind_take(&cache, &like);
    assert_ptr_equal(first, second);
    assert_int_equal(atomic_load(&first->references), 3); /* the cache has one */
    kind_release(first);
    kind_release(second);
    kind_release(NULL);
    kind_cache_deinit(&cache);
}

/* Each in one thing other than the plain one, and than each other. */
static size_t make_different(struct kind kinds[])
{
    kinds[0] = plain(2, "crunch");
    kinds[1] = plain(1, "crunch2");
    kinds[2] = plain(1, "");
    for (size_t i = 3; i < 12; i++)
        kinds[i] = plain(1, "crunch");
    kinds[3].is_command = true;
    kinds[4].in = POOL_STDIN_INHERIT;
    kinds[5].out = POOL_STREAM_CAPTURE;
    kinds[6].err = POOL_STREAM_CAPTURE;
    kinds[7].options.priority = 1;
    kinds[8].options.memory_limit = 1 << 20;
    kinds[9].options.retry_oom = 1.5;
    kinds[10].options.early = true;
    kinds[11].options.on_settled = on_settled;
    return 12;
}

static void test_kind_of_each_difference(void **state)
{
    struct kind likes[KIND_RECENT], *kinds[KIND_RECENT];
    struct kind_cache cache;
    (void)state;
    kind_cache_init(&cache);
    const struct kind like = plain(1, "crunch");
    struct kind *first = kind_take(&cache, &like);
    const size_t count = make_different(likes);
    assert_true(count < KIND_RECENT);
    for (size_t i = 0; i < count; i++) {
        kinds[i] = kind_take(&cache, &likes[i]);
        assert_ptr_not_equal(kinds[i], first);
        for (size_t other = 0; other < i; other++)
            assert_ptr_not_equal(kinds[i], kinds[other]);
    }
    for (size_t i = 0; i < count; i++) { /* all of them are recent ones */
        struct kind *again = kind_take(&cache, &likes[i]);
        assert_ptr_equal(again, kinds[i]);
        kind_release(again);
        kind_release(kinds[i]);
    }
    kind_release(first);
    kind_cache_deinit(&cache);
}

#define ALL  ((size_t)3 * KIND_RECENT)
#define LEFT ((size_t)2 * KIND_RECENT) /* of these, those that are kept no more */

/* More than are kept: who has one keeps it, and one that nobody has asked for lately is made anew. */
static void test_kind_of_long_ago(void **state)
{
    struct kind *kinds[ALL];
    struct kind_cache cache;
    char name[32];
    (void)state;
    kind_cache_init(&cache);
    for (uint64_t i = 0; i < ALL; i++) {
        snprintf(name, sizeof name, "kind-%d", (int)i);
        const struct kind like = plain(i + 1, name);
        kinds[i] = kind_take(&cache, &like);
    }
    for (uint64_t i = 0; i < ALL; i++) {
        snprintf(name, sizeof name, "kind-%d", (int)i);
        assert_string_equal(kinds[i]->name, name);
        assert_int_equal(atomic_load(&kinds[i]->references), i < LEFT ? 1 : 2);
    }
    const struct kind old = plain(1, "kind-0");
    struct kind *again = kind_take(&cache, &old);
    assert_ptr_not_equal(again, kinds[0]);
    kind_release(again);
    kind_cache_deinit(&cache); /* before its kinds */
    for (size_t i = 0; i < ALL; i++)
        kind_release(kinds[i]);
}

static void test_kind_has_callbacks(void **state)
{
    struct kind kind = plain(1, "crunch");
    (void)state;
    assert_false(kind_has_callbacks(&kind));
    kind.options.on_settled = on_settled;
    assert_true(kind_has_callbacks(&kind));
    kind.options.on_settled = NULL;
    kind.options.on_event = on_event;
    assert_true(kind_has_callbacks(&kind));
    kind.options.on_event = NULL;
    kind.options.on_release = on_release;
    assert_true(kind_has_callbacks(&kind));
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

static void *take_many(void *argument)
{
    struct kind_cache *cache = argument;
    size_t wrong = 0;
    for (uint64_t i = 0; i < 20000; i++) {
        const uint64_t function = i % (KIND_RECENT + 4); /* some of them always leave */
        const struct kind like = plain(function, "crunch");
        struct kind *kind = kind_take(cache, &like);
        wrong += kind == NULL || kind->function != function || strcmp(kind->name, "crunch") != 0;
        kind_release(kind);
    }
    return (void *)(uintptr_t)wrong;
}

static void test_kind_from_many_threads(void **state)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct kind_cache cache;
    (void)state;
    kind_cache_init(&cache);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, &cache), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *wrong;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    kind_cache_deinit(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_kind_is_shared),         SUPPORT_TEST(test_kind_of_each_difference),
        SUPPORT_TEST(test_kind_of_long_ago),       SUPPORT_TEST(test_kind_has_callbacks),
        SUPPORT_TEST(test_kind_from_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
