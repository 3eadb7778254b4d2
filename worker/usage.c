#include "usage.h"

struct usage_peak usage_peak(const struct usage_raw *raw)
{
    const uint64_t most = raw->most > raw->left ? raw->most : raw->left;
    const uint64_t above = most > raw->baseline ? most - raw->baseline : 0;
    if (!raw->is_command)
        return (struct usage_peak){.peak = above + raw->written, .bound = raw->inherited};
    if (above > USAGE_SLACK)
        return (struct usage_peak){.peak = most, .bound = 0};
    return (struct usage_peak){.peak = 0, .bound = raw->baseline + above};
}
