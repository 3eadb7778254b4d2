#include "store_db.h"

#include <stdio.h>

/* Names are BLOBs: clients choose their bytes. Large values have tables of their own, since SQLite rewrites a whole
 * row. AUTOINCREMENT: an id is never used again. A needed job may be removed before the job that needs it. */
static const char version_1[] =
    "CREATE TABLE job ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " key BLOB,"
    " name BLOB NOT NULL,"
    " submitted_at REAL NOT NULL,"
    " group_name BLOB NOT NULL,"
    " priority INTEGER NOT NULL,"
    " state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 5),"
    " cancelling INTEGER NOT NULL,"
    " requeue INTEGER NOT NULL,"
    " after_any INTEGER NOT NULL,"
    " start_at REAL NOT NULL,"
    " keep_seconds REAL NOT NULL,"
    " attempt INTEGER NOT NULL,"
    " failures INTEGER NOT NULL,"
    " oom_retries INTEGER NOT NULL,"
    " interruptions INTEGER NOT NULL,"
    " evictions INTEGER NOT NULL,"
    " cause INTEGER NOT NULL,"
    " code INTEGER NOT NULL,"
    " signal INTEGER NOT NULL,"
    " exit_code INTEGER NOT NULL,"
    " message BLOB NOT NULL,"
    " started_at REAL NOT NULL,"
    " ended_at REAL NOT NULL,"
    " wall_seconds REAL NOT NULL,"
    " user_seconds REAL NOT NULL,"
    " system_seconds REAL NOT NULL,"
    " peak_memory INTEGER NOT NULL,"
    " memory_limit INTEGER NOT NULL,"
    " memory_method INTEGER NOT NULL,"
    " processes INTEGER NOT NULL,"
    " killed_processes INTEGER NOT NULL,"
    " result_size INTEGER NOT NULL,"
    " stdout_size INTEGER NOT NULL,"
    " stderr_size INTEGER NOT NULL,"
    " truncated INTEGER NOT NULL"
    ") STRICT;"
    "CREATE UNIQUE INDEX job_key ON job (key) WHERE key IS NOT NULL;"
    "CREATE INDEX job_state ON job (state);"
    "CREATE INDEX job_group ON job (group_name, state);"
    "CREATE INDEX job_name ON job (name, state);"
    "CREATE INDEX job_expiry ON job (ended_at) WHERE state >= 3 AND keep_seconds < 0;"
    "CREATE INDEX job_own_expiry ON job (ended_at + keep_seconds) WHERE state >= 3 AND keep_seconds >= 0;"

    "CREATE TABLE spec (job INTEGER PRIMARY KEY REFERENCES job ON DELETE CASCADE, data BLOB NOT NULL) STRICT;"
    "CREATE TABLE result (job INTEGER PRIMARY KEY REFERENCES job ON DELETE CASCADE, value BLOB NOT NULL) STRICT;"
    "CREATE TABLE needs ("
    " job INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,"
    " place INTEGER NOT NULL,"
    " needed INTEGER NOT NULL,"
    " PRIMARY KEY (job, place)"
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE tally (state INTEGER PRIMARY KEY, jobs INTEGER NOT NULL) STRICT;"
    "INSERT INTO tally VALUES (1, 0), (2, 0), (3, 0), (4, 0), (5, 0);"
    "CREATE TRIGGER job_inserted AFTER INSERT ON job BEGIN"
    " UPDATE tally SET jobs = jobs + 1 WHERE state = new.state;"
    "END;"
    "CREATE TRIGGER job_deleted AFTER DELETE ON job BEGIN"
    " UPDATE tally SET jobs = jobs - 1 WHERE state = old.state;"
    "END;"
    "CREATE TRIGGER job_updated AFTER UPDATE OF state ON job WHEN new.state <> old.state BEGIN"
    " UPDATE tally SET jobs = jobs - 1 WHERE state = old.state;"
    " UPDATE tally SET jobs = jobs + 1 WHERE state = new.state;"
    "END;"

    "CREATE TABLE job_groups ("
    " name BLOB PRIMARY KEY NOT NULL, most INTEGER NOT NULL, paused INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE fact (name TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

static const char version_2[] = "ALTER TABLE job ADD COLUMN unkillable INTEGER NOT NULL DEFAULT 0;";

const char *const store_steps[STORE_VERSION] = {version_1, version_2};

static int step_to(sqlite3 *db, const char *step, int version)
{
    char pragma[64];
    const int rc = sqlite3_exec(db, step, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return rc;
    snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", version);
    return sqlite3_exec(db, pragma, NULL, NULL, NULL);
}

int store_migrate(sqlite3 *db, const char *const *steps, int from, int to)
{
    int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (int version = from; rc == SQLITE_OK && version < to; version++)
        rc = step_to(db, steps[version], version + 1);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    if (sqlite3_get_autocommit(db) == 0)
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}
