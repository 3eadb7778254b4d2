#include "store_db.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- errors ------------------------------------------------------------------------------------------------------ */

static int errno_of(int rc, int system)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EUCLEAN;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_BUSY:
        return -EBUSY;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        if (rc == SQLITE_IOERR_DATA)
            return -EUCLEAN;
        if (rc == SQLITE_IOERR_NOMEM)
            return -ENOMEM;
        if (system == ENOSPC || system == EDQUOT)
            return -ENOSPC;
        return system == EROFS ? -EROFS : -EIO;
    default:
        return -EIO;
    }
}

static const char *advice_for(int error)
{
    switch (error) {
    case -ENOSPC:
        return "free space on its file system";
    case -EROFS:
        return "make its file system writable";
    case -ENOMEM:
        return "free memory";
    case -EBUSY:
        return "end the other program that has it open";
    default:
        return "see the kernel's log for errors of its disk";
    }
}

int store_damaged(const char *path, const char *how, char message[512])
{
    snprintf(message, 512,
             "%.200s is damaged (%.100s): start with a fresh state directory; `sqlite3 FILE .recover` shows what is "
             "left in a copy of it and its -wal",
             path, how);
    for (char *line = message; (line = strchr(line, '\n')) != NULL;) /* quick_check reports lines */
        *line = ' ';
    return -EUCLEAN;
}

int store_fail(struct store *store, int rc)
{
    const int system = sqlite3_system_errno(store->db), error = errno_of(rc, system);
    if (error == -EUCLEAN)
        store_damaged(store->path, rc == SQLITE_IOERR_DATA ? "a page has a wrong checksum" : sqlite3_errmsg(store->db),
                      store->message);
    else
        snprintf(store->message, sizeof store->message, "%.200s: %.100s%s%s: %s", store->path,
                 sqlite3_errmsg(store->db), system != 0 ? ", " : "", system != 0 ? strerror(system) : "",
                 advice_for(error));
    if (store->dirty)
        store->failed = error;
    return error;
}

/* ---- statements -------------------------------------------------------------------------------------------------- */

sqlite3_stmt *store_statement(struct store *store, const char *sql, int *error)
{
    struct store_statement *statement = store->statements;
    while (statement->sql != sql && statement->sql != NULL)
        statement++;
    assert(statement < store->statements + STORE_STATEMENTS_MOST - 1); /* the last one has no sql */
    *error = store->failed;
    if (*error != 0)
        return NULL;
    if (statement->sql == NULL) {
        const int rc = sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement->made, NULL);
        if (rc != SQLITE_OK) {
            *error = store_fail(store, rc);
            return NULL;
        }
        statement->sql = sql;
    }
    sqlite3_clear_bindings(statement->made);
    return statement->made;
}

int store_step(struct store *store, sqlite3_stmt *statement)
{
    const int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        return 1;
    const int error = rc == SQLITE_DONE ? 0 : store_fail(store, rc);
    sqlite3_reset(statement);
    return error;
}

int store_run(struct store *store, sqlite3_stmt *statement)
{
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        rc = SQLITE_DONE;
    int error = 0;
    if (rc == SQLITE_CONSTRAINT_UNIQUE)
        error = -EEXIST;
    else if (rc == SQLITE_CONSTRAINT_FOREIGNKEY)
        error = -ENOENT;
    else if (rc != SQLITE_DONE)
        error = store_fail(store, rc);
    sqlite3_reset(statement);
    return error;
}

void store_bind_bytes(sqlite3_stmt *statement, int at, struct record_bytes bytes)
{
    sqlite3_bind_blob64(statement, at, bytes.size > 0 ? bytes.data : "", bytes.size, SQLITE_STATIC);
}

struct record_bytes store_column_bytes(sqlite3_stmt *statement, int at)
{
    const void *data = sqlite3_column_blob(statement, at);
    return (struct record_bytes){data, (size_t)sqlite3_column_bytes(statement, at)};
}

/* ---- the transaction ---------------------------------------------------------------------------------------------
 *
 * After a failed sync the kernel may have dropped the pages that it could not write, and the next sync succeeds without
 * them (https://lwn.net/Articles/752063/). So a sync is never just repeated; its data is written again before it:
 *
 * - The log. Acknowledged transactions were synced. After a failed one SQLite sets the end of the log back before its
 *   frames; the next transaction overwrites them, and syncs all its own. To close and open the store instead would be
 *   wrong: recovery would find the frames in the kernel's cache, take them for committed, and append to frames that may
 *   not be on disk.
 * - The database. A failed checkpoint leaves its mark where it was: the next one writes all pages again from the log,
 *   which stays until the database was synced. Only beside a second reader does SQLite mark a part without a sync, and
 *   exclusive locking lets none in.
 * - If the daemon dies in between, the kernel's cache has more of the log than the disk. store_open writes the log
 *   again before SQLite reads it, and the first checkpoint writes all of it into the database.
 *
 * We make the checkpoints ourselves: SQLite's automatic ones do not report a failure, and the log would grow. */

static int checkpoint(struct store *store)
{
    const int rc = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (rc != SQLITE_OK)
        return store_fail(store, rc);
    store->log_frames = 0;
    return 0;
}

static int begin(struct store *store)
{
    int error;
    if (store->dirty || store->failed != 0)
        return store->failed;
    if (store->log_frames >= STORE_LOG_FRAMES_MOST && (error = checkpoint(store)) < 0)
        return error;
    sqlite3_stmt *statement = store_statement(store, "BEGIN IMMEDIATE", &error);
    if (statement == NULL || (error = store_run(store, statement)) < 0)
        return error;
    store->dirty = true;
    return 0;
}

sqlite3_stmt *store_writer(struct store *store, const char *sql, int *error)
{
    *error = begin(store);
    return *error < 0 ? NULL : store_statement(store, sql, error);
}

bool store_is_dirty(const struct store *store)
{
    return store->dirty;
}

int store_commit(struct store *store)
{
    int error = 0;
    if (!store->dirty)
        return 0;
    sqlite3_stmt *statement = store_statement(store, "COMMIT", &error);
    if (statement != NULL)
        error = store_run(store, statement);
    store->dirty = error < 0;
    if (error < 0)
        store_rollback(store);
    return error;
}

void store_rollback(struct store *store)
{
    if (sqlite3_get_autocommit(store->db) == 0)
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    store->dirty = false;
    store->failed = 0;
}

int store_probe(struct store *store)
{
    int error;
    sqlite3_stmt *statement = store_writer(
        store, "INSERT INTO fact VALUES ('probe', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1", &error);
    if (statement != NULL)
        error = store_run(store, statement);
    if (error == 0)
        return store_commit(store);
    store_rollback(store);
    return error;
}
