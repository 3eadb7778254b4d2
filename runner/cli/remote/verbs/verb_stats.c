/* verb_stats.c - `reclaim stats`: the daemon's figures. */
#include "verb_stats.h"

#include "grid.h"
#include "plain.h"
#include "remote_verb.h"
#include "say.h"
#include "units.h"
#include "verbs.h"

#include <stdint.h>
#include <stdio.h>

static unsigned long long number(const msgpack_object *map, const char *name)
{
    return (unsigned long long)pool_field_uint(map, name);
}

static void print_state(const msgpack_object *stats)
{
    char text[64];
    struct text plain = {0};
    plain_put_field(&plain, stats, "version", GRID_CELL_MOST);
    printf("reclaimd %s, pid %llu, up %s, %llu workers, %llu clients", plain.size > 0 ? plain.data : "",
           number(stats, "pid"), units_format_duration(pool_field_double(stats, "uptime_seconds"), text, sizeof text),
           number(stats, "workers"), number(stats, "clients"));
    printf("%s%s\n", pool_field_bool(stats, "paused") ? ", paused" : "",
           pool_field_bool(stats, "draining") ? ", draining: no new jobs" : "");
    text_clear(&plain);
    plain_put_field(&plain, stats, "read_only", SIZE_MAX);
    if (plain.size > 0)
        printf("READ-ONLY: %s\n", plain.data);
    text_deinit(&plain);
}

static void print_jobs(const msgpack_object *stats)
{
    const msgpack_object *jobs = pool_field(stats, "jobs");
    if (jobs != NULL)
        printf("jobs: %llu running, %llu queued, %llu waiting; %llu done, %llu failed, %llu cancelled\n",
               number(jobs, "running"), number(jobs, "queued"), number(jobs, "waiting"), number(jobs, "done"),
               number(jobs, "failed"), number(jobs, "cancelled"));
}

static void print_memory(const msgpack_object *stats)
{
    static const char *const names[] = {"budget", "reserved", "available", "workers", "host"};
    const msgpack_object *memory = pool_field(stats, "memory");
    char text[64];
    if (memory == NULL)
        return;
    struct text plain = {0};
    plain_put_field(&plain, memory, "method", GRID_CELL_MOST);
    printf("memory (%s):", plain.size > 0 ? plain.data : "?");
    text_deinit(&plain);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        printf("%s %s %s", i > 0 ? "," : "", names[i],
               units_format_size(pool_field_uint(memory, names[i]), text, sizeof text));
    putchar('\n');
}

int stats_print_groups(const msgpack_object *stats)
{
    static const char *const titles[] = {"GROUP", ">LIMIT", "STATE", ">RUNNING", ">QUEUED", ">WAITING", NULL};
    static const char *const counts[] = {"running", "queued", "waiting"};
    const msgpack_object_array list = pool_field_array(stats, "groups");
    struct grid grid;
    char cell[32];
    grid_begin(&grid, titles);
    for (uint32_t i = 0; i < list.size; i++) {
        const msgpack_object *group = &list.ptr[i];
        grid_add_field(&grid, GRID_PLAIN, group, "name");
        snprintf(cell, sizeof cell, "%llu", number(group, "limit"));
        grid_adds(&grid, pool_field_uint(group, "limit") > 0 ? cell : "-");
        const bool paused = pool_field_bool(group, "paused");
        grid_add(&grid, paused ? GRID_YELLOW : GRID_PLAIN, paused ? "paused" : "open", paused ? 6 : 4);
        for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
            snprintf(cell, sizeof cell, "%llu", number(group, counts[k]));
            grid_adds(&grid, cell);
        }
    }
    const int rc = list.size > 0 ? grid_print(&grid, stdout) : 0;
    grid_deinit(&grid);
    return rc < 0 ? say(NULL, "no memory for a table of groups") : 0;
}

/* ---- reclaim stats ----------------------------------------------------------------------------------------------- */

int stats_show(struct remote *remote, bool in_short)
{
    msgpack_unpacked answer;
    char text[64];
    int rc = remote_call(remote, "stats", NULL, &answer);
    if (rc == 0 && remote_options.json)
        rc = remote_print_json(remote, &answer.data);
    else if (rc == 0) {
        print_state(&answer.data);
        print_jobs(&answer.data);
        if (!in_short) {
            print_memory(&answer.data);
            printf("store: %s; %llu workers started, %llu evictions, %llu fork servers lost\n\n",
                   units_format_size(pool_field_uint(&answer.data, "store_bytes"), text, sizeof text),
                   number(&answer.data, "workers_started"), number(&answer.data, "evictions"),
                   number(&answer.data, "fork_servers_lost"));
            rc = stats_print_groups(&answer.data);
        }
    }
    msgpack_unpacked_destroy(&answer);
    return rc;
}

static int run(struct remote *remote, const struct remote_given *given)
{
    (void)given;
    return stats_show(remote, false);
}

const struct remote_verb stats_verb = {
    .usage = "[OPTION...]",
    .intro = "Shows the load of reclaimd and what it uses itself.",
    .run = run,
};
