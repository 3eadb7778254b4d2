/* Jobs a second that do nothing, or return so many bytes: single-use workers, OUTSTANDING jobs under way (two for each
 * worker, where the number of workers is said). And context switches a job: how often host, keeper, fork server and
 * workers gave up the processor (`waits`: by themselves), the pool's opening and end included.
 *
 *     throughput [jobs] [bytes of a result] [workers] */
#include "pool_round.h"

#include <sys/resource.h>

static char *value;
static size_t value_size;

/* How often this process and its descendants gave up the processor, as far as they have been waited for. */
static void count_switches(double *waits, double *switches)
{
    const int whose[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
    *waits = *switches = 0;
    for (size_t i = 0; i < 2; i++) {
        struct rusage usage;
        if (getrusage(whose[i], &usage) < 0)
            round_die("getrusage");
        *waits += (double)usage.ru_nvcsw;
        *switches += (double)(usage.ru_nvcsw + usage.ru_nivcsw);
    }
}

static int give(pool_call_t *call)
{
    return pool_call_return(call, value, value_size);
}

int main(int argc, char **argv)
{
    const size_t jobs = round_number(argc, argv, 1, 5000), workers = round_number(argc, argv, 3, 0);
    const size_t outstanding = workers > 0 ? 2 * workers : OUTSTANDING;
    value_size = round_number(argc, argv, 2, 0);
    if (jobs < outstanding || workers > 1000) {
        fprintf(stderr, "throughput: at least as many jobs as are under way, and at most 1000 workers\n");
        return 2;
    }
    value = malloc(value_size + 1); /* before the pool is opened: every worker has it */
    if (value == NULL)
        round_die("malloc");
    memset(value, 1, value_size + 1);
    pool_t *pool = round_open((int32_t)workers);
    round_tell("rate", round_rate(pool, value_size > 0 ? give : round_nothing, jobs, outstanding));
    pool_free(pool);
    double waits, switches;
    count_switches(&waits, &switches);
    round_tell("waits", waits / (double)jobs);
    round_tell("switches", switches / (double)jobs);
    free(value);
    return 0;
}
