#include "footprint.h"

#include "amount.h"

#define VAGUE_BYTES ((uint64_t)1 << 20)
#define VAGUE_SHARE 50 /* 2 % */

struct footprint footprint_of(const struct footprint_process *processes, size_t count)
{
    struct footprint sum = {0, 0};
    uint64_t shared = 0;
    for (size_t i = 0; i < count; i++) {
        sum.most += processes[i].anonymous + processes[i].shared;
        sum.least += amount_less(processes[i].anonymous, processes[i].inheritable);
        shared = amount_larger(shared, amount_less(processes[i].shared, processes[i].foreign));
    }
    sum.least += shared;
    return sum;
}

bool footprint_is_vague(const struct footprint *footprint)
{
    return footprint->most - footprint->least > amount_larger(VAGUE_BYTES, footprint->most / VAGUE_SHARE);
}

struct footprint_truth footprint_walked(const struct footprint_walked *processes, size_t count,
                                        const struct footprint_before *before)
{
    uint64_t divided = 0, private = 0, shared = 0, sum = 0, rewritten = 0;
    size_t heirs = 0;
    for (size_t i = 0; i < count; i++) {
        const struct footprint_walked *p = &processes[i];
        const uint64_t own = amount_less(p->all, p->heir ? before->inherited : 0);
        divided += p->anonymous;
        private += p->private;
        shared += p->shared;
        sum += own + p->counted;
        rewritten += p->heir ? amount_less(p->private, own) : 0;
        heirs += p->heir;
    }
    shared = amount_less(shared, before->argument); /* divided among any number, its parts add up to the whole */
    /* A page that the first walk found in one process, and the last one divided among all, counts as more than one. */
    const uint64_t moved = count > 1 ? amount_smaller(shared, before->mapped) : 0;
    shared -= moved;
    /* The proportional share of inherited pages is not the job's. Without it rewritten pages count a little too little,
     * and private pages tell better. */
    const uint64_t portion = before->inherited / (heirs + before->sharers) * heirs;
    const uint64_t bytes = amount_larger(amount_less(divided, portion), private) + shared;
    return (struct footprint_truth){
        .bytes = bytes, .moved = moved, .twice = amount_less(sum + rewritten, bytes), .rewritten = rewritten};
}
