/* trace.h - jobs of eight names, each name with needs of its own spread, 10 to 800 MiB over all; and how they run under
 * admission, in simulated time. What is random follows from the seed. */
#ifndef TRACE_H
#define TRACE_H

#include <stddef.h>
#include <stdint.h>

#define TRACE_NAMES 8
#define TRACE_MIB   (UINT64_C(1) << 20)

struct trace_job {
    const char *name;
    uint64_t need;   /* bytes */
    int64_t grow_ms; /* until it uses that much */
    int64_t hold_ms; /* and then it goes on so long */
};

/* Fills in count jobs, their names mixed. mib_ms: MiB that a job comes to use in a millisecond. */
void trace_make(struct trace_job *jobs, size_t count, uint32_t seed, double mib_ms);

#endif
