/* map.c - `reclaim map`: one command for many inputs. The loop that starts jobs, passes on what they say, and accounts
 * for them; what to decide is decided in the files that it includes. */
#include "halt.h"
#include "inputs.h"
#include "joblog.h"
#include "map_job.h"
#include "map_options.h"
#include "median.h"
#include "outcome.h"
#include "outfile.h"
#include "outlet.h"
#include "progress.h"
#include "quote.h"
#include "report.h"
#include "results.h"
#include "resume.h"
#include "signals.h"
#include "summary.h"
#include "table.h"
#include "verbs.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define OWN_FAILURE   255
#define BROKEN_PIPE   (128 + SIGPIPE)
#define AHEAD_LEAST   64 /* finished jobs that may wait for their turn (-k), and as many for each job at once: */
#define AHEAD_PER_JOB 2
#define TIME_CHECK_MS 100 /* for --timeout 200% */

TAILQ_HEAD(map_jobs, map_job);

struct map {
    struct map_options options;
    pool_t *pool;
    struct outlet outlets[2];
    struct joblog joblog;
    struct resume resume;
    FILE *report;
    int signals;

    struct map_jobs jobs; /* in the order of their inputs, until their output is out */
    uint64_t seq;         /* of the latest input */
    size_t running, held; /* jobs in the pool; in the list */
    bool *slots;          /* taken, by number less 1 */
    bool wants_input;     /* the next input has to be waited for */
    bool stopping;        /* nothing more is started */
    bool killed, interrupted;
    int code; /* of a map that was stopped: by a failure of ours, by --halt; -1: it was not */
    double started, next_start;
    bool waits_to_start; /* --delay */

    struct halt_counts counts;
    uint64_t skipped;
    struct median median;
    struct summary summary;
    struct progress_view view;

    struct pollfd *fds;
    struct map_job **readers; /* whose stream is polled at the same index */
    size_t fds_capacity;
};

/* ---- stopping -----------------------------------------------------------------------------------------------------
 */

static void say(struct map *map, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct map *map, const char *format, ...)
{
    va_list arguments;
    progress_view_clear(&map->view);
    fputs("reclaim map: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

/* What runs may finish. */
static void stop_starting(struct map *map)
{
    struct map_job *job;
    if (map->stopping)
        return;
    map->stopping = true;
    TAILQ_FOREACH(job, &map->jobs, entry)
        if (!job->settled)
            map_job_let_finish(job);
}

static void kill_all(struct map *map)
{
    struct map_job *job;
    map->stopping = map->killed = true;
    TAILQ_FOREACH(job, &map->jobs, entry)
        if (!job->settled)
            map_job_cancel(job);
}

/* Of reclaim itself: what runs may finish, nothing is started. */
static void fail(struct map *map, int code)
{
    map->code = code;
    stop_starting(map);
}

/* Output cannot be written; who has closed a pipe wants no more of it. */
static void stop_for_output(struct map *map, int error)
{
    if (error == -EPIPE) {
        map->code = BROKEN_PIPE;
        kill_all(map);
    } else
        fail(map, OWN_FAILURE);
}

/* The first Ctrl-C stops starting, as SIGHUP does; the second, or SIGTERM, ends what runs, and one more does so by
 * force. */
static void handle_signals(struct map *map)
{
    struct signalfd_siginfo info;
    while (read(map->signals, &info, sizeof info) == sizeof info) {
        const bool gently = info.ssi_signo != SIGTERM && !map->interrupted;
        map->interrupted = true;
        if (!gently) {
            if (map->killed)
                pool_close(map->pool, POOL_CLOSE_KILL);
            else if (map->running > 0)
                say(map, "ending the %zu that run", map->running);
            kill_all(map);
        } else if (!map->stopping) {
            say(map, "no more jobs are started; %zu still run%s", map->running,
                info.ssi_signo == SIGINT ? ", Ctrl-C ends them" : "");
            stop_starting(map);
        }
    }
}

/* While an outlet waits for its reader. */
static bool on_wake(void *user)
{
    struct map *map = user;
    handle_signals(map);
    return !map->killed;
}

/* ---- starting jobs ------------------------------------------------------------------------------------------------
 */

static uint32_t take_slot(struct map *map)
{
    uint32_t slot = 0;
    while (map->slots[slot])
        slot++;
    map->slots[slot] = true;
    return slot + 1;
}

static bool may_start(struct map *map)
{
    const size_t at_once = (size_t)map->options.jobs;
    map->waits_to_start = false;
    if (map->stopping || map->options.inputs.ended || map->running >= at_once)
        return false;
    if (map->held - map->running > AHEAD_LEAST + AHEAD_PER_JOB * at_once)
        return false;
    map->waits_to_start = map_now() < map->next_start;
    return !map->waits_to_start;
}

static void say_bad_input(struct map *map, int rc)
{
    const unsigned long long number = map->options.inputs.number;
    if (rc == -E2BIG)
        say(map, "input %llu is longer than an argument may be (%d bytes)", number, INPUTS_VALUE_MOST);
    else if (rc == -EILSEQ)
        say(map, "input %llu has a NUL in its line: inputs that end in a NUL need --null", number);
    else
        say(map, "the inputs cannot be read: %s", strerror(-rc));
}

static void print_command(struct map *map, const struct map_job *job)
{
    struct text line = {0};
    if (map->options.shell)
        text_puts(&line, job->argv[2]);
    else
        quote_command(&line, job->argv);
    text_puts(&line, "\n");
    if (outlet_put(&map->outlets[0], line.data, line.size) < 0)
        stop_for_output(map, map->outlets[0].error);
    text_deinit(&line);
}

static int64_t timeout_ms(const struct map *map)
{
    const double seconds = median_of(&map->median) * map->options.timeout_percent / 100;
    return seconds <= 0 ? 0 : seconds < 0.001 ? 1 : (int64_t)(seconds * 1000);
}

static void start_job(struct map *map, struct map_job *job)
{
    bool by_pool = false;
    const uint32_t slot = take_slot(map);
    int rc = map_job_place(job, &map->options, slot);
    if (rc == 0 && map->options.dry_run) {
        print_command(map, job);
        map->slots[slot - 1] = false;
        map_job_free(job);
        return;
    }
    if (rc == 0)
        rc = map_job_submit(job, &map->options, map->pool, map->outlets, timeout_ms(map), &by_pool);
    if (rc < 0) {
        if (rc == -E2BIG && !by_pool)
            say(map, "input %llu makes a command that is longer than the system takes (an argument: %d bytes)",
                (unsigned long long)job->seq, INPUTS_VALUE_MOST);
        else
            say(map, "input %llu cannot be started: %s", (unsigned long long)job->seq,
                by_pool ? pool_message() : strerror(-rc));
        map->slots[slot - 1] = false;
        map_job_free(job);
        fail(map, OWN_FAILURE);
        return;
    }
    TAILQ_INSERT_TAIL(&map->jobs, job, entry);
    map->held++;
    map->running++;
    map->next_start = map_now() + (double)map->options.delay_ms / 1000;
}

/* Takes one input; false: there is none now. */
static bool start_next(struct map *map)
{
    const char *const *values;
    struct map_job *job;
    uint32_t earlier;
    int rc = inputs_next(&map->options.inputs, &values);
    map->wants_input = rc == -EAGAIN;
    if (rc == 0 || rc == -EAGAIN)
        return false;
    if (rc < 0) {
        say_bad_input(map, rc);
        fail(map, OWN_FAILURE);
        return false;
    }
    rc = map_job_new(&job, &map->options, values, map->options.inputs.count, ++map->seq);
    if (rc < 0) {
        say(map, "input %llu: %s", (unsigned long long)map->seq, strerror(-rc));
        fail(map, OWN_FAILURE);
        return false;
    }
    if (resume_take(&map->resume, job->command.data, job->command.size, map->options.resume_failed, &earlier)) {
        map->skipped++;
        map_job_free(job);
        return true;
    }
    job->earlier = earlier;
    start_job(map, job);
    return true;
}

/* ---- jobs that have ended -----------------------------------------------------------------------------------------
 */

/* 0: not known. */
static uint64_t total_jobs(const struct map *map)
{
    const uint64_t total = map->options.inputs.ended ? map->seq : map->options.inputs.total;
    return total > map->skipped ? total - map->skipped : 0;
}

static void check_halt(struct map *map, const struct map_job *job, bool failed)
{
    const struct halt *halt = &map->options.halt;
    map->counts.total = total_jobs(map);
    if (map->code >= 0 || !halt_reached(halt, &map->counts, failed))
        return;
    map->code = halt_exit_code(halt, &map->counts, outcome_exit_code(&job->result));
    say(map, "this job %s, and --halt says to stop%s: %s",
        halt->what == HALT_FAIL      ? "failed"
        : halt->what == HALT_SUCCESS ? "succeeded"
                                     : "finished",
        halt->when == HALT_NOW ? " now" : " soon", job->command.data);
    if (halt->when == HALT_NOW)
        kill_all(map);
    else
        stop_starting(map);
}

/* Ended by us, in a stop: neither done nor failed. */
static bool is_withdrawn(const struct map_job *job)
{
    return job->result.cause == POOL_CAUSE_CANCELLED;
}

static void settle(struct map *map, struct map_job *job)
{
    map_job_end(job, &map->options, median_of(&map->median) * map->options.timeout_percent / 100);
    map->slots[job->slot - 1] = false;
    map->running--;
    if (outcome_is_ours(&job->result))
        say(map, "%s: %s", job->command.data, job->result.message);
    if (is_withdrawn(job) && job->result.usage.attempt == 0)
        return; /* it never ran */
    summary_add(&map->summary, job->command.data, &job->result);
    if (is_withdrawn(job))
        return;
    const bool failed = job->result.outcome != POOL_DONE;
    map->counts.done++;
    map->counts.failed += failed;
    if (!failed)
        median_add(&map->median, job->result.usage.wall_seconds);
    check_halt(map, job, failed);
}

static int log_job(struct map *map, const struct map_job *job)
{
    const pool_usage_t *usage = &job->result.usage;
    const char *method = pool_memory_method_name(usage->memory_method), *outcome = outcome_word(&job->result);
    struct joblog_row row = {
        .seq = job->seq,
        .started = usage->started,
        .seconds = usage->wall_seconds,
        .received = (uint64_t)job->streams[0].relay.passed,
        .command = job->command.data,
        .command_size = job->command.size,
        .peak_memory = usage->memory_method == POOL_MEMORY_UNMEASURED ? -1 : (int64_t)usage->peak_memory,
        .method = method,
        .method_size = strlen(method),
        .outcome = outcome,
        .outcome_size = strlen(outcome),
        .attempt = job->earlier + usage->attempt,
    };
    outcome_parallel(&job->result, &row.exit_value, &row.signal);
    return joblog_write(&map->joblog, &row);
}

/* A job whose output did not get out, or that cannot be logged, is not logged: a resume runs it again. */
static void account(struct map *map, const struct map_job *job, int rc)
{
    if (rc < 0) {
        if (rc != -EPIPE && rc != -EINTR && map->code != OWN_FAILURE)
            say(map, "output of %s is lost: %s", job->command.data, strerror(-rc));
        stop_for_output(map, rc);
        return;
    }
    rc = log_job(map, job);
    if (rc < 0) {
        say(map, "--joblog %s: %s", map->options.joblog, strerror(-rc));
        fail(map, OWN_FAILURE);
    }
    rc = map->report == NULL ? 0 : report_write_json(map->report, job->argv, &job->result);
    if (rc < 0) {
        say(map, "--report %s: %s", map->options.report, strerror(-rc));
        fail(map, OWN_FAILURE);
    }
}

static void finish_job(struct map *map, struct map_job *job)
{
    progress_view_clear(&map->view);
    const int out = stream_emit(&job->streams[0]), err = stream_emit(&job->streams[1]);
    if (!is_withdrawn(job) || job->result.usage.attempt > 0)
        account(map, job, out < 0 ? out : err);
    TAILQ_REMOVE(&map->jobs, job, entry);
    map->held--;
    map_job_free(job);
}

/* Whose turn it is: anybody's, or with --keep-order the first's. */
static void give_turns(struct map *map)
{
    struct map_job *next;
    for (struct map_job *job = TAILQ_FIRST(&map->jobs); job != NULL; job = next) {
        next = TAILQ_NEXT(job, entry);
        if (map->options.line_buffer && !job->streams[0].live)
            map_job_go_live(job);
        if (job->settled)
            finish_job(map, job);
        else if (map->options.keep_order)
            break;
    }
}

static void collect(struct map *map)
{
    pool_job_t *pool_job;
    while (map->pool != NULL && pool_next(map->pool, 0, &pool_job) == 0) {
        settle(map, pool_job_user(pool_job));
        pool_job_release(pool_job);
    }
}

/* ---- waiting ------------------------------------------------------------------------------------------------------
 */

static void draw_progress(struct map *map, double now)
{
    pool_memory_t memory = {0};
    if (map->pool != NULL)
        pool_memory(map->pool, &memory);
    const struct progress progress = {.done = map->counts.done,
                                      .total = total_jobs(map),
                                      .started = map->counts.done,
                                      .failed = map->counts.failed,
                                      .running = map->running,
                                      .memory = memory.workers,
                                      .budget = memory.budget,
                                      .seconds = now - map->started};
    progress_view_draw(&map->view, &progress, now);
}

static int sooner(int a, int b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Milliseconds; -1: for ever. */
static int waiting_time(const struct map *map)
{
    const double now = map_now();
    int wait = map->running > 0 ? progress_view_due(&map->view, now) : -1;
    if (map->waits_to_start)
        wait = sooner(wait, map->next_start > now ? (int)((map->next_start - now) * 1000) + 1 : 0);
    if (map->options.timeout_percent > 0 && map->running > 0)
        wait = sooner(wait, TIME_CHECK_MS);
    return wait;
}

static int make_room(struct map *map)
{
    const size_t needed = 3 + 2 * map->held;
    if (needed <= map->fds_capacity)
        return 0;
    struct pollfd *fds = realloc(map->fds, 2 * needed * sizeof *fds);
    if (fds != NULL)
        map->fds = fds;
    struct map_job **readers = realloc(map->readers, 2 * needed * sizeof(struct map_job *));
    if (readers != NULL)
        map->readers = readers;
    if (fds == NULL || readers == NULL)
        return -ENOMEM;
    map->fds_capacity = 2 * needed;
    return 0;
}

/* Who is to be waited for: the pool, signals, inputs, and two places for each running job. */
static size_t list_fds(struct map *map)
{
    size_t count = 3;
    struct map_job *job;
    map->fds[0] = (struct pollfd){.fd = map->pool != NULL ? pool_fd(map->pool) : -1, .events = POLLIN};
    map->fds[1] = (struct pollfd){.fd = map->signals, .events = POLLIN};
    map->fds[2] = (struct pollfd){.fd = map->wants_input ? map->options.inputs.fd : -1, .events = POLLIN};
    TAILQ_FOREACH(job, &map->jobs, entry)
        for (int i = 0; i < 2 && !job->settled; i++) {
            map->readers[count] = job;
            map->fds[count++] = (struct pollfd){.fd = map_job_fd(job, i), .events = POLLIN};
        }
    return count;
}

static void read_job(struct map *map, struct map_job *job, int i)
{
    const struct stream *stream = &job->streams[i];
    if (stream->live)
        progress_view_clear(&map->view);
    if (!map_job_read(job, i))
        map_job_cancel(job);
    if (stream->live && stream->outlet->error != 0)
        stop_for_output(map, stream->outlet->error);
}

static void wait_for_events(struct map *map)
{
    if (make_room(map) < 0) {
        say(map, "%s", strerror(ENOMEM));
        map->code = OWN_FAILURE;
        kill_all(map);
        pool_close(map->pool, POOL_CLOSE_KILL);
        collect(map);
        return;
    }
    const size_t count = list_fds(map);
    if (poll(map->fds, count, waiting_time(map)) > 0) {
        if (map->fds[1].revents != 0)
            handle_signals(map);
        if (map->fds[2].revents != 0) {
            const int rc = inputs_fill(&map->options.inputs);
            if (rc < 0) {
                say_bad_input(map, rc);
                fail(map, OWN_FAILURE);
            }
        }
        for (size_t i = 3; i < count; i++)
            if (map->fds[i].revents != 0)
                read_job(map, map->readers[i], (int)(i - 3) % 2);
        if (map->fds[0].revents != 0)
            collect(map);
    }
}

static void check_times(struct map *map)
{
    struct map_job *job;
    const double seconds = median_of(&map->median) * map->options.timeout_percent / 100, now = map_now();
    if (seconds > 0)
        TAILQ_FOREACH(job, &map->jobs, entry)
            map_job_check_time(job, now, seconds);
}

static void loop(struct map *map)
{
    for (;;) {
        give_turns(map); /* first: what waits for its turn may be what keeps others from starting */
        while (may_start(map) && start_next(map))
            ;
        if ((map->stopping || map->options.inputs.ended) && map->held == 0)
            return;
        if (progress_view_due(&map->view, map_now()) == 0)
            draw_progress(map, map_now());
        wait_for_events(map);
        check_times(map);
    }
}

/* ---- the beginning and the end ------------------------------------------------------------------------------------
 */

static int add_row(const struct joblog_row *row, void *user)
{
    struct map *map = user;
    return map->options.resume || map->options.resume_failed ? resume_add(&map->resume, row) : 0;
}

static int open_pool(struct map *map)
{
    const struct map_options *options = &map->options;
    const pool_options_t pool_options = {.workers = (int32_t)options->jobs,
                                         .memory_budget = options->memory_budget,
                                         .memory_floor = options->memory_floor};
    pool_error_t error;
    struct rlimit files;
    if (options->dry_run)
        return 0;
    if (pool_open(&map->pool, &pool_options, &error) < 0) {
        say(map, "%s", error.message);
        return -1;
    }
    /* For the pipes of many jobs. Commands have the limits of the moment when the pool was opened. */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    return 0;
}

static int open_inputs(struct map *map)
{
    struct inputs *inputs = &map->options.inputs;
    const char *path;
    if (map->options.from_stdin && isatty(STDIN_FILENO))
        say(map, "inputs are read from the terminal; Ctrl-D ends them");
    const int rc = inputs_open(inputs, &path);
    if (rc < 0)
        return table_fail("arg-file", path, strerror(-rc));
    return 0;
}

static int open_joblog(struct map *map)
{
    char problem[160];
    map->joblog.fd = -1;
    if (map->options.joblog == NULL || map->options.dry_run) {
        if (map->options.joblog == NULL || access(map->options.joblog, F_OK) < 0)
            return 0;
    }
    if (joblog_open(&map->joblog, map->options.joblog, add_row, map, problem, sizeof problem) < 0)
        return table_fail("joblog", map->options.joblog, problem);
    return 0;
}

/* Everything that can fail before a job runs does so here, and nothing is overwritten yet. */
static int open_all(struct map *map)
{
    if (open_pool(map) < 0 || open_inputs(map) < 0 || open_joblog(map) < 0)
        return -1;
    if (map->options.dry_run)
        return 0;
    const char *directory;
    int rc = spool_check(&directory);
    if (rc < 0) {
        say(map, "TMPDIR %s: no temporary file can be made there: %s", directory, strerror(-rc));
        return -1;
    }
    if (outfile_open("report", map->options.report, &map->report) < 0)
        return -1;
    rc = map->options.results == NULL ? 0 : results_prepare(map->options.results);
    return rc < 0 ? table_fail("results", map->options.results, strerror(-rc)) : 0;
}

static int begin(struct map *map)
{
    static const int taken[] = {SIGINT, SIGTERM, SIGHUP};
    const bool resumes = map->options.resume || map->options.resume_failed;
    if (map->options.dry_run)
        return 0;
    int rc = joblog_begin(&map->joblog, resumes);
    if (rc < 0)
        return table_fail("joblog", map->options.joblog, strerror(-rc));
    rc = map->report == NULL ? 0 : outfile_empty(map->options.report, map->report);
    if (rc < 0)
        return table_fail("report", map->options.report, strerror(-rc));
    map->signals = signals_take(taken, sizeof taken / sizeof taken[0]);
    if (map->signals < 0) {
        say(map, "%s", strerror(-map->signals));
        return -1;
    }
    for (int i = 0; i < 2; i++) {
        map->outlets[i].wakes = map->signals;
        map->outlets[i].on_wake = on_wake;
        map->outlets[i].user = map;
    }
    progress_view_init(&map->view, map->options.bar);
    return 0;
}

static int exit_code(const struct map *map)
{
    if (map->code >= 0)
        return map->code;
    if (map->killed || (map->interrupted && !map->options.inputs.ended))
        return OWN_FAILURE;
    return halt_failures_code(map->counts.failed);
}

static void end(struct map *map)
{
    progress_view_clear(&map->view);
    if (map->view.style == PROGRESS_LINES)
        draw_progress(map, map_now());
    for (int i = 0; i < 2; i++)
        if (outlet_flush(&map->outlets[i]) < 0 && map->code < 0)
            map->code = map->outlets[i].error == -EPIPE ? BROKEN_PIPE : OWN_FAILURE;
    map->summary.skipped = map->skipped;
    if (map->options.verbose && !map->options.dry_run)
        summary_print(&map->summary, map_now() - map->started, stderr);
}

static void deinit(struct map *map)
{
    pool_free(map->pool);
    joblog_close(&map->joblog);
    resume_deinit(&map->resume);
    if (map->report != NULL)
        fclose(map->report);
    if (map->signals >= 0)
        close(map->signals);
    for (int i = 0; i < 2; i++)
        outlet_deinit(&map->outlets[i]);
    map_options_deinit(&map->options);
    free(map->slots);
    free(map->fds);
    free(map->readers);
}

static int run_map(struct map *map)
{
    map->slots = calloc((size_t)map->options.jobs, sizeof *map->slots);
    if (map->slots == NULL) {
        say(map, "%s", strerror(ENOMEM));
        return OWN_FAILURE;
    }
    if (open_all(map) < 0 || begin(map) < 0)
        return OWN_FAILURE;
    map->started = map_now();
    loop(map);
    end(map);
    return exit_code(map);
}

int map_main(int argc, char **argv)
{
    static struct map map = {.signals = -1, .code = -1, .joblog = {.fd = -1}};
    TAILQ_INIT(&map.jobs);
    for (int i = 0; i < 2; i++)
        map.outlets[i] = (struct outlet){.fd = i == 0 ? STDOUT_FILENO : STDERR_FILENO, .wakes = -1};
    const int rc = map_options_read(&map.options, argc, argv);
    const int code = rc < 0 ? (rc == -2 ? 0 : OWN_FAILURE) : run_map(&map);
    deinit(&map);
    return code;
}
