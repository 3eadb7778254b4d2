/* Filling memory on huge pages: with pool_call_alloc in a job, as long as its memset takes; and a command (floor/fill,
 * which tells its own time) with the option huge_pages and without. The second of two is told, as in floor/fill.c.
 *
 *     huge MIB PATH-OF-FILL */
#include "pool_round.h"

static int fill(pool_call_t *call)
{
    const size_t size = *(const size_t *)pool_call_arg(call, NULL);
    const double begin = round_now();
    char *data = pool_call_alloc(call, size);
    if (data == NULL)
        return pool_call_fail(call, 1, "no memory for %zu bytes", size);
    memset(data, 1, size);
    __asm__ volatile("" : : "r"(data) : "memory"); /* or it need not be done at all */
    const double seconds = round_now() - begin;
    return pool_call_return(call, &seconds, sizeof seconds);
}

static double run_arena(pool_t *pool, size_t size)
{
    double seconds;
    pool_job_t *job = round_submit(pool, fill, &size, sizeof size, NULL);
    memcpy(&seconds, round_wait(job)->data, sizeof seconds);
    pool_job_release(job);
    return seconds;
}

static double run_command(pool_t *pool, const char *path, const char *mib, bool huge_pages)
{
    const char *argv[] = {path, mib, NULL};
    const pool_command_t command = {.argv = argv, .stdout_mode = POOL_STREAM_CAPTURE};
    double seconds;
    pool_job_t *job;
    if (pool_submit_command(pool, &command, &(pool_job_options_t){.huge_pages = huge_pages}, &job) < 0)
        round_fail("pool_submit_command", pool_message());
    if (sscanf(round_wait(job)->out, "fill %lf", &seconds) != 1)
        round_fail("huge", "the command has told no time");
    pool_job_release(job);
    return seconds;
}

int main(int argc, char **argv)
{
    const size_t size = round_number(argc, argv, 1, 1024) * MIB;
    if (argc != 3) {
        fprintf(stderr, "usage: huge MIB PATH-OF-FILL\n");
        return 2;
    }
    pool_t *pool = round_open(0);
    run_arena(pool, size);
    round_tell("arena", run_arena(pool, size));
    round_tell("command_plain", run_command(pool, argv[2], argv[1], false));
    round_tell("command_huge", run_command(pool, argv[2], argv[1], true));
    pool_free(pool);
    return 0;
}
