/* store_list.c - many jobs: pages of a list, jobs that wait for others, expired jobs, counts. */
#include "array.h"
#include "ids.h"
#include "store_db.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a page ------------------------------------------------------------------------------------------------------
 *
 * First which ids, out of an index or as the filter names them, then each job by its id. */

#define ALL_STATES 0x3eU /* 1 << RECORD_WAITING to 1 << RECORD_CANCELLED */

/* One index for each of the filters, ending in state and id: a page of one state is a run in it, and SQLite merges
 * the runs of several states (UNION ALL with ORDER BY) without sorting. Parameters: 1 after, 2 group, 3 name, 4 limit.
 */
static void write_query(FILE *out, const struct store_filter *filter)
{
    const bool plain = filter->states == 0 && filter->group.size == 0 && filter->name.size == 0;
    const char *index = filter->name.size > 0 ? "job_name" : filter->group.size > 0 ? "job_group" : "job_state";
    const unsigned states = filter->states != 0 ? filter->states : ALL_STATES;
    bool first = true;
    for (int state = RECORD_WAITING; state <= RECORD_CANCELLED; state++) {
        if ((plain && !first) || (states & 1U << state) == 0)
            continue;
        fprintf(out, "%sSELECT id FROM job", first ? "" : " UNION ALL ");
        if (!plain)
            fprintf(out, " INDEXED BY %s", index);
        if (filter->after == 0)
            fputs(" WHERE ?1 = 0", out);
        else
            fputs(filter->newest ? " WHERE id < ?1" : " WHERE id > ?1", out);
        if (!plain)
            fprintf(out, " AND state = %d", state);
        if (filter->group.size > 0)
            fputs(" AND group_name = ?2", out);
        if (filter->name.size > 0)
            fputs(" AND name = ?3", out);
        first = false;
    }
    fprintf(out, " ORDER BY id%s LIMIT ?4", filter->newest ? " DESC" : "");
}

struct ids {
    uint64_t *data;
    size_t count, capacity;
};

/* Adds the ids that a statement finds. */
static int collect(struct store *store, sqlite3_stmt *statement, struct ids *ids)
{
    int r;
    while ((r = store_step(store, statement)) > 0) {
        uint64_t *grown = array_grow(ids->data, ids->count, &ids->capacity, sizeof *ids->data);
        if (grown == NULL) {
            r = -ENOMEM;
            break;
        }
        ids->data = grown;
        ids->data[ids->count++] = (uint64_t)sqlite3_column_int64(statement, 0);
    }
    sqlite3_reset(statement);
    return r;
}

static int run_query(struct store *store, const char *sql, const struct store_filter *filter, struct ids *ids)
{
    sqlite3_stmt *statement;
    const int rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return store_fail(store, rc);
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)filter->after);
    store_bind_bytes(statement, 2, filter->group);
    store_bind_bytes(statement, 3, filter->name);
    sqlite3_bind_int64(statement, 4, filter->limit < INT64_MAX ? (sqlite3_int64)filter->limit : INT64_MAX);
    const int r = collect(store, statement, ids);
    sqlite3_finalize(statement);
    return r;
}

static int ids_of_query(struct store *store, const struct store_filter *filter, struct ids *ids)
{
    if (filter->states != 0 && (filter->states & ALL_STATES) == 0)
        return 0;
    char *sql = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&sql, &size);
    if (out == NULL)
        return -ENOMEM;
    write_query(out, filter);
    const int r = fclose(out) == 0 ? run_query(store, sql, filter, ids) : -ENOMEM;
    free(sql);
    return r;
}

static int ids_of_filter(const struct store_filter *filter, struct ids *ids)
{
    ids->data = calloc(filter->id_count + 1, sizeof *ids->data);
    if (ids->data == NULL)
        return -ENOMEM;
    memcpy(ids->data, filter->ids, filter->id_count * sizeof *ids->data);
    ids->count = ids_sort(ids->data, filter->id_count);
    for (size_t i = 0; filter->newest && i < ids->count / 2; i++) {
        const uint64_t id = ids->data[i];
        ids->data[i] = ids->data[ids->count - 1 - i];
        ids->data[ids->count - 1 - i] = id;
    }
    return 0;
}

static bool is_same(struct record_bytes wanted, struct record_bytes bytes)
{
    return wanted.size == 0 || (wanted.size == bytes.size && memcmp(wanted.data, bytes.data, bytes.size) == 0);
}

static bool is_wanted(const struct store_filter *filter, const struct record *record)
{
    const bool beyond =
        filter->after == 0 || (filter->newest ? record->id < filter->after : record->id > filter->after);
    return beyond && (filter->states == 0 || (filter->states & 1U << record->state) != 0) &&
           is_same(filter->group, record->group) && is_same(filter->name, record->name);
}

static int visit(struct store *store, const struct store_filter *filter, const struct ids *ids, store_each_fn each,
                 void *user)
{
    size_t given = 0;
    struct record record;
    for (size_t i = 0; i < ids->count && given < filter->limit; i++) {
        int r = store_job_read(store, ids->data[i], &record);
        if (r == -ENOENT || (r == 0 && !is_wanted(filter, &record)))
            continue;
        if (r == 0)
            r = each(user, &record);
        if (r != 0)
            return r;
        given++;
    }
    return 0;
}

int store_job_list(struct store *store, const struct store_filter *filter, store_each_fn each, void *user)
{
    struct ids ids = {0};
    int r = filter->ids != NULL ? ids_of_filter(filter, &ids) : ids_of_query(store, filter, &ids);
    if (r == 0)
        r = visit(store, filter, &ids, each, user);
    free(ids.data);
    return r;
}

/* ---- jobs that wait for jobs ------------------------------------------------------------------------------------- */

int store_job_after(struct store *store, uint64_t id, uint64_t **after, size_t *count)
{
    struct ids ids = {0};
    int r;
    sqlite3_stmt *statement = store_statement(store, "SELECT needed FROM needs WHERE job = ? ORDER BY place", &r);
    if (statement != NULL) {
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)id);
        r = collect(store, statement, &ids);
    }
    *after = ids.data;
    *count = ids.count;
    return r;
}

int store_after_each(struct store *store, int (*each)(void *user, uint64_t job, uint64_t needs), void *user)
{
    int r;
    sqlite3_stmt *statement =
        store_statement(store,
                        "SELECT needs.job, needs.needed FROM needs "
                        "CROSS JOIN job ON job.id = needs.job "
                        "CROSS JOIN job AS other ON other.id = needs.needed "
                        "WHERE job.state <= 2 AND other.state <= 2 ORDER BY needs.job, needs.place",
                        &r);
    if (statement == NULL)
        return r;
    while ((r = store_step(store, statement)) > 0) {
        const sqlite3_int64 job = sqlite3_column_int64(statement, 0), needed = sqlite3_column_int64(statement, 1);
        if ((r = each(user, (uint64_t)job, (uint64_t)needed)) != 0)
            break;
    }
    sqlite3_reset(statement);
    return r;
}

/* ---- ended ones, and numbers ------------------------------------------------------------------------------------- */

int store_expired(struct store *store, double now, double default_keep, uint64_t *ids, size_t limit, size_t *count)
{
    int r;
    sqlite3_stmt *statement =
        store_statement(store,
                        "SELECT id FROM job INDEXED BY job_expiry "
                        "WHERE state >= 3 AND keep_seconds < 0 AND ended_at <= ?1 "
                        "UNION ALL "
                        "SELECT id FROM job INDEXED BY job_own_expiry "
                        "WHERE state >= 3 AND keep_seconds >= 0 AND ended_at + keep_seconds <= ?2 LIMIT ?3",
                        &r);
    *count = 0;
    if (statement == NULL)
        return r;
    sqlite3_bind_double(statement, 1, now - default_keep);
    sqlite3_bind_double(statement, 2, now);
    sqlite3_bind_int64(statement, 3, (sqlite3_int64)limit);
    while ((r = store_step(store, statement)) > 0)
        ids[(*count)++] = (uint64_t)sqlite3_column_int64(statement, 0);
    return r;
}

int store_count(struct store *store, uint64_t counts[RECORD_CANCELLED + 1])
{
    int r;
    sqlite3_stmt *statement = store_statement(store, "SELECT state, jobs FROM tally", &r);
    memset(counts, 0, (RECORD_CANCELLED + 1) * sizeof *counts);
    if (statement == NULL)
        return r;
    while ((r = store_step(store, statement)) > 0) {
        const int state = sqlite3_column_int(statement, 0);
        if (state >= RECORD_WAITING && state <= RECORD_CANCELLED)
            counts[state] = (uint64_t)sqlite3_column_int64(statement, 1);
    }
    return r;
}
