#include "trace.h"

static const struct {
    const char *name;
    uint32_t low, high; /* MiB */
} names[TRACE_NAMES] = {
    {"lint", 10, 30},     {"index", 25, 60},     {"parse", 60, 120}, {"render", 110, 180},
    {"resize", 180, 300}, {"compile", 250, 420}, {"link", 400, 600}, {"train", 600, 800},
};

static uint32_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

static uint32_t between(uint64_t *state, uint32_t low, uint32_t high)
{
    return low + next_random(state) % (high - low + 1);
}

void trace_make(struct trace_job *jobs, size_t count, uint32_t seed, double mib_ms)
{
    uint64_t state = seed;
    for (int i = 0; i < 10; i++)
        next_random(&state);
    for (size_t i = 0; i < count; i++) {
        const uint32_t which = i < TRACE_NAMES ? (uint32_t)i : between(&state, 0, TRACE_NAMES - 1);
        const uint32_t mib = between(&state, names[which].low, names[which].high);
        jobs[i] = (struct trace_job){names[which].name, mib * TRACE_MIB, (int64_t)((double)mib / mib_ms) + 1,
                                     between(&state, 100, 300)};
    }
    for (size_t i = count; i-- > 1;) {
        const size_t other = next_random(&state) % (i + 1);
        const struct trace_job job = jobs[i];
        jobs[i] = jobs[other];
        jobs[other] = job;
    }
}
