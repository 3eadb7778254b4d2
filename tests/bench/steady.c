/* A fixed run for counting, not for timing: so many no-op jobs or commands (`true`), one at a time. A write to no
 * descriptor marks in a trace of system calls where each begins: see guard.py.
 *
 *     steady jobs|commands COUNT */
#include "pool_round.h"

#include <unistd.h>

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
    for (size_t i = 0; i < count; i++) {
        mark();
        if (commands)
            run_command(pool);
        else
            round_finish(round_submit(pool, round_nothing, NULL, 0, NULL));
    }
    pool_free(pool);
    return 0;
}
