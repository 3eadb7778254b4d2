/* footprint.h - from what single processes have resident to what their job uses. Pure.
 *
 * Forked processes share pages, and each counts them as its own. So the sum over a job's processes is too much, by what
 * they share; what is sure is the largest of each family: those that were forked from each other without an exec. */
#ifndef FOOTPRINT_H
#define FOOTPRINT_H

#include <stddef.h>
#include <stdint.h>

struct footprint_process {
    uint64_t anonymous, shared; /* resident bytes */
    uint64_t family;            /* the same for those that may share pages */
};

/* A job uses between least and most bytes. */
struct footprint {
    uint64_t least, most;
};

/* inherited: anonymous bytes that each process of the family `heirs` may have from before the job: not the job's. */
struct footprint footprint_of(const struct footprint_process *processes, size_t count, uint64_t inherited,
                              uint64_t heirs);

/* Whether the two are so far apart that it is worth walking page tables to know better. */
int footprint_is_vague(const struct footprint *footprint);

/* A process as its page tables tell: see proc_rollup. */
struct footprint_walked {
    uint64_t anonymous, shared; /* pages divided by those that map them */
    uint64_t private;           /* anonymous pages that nobody else maps */
    uint64_t family;
};

/* What they use together. sharers: processes besides these that map what heirs inherited, at least 1. What heirs have
 * rewritten of it is theirs. */
uint64_t footprint_walked(const struct footprint_walked *processes, size_t count, uint64_t inherited, uint64_t heirs,
                          size_t sharers);

#endif
