/* store_jobs.c - one job: its row, what it waits for, its result. */
#include "store_row.h"

#include <errno.h>
#include <string.h>

static int insert_row(struct store *store, struct record *record)
{
    int error;
    sqlite3_stmt *statement = store_writer(store, STORE_JOB_INSERT,
                                           "INSERT INTO job (" STORE_ROW_STATE
                                           ", key, name, submitted_at) VALUES (" STORE_ROW_STATE_VALUES ", ?, ?, ?)",
                                           &error);
    if (statement == NULL)
        return error;
    const int at = store_row_bind_state(statement, 1, record);
    if (record->key.size > 0)
        store_bind_bytes(statement, at, record->key);
    store_bind_bytes(statement, at + 1, record->name);
    sqlite3_bind_double(statement, at + 2, record->submitted_at);
    error = store_run(store, statement);
    if (error == 0)
        record->id = (uint64_t)sqlite3_last_insert_rowid(store->db);
    return error;
}

static int insert_spec(struct store *store, const struct record *record)
{
    int error;
    sqlite3_stmt *statement = store_writer(store, STORE_SPEC_INSERT, "INSERT INTO spec VALUES (?, ?)", &error);
    if (statement == NULL)
        return error;
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)record->id);
    store_bind_bytes(statement, 2, record->spec);
    return store_run(store, statement);
}

static int insert_need(struct store *store, uint64_t id, size_t place, uint64_t needed)
{
    int error;
    sqlite3_stmt *statement = store_writer(store, STORE_NEEDS_INSERT, "INSERT INTO needs VALUES (?, ?, ?)", &error);
    if (statement == NULL)
        return error;
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)id);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)place);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)needed);
    return store_run(store, statement);
}

int store_job_insert(struct store *store, struct record *record, const uint64_t *after, size_t after_count)
{
    int error = insert_row(store, record);
    if (error == 0)
        error = insert_spec(store, record);
    for (size_t i = 0; error == 0 && i < after_count; i++)
        error = insert_need(store, record->id, i, after[i]);
    return error;
}

int store_job_needs(struct store *store, uint64_t id, uint64_t needs)
{
    uint64_t none;
    size_t count = 0;
    const int error = store_job_after(store, id, &none, 0, &count);
    return error < 0 ? error : insert_need(store, id, count, needs);
}

int store_job_read(struct store *store, uint64_t id, struct record *record)
{
    int error;
    sqlite3_stmt *statement = store_statement(
        store, STORE_JOB_READ, "SELECT " STORE_ROW ", data FROM job CROSS JOIN spec ON job = id WHERE id = ?", &error);
    if (statement == NULL)
        return error;
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)id);
    const int r = store_step(store, statement);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    const int at = store_row_read(statement, record);
    record->spec = store_column_bytes(statement, at);
    store->lent = statement;
    return 0;
}

int store_job_find(struct store *store, const void *key, size_t size, uint64_t *id)
{
    int error;
    sqlite3_stmt *statement = store_statement(store, STORE_JOB_FIND, "SELECT id FROM job WHERE key = ?", &error);
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

/* Runs a statement that has to change a row. */
static int run_on_row(struct store *store, sqlite3_stmt *statement)
{
    const int error = store_run(store, statement);
    return error == 0 && sqlite3_changes(store->db) == 0 ? -ENOENT : error;
}

int store_job_update(struct store *store, const struct record *given)
{
    int error;
    /* Its group may be borrowed from the row that the next call on the store gives back. */
    char group[RECORD_GROUP_MAX];
    struct record copy = *given, *record = &copy;
    if (given->group.size > sizeof group)
        return -EINVAL;
    memcpy(group, given->group.data, given->group.size);
    copy.group.data = group;
    sqlite3_stmt *statement =
        store_writer(store, STORE_JOB_UPDATE,
                     "UPDATE job SET (" STORE_ROW_STATE ") = (" STORE_ROW_STATE_VALUES ") WHERE id = ?", &error);
    if (statement == NULL)
        return error;
    const int at = store_row_bind_state(statement, 1, record);
    sqlite3_bind_int64(statement, at, (sqlite3_int64)record->id);
    return run_on_row(store, statement);
}

int store_job_delete(struct store *store, uint64_t id)
{
    int error;
    sqlite3_stmt *statement = store_writer(store, STORE_JOB_DELETE, "DELETE FROM job WHERE id = ?", &error);
    if (statement == NULL)
        return error;
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)id);
    return run_on_row(store, statement);
}

int store_job_after(struct store *store, uint64_t id, uint64_t *after, size_t capacity, size_t *count)
{
    int r;
    sqlite3_stmt *statement =
        store_statement(store, STORE_NEEDS_READ, "SELECT needed FROM needs WHERE job = ? ORDER BY place", &r);
    *count = 0;
    if (statement == NULL)
        return r;
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)id);
    while ((r = store_step(store, statement)) > 0) {
        if (*count < capacity)
            after[*count] = (uint64_t)sqlite3_column_int64(statement, 0);
        ++*count;
    }
    return r;
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static int result_delete(struct store *store, uint64_t id)
{
    int error;
    sqlite3_stmt *statement = store_writer(store, STORE_RESULT_DELETE, "DELETE FROM result WHERE job = ?", &error);
    if (statement == NULL)
        return error;
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)id);
    return store_run(store, statement);
}

int store_result_write(struct store *store, uint64_t id, const void *data, size_t size)
{
    int error;
    if (size == 0)
        return result_delete(store, id);
    sqlite3_stmt *statement =
        store_writer(store, STORE_RESULT_WRITE, "INSERT OR REPLACE INTO result VALUES (?, ?)", &error);
    if (statement == NULL)
        return error;
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)id);
    store_bind_bytes(statement, 2, (struct record_bytes){data, size});
    return store_run(store, statement);
}

int store_result_read(struct store *store, uint64_t id, size_t offset, void *buffer, size_t *size)
{
    int error;
    sqlite3_stmt *statement =
        store_statement(store, STORE_RESULT_READ, "SELECT value FROM result WHERE job = ?", &error);
    const size_t room = *size;
    *size = 0;
    if (statement == NULL)
        return error;
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)id);
    const int r = store_step(store, statement);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    const struct record_bytes value = store_column_bytes(statement, 0);
    if (offset < value.size) {
        *size = value.size - offset < room ? value.size - offset : room;
        memcpy(buffer, (const char *)value.data + offset, *size);
    }
    sqlite3_reset(statement);
    return 0;
}
