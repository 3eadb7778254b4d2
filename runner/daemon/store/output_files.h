/* outputs.h - files of jobs beside the store: standard output and error as they come, values above STORE_INLINE_MAX.
 *
 *     STATE/jobs/<id / 1000>/<id>.out  <id>.err  <id>.value
 *
 * They are made with openat(2) below the state directory, 0600, never through a symlink. A value is written, synced
 * (file and directory) before the store says that it is there; output is not: it is the job's, as far as it came. */
#ifndef OUTPUTS_H
#define OUTPUTS_H

#include <stddef.h>
#include <stdint.h>

/* What outputs and values leave of a disk at the least: for the store, which has to write that a job has ended. */
#define OUTPUTS_ROOM ((uint64_t)1024 * 1024)

enum output_kind { OUTPUT_STDOUT, OUTPUT_STDERR, OUTPUT_VALUE, OUTPUT_KIND_COUNT };

struct outputs {
    int dir; /* STATE/jobs */
};

int outputs_open(struct outputs *outputs, int statedir_fd);
void outputs_close(struct outputs *outputs);

/* Opens an empty file for writing; the descriptor is the caller's. */
int outputs_create(struct outputs *outputs, uint64_t id, enum output_kind kind);
/* Writes a value whole: to a temporary name, fsync, rename, fsync of the directory. Where it fails nothing of it stays.
 * -ENOSPC also where it would leave less than OUTPUTS_ROOM of the disk, and then before the disk is full. May be called
 * by any thread, for several jobs at once. */
int outputs_value_write(struct outputs *outputs, uint64_t id, const void *data, size_t size);
/* Reads at most *size bytes from offset on; *size is what there was, *total the file's size (0 where there is none). */
int outputs_read(struct outputs *outputs, uint64_t id, enum output_kind kind, uint64_t offset, void *buffer,
                 size_t *size, uint64_t *total);
void outputs_remove(struct outputs *outputs, uint64_t id); /* all of one job, and the directory where it was the last */
/* Removes files of jobs that is_known does not know: left by a crash. Returns how many. */
int outputs_sweep(struct outputs *outputs, int (*is_known)(void *user, uint64_t id), void *user);

#endif
