/* statedir.h - the directory of one daemon: made 0700, and locked, so that a second daemon refuses.
 *
 *     STATE/lock            flock(2), exclusive, with the daemon's pid in it
 *     STATE/workers.lock    flock(2), shared, by the daemon's pool (pool_options_t.held): a new daemon waits until the
 *                           pool of one that was killed is gone, so that no job ever runs twice at once
 *                           In it are the tags (pool_stats_t.tag) of its jobs' processes, 4 bytes each: where all of a
 *                           dead daemon's pool was killed with it, they are what the next one ends its jobs by
 *     STATE/reclaimd.db     store.h
 *     STATE/jobs/NNN/ID.*   outputs.h
 */
#ifndef STATEDIR_H
#define STATEDIR_H

#include <stdbool.h>
#include <stdint.h>

#define STATEDIR_WORKERS_MS 10000

struct statedir {
    char *path; /* absolute */
    int fd;     /* the directory */
    int lock;
    int workers;   /* workers.lock, shared: for the pool to hold */
    unsigned tags; /* that were added */
};

/* Makes it (and its parents) where missing, and ends what a dead daemon's jobs have left. -EWOULDBLOCK: another daemon
 * has it (the message names its pid); -EACCES: not ours, or open to others; -ETIMEDOUT: workers of a daemon that died
 * are still there after STATEDIR_WORKERS_MS; -EBUSY: processes of its jobs are, and cannot be killed. 0, or negative
 * errno and a sentence in message. */
int statedir_open(struct statedir *dir, const char *path, char message[512]);
void statedir_close(struct statedir *dir);

/* Whether it is still what its path leads to: else nothing that is written would be found again. */
bool statedir_is_there(const struct statedir *dir);

/* Writes down one more tag, before any job is started that carries it. */
int statedir_tag_add(struct statedir *dir, uint32_t tag);

#endif
