/* store_db.h - what the files of the store share: the handle, kept statements, the transaction, errors in words. */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "store.h"

#include <sqlite3.h>

#define STORE_LOG_FRAMES_MOST 1000 /* 4 MiB: then the log is written back into the database */

enum store_statement {
    STORE_BEGIN,
    STORE_COMMIT,
    STORE_JOB_INSERT,
    STORE_JOB_READ,
    STORE_JOB_FIND,
    STORE_JOB_UPDATE,
    STORE_JOB_DELETE,
    STORE_SPEC_INSERT,
    STORE_SPEC_READ,
    STORE_NEEDS_INSERT,
    STORE_NEEDS_READ,
    STORE_RESULT_WRITE,
    STORE_RESULT_DELETE,
    STORE_RESULT_READ,
    STORE_LIVE,
    STORE_LIVE_NEEDS,
    STORE_EXPIRED,
    STORE_COUNT,
    STORE_GROUP_WRITE,
    STORE_GROUPS,
    STORE_FACT_WRITE,
    STORE_FACT_READ,
    STORE_PROBE,
    STORE_STATEMENT_COUNT_
};

struct store {
    sqlite3 *db;
    char *path, *log_path;
    sqlite3_stmt *statements[STORE_STATEMENT_COUNT_];
    bool dirty;     /* a transaction is open */
    int failed;     /* negative errno: the open transaction can only be rolled back */
    int log_frames; /* in the log after the last commit */
    char message[512];
};

/* The message and the negative errno for an SQLite code. */
int store_fail(struct store *store, int rc);

/* What becomes of a database that is damaged, for message. -EUCLEAN. */
int store_damaged(const char *path, const char *how, char message[512]);

/* A statement, prepared when it is first used, with nothing bound. NULL: store_fail was called and its result is
 * *error. */
sqlite3_stmt *store_statement(struct store *store, enum store_statement which, const char *sql, int *error);

/* The same for one that writes: in a transaction. */
sqlite3_stmt *store_writer(struct store *store, enum store_statement which, const char *sql, int *error);

/* Runs a statement to its end. 0; -ENOENT: its constraint says that another row is missing; -EEXIST: or there already.
 */
int store_run(struct store *store, sqlite3_stmt *statement);

/* One row more: 1, or 0: no more, and negative errno; then it is reset. */
int store_step(struct store *store, sqlite3_stmt *statement);

void store_bind_bytes(sqlite3_stmt *statement, int at, struct record_bytes bytes); /* *borrows* until it is reset */
struct record_bytes store_column_bytes(sqlite3_stmt *statement, int at);

#endif
