/* map_stop.c - the ways in which a map is stopped early. */
#include "map_state.h"
#include "say.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

int map_say(struct map *map, const char *format, ...)
{
    va_list arguments;
    progress_view_clear(&map->view);
    va_start(arguments, format);
    say_list("map", format, arguments);
    va_end(arguments);
    return -1;
}

void map_stop_starting(struct map *map)
{
    struct map_job *job;
    if (map->stopping)
        return;
    map->stopping = true;
    TAILQ_FOREACH(job, &map->jobs, entry)
        if (!job->settled)
            map_job_let_finish(job);
}

void map_kill_all(struct map *map)
{
    struct map_job *job;
    map->stopping = map->killed = true;
    TAILQ_FOREACH(job, &map->jobs, entry)
        if (!job->settled)
            map_job_cancel(job);
}

void map_fail(struct map *map, int code)
{
    map->code = code;
    map_stop_starting(map);
}

void map_stop_for_output(struct map *map, const struct map_job *job, int error)
{
    if (error != -EPIPE && error != -EINTR && !map->lost_output)
        map_say(map, "output of %.200s is lost: %s", job->command.data, strerror(-error));
    map->lost_output = true;
    if (error == -EPIPE) {
        map->code = MAP_BROKEN_PIPE;
        map_kill_all(map);
    } else
        map_fail(map, MAP_OWN_FAILURE);
}

void map_handle_signals(struct map *map)
{
    struct signalfd_siginfo info;
    while (read(map->signals, &info, sizeof info) == sizeof info) {
        const bool gently = info.ssi_signo != SIGTERM && !map->interrupted;
        map->interrupted = true;
        if (!gently) {
            if (map->killed)
                pool_close(map->pool, POOL_CLOSE_KILL);
            else if (map->running > 0)
                map_say(map, "ending the %zu that run", map->running);
            map_kill_all(map);
        } else if (!map->stopping) {
            map_say(map, "no more jobs are started; %zu still run%s", map->running,
                    info.ssi_signo == SIGINT ? ", Ctrl-C ends them" : "");
            map_stop_starting(map);
        }
    }
}

bool map_on_wake(void *user)
{
    struct map *map = user;
    map_handle_signals(map);
    return !map->killed;
}
