#include "jobs.h"

#include "directory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct store *jobs_open(void)
{
    struct store *store;
    char message[512] = "";
    const int r = store_open(&store, directory_path, message);
    if (r != 0)
        fail_msg("store_open gives %d: %s", r, message);
    return store;
}

static char spec_byte(int i, size_t at)
{
    return (char)('a' + (at * 31 + at / 97 + (size_t)i) % 26);
}

int jobs_insert(struct store *store, int i, size_t spec_size)
{
    char key[32], name[32], *spec = malloc(spec_size + 1);
    assert_non_null(spec);
    for (size_t at = 0; at < spec_size; at++)
        spec[at] = spec_byte(i, at);
    snprintf(key, sizeof key, "key-%d", i);
    snprintf(name, sizeof name, "name-%d", i);
    struct record record = {.key = {key, strlen(key)},
                            .name = {name, strlen(name)},
                            .group = {"default", 7},
                            .priority = i,
                            .state = RECORD_WAITING,
                            .submitted_at = 1000.0 + i,
                            .keep_seconds = -1};
    const int r = store_job_insert(store, &record, (struct record_bytes){spec, spec_size}, NULL, 0);
    free(spec);
    return r;
}

struct look {
    struct store *store;
    bool *present;
    int count;
};

static int look(void *user, const struct record *record)
{
    struct look *into = user;
    const int i = record->priority;
    char key[32], name[32];
    snprintf(key, sizeof key, "key-%d", i);
    snprintf(name, sizeof name, "name-%d", i);
    assert_true(i >= 0 && i < JOBS_MOST);
    assert_false(into->present[i]);
    assert_int_equal(record->key.size, strlen(key));
    assert_memory_equal(record->key.data, key, strlen(key));
    assert_int_equal(record->name.size, strlen(name));
    assert_memory_equal(record->name.data, name, strlen(name));
    assert_true(record->submitted_at == 1000.0 + i);
    void *spec;
    size_t size;
    assert_int_equal(store_spec_read(into->store, record->id, &spec, &size), 0);
    for (size_t at = 0; at < size; at++)
        if (((const char *)spec)[at] != spec_byte(i, at))
            fail_msg("job %d: byte %zu of its specification is wrong", i, at);
    free(spec);
    into->present[i] = true;
    into->count++;
    return 0;
}

int jobs_present(struct store *store, bool present[JOBS_MOST])
{
    struct look into = {.store = store, .present = present};
    const struct store_filter filter = {.limit = SIZE_MAX};
    uint64_t counts[RECORD_CANCELLED + 1], sum = 0;
    memset(present, 0, JOBS_MOST * sizeof *present);
    assert_int_equal(store_job_list(store, &filter, look, &into), 0);
    assert_int_equal(store_count(store, counts), 0);
    for (int state = RECORD_WAITING; state <= RECORD_CANCELLED; state++)
        sum += counts[state];
    assert_int_equal(sum, into.count);
    return into.count;
}

void jobs_expect(struct store *store, const bool wanted[JOBS_MOST])
{
    bool present[JOBS_MOST];
    jobs_present(store, present);
    for (int i = 0; i < JOBS_MOST; i++)
        if (present[i] != wanted[i])
            fail_msg("job %d is %s", i, present[i] ? "there, and should not be" : "missing");
}
