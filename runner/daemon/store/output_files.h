/* output_files.h - files of jobs beside the store: standard output and error, values above STORE_INLINE_MAX.
 *
 *     STATE/jobs/<id / 1000>/<id>.out  <id>.err  <id>.value
 *
 * openat(2) makes them below the state directory, 0600, never through a symlink. A value is on disk (file and directory
 * synced) before the store says that it exists. Output is not synced: what a crash loses of it is lost. */
#ifndef OUTPUTS_H
#define OUTPUTS_H

#include <stddef.h>
#include <stdint.h>

/* Values leave this much of a disk free: the store has to write that a job has ended. */
#define OUTPUTS_ROOM ((uint64_t)1024 * 1024)

enum output_kind { OUTPUT_STDOUT, OUTPUT_STDERR, OUTPUT_VALUE, OUTPUT_KIND_COUNT };

struct outputs {
    int dir; /* STATE/jobs */
};

int outputs_open(struct outputs *outputs, int statedir_fd);
void outputs_close(struct outputs *outputs);

/* Opens a new, empty file for writing; the descriptor is the caller's. */
int outputs_create(struct outputs *outputs, uint64_t id, enum output_kind kind);
/* Writes a whole value: to a temporary name, fsync, rename, fsync of the directory. On failure nothing stays. -ENOSPC
 * also if less than OUTPUTS_ROOM of the disk would be free, before it is full. Any thread, several jobs at once. */
int outputs_value_write(struct outputs *outputs, uint64_t id, const void *data, size_t size);
/* Reads at most *size bytes from offset on. *size: the bytes read; *total: the file's size, 0 if there is no file. */
int outputs_read(struct outputs *outputs, uint64_t id, enum output_kind kind, uint64_t offset, void *buffer,
                 size_t *size, uint64_t *total);
/* Removes all files of a job, and their directory if it is empty then. */
void outputs_remove(struct outputs *outputs, uint64_t id);
/* Removes the files that a crash left: temporary ones, and those of jobs that is_known does not know. Returns how many,
 * or a negative errno. */
int outputs_sweep(struct outputs *outputs, int (*is_known)(void *user, uint64_t id), void *user);

#endif
