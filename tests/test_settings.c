/* The settings of a job: each has a name and a range, and comes through from one struct to the other, and into a
 * request. */
#include "settings.h"

#include "support.h"

#include <stdio.h>
#include <string.h>

/* A value for each setting, by its type: no two alike, so that none can stand in another's place. */
static void fill(pool_client_job_t *job)
{
    for (size_t i = 0; i < SETTING_ROW_COUNT_; i++) {
        void *member = (char *)job + settings[i].in_client;
        switch (settings[i].type) {
        case SETTING_SECONDS:
        case SETTING_FACTOR:
            *(double *)member = 0.5 + (double)i;
            break;
        case SETTING_NUMBER:
            *(int64_t *)member = (INT64_C(1) << 40) + (int64_t)i;
            break;
        case SETTING_COUNT:
            *(int32_t *)member = 1000 + (int32_t)i;
            break;
        case SETTING_FLAG:
            *(bool *)member = true;
            break;
        }
    }
}

static void test_settings_come_through_both_ways(void **state)
{
    (void)state;
    pool_client_job_t job = {0}, back = {.priority = 7};
    pool_job_options_t options = {.retries = 3};
    fill(&job);
    settings_to_options(&job, &options);
    assert_int_equal(options.timeout_ms, 500);
    assert_int_equal(options.kill_after_ms, 1500);
    assert_true(options.memory_limit == job.memory);
    assert_int_equal(options.cpu_weight, job.cpu_weight);
    assert_int_equal(options.nice, job.nice);
    assert_true(options.memory_backstop);
    assert_int_equal(options.retries, 3); /* is none of them */
    settings_from_options(&options, &back);
    assert_int_equal(back.priority, 7);
    back.priority = 0;
    assert_memory_equal(&back, &job, sizeof job);
}

static void test_settings_no_time_is_shortened(void **state)
{
    (void)state;
    pool_job_options_t options = {0};
    const pool_client_job_t job = {.timeout = 0.0001, .kill_after = POOL_NONE, .cpu_time = 1.2345};
    settings_to_options(&job, &options);
    assert_int_equal(options.timeout_ms, 1);
    assert_int_equal(options.kill_after_ms, POOL_NONE);
    assert_int_equal(options.cpu_ms, 1235);
}

static void unpack(pool_fields_t *fields, msgpack_unpacked *unpacked)
{
    pool_bytes_t bytes;
    assert_int_equal(pool_fields_end(fields, &bytes), 0);
    msgpack_unpacked_init(unpacked);
    assert_int_equal(msgpack_unpack_next(unpacked, bytes.data, bytes.size, NULL), MSGPACK_UNPACK_SUCCESS);
}

static void test_settings_in_a_request(void **state)
{
    (void)state;
    pool_client_job_t job = {0};
    pool_fields_t fields;
    msgpack_unpacked unpacked;
    fill(&job);
    pool_fields_begin(&fields);
    settings_pack(&job, &fields);
    unpack(&fields, &unpacked);
    assert_int_equal(unpacked.data.via.map.size, SETTING_ROW_COUNT_);
    for (size_t i = 0; i < SETTING_ROW_COUNT_; i++) {
        const msgpack_object *field = pool_field(&unpacked.data, settings[i].name);
        assert_non_null(field);
        const bool is_real = settings[i].type == SETTING_SECONDS || settings[i].type == SETTING_FACTOR;
        assert_int_equal(field->type, is_real                            ? MSGPACK_OBJECT_FLOAT64
                                      : settings[i].type == SETTING_FLAG ? MSGPACK_OBJECT_BOOLEAN
                                                                         : MSGPACK_OBJECT_POSITIVE_INTEGER);
    }
    msgpack_unpacked_destroy(&unpacked);
    pool_fields_free(&fields);
}

static void test_settings_not_given_are_not_sent(void **state)
{
    (void)state;
    const pool_client_job_t job = {.kill_after = POOL_NONE, .output_limit = POOL_NONE, .nice = -5};
    pool_fields_t fields;
    msgpack_unpacked unpacked;
    pool_fields_begin(&fields);
    settings_pack(&job, &fields);
    unpack(&fields, &unpacked);
    assert_int_equal(unpacked.data.via.map.size, 3);
    assert_true(pool_field_double(&unpacked.data, "kill_after") == 0);
    assert_int_equal(pool_field(&unpacked.data, "output_limit")->via.u64, 0);
    assert_int_equal(pool_field_int(&unpacked.data, "nice"), -5);
    msgpack_unpacked_destroy(&unpacked);
    pool_fields_free(&fields);
}

static void test_settings_memory_is_the_lower(void **state)
{
    (void)state;
    assert_int_equal(settings_memory(0, 0, 1000), 0);
    assert_int_equal(settings_memory(POOL_NONE, 0, 1000), POOL_NONE);
    assert_int_equal(settings_memory(700, 0, 1000), 700);
    assert_int_equal(settings_memory(0, 0.5, 1000), 500);
    assert_int_equal(settings_memory(POOL_NONE, 1, 1000), 1000);
    assert_int_equal(settings_memory(400, 0.5, 1000), 400);
    assert_int_equal(settings_memory(600, 0.5, 1000), 500);
    assert_int_equal(settings_memory(0, 1e-9, 1000), 1); /* is not "none" */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_settings_come_through_both_ways), SUPPORT_TEST(test_settings_no_time_is_shortened),
        SUPPORT_TEST(test_settings_in_a_request),           SUPPORT_TEST(test_settings_not_given_are_not_sent),
        SUPPORT_TEST(test_settings_memory_is_the_lower),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
