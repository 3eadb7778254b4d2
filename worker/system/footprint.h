/* footprint.h - from what single processes have resident to what their job uses. Pure.
 *
 * Forked processes share pages, and each counts them as its own. So the sum over a job's processes is too much, by what
 * they share: at most by what each can have been born with, from a parent within the job. */
#ifndef FOOTPRINT_H
#define FOOTPRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct footprint_process {
    uint64_t anonymous, shared; /* resident bytes, without what is surely from before the job */
    uint64_t foreign;           /* how much of `shared` may be the argument, which it can have touched */
    uint64_t inheritable;       /* what its parent had when it was born, if it has not exec'ed since */
};

/* A job uses between least and most bytes. */
struct footprint {
    uint64_t least, most;
};

struct footprint footprint_of(const struct footprint_process *processes, size_t count);

/* Whether the two are so far apart that it is worth walking page tables to know better. */
bool footprint_is_vague(const struct footprint *footprint);

/* A process as its page tables tell: see proc_rollup. */
struct footprint_walked {
    uint64_t anonymous, shared; /* pages divided by those that map them, the argument's included */
    uint64_t private;           /* anonymous pages that nobody else maps */
    uint64_t all;               /* anonymous pages, whole */
    uint64_t counted;           /* shared bytes, as a sum over the processes counts them */
    bool heir;                  /* has what the worker inherited, too */
};

struct footprint_truth {
    uint64_t bytes;     /* what they use together, surely */
    uint64_t moved;     /* and so much more it may be, of what was mapped while they were walked */
    uint64_t twice;     /* how much more a sum over them counts */
    uint64_t rewritten; /* how much of `bytes` no sum over them counts: inherited pages that were written to */
};

/* What comes from before the job. */
struct footprint_before {
    uint64_t inherited; /* anonymous bytes in each heir */
    size_t sharers;     /* processes besides the job's that map those, at least 1 */
    uint64_t argument;  /* shared bytes that nobody else maps, and somebody among these maps each of them */
    uint64_t mapped;    /* shared bytes that they can have mapped while they were walked, one after the other */
};

struct footprint_truth footprint_walked(const struct footprint_walked *processes, size_t count,
                                        const struct footprint_before *before);

#endif
