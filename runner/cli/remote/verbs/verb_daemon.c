/* verb_daemon.c - `reclaim daemon`: starts, stops and looks for a reclaimd, where no systemd does it; `reclaim
 * shutdown`. */
#include "daemon_start.h"
#include "outcome.h"
#include "remote_verb.h"
#include "say.h"
#include "suggest.h"
#include "verb_stats.h"
#include "verbs.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct daemon {
    int64_t timeout_ms, drain_timeout_ms; /* below 0: not given */
    const char *state;                    /* NULL: the default */
};

#define START_MS 60000 /* a store with 100,000 jobs is read in less */

static const struct table_option rows[] = {
    {"state", 0, "DIR", "start: directory of jobs and reclaimd.log", TABLE_TEXT(struct daemon, state)},
    {"timeout", 0, "DUR", "start: how long it may take to answer (default: 60)",
     TABLE_DURATION(struct daemon, timeout_ms)},
    {"drain-timeout", 0, "DUR", "stop: grace period for running jobs", TABLE_DELAY(struct daemon, drain_timeout_ms)},
    {0}};

static const struct table_option *const groups[] = {rows, remote_table, NULL};

static const struct table table = {
    .verb = "daemon",
    .usage = "[OPTION...] start|stop|status [-- OPTION...]",
    .intro = "Starts reclaimd in the background, stops it, or shows whether one runs.",
    .groups = groups,
    .more = "Words after -- are options of reclaimd: reclaim daemon start -- --workers 4",
    .anywhere = true,
};

static bool ask_for_pid(struct remote *remote, pid_t *pid)
{
    msgpack_unpacked answer;
    const int rc = remote_call(remote, "stats", NULL, &answer);
    *pid = (pid_t)pool_field_uint(&answer.data, "pid");
    msgpack_unpacked_destroy(&answer);
    return rc == 0 && *pid > 0;
}

static int start(const struct daemon *daemon, char **options)
{
    struct remote remote = {.verb = "daemon"};
    const int64_t timeout_ms = daemon->timeout_ms >= 0 ? daemon->timeout_ms : START_MS;
    pool_error_t error;
    pid_t pid;
    const int rc = pool_client_open(&remote.client, remote_options.socket, &error);
    if (rc == -EPERM) /* somebody else listens there: our daemon could not */
        return say("daemon", "%s", error.message);
    if (rc < 0) {
        if (daemon_start(daemon->state, timeout_ms, options) < 0 || remote_open(&remote, "daemon") < 0)
            return -1;
    } else if (options[0] != NULL)
        say("daemon", "a reclaimd runs already, and goes on with its own options: yours are not used");
    if (!ask_for_pid(&remote, &pid))
        return remote_finish(&remote, -1);
    printf(remote_options.json ? "{\"pid\":%ld}\n" : "%ld\n", (long)pid);
    return remote_finish(&remote, 0);
}

/* timeout_ms: how long running jobs may go on; below 0: as long as reclaimd was started with. */
static int order_shutdown(struct remote *remote, int64_t timeout_ms)
{
    pool_fields_t request;
    pool_fields_begin(&request);
    if (timeout_ms >= 0)
        pool_fields_double(&request, "drain_timeout", (double)timeout_ms / 1000);
    return remote_order(remote, "shutdown", &request);
}

static int stop(const struct daemon *daemon)
{
    struct remote remote;
    pid_t pid;
    if (remote_open(&remote, "daemon") < 0)
        return -1;
    if (!ask_for_pid(&remote, &pid))
        return remote_finish(&remote, -1);
    /* Before the order: afterwards the number may be another process's. */
    struct pollfd gone = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    if (gone.fd < 0)
        return remote_finish(&remote,
                             say("daemon", "cannot watch reclaimd (pid %ld) end: %s", (long)pid, strerror(errno)));
    int rc = order_shutdown(&remote, daemon->drain_timeout_ms);
    while (rc == 0 && poll(&gone, 1, -1) < 0)
        if (errno != EINTR)
            rc = -1;
    close(gone.fd);
    return remote_finish(&remote, rc);
}

static int show_status(void)
{
    struct remote remote;
    return remote_open(&remote, "daemon") < 0 ? -1 : remote_finish(&remote, stats_show(&remote, true));
}

static int say_unknown(const char *word)
{
    static const char *const words[] = {"start", "stop", "status", NULL};
    const char *near = suggest_word(word, words);
    return near != NULL ? say("daemon", "%s: did you mean %s?", word, near)
                        : say("daemon", "give one of start, stop and status");
}

static int refuse(const char *action, const char *what)
{
    return say("daemon", "%s takes no %s: reclaim daemon --help", action, what);
}

/* Options have to belong to the action; further words have to be options of reclaimd. */
static int check_use(const struct daemon *daemon, const char *action, char **more)
{
    const bool starts = strcmp(action, "start") == 0;
    if (daemon->drain_timeout_ms >= 0 && strcmp(action, "stop") != 0)
        return refuse(action, "--drain-timeout");
    if (daemon->state != NULL && !starts)
        return refuse(action, "--state");
    if (daemon->timeout_ms >= 0 && !starts)
        return refuse(action, "--timeout");
    if (more[0] != NULL && !starts)
        return refuse(action, "options of reclaimd, and no other words");
    if (more[0] != NULL && more[0][0] != '-')
        return refuse(action, "other words");
    return 0;
}

/* The exit code, or a negative number after a message. */
static int act(const struct daemon *daemon, const char *action, char **more)
{
    const bool starts = strcmp(action, "start") == 0, stops = strcmp(action, "stop") == 0;
    if (!starts && !stops && strcmp(action, "status") != 0)
        return say_unknown(action);
    if (check_use(daemon, action, more) < 0)
        return -1;
    return starts ? start(daemon, more) : stops ? stop(daemon) : show_status();
}

int daemon_main(int argc, char **argv)
{
    struct daemon daemon = {.timeout_ms = -1, .drain_timeout_ms = -1};
    int code;
    if (remote_read(&table, &argc, &argv, &daemon, &code) < 0)
        return code;
    code = act(&daemon, argc > 0 ? argv[0] : "", argv + 1);
    return code < 0 ? OUTCOME_OWN_FAILURE : code;
}

/* ---- reclaim shutdown -------------------------------------------------------------------------------------------- */

static struct shutdown {
    int64_t timeout_ms; /* below 0: not given */
} shutdown_options = {.timeout_ms = -1};

static const struct table_option shutdown_rows[] = {{"drain-timeout", 0, "DUR",
                                                     "grace period for running jobs (default: reclaimd's)",
                                                     TABLE_DELAY(struct shutdown, timeout_ms)},
                                                    {0}};

static int run_shutdown(struct remote *remote, const struct remote_given *given)
{
    (void)given;
    return order_shutdown(remote, shutdown_options.timeout_ms);
}

const struct remote_verb shutdown_verb = {
    .usage = "[OPTION...]",
    .intro = "Ends reclaimd. It starts no more jobs, lets running jobs finish for a while, then\n"
             "ends and requeues the rest.",
    .rows = shutdown_rows,
    .context = &shutdown_options,
    .run = run_shutdown,
};
