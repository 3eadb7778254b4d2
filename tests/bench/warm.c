/* What an idle warm worker costs: the median of its PSS (smaps_rollup: what it shares counts by its share), of a small
 * host with an idle pool as everybody gets it.
 *
 *     warm */
#include "pool_round.h"

#define MOST 64

static double pss(int pid)
{
    char path[64], line[256];
    unsigned long long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        round_die(path);
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "Pss: %llu kB", &kib) == 1)
            break;
    fclose(file);
    return (double)kib * 1024;
}

/* The fork server's children: there is nothing else below it in a pool at rest. */
static size_t children(int pid, int *pids)
{
    char path[64];
    size_t count = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        round_die(path);
    while (count < MOST && fscanf(file, "%d", &pids[count]) == 1)
        count++;
    fclose(file);
    return count;
}

int main(void)
{
    int pids[MOST];
    double sizes[MOST];
    pool_stats_t stats;
    pool_t *pool = round_open(0);
    for (int i = 0; i < 100; i++) /* as in use: workers have been replaced */
        round_finish(round_submit(pool, round_nothing, NULL, 0, NULL));
    size_t count = 0;
    do {
        round_rest();
        pool_stats(pool, &stats);
        count = children(stats.fork_server_pid, pids);
    } while (stats.warm == 0 || stats.running > 0 || count != stats.warm);
    for (size_t i = 0; i < count; i++)
        sizes[i] = pss(pids[i]);
    pool_free(pool);
    qsort(sizes, count, sizeof *sizes, round_compare);
    round_tell("workers", (double)count);
    round_tell("pss", sizes[count / 2]);
    return 0;
}
