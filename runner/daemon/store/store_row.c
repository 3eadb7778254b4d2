#include "store_row.h"

#include <string.h>

int store_row_bind_state(sqlite3_stmt *statement, int at, const struct record *record)
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

static void read_message(sqlite3_stmt *statement, int at, char message[512])
{
    const struct record_bytes bytes = store_column_bytes(statement, at);
    const size_t size = bytes.size < 511 ? bytes.size : 511;
    if (size > 0)
        memcpy(message, bytes.data, size);
    message[size] = '\0';
}

static int read_end(sqlite3_stmt *statement, int at, struct record_end *end)
{
    end->cause = sqlite3_column_int(statement, at++);
    end->code = sqlite3_column_int(statement, at++);
    end->signal = sqlite3_column_int(statement, at++);
    end->exit_code = sqlite3_column_int(statement, at++);
    read_message(statement, at++, end->message);
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
    end->unkillable = sqlite3_column_int(statement, at++) != 0;
    return at;
}

int store_row_read(sqlite3_stmt *statement, struct record *record)
{
    int at = 0;
    record->id = (uint64_t)sqlite3_column_int64(statement, at++);
    record->key = store_column_bytes(statement, at++);
    record->name = store_column_bytes(statement, at++);
    record->submitted_at = sqlite3_column_double(statement, at++);
    record->group = store_column_bytes(statement, at++);
    record->spec = (struct record_bytes){NULL, 0};
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
    return read_end(statement, at, &record->end);
}
