/* store_row.h - a record as a row of the table job, both ways. */
#ifndef STORE_ROW_H
#define STORE_ROW_H

#include "store_db.h"

/* What a job keeps for ever, and what store_job_update writes. */
#define STORE_ROW_FIXED "id, key, name, submitted_at"
#define STORE_ROW_STATE                                                                                        \
    "group_name, priority, state, cancelling, requeue, after_any, start_at, keep_seconds, attempt, failures, " \
    "oom_retries, interruptions, evictions, cause, code, signal, exit_code, message, started_at, ended_at, "   \
    "wall_seconds, user_seconds, system_seconds, peak_memory, memory_limit, memory_method, processes, "        \
    "killed_processes, result_size, stdout_size, stderr_size, truncated, unkillable"
#define STORE_ROW_STATE_VALUES \
    "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
#define STORE_ROW STORE_ROW_FIXED ", " STORE_ROW_STATE

/* Binds STORE_ROW_STATE from parameter `at` on (*borrows* until the statement is reset). Gives the next parameter. */
int store_row_bind_state(sqlite3_stmt *statement, int at, const struct record *record);

/* From a row of STORE_ROW; bytes are *borrowed* from the statement. Gives the next column. */
int store_row_read(sqlite3_stmt *statement, struct record *record);

#endif
