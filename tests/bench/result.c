/* A large result: built in place, from submit to settled; and by copy, from the call of pool_call_return on a buffer
 * that is there to the value in hand (early) and to settled, where the worker with its buffer is gone; and gathered
 * from parts of such a buffer, right after a write() of the same bytes into a memfd by the same process, which is its
 * floor. Each is done twice and the second told, as in floor/memfd.c. That every byte is there is looked at afterwards.
 *
 *     result BYTES */
#include "pool_round.h"

#include <sys/mman.h>
#include <unistd.h>

#define PARTS 64

struct stamp {
    double begin;   /* CLOCK_MONOTONIC is the same in every process */
    double written; /* seconds that the floor took, where the job has one */
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

/* NULL: no memory. Its process is the free. */
static char *make_buffer(size_t size)
{
    static char *data;
    data = malloc(size);
    if (data != NULL)
        memset(data, 1, size);
    return data;
}

static void set_stamp(char *data, double written)
{
    const struct stamp stamp = {round_now(), written};
    memcpy(data, &stamp, sizeof stamp);
}

/* Seconds. */
static double write_memfd(const char *data, size_t size)
{
    const double begin = round_now();
    const int fd = memfd_create("floor", MFD_CLOEXEC);
    for (size_t done = 0; done < size;) {
        const ssize_t wrote = write(fd, data + done, size - done);
        if (wrote <= 0)
            round_die("write");
        done += (size_t)wrote;
    }
    const double seconds = round_now() - begin;
    close(fd);
    return seconds;
}

static int by_copy(pool_call_t *call)
{
    const size_t size = *(const size_t *)pool_call_arg(call, NULL);
    char *data = make_buffer(size);
    if (data == NULL)
        return pool_call_fail(call, 1, "no memory for a buffer of %zu bytes", size);
    set_stamp(data, 0);
    return pool_call_return(call, data, size);
}

/* The last one takes the rest. */
static int by_parts(pool_call_t *call)
{
    const size_t size = *(const size_t *)pool_call_arg(call, NULL), each = size / PARTS;
    pool_bytes_t parts[PARTS];
    char *data = make_buffer(size);
    if (data == NULL)
        return pool_call_fail(call, 1, "no memory for a buffer of %zu bytes", size);
    for (size_t i = 0; i < PARTS; i++)
        parts[i] = (pool_bytes_t){data + i * each, i + 1 < PARTS ? each : size - i * each};
    set_stamp(data, write_memfd(data, size));
    return pool_call_return_parts(call, parts, PARTS);
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

/* written (may be NULL): seconds of the job's floor. */
static double run_by_copy(pool_t *pool, pool_fn fn, size_t size, bool early, double *written)
{
    struct stamp stamp;
    const pool_job_options_t options = {.early = early};
    pool_job_t *job = round_submit(pool, fn, &size, sizeof size, early ? &options : NULL);
    const pool_result_t *result = round_wait(job);
    const double end = round_now();
    check(result, size, sizeof stamp);
    memcpy(&stamp, result->data, sizeof stamp);
    pool_job_release(job);
    if (written != NULL)
        *written = stamp.written;
    return end - stamp.begin;
}

int main(int argc, char **argv)
{
    const size_t size = round_number(argc, argv, 1, 1024 * MIB);
    if (size < sizeof(struct stamp) * PARTS) {
        fprintf(stderr, "result: at least %zu bytes\n", sizeof(struct stamp) * PARTS);
        return 2;
    }
    pool_t *pool = round_open(0);
    run_in_place(pool, size);
    round_tell("in_place", run_in_place(pool, size));
    run_by_copy(pool, by_copy, size, true, NULL);
    round_tell("copy_early", run_by_copy(pool, by_copy, size, true, NULL));
    round_tell("copy_settled", run_by_copy(pool, by_copy, size, false, NULL));
    double written;
    run_by_copy(pool, by_parts, size, true, NULL);
    round_tell("parts_early", run_by_copy(pool, by_parts, size, true, &written));
    round_tell("parts_floor", written);
    pool_free(pool);
    return 0;
}
