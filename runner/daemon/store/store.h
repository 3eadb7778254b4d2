/* store.h - jobs on disk: SQLite (WAL, synchronous=FULL), one writer, one transaction a turn. One thread.
 *
 * Every writing call joins the open transaction or begins one; store_commit makes all of it durable, or nothing. Reads
 * see what the open transaction wrote. Calls return 0 or a negative errno: -ENOENT (no such row), -ENOSPC, -EIO,
 * -EROFS, -ENOMEM, -EUCLEAN (the database is damaged), in words by store_message. After any of them but -ENOENT and
 * -EEXIST only store_rollback helps. https://sqlite.org/wal.html, https://sqlite.org/pragma.html#pragma_synchronous
 *
 * An open database is locked for other programs, readers included (locking_mode=EXCLUSIVE): there is no second writer,
 * and a checkpoint is always whole. To look at it beside a daemon, copy reclaimd.db and reclaimd.db-wal. If the daemon
 * dies after a transaction and before its acknowledgement, the transaction may be there, whole.
 *
 * store_pages.h and store_log.h can go when Debian ships SQLite's checksum VFS (https://sqlite.org/cksumvfs.html). */
#ifndef STORE_H
#define STORE_H

#include "record.h"

#include <stddef.h>

#define STORE_INLINE_MAX ((size_t)1024 * 1024) /* results above it are files */

struct store;

/* Opens the store in directory (statedir_open's; *borrows*), makes or migrates it, and checks it: the header, the
 * version, every page's checksum (store_pages.h), PRAGMA quick_check and foreign keys. SQLite leaves out a torn end of
 * the write-ahead log, which was never acknowledged; damage before the end is found (store_log.h). A database that is
 * damaged or another program's: -EUCLEAN, with file and advice in message; it is not touched. A newer version:
 * -EPROTONOSUPPORT. Open elsewhere: -EBUSY. A process forked later must not call anything here. */
int store_open(struct store **store, const char *directory, char message[512]);
void store_close(struct store *store); /* rolls back; NULL is fine */
const char *store_message(const struct store *store);

int store_commit(struct store *store); /* 0 also if nothing was written. On failure it has rolled back */
void store_rollback(struct store *store);
bool store_is_dirty(const struct store *store); /* a transaction is open */
/* After store_rollback: tries whether writing works again, with a row of its own. */
int store_probe(struct store *store);
int store_bytes(struct store *store, uint64_t *bytes); /* database and log on disk */

/* ---- jobs */

/* Inserts record, its specification and the jobs that it waits for; fills in its id: ids count up for ever. -EEXIST:
 * the key is taken. -EINVAL: key, name and group are larger than record->texts. */
int store_job_insert(struct store *store, struct record *record, struct record_bytes spec, const uint64_t *after,
                     size_t after_count);
/* Adds a job that an inserted job waits for and that was inserted later. */
int store_job_needs(struct store *store, uint64_t id, uint64_t needs);
int store_job_read(struct store *store, uint64_t id, struct record *record);
/* *bytes: the specification, the caller's, for free(3). */
int store_spec_read(struct store *store, uint64_t id, void **bytes, size_t *size);
int store_job_find(struct store *store, const void *key, size_t size, uint64_t *id);
/* Writes everything of record but id, key, name and submitted_at; specification and value stay. */
int store_job_update(struct store *store, const struct record *record);
int store_job_delete(struct store *store, uint64_t id); /* with everything that belongs to it */
/* The ids that it waits for, in the order of the insert: *after, the caller's, for free(3), also on failure. */
int store_job_after(struct store *store, uint64_t id, uint64_t **after, size_t *count);

/* A value of at most STORE_INLINE_MAX bytes; size 0 removes it. -ENOENT: no such job. */
int store_result_write(struct store *store, uint64_t id, const void *data, size_t size);
/* Reads at most *size bytes from offset on; *size: the bytes read. -ENOENT: no inline value. */
int store_result_read(struct store *store, uint64_t id, size_t offset, void *buffer, size_t *size);

struct store_filter {
    uint32_t states;                 /* bits 1 << record_state; 0: all */
    struct record_bytes group, name; /* size 0: any */
    const uint64_t *ids;             /* NULL: any */
    size_t id_count;
    uint64_t after; /* only ids behind this one; 0: all */
    bool newest;    /* the newest first */
    size_t limit;
};

/* 0: go on; any other value ends the walk, which returns it. May read the store, but not write to it. */
typedef int (*store_each_fn)(void *user, const struct record *record);
int store_job_list(struct store *store, const struct store_filter *filter, store_each_fn each, void *user);
/* The jobs that have not ended, by id, which a daemon loads at its start. */
int store_live_each(struct store *store, store_each_fn each, void *user);
/* The pairs of a job that has not ended and one that it waits for, which has not either, ordered by the first. */
int store_after_each(struct store *store, int (*each)(void *user, uint64_t job, uint64_t needs), void *user);
/* Up to limit ended jobs that were to be kept until now or less; default_keep is for records without a keep. */
int store_expired(struct store *store, double now, double default_keep, uint64_t *ids, size_t limit, size_t *count);
int store_count(struct store *store, uint64_t counts[RECORD_CANCELLED + 1]); /* jobs by state; O(1) */

/* ---- groups */

struct store_group {
    struct record_bytes name;
    int64_t limit; /* 0: none */
    bool paused;
};
int store_group_write(struct store *store, const struct store_group *group);
int store_group_each(struct store *store, int (*each)(void *user, const struct store_group *group), void *user);

/* Small facts of the daemon by name, such as "paused". -ENOENT. */
int store_fact_write(struct store *store, const char *name, int64_t value);
int store_fact_read(struct store *store, const char *name, int64_t *value);

#endif
