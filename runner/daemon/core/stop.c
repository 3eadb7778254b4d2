#include "stop.h"

#define GOODBYE_MS 1000 /* for clients to read what waits for them */

void stop_begin(struct daemon *daemon, double drain_seconds)
{
    const int64_t now = (int64_t)uv_now(daemon->loop);
    if (daemon->phase == DAEMON_SERVING) {
        daemon->phase = DAEMON_STOPPING;
        daemon->kill_at = now + (int64_t)(drain_seconds * 1000);
        log_event(daemon->log, LOG_LEVEL_INFO, "stopping", log_number("running", (int64_t)runs_count(daemon->runs)));
        notify_tell(&daemon->notify, "STOPPING=1");
    } else
        daemon->kill_at = now; /* asked again: at once */
}

void stop_failed(struct daemon *daemon)
{
    daemon->exit_code = 1;
    stop_begin(daemon, 0);
}

static void close_loop(struct daemon *daemon)
{
    daemon->phase = DAEMON_CLOSED;
    uv_close((uv_handle_t *)&daemon->prepare, NULL);
    uv_close((uv_handle_t *)&daemon->timer, NULL);
    uv_close((uv_handle_t *)&daemon->watchdog, NULL);
    for (size_t i = 0; i < 3; i++)
        uv_close((uv_handle_t *)&daemon->signals[i], NULL);
}

static void on_sessions_closed(void *user)
{
    struct daemon *daemon = user;
    daemon->sessions = NULL;
    close_loop(daemon);
}

/* Every process of the pool is gone, and every end is in endings. */
static void on_runs_closed(void *user)
{
    struct daemon *daemon = user;
    daemon->runs = NULL;
}

static void say_goodbye(struct daemon *daemon)
{
    daemon->phase = DAEMON_LEAVING;
    if (!STAILQ_EMPTY(&daemon->endings))
        log_event(daemon->log, LOG_LEVEL_ERROR, "unwritten",
                  log_text("message", "ends of runs could not be written: the next start takes them for interrupted"));
    if (daemon->sessions != NULL)
        sessions_close(daemon->sessions, GOODBYE_MS, on_sessions_closed);
    else
        close_loop(daemon);
}

void stop_advance(struct daemon *daemon)
{
    const bool late = (int64_t)uv_now(daemon->loop) >= daemon->kill_at;
    if (daemon->phase == DAEMON_STOPPING && (runs_count(daemon->runs) == 0 || late)) {
        daemon->phase = DAEMON_CLOSING;
        runs_close(daemon->runs, on_runs_closed, daemon);
    } else if (daemon->phase == DAEMON_CLOSING && daemon->runs == NULL &&
               (STAILQ_EMPTY(&daemon->endings) || daemon->read_only[0] != '\0'))
        say_goodbye(daemon);
}

void stop_start_failed(struct daemon *daemon)
{
    daemon->exit_code = 1;
    daemon->phase = DAEMON_CLOSING;
    if (daemon->runs != NULL)
        runs_close(daemon->runs, on_runs_closed, daemon);
}
