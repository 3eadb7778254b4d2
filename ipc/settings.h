/* settings.h - the settings of a job: one table, which library, client, daemon, command and protocol read.
 *
 * A setting is a field of `submit` (docs/protocol.md, "A job"), a member of pool_client_job_t, which has the field's
 * type, and a member of pool_job_options_t. A new one is a row here, and a member in both structs. Pure. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <reclaim/client.h>
#include <reclaim/map.h>
#include <stddef.h>

enum setting_type {
    SETTING_SECONDS = 1, /* client and protocol: double, seconds; options: int64_t, milliseconds */
    SETTING_NUMBER,      /* int64_t */
    SETTING_COUNT,       /* int32_t */
    SETTING_FACTOR,      /* double */
    SETTING_FLAG         /* bool */
};

struct setting {
    const char *name;             /* the field's */
    const char *option;           /* the member's of pool_job_options_t */
    size_t in_client, in_options; /* offsets of the members */
    int64_t least, most;          /* of numbers, counts and factors; both 0: any */
    enum setting_type type;
    bool has_zero; /* 0 in the protocol has a meaning, which is POOL_NONE in the structs: there 0 is "not given" */
};

/* The rows, in the order in which a specification is kept. */
enum setting_row {
    SETTING_TIMEOUT,
    SETTING_KILL_AFTER,
    SETTING_CPU_TIME,
    SETTING_MEMORY,
    SETTING_MEMORY_SHARE,
    SETTING_MEMORY_BACKSTOP,
    SETTING_EXPECTED,
    SETTING_PIDS,
    SETTING_CPU_WEIGHT,
    SETTING_NOFILE,
    SETTING_NICE,
    SETTING_OUTPUT_LIMIT,
    SETTING_HUGE_PAGES,
    SETTING_RERUNNABLE,
    SETTING_RESULT_LIMIT,
    SETTING_ROW_COUNT_
};

extern const struct setting settings[SETTING_ROW_COUNT_];

/* The setting in options, as a whole number: of seconds and numbers, counts and flags; a factor is 0. */
int64_t settings_get(const struct setting *setting, const pool_job_options_t *options);

/* Makes all limits and times that are not given, and have no default, POOL_NONE. */
void settings_fill_none(pool_job_options_t *options);

/* Adds a field for each setting that is given. */
void settings_pack(const pool_client_job_t *job, pool_fields_t *fields);

/* Copies the settings of a job into options, and of options into a job; the other members stay as they are. */
void settings_to_options(const pool_client_job_t *job, pool_job_options_t *options);
void settings_from_options(const pool_job_options_t *options, pool_client_job_t *job);

/* The lower of a job's memory limit (bytes; 0 or POOL_NONE: none) and its memory_share of total bytes (0: none). */
int64_t settings_memory(int64_t limit, double share, uint64_t total);

#endif
