/* statedir.h - the directory of one daemon: mode 0700, locked against a second daemon.
 *
 *     STATE/lock            the daemon holds it: flock(2), exclusive; in it is the daemon's pid
 *     STATE/workers.lock    the daemon's pool holds it (pool_options_t.held): flock(2), shared. A new daemon waits
 *                           until the pool of a killed one is gone, so that no job ever runs twice at once. In it are
 *                           the tags (pool_stats_t.tag) of the jobs' processes, 4 bytes each: if the pool was killed,
 *                           too, the next daemon finds the processes by them and ends them
 *     STATE/reclaimd.db     store.h
 *     STATE/jobs/NNN/ID.*   output_files.h
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
    unsigned tags; /* how many were added */
};

/* Makes the directory and its parents if they are missing, and ends the processes that a dead daemon's jobs left.
 * -EWOULDBLOCK: another daemon has it (message names its pid); -EACCES: not ours, or open to others; -ETIMEDOUT:
 * workers of a dead daemon are there after STATEDIR_WORKERS_MS; -EBUSY: processes of its jobs cannot be killed. 0, or a
 * negative errno and a sentence in message. */
int statedir_open(struct statedir *dir, const char *path, char message[512]);
void statedir_close(struct statedir *dir);

/* Whether its path still leads to it: else nobody would find again what is written. */
bool statedir_is_there(const struct statedir *dir);

/* Writes down one more tag, before the start of the first job that carries it. */
int statedir_tag_add(struct statedir *dir, uint32_t tag);

#endif
