/* verb_run.c - `reclaim run`: one command, as without reclaim, but limited, reported, with no process left behind. */
#include "curve.h"
#include "inherited.h"
#include "limit.h"
#include "outcome.h"
#include "outfile.h"
#include "plot.h"
#include "program.h"
#include "relay.h"
#include "report.h"
#include "say.h"
#include "signals.h"
#include "table.h"
#include "terminal.h"
#include "values.h"
#include "verbs.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define POINTS_MS 20 /* apart, for --samples and --plot */

struct run {
    struct limits limits; /* the first: see limit.h */
    bool verbose;
    const char *report, *samples, *plot;
    char plotter[PATH_MAX]; /* for plot */

    const char *const *argv;
    FILE *report_file, *samples_file, *plot_file;
    struct relay relays[2];
    struct curve curve;
    pool_t *pool;
    pool_job_t *job;
    struct terminal terminal;
    struct inherited inherited;
    int settled;       /* pool_job_fd: the job's */
    int signals;       /* signalfd */
    sigset_t ignored;  /* signals that were ignored when we started: they do not end us */
    atomic_bool ended; /* no further attempt: a signal, or too much output */
};

/* ---- options ----------------------------------------------------------------------------------------------------- */

static int set_plot(void *context, const char *text)
{
    struct run *run = context;
    char message[PATH_MAX + 128];
    run->plot = text;
    if (plot_format(text) == PLOT_UNKNOWN)
        return values_fail("plot", text, "the name must end in .svg or .png");
    const int rc = plot_find(run->plotter);
    if (rc == 0)
        return 0;
    snprintf(message, sizeof message, "reclaim cannot draw, install all of it: %s: %s", run->plotter, strerror(-rc));
    return values_fail("plot", text, message);
}

static const struct table_option own_table[] = {
    {"verbose", 'v', NULL, "print at the end what it used and how it ended", TABLE_FLAG(struct run, verbose)},
    {"report", 0, "FILE", "write the same as a JSON object (- is stderr)", TABLE_TEXT(struct run, report)},
    {"samples", 0, "FILE", "write memory over time, as mprof does", TABLE_TEXT(struct run, samples)},
    {"plot", 0, "FILE", "draw memory over time (.svg or .png)", .set = set_plot},
    {0},
};

static const struct table_option *const groups[] = {limits_times, limits_table, own_table, NULL};

static const struct table table = {
    .verb = "run",
    .usage = "[OPTION...] [--] COMMAND [ARGUMENT...]",
    .intro = "Runs a command, limits all its processes, and leaves none of them behind.",
    .groups = groups,
    .more = "SIZE: 512K, 2G, 1.5G. DUR: seconds, or 30s, 5m, 2h, 1d.\n"
            "Exit: the command's own; 124 timed out (137: SIGKILL); 128+N died of signal N;\n"
            "125 reclaim failed; 126 not executable; 127 not found. reclaim-run(1) has more.",
};

/* ---- files ------------------------------------------------------------------------------------------------------- */

static int write_out(void *context, const char *data, size_t size)
{
    return write_all(*(const int *)context, data, size);
}

static bool is_same(FILE *a, FILE *b)
{
    return a != NULL && b != NULL && outfile_same(fileno(a), fileno(b));
}

static int open_files(struct run *run)
{
    static const int streams[] = {STDOUT_FILENO, STDERR_FILENO};
    if (outfile_open("report", run->report, &run->report_file) < 0 ||
        outfile_open("samples", run->samples, &run->samples_file) < 0 ||
        outfile_open("plot", run->plot, &run->plot_file) < 0)
        return -1;
    if (is_same(run->report_file, run->samples_file) || is_same(run->report_file, run->plot_file))
        return values_fail("report", run->report, "is named by another option, too: name another");
    if (is_same(run->samples_file, run->plot_file))
        return values_fail("samples", run->samples, "is named by another option, too: name another");
    for (int i = 0; i < 2; i++)
        run->relays[i] = (struct relay){.from = -1, .for_command = -1};
    for (int i = 0; run->limits.output_limit != RELAY_NO_LIMIT && i < 2; i++) {
        const int rc = relay_open(&run->relays[i], run->limits.output_limit, write_out, (void *)&streams[i]);
        if (rc < 0)
            return values_fail("output-limit", "pipe", strerror(-rc));
    }
    return 0;
}

/* ---- the job ----------------------------------------------------------------------------------------------------- */

/* The command was stopped: we stop, too, for the shell that watches us. Where nobody does, nobody would continue us
 * when a limit has ended the command. */
static void stop_with(const struct run *run, pool_job_t *job, int signal_number)
{
    if (signal_number != SIGSTOP && terminal_is_unwatched())
        pool_job_signal(job, SIGCONT); /* without us in between the terminal would not have stopped it */
    else if (terminal_sees_stop(&run->terminal, signal_number))
        terminal_raise(signal_number);
}

static void on_event(pool_job_t *job, const pool_event_t *event, void *user)
{
    struct run *run = user;
    if (event->kind == POOL_EVENT_MEMORY)
        curve_add(&run->curve, event->time, event->memory);
    else if (event->kind == POOL_EVENT_RETRIED && run->ended)
        pool_job_cancel(job);
    else if (event->kind == POOL_EVENT_STOPPED)
        stop_with(run, job, event->signal);
}

static pool_stream_t stream_mode(const struct run *run, int fd)
{
    if (program_lacks_stream(fd))
        return POOL_STREAM_CLOSED;
    return run->limits.output_limit != RELAY_NO_LIMIT ? POOL_STREAM_FD : POOL_STREAM_INHERIT;
}

static int submit(struct run *run)
{
    const pool_command_t command = {
        .argv = run->argv,
        .stdin_mode = program_lacks_stream(STDIN_FILENO) ? POOL_STDIN_CLOSED : POOL_STDIN_INHERIT,
        .stdout_mode = stream_mode(run, STDOUT_FILENO),
        .stdout_fd = run->relays[0].for_command,
        .stderr_mode = stream_mode(run, STDERR_FILENO),
        .stderr_fd = run->relays[1].for_command,
        .foreground = true,
        .fd_numbers = run->inherited.numbers,
    };
    pool_job_options_t options = run->limits.job;
    options.fds = run->inherited.numbers;
    options.fd_count = run->inherited.count;
    options.on_event = on_event;
    options.user = run;
    if (run->samples != NULL || run->plot != NULL)
        options.memory_every_ms = POINTS_MS;
    if (pool_submit_command(run->pool, &command, &options, &run->job) == 0 &&
        (run->settled = pool_job_fd(run->job)) >= 0)
        return pool_seal(run->pool);
    say("run", "%s", pool_message());
    return -1;
}

/* The pool is opened before signals are blocked: commands get the mask and the dispositions of that moment. */
static int start(struct run *run)
{
    const pool_options_t options = {.workers = 1, .warm = POOL_NONE, .commands = true};
    pool_error_t error;
    sigset_t all;
    inherited_find(&run->inherited, "run");
    if (pool_open(&run->pool, &options, &error) < 0) {
        say("run", "%s", error.message);
        return -1;
    }
    signals_ignored(&run->ignored);
    signals_all(&all); /* also those that stop: we stop when the command has, see stop_with() */
    run->signals = signals_take(&all);
    return submit(run);
}

/* Whether the command has not got the signal itself. The terminal signals its whole foreground group; only a hang-up
 * goes to the session's leader alone. An editor stops its whole group, and us with it. A shell continues the whole
 * group: if we passed its SIGCONT on late, it would undo the next Ctrl-Z. */
static bool is_for_us_alone(const struct signalfd_siginfo *info)
{
    switch ((int)info->ssi_signo) {
    case SIGINT:
    case SIGQUIT:
    case SIGWINCH:
    case SIGTTIN:
    case SIGTTOU:
        return info->ssi_code <= 0;
    case SIGHUP:
        return info->ssi_code <= 0 || getsid(0) == getpid();
    case SIGTSTP:
        return info->ssi_code <= 0 && !terminal_is_below((pid_t)info->ssi_pid);
    case SIGCONT:
        return info->ssi_code <= 0 && !terminal_is_shell((pid_t)info->ssi_pid);
    default:
        return !signals_is_own((int)info->ssi_signo, (pid_t)info->ssi_pid);
    }
}

/* Whether the signal rules out a further attempt. If it was ignored when we started it concerns the command alone. */
static bool is_end(const struct run *run, int number)
{
    return (number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT) &&
           sigismember(&run->ignored, number) == 0;
}

/* Whether the job has not started, or may run again; else it ends by itself. */
static bool has_runs_ahead(const struct run *run)
{
    return pool_job_state(run->job) < POOL_STATE_RUNNING || run->limits.job.retries > 0 ||
           run->limits.job.retry_oom > 0;
}

static void pass_signals(struct run *run)
{
    struct signalfd_siginfo info;
    while (read(run->signals, &info, sizeof info) == sizeof info) {
        const int number = (int)info.ssi_signo;
        if (is_end(run, number))
            run->ended = true;
        if (is_for_us_alone(&info) && pool_job_signal(run->job, number) < 0 && run->ended && has_runs_ahead(run))
            pool_job_cancel(run->job);
    }
}

/* Until the job is settled. */
static void wait_for_end(struct run *run)
{
    struct pollfd fds[] = {{.fd = run->settled, .events = POLLIN},
                           {.fd = run->signals, .events = POLLIN},
                           {.fd = run->relays[0].from, .events = POLLIN},
                           {.fd = run->relays[1].from, .events = POLLIN}};
    bool asked = false;
    while (poll(fds, 4, -1) < 0 || fds[0].revents == 0) {
        if (fds[1].revents != 0)
            pass_signals(run);
        for (int i = 0; i < 2; i++) {
            if (fds[2 + i].revents != 0)
                relay_pass(&run->relays[i]);
            fds[2 + i].fd = run->relays[i].over ? -1 : run->relays[i].from;
            if (run->relays[i].over && !asked) {
                asked = true;
                run->ended = true;
                pool_job_cancel(run->job);
            }
        }
    }
    for (int i = 0; i < 2; i++)
        relay_finish(&run->relays[i]);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

/* The limit on output is enforced here, so the library reports a cancel. */
static pool_result_t final_result(const struct run *run, char *message, size_t size)
{
    const pool_result_t *result = pool_job_result(run->job);
    if (!run->relays[0].over && !run->relays[1].over)
        return *result;
    return outcome_over_output(result, run->limits.output_limit, message, size);
}

/* Writes each file, even if others fail. Returns how many could not be written. */
static int write_files(struct run *run, const pool_result_t *result)
{
    int report = 0, samples = 0, plot = 0;
    if (run->samples_file != NULL && (samples = outfile_empty(run->samples, run->samples_file)) == 0)
        samples = curve_write_mprof(&run->curve, run->samples_file, run->argv);
    if (run->plot_file != NULL && (plot = outfile_empty(run->plot, run->plot_file)) == 0)
        plot = plot_draw(run->plotter, &run->curve, run->plot_file, plot_format(run->plot), run->argv,
                         result->usage.memory_limit);
    if (run->report_file != NULL && (report = outfile_empty(run->report, run->report_file)) == 0)
        report = report_write_json(run->report_file, run->argv, result);
    return (outfile_close("samples", run->samples, run->samples_file, samples) < 0) +
           (outfile_close("plot", run->plot, run->plot_file, plot) < 0) +
           (outfile_close("report", run->report, run->report_file, report) < 0);
}

static void finish(struct run *run)
{
    pool_job_release(run->job);
    pool_free(run->pool);
    for (int i = 0; i < 2; i++)
        relay_close(&run->relays[i]);
    terminal_close(&run->terminal);
    curve_deinit(&run->curve);
}

/* Dies of the command's signal, for the shell that looks at our status; without a second core file. */
static void die_of(int signal_number)
{
    prctl(PR_SET_DUMPABLE, 0);
    signal(signal_number, SIG_DFL);
    terminal_raise(signal_number);
}

static int run_job(struct run *run, int *own_signal)
{
    char message[128];
    terminal_open(&run->terminal);
    if (open_files(run) < 0 || start(run) < 0)
        return OUTCOME_OWN_FAILURE;
    wait_for_end(run);
    const pool_result_t result = final_result(run, message, sizeof message);
    if (outcome_is_ours(&result))
        terminal_restore(&run->terminal);
    int code = outcome_exit_code(&result);
    if (outcome_is_ours(&result))
        say(NULL, "%s: %s", run->argv[0], result.message);
    if (run->verbose)
        report_print(stderr, run->argv, &result);
    if (write_files(run, &result) > 0 && code == 0)
        code = OUTCOME_OWN_FAILURE;
    *own_signal = outcome_own_signal(&result);
    return code;
}

int run_main(int argc, char **argv)
{
    static struct run run = {.settled = -1, .signals = -1, .terminal.fd = -1};
    int own_signal = 0;
    limits_init(&run.limits);
    const int first = table_read(&table, argc, argv, &run);
    if (first < 0)
        return first == -2 ? 0 : OUTCOME_OWN_FAILURE;
    if (first == argc) {
        say("run", "there is no command: reclaim run [OPTION...] COMMAND [ARGUMENT...]");
        return OUTCOME_OWN_FAILURE;
    }
    run.argv = (const char *const *)(const void *)(argv + first);
    if (limits_finish(&run.limits) < 0)
        return OUTCOME_OWN_FAILURE;
    const int code = run_job(&run, &own_signal);
    finish(&run);
    if (own_signal != 0)
        die_of(own_signal);
    return code;
}
