/* A fixed run for counting, not for timing: so many no-op jobs or commands (`true`), one at a time. A write to no
 * descriptor marks in a trace of system calls where each begins: see guard.py. Tells the page faults of a worker.
 *
 *     steady jobs|commands COUNT */
#include "pool_round.h"

#include <unistd.h>

/* Page faults of the workers that the fork server has reaped so far, each from its birth to its end. */
static unsigned long read_faults(pool_t *pool)
{
    char path[64], text[512];
    unsigned long faults;
    pool_stats_t stats;
    pool_stats(pool, &stats);
    snprintf(path, sizeof path, "/proc/%d/stat", stats.fork_server_pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        round_die(path);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    const char *end = strrchr(text, ')'); /* of the name, which may have spaces */
    if (end == NULL || sscanf(end, ") %*c %*d %*d %*d %*d %*d %*u %*u %lu", &faults) != 1)
        round_fail(path, "the page faults are not where they should be");
    return faults;
}

static void mark(void)
{
    if (write(-1, "job", 3) != -1)
        round_die("mark");
}

static void run_command(pool_t *pool)
{
    static const char *const argv[] = {"/bin/true", NULL};
    pool_job_t *job;
    if (pool_submit_command(pool, &(pool_command_t){.argv = argv}, NULL, &job) < 0)
        round_fail("pool_submit_command", pool_message());
    round_finish(job);
}

int main(int argc, char **argv)
{
    const bool commands = argc == 3 && strcmp(argv[1], "commands") == 0;
    const size_t count = round_number(argc, argv, 2, 0);
    if (argc != 3 || (!commands && strcmp(argv[1], "jobs") != 0) || count == 0) {
        fprintf(stderr, "usage: steady jobs|commands COUNT\n");
        return 2;
    }
    pool_t *pool = round_open(0);
    const unsigned long before = read_faults(pool);
    for (size_t i = 0; i < count; i++) {
        mark();
        if (commands)
            run_command(pool);
        else
            round_finish(round_submit(pool, round_nothing, NULL, 0, NULL));
    }
    const unsigned long faults = read_faults(pool) - before;
    pool_free(pool);
    round_tell("faults", (double)faults / (double)count);
    return 0;
}
