/* store_groups.c - groups, and small facts. */
#include "store_db.h"

#include <errno.h>

int store_group_write(struct store *store, const struct store_group *group)
{
    int error;
    sqlite3_stmt *statement = store_writer(store, "INSERT OR REPLACE INTO job_groups VALUES (?, ?, ?)", &error);
    if (statement == NULL)
        return error;
    store_bind_bytes(statement, 1, group->name);
    sqlite3_bind_int64(statement, 2, group->limit);
    sqlite3_bind_int(statement, 3, group->paused);
    return store_run(store, statement);
}

int store_group_each(struct store *store, int (*each)(void *user, const struct store_group *group), void *user)
{
    int r;
    sqlite3_stmt *statement = store_statement(store, "SELECT name, most, paused FROM job_groups ORDER BY name", &r);
    if (statement == NULL)
        return r;
    while ((r = store_step(store, statement)) > 0) {
        const struct store_group group = {.name = store_column_bytes(statement, 0),
                                          .limit = sqlite3_column_int64(statement, 1),
                                          .paused = sqlite3_column_int(statement, 2) != 0};
        if ((r = each(user, &group)) != 0)
            break;
    }
    sqlite3_reset(statement);
    return r;
}

int store_fact_write(struct store *store, const char *name, int64_t value)
{
    int error;
    sqlite3_stmt *statement = store_writer(store, "INSERT OR REPLACE INTO fact VALUES (?, ?)", &error);
    if (statement == NULL)
        return error;
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, value);
    return store_run(store, statement);
}

int store_fact_read(struct store *store, const char *name, int64_t *value)
{
    int error;
    sqlite3_stmt *statement = store_statement(store, "SELECT value FROM fact WHERE name = ?", &error);
    if (statement == NULL)
        return error;
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    const int r = store_step(store, statement);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    *value = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return 0;
}
