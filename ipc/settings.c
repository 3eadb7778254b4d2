#include "settings.h"

#include <string.h>

#define IN_BOTH(client, option) #option, offsetof(pool_client_job_t, client), offsetof(pool_job_options_t, option)
#define MEMORY_LEAST            ((int64_t)1024 * 1024) /* a process needs as much to start */

const struct setting settings[SETTING_ROW_COUNT_] = {
    [SETTING_TIMEOUT] = {"timeout", IN_BOTH(timeout, timeout_ms), 0, 0, SETTING_SECONDS, false},
    [SETTING_KILL_AFTER] = {"kill_after", IN_BOTH(kill_after, kill_after_ms), 0, 0, SETTING_SECONDS, true},
    [SETTING_CPU_TIME] = {"cpu_time", IN_BOTH(cpu_time, cpu_ms), 0, 0, SETTING_SECONDS, false},
    [SETTING_MEMORY] = {"memory", IN_BOTH(memory, memory_limit), MEMORY_LEAST, INT64_MAX / 4, SETTING_NUMBER, false},
    [SETTING_MEMORY_SHARE] = {"memory_share", IN_BOTH(memory_share, memory_share), 0, 1, SETTING_FACTOR, false},
    [SETTING_MEMORY_BACKSTOP] = {"memory_backstop", IN_BOTH(memory_backstop, memory_backstop), 0, 0, SETTING_FLAG,
                                 false},
    [SETTING_EXPECTED] = {"expected", IN_BOTH(expected, memory_expected), 0, INT64_MAX, SETTING_NUMBER, true},
    [SETTING_PIDS] = {"pids", IN_BOTH(pids, pids), 1, INT32_MAX, SETTING_COUNT, false},
    [SETTING_CPU_WEIGHT] = {"cpu_weight", IN_BOTH(cpu_weight, cpu_weight), 1, 10000, SETTING_COUNT, false},
    [SETTING_NOFILE] = {"nofile", IN_BOTH(nofile, nofile), 1, INT32_MAX, SETTING_COUNT, false},
    [SETTING_NICE] = {"nice", IN_BOTH(nice, nice), -40, 40, SETTING_COUNT, false},
    [SETTING_OUTPUT_LIMIT] = {"output_limit", IN_BOTH(output_limit, output_limit), 0, INT64_MAX, SETTING_NUMBER, true},
    [SETTING_HUGE_PAGES] = {"huge_pages", IN_BOTH(huge_pages, huge_pages), 0, 0, SETTING_FLAG, false},
    [SETTING_RERUNNABLE] = {"rerunnable", IN_BOTH(rerunnable, rerunnable), 0, 0, SETTING_FLAG, false},
    [SETTING_RESULT_LIMIT] = {"result_limit", IN_BOTH(result_limit, result_limit), 0, INT64_MAX, SETTING_NUMBER, true},
};

static const size_t sizes[] = {[SETTING_NUMBER] = sizeof(int64_t),
                               [SETTING_COUNT] = sizeof(int32_t),
                               [SETTING_FACTOR] = sizeof(double),
                               [SETTING_FLAG] = sizeof(bool)};

int64_t settings_get(const struct setting *setting, const pool_job_options_t *options)
{
    const void *at = (const char *)options + setting->in_options;
    switch (setting->type) {
    case SETTING_SECONDS:
    case SETTING_NUMBER:
        return *(const int64_t *)at;
    case SETTING_COUNT:
        return *(const int32_t *)at;
    case SETTING_FLAG:
        return *(const bool *)at;
    case SETTING_FACTOR:
        break;
    }
    return 0;
}

/* What may be negative is a number, and no limit. */
static bool can_be_none(const struct setting *setting)
{
    return setting->type != SETTING_FLAG && setting->type != SETTING_FACTOR && !setting->has_zero &&
           setting->least >= 0;
}

void settings_fill_none(pool_job_options_t *options)
{
    for (const struct setting *setting = settings; setting < settings + SETTING_ROW_COUNT_; setting++) {
        void *at = (char *)options + setting->in_options;
        if (!can_be_none(setting) || settings_get(setting, options) != 0)
            continue;
        if (setting->type == SETTING_COUNT)
            *(int32_t *)at = POOL_NONE;
        else
            *(int64_t *)at = POOL_NONE;
    }
}

/* ---- into a request -------------------------------------------------------------------------------------------- */

static void pack_real(const struct setting *setting, double value, pool_fields_t *fields)
{
    if (value != 0)
        pool_fields_double(fields, setting->name, setting->has_zero && value == POOL_NONE ? 0 : value);
}

static void pack_whole(const struct setting *setting, int64_t value, pool_fields_t *fields)
{
    if (value != 0)
        pool_fields_int(fields, setting->name, setting->has_zero && value == POOL_NONE ? 0 : value);
}

void settings_pack(const pool_client_job_t *job, pool_fields_t *fields)
{
    for (const struct setting *setting = settings; setting < settings + SETTING_ROW_COUNT_; setting++) {
        const void *from = (const char *)job + setting->in_client;
        switch (setting->type) {
        case SETTING_SECONDS:
        case SETTING_FACTOR:
            pack_real(setting, *(const double *)from, fields);
            break;
        case SETTING_NUMBER:
            pack_whole(setting, *(const int64_t *)from, fields);
            break;
        case SETTING_COUNT:
            pack_whole(setting, *(const int32_t *)from, fields);
            break;
        case SETTING_FLAG:
            if (*(const bool *)from)
                pool_fields_bool(fields, setting->name, true);
            break;
        }
    }
}

/* ---- from one struct to the other ------------------------------------------------------------------------------ */

/* Rounded up, so that no time is shorter than it was said. */
static int64_t to_ms(double seconds)
{
    const int64_t ms = (int64_t)(seconds * 1000);
    return seconds == POOL_NONE ? POOL_NONE : ms + ((double)ms < seconds * 1000);
}

static double to_seconds(int64_t ms)
{
    return ms == POOL_NONE ? POOL_NONE : (double)ms / 1000;
}

static void copy(const struct setting *setting, pool_client_job_t *job, pool_job_options_t *options, bool to_options)
{
    void *client = (char *)job + setting->in_client, *library = (char *)options + setting->in_options;
    if (setting->type != SETTING_SECONDS)
        memcpy(to_options ? library : client, to_options ? client : library, sizes[setting->type]);
    else if (to_options)
        *(int64_t *)library = to_ms(*(const double *)client);
    else
        *(double *)client = to_seconds(*(const int64_t *)library);
}

void settings_to_options(const pool_client_job_t *job, pool_job_options_t *options)
{
    pool_client_job_t from = *job;
    for (size_t i = 0; i < SETTING_ROW_COUNT_; i++)
        copy(&settings[i], &from, options, true);
}

void settings_from_options(const pool_job_options_t *options, pool_client_job_t *job)
{
    pool_job_options_t from = *options;
    for (size_t i = 0; i < SETTING_ROW_COUNT_; i++)
        copy(&settings[i], job, &from, false);
}

int64_t settings_memory(int64_t limit, double share, uint64_t total)
{
    if (share <= 0)
        return limit;
    const int64_t whole = (int64_t)(share * (double)total);
    const int64_t bytes = whole > 0 ? whole : 1; /* 0 would be no limit */
    return limit <= 0 || bytes < limit ? bytes : limit;
}
