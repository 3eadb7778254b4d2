#include "footprint.h"

#define VAGUE_BYTES ((uint64_t)1 << 20)
#define VAGUE_SHARE 50 /* 2 % */

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* What a process has beyond what it was born with. */
static uint64_t own(const struct footprint_process *process, uint64_t inherited, uint64_t heirs)
{
    return process->family == heirs ? less(process->anonymous, inherited) : process->anonymous;
}

/* The largest of a process's family, told once: by the first of it. */
static uint64_t largest_of_family(const struct footprint_process *processes, size_t count, size_t first,
                                  uint64_t inherited, uint64_t heirs)
{
    uint64_t largest = 0;
    for (size_t i = 0; i < count; i++) {
        if (processes[i].family != processes[first].family)
            continue;
        if (i < first)
            return 0;
        largest = larger(largest, own(&processes[i], inherited, heirs));
    }
    return largest;
}

struct footprint footprint_of(const struct footprint_process *processes, size_t count, uint64_t inherited,
                              uint64_t heirs)
{
    struct footprint sum = {0, 0};
    uint64_t shared = 0;
    for (size_t i = 0; i < count; i++) {
        sum.most += own(&processes[i], inherited, heirs) + processes[i].shared;
        sum.least += largest_of_family(processes, count, i, inherited, heirs);
        shared = larger(shared, processes[i].shared);
    }
    sum.least += shared;
    return sum;
}

int footprint_is_vague(const struct footprint *footprint)
{
    return footprint->most - footprint->least > larger(VAGUE_BYTES, footprint->most / VAGUE_SHARE);
}

uint64_t footprint_walked(const struct footprint_walked *processes, size_t count, uint64_t inherited, uint64_t heirs,
                          size_t sharers)
{
    uint64_t sum = 0, private = 0;
    size_t family = 0;
    for (size_t i = 0; i < count; i++) {
        sum += processes[i].anonymous + processes[i].shared;
        private += processes[i].private + processes[i].shared;
        family += processes[i].family == heirs;
    }
    /* The proportional share of what was inherited is not the job's; of what it has rewritten the sum then has a little
     * less than all, and private pages tell better. */
    const uint64_t portion = inherited / (family + sharers) * family;
    return larger(less(sum, portion), private);
}
