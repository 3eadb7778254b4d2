/* Throughput and latency of a host that has grown since it opened its pool; for each size, in rising order, rate_<MiB>,
 * early_<MiB>_p50 and settled_<MiB>_p50.
 *
 *     heap JOBS TIMES MIB... */
#include "pool_round.h"

#include <sys/mman.h>

/* Adds as much as is missing, touched. Small pages, whatever the system's mode: the more page tables. */
static void grow(size_t *heap, size_t mib)
{
    if (mib <= *heap)
        return;
    const size_t size = (mib - *heap) * MIB;
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        round_die("mmap");
    madvise(data, size, MADV_NOHUGEPAGE);
    memset(data, 1, size);
    *heap = mib;
}

static void measure(pool_t *pool, size_t mib, size_t jobs, size_t times)
{
    char name[32];
    snprintf(name, sizeof name, "rate_%zu", mib);
    round_tell(name, round_rate(pool, round_nothing, jobs, OUTSTANDING));
    snprintf(name, sizeof name, "early_%zu", mib);
    round_latency(pool, name, true, times);
    snprintf(name, sizeof name, "settled_%zu", mib);
    round_latency(pool, name, false, times);
}

int main(int argc, char **argv)
{
    const size_t jobs = round_number(argc, argv, 1, 0), times = round_number(argc, argv, 2, 0);
    size_t heap = 0;
    if (argc < 4 || jobs < OUTSTANDING) {
        fprintf(stderr, "usage: heap JOBS TIMES MIB...    (at least %d jobs)\n", OUTSTANDING);
        return 2;
    }
    pool_t *pool = round_open(0);
    round_rate(pool, round_nothing, jobs, OUTSTANDING); /* so that the first size is not the cold one */
    for (int i = 3; i < argc; i++) {
        grow(&heap, round_number(argc, argv, i, 0));
        measure(pool, round_number(argc, argv, i, 0), jobs, times);
    }
    pool_free(pool);
    return 0;
}
