/* store_db.h - shared by the store's files: the handle, its statements and transaction, errors in words, tables. */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "store.h"

#include <sqlite3.h>

#define STORE_APPLICATION     0x52434c4d /* PRAGMA application_id: "RCLM" */
#define STORE_VERSION         2          /* PRAGMA user_version */
#define STORE_STATEMENTS_MOST 32
#define STORE_LOG_FRAMES_MOST 1000 /* 4 MiB: then the log is written back into the database */

struct store_statement {
    const char *sql;
    sqlite3_stmt *made;
};

struct store {
    sqlite3 *db;
    char *path, *log_path;
    struct store_statement statements[STORE_STATEMENTS_MOST]; /* in the order of their first use */
    bool dirty;                                               /* a transaction is open */
    int failed;     /* negative errno: the open transaction can only be rolled back */
    int log_frames; /* in the log after the last commit */
    char message[512];
};

/* The message and the negative errno for an SQLite code. */
int store_fail(struct store *store, int rc);

/* Writes how the database is damaged, and advice, into message. -EUCLEAN. */
int store_damaged(const char *path, const char *how, char message[512]);

/* The statement of this sql, a literal, whose address is its name: prepared at its first use, nothing bound. The store
 * keeps it. NULL and *error: the open transaction has failed, or the statement cannot be prepared. */
sqlite3_stmt *store_statement(struct store *store, const char *sql, int *error);

/* The same for a statement that writes: opens a transaction before. */
sqlite3_stmt *store_writer(struct store *store, const char *sql, int *error);

/* Runs a statement to its end. By its constraints: -ENOENT: a row that it needs is missing; -EEXIST: the row exists. */
int store_run(struct store *store, sqlite3_stmt *statement);

/* 1: the statement has its next row. 0 (no more rows) or a negative errno: it is reset. */
int store_step(struct store *store, sqlite3_stmt *statement);

void store_bind_bytes(sqlite3_stmt *statement, int at, struct record_bytes bytes); /* *borrows* until it is reset */
struct record_bytes store_column_bytes(sqlite3_stmt *statement, int at);

/* ---- store_schema.c: the tables, and how those of an older version become those of this one */

/* Step i makes version i + 1 of version i; 0 is an empty database. Steps are only ever added. */
extern const char *const store_steps[STORE_VERSION];

/* Goes from one version to another in one transaction: all, or nothing. An SQLite code. */
int store_migrate(sqlite3 *db, const char *const *steps, int from, int to);

#endif
