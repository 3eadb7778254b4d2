#include "usage.h"

#include "amount.h"

/* The most that a single process can have used, and how much of that may be file pages. */
struct single {
    uint64_t most, file;
};

static struct single single_of(const struct usage_raw *raw)
{
    const uint64_t most = amount_larger(raw->most, raw->left);
    const uint64_t above = amount_less(most, raw->baseline);
    if (raw->is_command)
        return above > USAGE_SLACK ? (struct single){most, raw->file}
                                   : (struct single){raw->baseline + above, raw->baseline + above};
    const uint64_t file_before = amount_less(raw->baseline, raw->inherited);
    return (struct single){above + raw->written, amount_less(raw->file, file_before)};
}

struct usage_peak usage_peak(const struct usage_raw *raw)
{
    const struct single single = single_of(raw);
    const uint64_t sure = amount_less(single.most, single.file);
    const uint64_t peak = raw->sampled ? amount_larger(raw->sum, sure) : sure;
    const uint64_t unseen = raw->is_command ? 0 : amount_less(raw->inherited, raw->sampled ? raw->rewritten : 0);
    uint64_t highest = amount_larger(single.most, peak);
    if (raw->sampled)
        highest = amount_larger(highest, raw->vague);
    return (struct usage_peak){.peak = peak, .bound = highest - peak + unseen};
}
