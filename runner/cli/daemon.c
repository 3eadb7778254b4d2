/* daemon.c - `reclaim daemon`: starts, stops and looks for a reclaimd, where no systemd does it. */
#include "answer.h"
#include "launch.h"
#include "outcome.h"
#include "say.h"
#include "shutdown.h"
#include "stats.h"
#include "suggest.h"
#include "verbs.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct daemon {
    int64_t drain_timeout_ms; /* the first, see shutdown.h; below 0: not given */
    const char *state;        /* NULL: where it usually is */
};

static int set_state(void *context, const char *text)
{
    ((struct daemon *)context)->state = text;
    return 0;
}

static const struct table_option rows[] = {
    {"state", 0, "DIR", "start: where jobs are kept, and reclaimd.log", set_state},
    {"drain-timeout", 0, "DUR", "stop: how long running jobs may go on", shutdown_set_timeout},
    {0}};
static const struct table_option *const groups[] = {rows, remote_table, NULL};

static const struct table table = {
    .verb = "daemon",
    .usage = "[OPTION...] start|stop|status [-- OPTION...]",
    .intro = "Starts a reclaimd in the background, ends it, or tells whether there is one.",
    .groups = groups,
    .more = "What follows -- are options of reclaimd: reclaim daemon start -- --workers 4",
    .anywhere = true,
};

static bool ask_for_pid(struct remote *remote, pid_t *pid)
{
    struct request request;
    msgpack_unpacked answer;
    request_begin(&request);
    const int rc = remote_call(remote, "stats", &request, &answer);
    *pid = (pid_t)answer_uint(&answer.data, "pid");
    msgpack_unpacked_destroy(&answer);
    return rc == 0 && *pid > 0;
}

static int print_pid(pid_t pid)
{
    printf(remote_options.json ? "{\"pid\":%ld}\n" : "%ld\n", (long)pid);
    return 0;
}

static int start(const struct daemon *daemon, char **options)
{
    struct remote remote = {.verb = "daemon"};
    pid_t pid;
    if (pool_client_open(&remote.client, remote_options.socket, NULL) < 0)
        return launch_daemon(daemon->state, options, &pid) < 0 ? OUTCOME_OWN_FAILURE : print_pid(pid);
    if (options[0] != NULL)
        say("daemon", "there is one already, and it stays as it is: your options for it are not used");
    return remote_finish(&remote, ask_for_pid(&remote, &pid) ? print_pid(pid) : OUTCOME_OWN_FAILURE);
}

static int stop(const struct daemon *daemon)
{
    struct remote remote;
    pid_t pid;
    if (remote_open(&remote, "daemon") < 0)
        return OUTCOME_OWN_FAILURE;
    if (!ask_for_pid(&remote, &pid))
        return remote_finish(&remote, OUTCOME_OWN_FAILURE);
    /* Before it is told: afterwards its number may be another's. */
    struct pollfd gone = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    if (gone.fd < 0) {
        say("daemon", "cannot watch reclaimd (pid %ld) end: %s", (long)pid, strerror(errno));
        return remote_finish(&remote, OUTCOME_OWN_FAILURE);
    }
    int rc = shutdown_order(&remote, daemon->drain_timeout_ms);
    while (rc == 0 && poll(&gone, 1, -1) < 0)
        if (errno != EINTR)
            rc = -1;
    close(gone.fd);
    return remote_finish(&remote, rc < 0 ? OUTCOME_OWN_FAILURE : 0);
}

static int show_status(void)
{
    struct remote remote;
    if (remote_open(&remote, "daemon") < 0)
        return OUTCOME_OWN_FAILURE;
    return remote_finish(&remote, stats_show(&remote, true) < 0 ? OUTCOME_OWN_FAILURE : 0);
}

static int say_unknown(const char *word)
{
    static const char *const words[] = {"start", "stop", "status", NULL};
    const char *near = word != NULL ? suggest_word(word, words) : NULL;
    if (near != NULL)
        say("daemon", "%s: did you mean %s?", word, near);
    else
        say("daemon", "give one of start, stop and status");
    return OUTCOME_OWN_FAILURE;
}

int daemon_main(int argc, char **argv)
{
    struct daemon daemon = {.drain_timeout_ms = -1};
    int code;
    if (remote_read(&table, &argc, &argv, &daemon, &code) < 0)
        return code;
    if (argc > 0 && strcmp(argv[0], "start") == 0)
        return start(&daemon, argv + 1);
    if (argc > 1)
        say("daemon", "%s takes no options of reclaimd", argv[0]);
    if (argc > 1)
        return OUTCOME_OWN_FAILURE;
    if (argc == 1 && strcmp(argv[0], "stop") == 0)
        return stop(&daemon);
    if (argc == 1 && strcmp(argv[0], "status") == 0)
        return show_status();
    return say_unknown(argc > 0 ? argv[0] : NULL);
}
