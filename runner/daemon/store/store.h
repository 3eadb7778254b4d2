/* store.h - jobs on disk: SQLite (WAL, synchronous=FULL), one writer, one transaction a turn.
 *
 * Every writing call joins the open transaction, or begins one; store_commit makes them durable, all or none. After a
 * call has failed with anything but -ENOENT or -EEXIST, store_rollback is the only way on. Reads see what the open
 * transaction wrote. Calls give 0 or negative errno: -ENOENT (no such row), -ENOSPC, -EIO, -EROFS, -ENOMEM, -EUCLEAN
 * (the database is damaged); store_message says which in words. https://sqlite.org/wal.html,
 * https://sqlite.org/pragma.html#pragma_synchronous Knows rows and files, not what they mean. One thread.
 *
 * The database is locked for others while it is open, readers, too (locking_mode=EXCLUSIVE): a second writer cannot
 * come in, and a checkpoint is always whole. To look at it beside a daemon, copy reclaimd.db and reclaimd.db-wal.
 * A transaction that was not acknowledged may still be there, whole, where the daemon died before it wrote again. */
#ifndef STORE_H
#define STORE_H

#include "record.h"

#include <stddef.h>

#define STORE_INLINE_MAX ((size_t)1024 * 1024) /* results above it are files */

struct store;

/* Opens the store in directory (from statedir_open; *borrows*), making or migrating it, and checks it: the header, the
 * version, every page's checksum (store_pages.h), PRAGMA quick_check and foreign keys. A torn end of the write-ahead
 * log is what was never acknowledged, and is left out by SQLite; damage before its end is looked for (store_log.h).
 * What is damaged, or another program's, fails with -EUCLEAN and a message that names file and what to do, and is left
 * as it is. A newer version: -EPROTONOSUPPORT; open elsewhere: -EBUSY. A process that is forked later must not call
 * anything here. */
int store_open(struct store **store, const char *directory, char message[512]);
void store_close(struct store *store); /* rolls back; NULL is fine */
const char *store_message(const struct store *store);

int store_commit(struct store *store); /* 0 also when nothing was written. On failure: rolled back already */
void store_rollback(struct store *store);
bool store_is_dirty(const struct store *store); /* something was written and not committed */
/* Can it be written again? Writes and commits a row of its own (and first writes the log back, where that has failed
 * before). After store_rollback. */
int store_probe(struct store *store);
int store_bytes(struct store *store, uint64_t *bytes); /* database and log on disk */

/* ---- jobs */

/* Inserts record, its specification and the jobs that it waits for; fills in its id: ids count up for ever. -EEXIST: the
 * key is taken. -EINVAL: key, name and group are larger than record->texts. */
int store_job_insert(struct store *store, struct record *record, struct record_bytes spec, const uint64_t *after,
                     size_t after_count);
/* A job that was inserted waits for one more, inserted after it. -EEXIST: it does already. */
int store_job_needs(struct store *store, uint64_t id, uint64_t needs);
int store_job_read(struct store *store, uint64_t id, struct record *record);
/* *bytes: the specification, the caller's, for free(3). */
int store_spec_read(struct store *store, uint64_t id, void **bytes, size_t *size);
int store_job_find(struct store *store, const void *key, size_t size, uint64_t *id);
/* Writes everything of record but id, key, name and submitted_at; specification and value stay. */
int store_job_update(struct store *store, const struct record *record);
int store_job_delete(struct store *store, uint64_t id); /* and its after rows, its result */
/* The first `capacity` ids that it waits for, in the order of the insert; *count is how many there are. */
int store_job_after(struct store *store, uint64_t id, uint64_t *after, size_t capacity, size_t *count);

/* A value of at most STORE_INLINE_MAX bytes; size 0 removes it. -ENOENT: no such job. */
int store_result_write(struct store *store, uint64_t id, const void *data, size_t size);
/* Reads from offset on at most *size bytes into buffer, *size is what there was. -ENOENT: no inline value. */
int store_result_read(struct store *store, uint64_t id, size_t offset, void *buffer, size_t *size);

struct store_filter {
    uint32_t states;                 /* bits 1 << record_state; 0: all */
    struct record_bytes group, name; /* size 0: any */
    const uint64_t *ids;             /* NULL: any */
    size_t id_count;
    uint64_t after; /* ids beyond this one; 0: from the start */
    bool newest;    /* from the newest down */
    size_t limit;
};

/* each returns 0 to go on; what else it returns ends the walk and is returned. It must not write to the store. */
typedef int (*store_each_fn)(void *user, const struct record *record);
int store_job_list(struct store *store, const struct store_filter *filter, store_each_fn each, void *user);
/* Jobs that have not ended, by id: what a daemon starts from. */
int store_live_each(struct store *store, store_each_fn each, void *user);
/* What live jobs wait for: pairs where both job and needed one are still there, by job. */
int store_after_each(struct store *store,
                     int (*each)(void *user, uint64_t job, uint64_t needs, enum record_state state), void *user);
/* Up to limit ended jobs whose time to be kept is over at now; default_keep where a record has none. */
int store_expired(struct store *store, double now, double default_keep, uint64_t *ids, size_t limit, size_t *count);
int store_count(struct store *store, uint64_t counts[RECORD_CANCELLED + 1]); /* by state; O(1), kept by the database */

/* ---- groups */

struct store_group {
    struct record_bytes name;
    int64_t limit; /* 0: none */
    bool paused;
};
int store_group_write(struct store *store, const struct store_group *group);
int store_group_each(struct store *store, int (*each)(void *user, const struct store_group *group), void *user);

/* Whether everything is paused, whether it drains: small facts by name; -ENOENT. */
int store_fact_write(struct store *store, const char *name, int64_t value);
int store_fact_read(struct store *store, const char *name, int64_t *value);

#endif
