#include "summary.h"

#include "outcome.h"
#include "units.h"

#include <stdlib.h>
#include <string.h>

static void add_peak(struct summary *summary, uint64_t bytes, const char *inputs)
{
    int at = SUMMARY_HUNGRIEST;
    while (at > 0 && bytes > summary->hungriest[at - 1].bytes)
        at--;
    if (at == SUMMARY_HUNGRIEST)
        return;
    memmove(&summary->hungriest[at + 1], &summary->hungriest[at],
            (size_t)(SUMMARY_HUNGRIEST - 1 - at) * sizeof summary->hungriest[0]);
    struct summary_peak *peak = &summary->hungriest[at];
    peak->bytes = bytes;
    const size_t size = sizeof peak->inputs;
    if ((size_t)snprintf(peak->inputs, size, "%s", inputs) >= size)
        memcpy(peak->inputs + size - 4, "...", 4);
}

void summary_add(struct summary *summary, const char *inputs, const pool_result_t *result)
{
    const pool_usage_t *usage = &result->usage;
    summary->jobs++;
    if (result->outcome == POOL_DONE)
        summary->succeeded++;
    else if (result->cause < POOL_CAUSE_COUNT_)
        summary->causes[result->cause]++;
    summary->again += usage->attempt > 1 ? usage->attempt - 1 : 0;
    summary->seconds += usage->wall_seconds;
    summary->cpu_seconds += usage->user_seconds + usage->system_seconds;
    if (usage->memory_method != POOL_MEMORY_UNMEASURED)
        add_peak(summary, usage->peak_memory, inputs);
}

static void print_causes(const struct summary *summary, FILE *file)
{
    const char *between = " (";
    for (int cause = 0; cause < POOL_CAUSE_COUNT_; cause++) {
        if (summary->causes[cause] == 0)
            continue;
        const pool_result_t result = {.cause = (pool_cause_t)cause};
        fprintf(file, "%s%llu %s", between, (unsigned long long)summary->causes[cause], outcome_word(&result));
        between = ", ";
    }
    fputs(between[0] == ',' ? ")\n" : "\n", file);
}

void summary_print(const struct summary *summary, double seconds, FILE *file)
{
    char wall[64], all[64], cpu[64], size[32];
    fprintf(file, "reclaim: %llu job%s\n  succeeded  %llu\n  failed     %llu", (unsigned long long)summary->jobs,
            summary->jobs == 1 ? "" : "s", (unsigned long long)summary->succeeded,
            (unsigned long long)(summary->jobs - summary->succeeded));
    print_causes(summary, file);
    if (summary->skipped > 0)
        fprintf(file, "  skipped    %llu, which the joblog has\n", (unsigned long long)summary->skipped);
    if (summary->again > 0)
        fprintf(file, "  run again  %llu time%s\n", (unsigned long long)summary->again, summary->again == 1 ? "" : "s");
    fprintf(file, "  time       %s; of all jobs together %s, CPU %s\n",
            units_format_duration(seconds, wall, sizeof wall), units_format_duration(summary->seconds, all, sizeof all),
            units_format_duration(summary->cpu_seconds, cpu, sizeof cpu));
    for (int i = 0; i < SUMMARY_HUNGRIEST && summary->hungriest[i].bytes > 0; i++)
        fprintf(file, "%s %10s  %s\n", i == 0 ? "  hungriest" : "           ",
                units_format_size(summary->hungriest[i].bytes, size, sizeof size), summary->hungriest[i].inputs);
}

void median_add(struct median *median, double value)
{
    median->values[median->count++ % MEDIAN_MOST] = value;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double median_of(const struct median *median)
{
    double sorted[MEDIAN_MOST];
    const size_t count = median->count < MEDIAN_MOST ? median->count : MEDIAN_MOST;
    if (count < MEDIAN_LEAST)
        return 0;
    memcpy(sorted, median->values, count * sizeof sorted[0]);
    qsort(sorted, count, sizeof sorted[0], compare);
    return count % 2 != 0 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}
