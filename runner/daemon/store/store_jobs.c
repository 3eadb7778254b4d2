/* store_jobs.c - a job: its row, its specification, the jobs that it waits for, its value. */
#include "store_db.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the row ----------------------------------------------------------------------------------------------------- */

/* The columns that never change, and those that store_job_update writes. */
#define ROW_FIXED "id, key, name, submitted_at"
#define ROW_STATE                                                                                              \
    "group_name, priority, state, cancelling, requeue, after_any, start_at, keep_seconds, attempt, failures, " \
    "oom_retries, interruptions, evictions, cause, code, signal, exit_code, message, started_at, ended_at, "   \
    "wall_seconds, user_seconds, system_seconds, peak_memory, memory_limit, memory_method, processes, "        \
    "killed_processes, result_size, stdout_size, stderr_size, truncated, unkillable"
#define ROW_STATE_VALUES \
    "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
#define ROW ROW_FIXED ", " ROW_STATE

/* Binds ROW_STATE from parameter `at` on (*borrows* until the statement is reset). Gives the next parameter. */
static int bind_state(sqlite3_stmt *statement, int at, const struct record *record)
{
    const struct record_end *end = &record->end;
    const struct record_bytes message = {end->message, strnlen(end->message, sizeof end->message)};
    store_bind_bytes(statement, at++, record->group);
    sqlite3_bind_int(statement, at++, record->priority);
    sqlite3_bind_int(statement, at++, (int)record->state);
    sqlite3_bind_int(statement, at++, record->cancelling);
    sqlite3_bind_int(statement, at++, record->requeue);
    sqlite3_bind_int(statement, at++, record->after_any);
    sqlite3_bind_double(statement, at++, record->start_at);
    sqlite3_bind_double(statement, at++, record->keep_seconds);
    sqlite3_bind_int64(statement, at++, record->attempt);
    sqlite3_bind_int64(statement, at++, record->failures);
    sqlite3_bind_int64(statement, at++, record->oom_retries);
    sqlite3_bind_int64(statement, at++, record->interruptions);
    sqlite3_bind_int64(statement, at++, record->evictions);
    sqlite3_bind_int(statement, at++, end->cause);
    sqlite3_bind_int(statement, at++, end->code);
    sqlite3_bind_int(statement, at++, end->signal);
    sqlite3_bind_int(statement, at++, end->exit_code);
    store_bind_bytes(statement, at++, message);
    sqlite3_bind_double(statement, at++, end->started_at);
    sqlite3_bind_double(statement, at++, end->ended_at);
    sqlite3_bind_double(statement, at++, end->wall_seconds);
    sqlite3_bind_double(statement, at++, end->user_seconds);
    sqlite3_bind_double(statement, at++, end->system_seconds);
    sqlite3_bind_int64(statement, at++, (sqlite3_int64)end->peak_memory);
    sqlite3_bind_int64(statement, at++, (sqlite3_int64)end->memory_limit);
    sqlite3_bind_int(statement, at++, end->memory_method);
    sqlite3_bind_int64(statement, at++, end->processes);
    sqlite3_bind_int64(statement, at++, end->killed_processes);
    sqlite3_bind_int64(statement, at++, (sqlite3_int64)end->result_size);
    sqlite3_bind_int64(statement, at++, (sqlite3_int64)end->stdout_size);
    sqlite3_bind_int64(statement, at++, (sqlite3_int64)end->stderr_size);
    sqlite3_bind_int(statement, at++, end->truncated);
    sqlite3_bind_int(statement, at++, end->unkillable);
    return at;
}

static struct record_bytes read_bytes(sqlite3_stmt *statement, int at, char *out, size_t most)
{
    const struct record_bytes bytes = store_column_bytes(statement, at);
    const size_t size = bytes.size < most ? bytes.size : most;
    if (size > 0)
        memcpy(out, bytes.data, size);
    return (struct record_bytes){out, size};
}

static void read_end(sqlite3_stmt *statement, int at, struct record_end *end)
{
    end->cause = sqlite3_column_int(statement, at++);
    end->code = sqlite3_column_int(statement, at++);
    end->signal = sqlite3_column_int(statement, at++);
    end->exit_code = sqlite3_column_int(statement, at++);
    const size_t size = read_bytes(statement, at++, end->message, sizeof end->message - 1).size;
    end->message[size] = '\0';
    end->started_at = sqlite3_column_double(statement, at++);
    end->ended_at = sqlite3_column_double(statement, at++);
    end->wall_seconds = sqlite3_column_double(statement, at++);
    end->user_seconds = sqlite3_column_double(statement, at++);
    end->system_seconds = sqlite3_column_double(statement, at++);
    end->peak_memory = (uint64_t)sqlite3_column_int64(statement, at++);
    end->memory_limit = (uint64_t)sqlite3_column_int64(statement, at++);
    end->memory_method = sqlite3_column_int(statement, at++);
    end->processes = (uint32_t)sqlite3_column_int64(statement, at++);
    end->killed_processes = (uint32_t)sqlite3_column_int64(statement, at++);
    end->result_size = (uint64_t)sqlite3_column_int64(statement, at++);
    end->stdout_size = (uint64_t)sqlite3_column_int64(statement, at++);
    end->stderr_size = (uint64_t)sqlite3_column_int64(statement, at++);
    end->truncated = sqlite3_column_int(statement, at++) != 0;
    end->unkillable = sqlite3_column_int(statement, at) != 0;
}

/* From a row of ROW. */
static void read_row(sqlite3_stmt *statement, struct record *record)
{
    char *const name = &record->texts[RECORD_KEY_MAX], *const group = name + RECORD_NAME_MAX;
    int at = 0;
    record->id = (uint64_t)sqlite3_column_int64(statement, at++);
    record->key = read_bytes(statement, at++, record->texts, RECORD_KEY_MAX);
    record->name = read_bytes(statement, at++, name, RECORD_NAME_MAX);
    record->submitted_at = sqlite3_column_double(statement, at++);
    record->group = read_bytes(statement, at++, group, RECORD_GROUP_MAX);
    record->priority = sqlite3_column_int(statement, at++);
    record->state = (enum record_state)sqlite3_column_int(statement, at++);
    record->cancelling = sqlite3_column_int(statement, at++) != 0;
    record->requeue = sqlite3_column_int(statement, at++) != 0;
    record->after_any = sqlite3_column_int(statement, at++) != 0;
    record->start_at = sqlite3_column_double(statement, at++);
    record->keep_seconds = sqlite3_column_double(statement, at++);
    record->attempt = (uint32_t)sqlite3_column_int64(statement, at++);
    record->failures = (uint32_t)sqlite3_column_int64(statement, at++);
    record->oom_retries = (uint32_t)sqlite3_column_int64(statement, at++);
    record->interruptions = (uint32_t)sqlite3_column_int64(statement, at++);
    record->evictions = (uint32_t)sqlite3_column_int64(statement, at++);
    read_end(statement, at, &record->end);
}

/* ---- one job ----------------------------------------------------------------------------------------------------- */

static bool fits(const struct record *record)
{
    return record->key.size <= RECORD_KEY_MAX && record->name.size <= RECORD_NAME_MAX &&
           record->group.size <= RECORD_GROUP_MAX;
}

static int insert_row(struct store *store, struct record *record)
{
    int error;
    sqlite3_stmt *statement = store_writer(
        store, "INSERT INTO job (" ROW_STATE ", key, name, submitted_at) VALUES (" ROW_STATE_VALUES ", ?, ?, ?)",
        &error);
    if (statement == NULL)
        return error;
    const int at = bind_state(statement, 1, record);
    if (record->key.size > 0)
        store_bind_bytes(statement, at, record->key);
    store_bind_bytes(statement, at + 1, record->name);
    sqlite3_bind_double(statement, at + 2, record->submitted_at);
    error = store_run(store, statement);
    if (error == 0)
        record->id = (uint64_t)sqlite3_last_insert_rowid(store->db);
    return error;
}

/* Runs a statement that writes: its first parameter is a job's id, its second one, if it has one, is data. */
static int write_of_job(struct store *store, const char *sql, uint64_t id, const struct record_bytes *data)
{
    int error;
    sqlite3_stmt *statement = store_writer(store, sql, &error);
    if (statement == NULL)
        return error;
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)id);
    if (data != NULL)
        store_bind_bytes(statement, 2, *data);
    return store_run(store, statement);
}

int store_job_insert(struct store *store, struct record *record, struct record_bytes spec, const uint64_t *after,
                     size_t after_count)
{
    int error = fits(record) ? insert_row(store, record) : -EINVAL;
    if (error == 0)
        error = write_of_job(store, "INSERT INTO spec VALUES (?, ?)", record->id, &spec);
    for (size_t i = 0; error == 0 && i < after_count; i++)
        error = store_job_needs(store, record->id, after[i]);
    return error;
}

int store_job_needs(struct store *store, uint64_t id, uint64_t needs)
{
    int error;
    sqlite3_stmt *statement = store_writer(
        store, "INSERT INTO needs SELECT ?1, coalesce(max(place) + 1, 0), ?2 FROM needs WHERE job = ?1", &error);
    if (statement == NULL)
        return error;
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)id);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)needs);
    return store_run(store, statement);
}

/* Finds the one row that sql names by a job's id; the caller resets the statement. NULL: *error says why, -ENOENT:
 * there is none. */
static sqlite3_stmt *find_row(struct store *store, const char *sql, uint64_t id, int *error)
{
    sqlite3_stmt *statement = store_statement(store, sql, error);
    if (statement == NULL)
        return NULL;
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)id);
    const int r = store_step(store, statement);
    *error = r < 0 ? r : -ENOENT;
    return r > 0 ? statement : NULL;
}

int store_job_read(struct store *store, uint64_t id, struct record *record)
{
    int error;
    sqlite3_stmt *statement = find_row(store, "SELECT " ROW " FROM job WHERE id = ?", id, &error);
    if (statement == NULL)
        return error;
    read_row(statement, record);
    sqlite3_reset(statement);
    return 0;
}

int store_spec_read(struct store *store, uint64_t id, void **bytes, size_t *size)
{
    int error;
    sqlite3_stmt *statement = find_row(store, "SELECT data FROM spec WHERE job = ?", id, &error);
    if (statement == NULL)
        return error;
    const struct record_bytes data = store_column_bytes(statement, 0);
    *size = data.size;
    *bytes = malloc(data.size + 1);
    if (*bytes != NULL && data.size > 0)
        memcpy(*bytes, data.data, data.size);
    sqlite3_reset(statement);
    return *bytes != NULL ? 0 : -ENOMEM;
}

int store_job_find(struct store *store, const void *key, size_t size, uint64_t *id)
{
    int error;
    sqlite3_stmt *statement = store_statement(store, "SELECT id FROM job WHERE key = ?", &error);
    if (statement == NULL)
        return error;
    store_bind_bytes(statement, 1, (struct record_bytes){key, size});
    const int r = store_step(store, statement);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    *id = (uint64_t)sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return 0;
}

/* Of a statement that has to change a row. */
static int or_missing(const struct store *store, int error)
{
    return error == 0 && sqlite3_changes(store->db) == 0 ? -ENOENT : error;
}

int store_job_update(struct store *store, const struct record *record)
{
    int error;
    if (!fits(record))
        return -EINVAL;
    sqlite3_stmt *statement =
        store_writer(store, "UPDATE job SET (" ROW_STATE ") = (" ROW_STATE_VALUES ") WHERE id = ?", &error);
    if (statement == NULL)
        return error;
    const int at = bind_state(statement, 1, record);
    sqlite3_bind_int64(statement, at, (sqlite3_int64)record->id);
    return or_missing(store, store_run(store, statement));
}

int store_job_delete(struct store *store, uint64_t id)
{
    return or_missing(store, write_of_job(store, "DELETE FROM job WHERE id = ?", id, NULL));
}

int store_live_each(struct store *store, store_each_fn each, void *user)
{
    int r;
    sqlite3_stmt *statement = store_statement(store,
                                              "SELECT " ROW " FROM job INDEXED BY job_state WHERE state = 1 "
                                              "UNION ALL "
                                              "SELECT " ROW " FROM job INDEXED BY job_state WHERE state = 2 "
                                              "ORDER BY id",
                                              &r);
    if (statement == NULL)
        return r;
    struct record record;
    while ((r = store_step(store, statement)) > 0) {
        read_row(statement, &record);
        if ((r = each(user, &record)) != 0)
            break;
    }
    sqlite3_reset(statement);
    return r;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

int store_result_write(struct store *store, uint64_t id, const void *data, size_t size)
{
    const struct record_bytes value = {data, size};
    if (size == 0)
        return write_of_job(store, "DELETE FROM result WHERE job = ?", id, NULL);
    return write_of_job(store, "INSERT OR REPLACE INTO result VALUES (?, ?)", id, &value);
}

int store_result_read(struct store *store, uint64_t id, size_t offset, void *buffer, size_t *size)
{
    int error;
    sqlite3_stmt *statement = find_row(store, "SELECT value FROM result WHERE job = ?", id, &error);
    const size_t room = *size;
    *size = 0;
    if (statement == NULL)
        return error;
    const struct record_bytes value = store_column_bytes(statement, 0);
    if (offset < value.size) {
        *size = value.size - offset < room ? value.size - offset : room;
        memcpy(buffer, (const char *)value.data + offset, *size);
    }
    sqlite3_reset(statement);
    return 0;
}
