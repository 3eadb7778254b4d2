/* footprint.h - from the resident memory of single processes to the memory that their job uses. Pure.
 *
 * Forked processes share pages, and each counts them as its own. So the sum over a job's processes is too high by what
 * they share: at most what each can have inherited from a parent within the job. */
#ifndef FOOTPRINT_H
#define FOOTPRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct footprint_process {
    uint64_t anonymous, shared; /* resident bytes, without what is surely from before the job */
    uint64_t foreign;           /* so much of `shared` may be the argument */
    uint64_t inheritable;       /* what its parent had at the fork; 0 after exec */
};

/* A job uses between least and most bytes. */
struct footprint {
    uint64_t least, most;
};

struct footprint footprint_of(const struct footprint_process *processes, size_t count);

/* Whether least and most are so far apart that walking page tables is worth it. */
bool footprint_is_vague(const struct footprint *footprint);

/* A process by its page tables: see proc_rollup. */
struct footprint_walked {
    uint64_t anonymous, shared; /* divided among the processes that map them, the argument's included */
    uint64_t private;           /* anonymous pages that no other process maps */
    uint64_t all;               /* anonymous pages, undivided */
    uint64_t counted;           /* shared bytes as the sum over the processes counts them */
    bool heir;                  /* maps what the worker inherited, too */
};

struct footprint_truth {
    uint64_t bytes;     /* that they use together, at least */
    uint64_t moved;     /* and at most so much more, of pages that were mapped during the walk */
    uint64_t twice;     /* bytes that the sum over the processes counts too often */
    uint64_t rewritten; /* part of `bytes` that the sum misses: inherited pages that were written to */
};

/* Memory from before the job. */
struct footprint_before {
    uint64_t inherited; /* anonymous bytes in each heir */
    size_t sharers;     /* processes besides the job's that map those, at least 1 */
    uint64_t argument;  /* shared bytes, each of which a process of the job maps, and no other process */
    uint64_t mapped;    /* shared bytes that they can have mapped during the walk, which takes one after the other */
};

struct footprint_truth footprint_walked(const struct footprint_walked *processes, size_t count,
                                        const struct footprint_before *before);

#endif
