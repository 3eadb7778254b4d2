/* A large result: built in place, from submit to settled; and by copy, from the call of pool_call_return on a buffer
 * that is there to the value in hand (early) and to settled, where the worker with its buffer is gone. Each is done
 * twice and the second told, as in floor/memfd.c. That every byte is there is looked at afterwards.
 *
 *     result BYTES */
#include "pool_round.h"

struct stamp {
    double begin; /* CLOCK_MONOTONIC is the same in every process */
};

static int in_place(pool_call_t *call)
{
    const size_t size = *(const size_t *)pool_call_arg(call, NULL);
    char *data = pool_call_alloc_result(call, size);
    if (data == NULL)
        return pool_call_fail(call, 1, "no memory for a result of %zu bytes", size);
    memset(data, 1, size);
    return pool_call_return(call, data, size);
}

static int by_copy(pool_call_t *call)
{
    const size_t size = *(const size_t *)pool_call_arg(call, NULL);
    static char *data; /* its process is the free */
    data = malloc(size);
    if (data == NULL)
        return pool_call_fail(call, 1, "no memory for a buffer of %zu bytes", size);
    memset(data, 1, size);
    const struct stamp stamp = {round_now()};
    memcpy(data, &stamp, sizeof stamp);
    return pool_call_return(call, data, size);
}

static void check(const pool_result_t *result, size_t size, size_t from)
{
    const char *data = result->data;
    if (result->size != size)
        round_fail("result", "its size is another");
    for (size_t i = from; i < size; i += 4096)
        if (data[i] != 1)
            round_fail("result", "a byte of it is another");
}

static double run_in_place(pool_t *pool, size_t size)
{
    const double begin = round_now();
    pool_job_t *job = round_submit(pool, in_place, &size, sizeof size, NULL);
    const pool_result_t *result = round_wait(job);
    const double seconds = round_now() - begin;
    check(result, size, 0);
    pool_job_release(job);
    return seconds;
}

static double run_by_copy(pool_t *pool, size_t size, bool early)
{
    struct stamp stamp;
    const pool_job_options_t options = {.early = early};
    pool_job_t *job = round_submit(pool, by_copy, &size, sizeof size, early ? &options : NULL);
    const pool_result_t *result = round_wait(job);
    const double end = round_now();
    check(result, size, sizeof stamp);
    memcpy(&stamp, result->data, sizeof stamp);
    pool_job_release(job);
    return end - stamp.begin;
}

int main(int argc, char **argv)
{
    const size_t size = round_number(argc, argv, 1, 1024 * MIB);
    if (size < sizeof(struct stamp)) {
        fprintf(stderr, "result: at least %zu bytes\n", sizeof(struct stamp));
        return 2;
    }
    pool_t *pool = round_open(0);
    run_in_place(pool, size);
    round_tell("in_place", run_in_place(pool, size));
    run_by_copy(pool, size, true);
    round_tell("copy_early", run_by_copy(pool, size, true));
    round_tell("copy_settled", run_by_copy(pool, size, false));
    pool_free(pool);
    return 0;
}
