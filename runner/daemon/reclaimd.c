#include "reclaimd.h"

#include "clock.h"
#include "daemon_client.h"
#include "ends.h"
#include "escape.h"
#include "explain.h"
#include "live.h"
#include "methods.h"
#include "starts.h"
#include "stop.h"
#include "turn.h"
#include "watch.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

/* ---- callbacks of sessions and runs */

static void on_request(void *user, struct session *session, const struct rpc_request *request)
{
    struct daemon *daemon = user;
    struct client *client = client_of(daemon, session);
    if (client == NULL) {
        session_close(session, "no memory for a client");
        return;
    }
    methods_handle(daemon, client, request);
}

static void on_close(void *user, struct session *session)
{
    struct daemon *daemon = user;
    struct client *client = session_info(session)->user;
    if (client == NULL)
        return;
    watch_forget_client(daemon, client);
    turn_forget_client(daemon, client);
    client_free(daemon, client);
}

static void on_pool_log(void *user, const char *line)
{
    const struct daemon *daemon = user;
    log_event(daemon->log, LOG_LEVEL_WARNING, "pool", log_text("message", line));
}

static void on_end(void *user, uint64_t id, const struct record_end *end, uint32_t evictions, pool_job_t *job)
{
    struct daemon *daemon = user;
    struct ending *ending = ends_add(daemon, id);
    ending->end = *end;
    ending->evictions = evictions;
    ending->came_at = (int64_t)uv_now(daemon->loop);
    escape_bytes(end->message, strlen(end->message), ESCAPE_CONTROL, ending->end.message, sizeof ending->end.message);
    if (end->result_size > 0) {
        ending->job = pool_job_retain(job);
        ending->value = pool_job_result(job)->data;
    }
    starts_look_again(daemon); /* its memory is back, though its end may not be written yet */
}

static void on_started(void *user, uint64_t id)
{
    struct job *job = live_find(user, id);
    if (job != NULL)
        job->started = true;
}

static void on_output(void *user, uint64_t id)
{
    watch_output(user, id);
}

/* ---- the loop */

static void on_timer(uv_timer_t *timer)
{
    (void)timer; /* on_prepare does the work */
}

static int64_t until(double epoch)
{
    const double left = (epoch - clock_now()) * 1000;
    return left < 1 ? 1 : left > 60000 ? 60000 : (int64_t)left + 1;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Sets the timer for what is due next; at_once: another turn is. */
static void arm(struct daemon *daemon, bool at_once)
{
    int64_t delay = 60000; /* the clock may have been set meanwhile */
    const double wake_at = schedule_wake_at(&daemon->schedule);
    const int64_t watch = watch_next(daemon), now = (int64_t)uv_now(daemon->loop), due = ends_due(daemon);
    if (wake_at > 0)
        delay = sooner(delay, until(wake_at));
    if (watch >= 0)
        delay = sooner(delay, watch > now ? watch - now : 1);
    if (daemon->read_only[0] != '\0')
        delay = sooner(delay, until(daemon->probe_at));
    else
        delay = sooner(delay, at_once ? 1 : due >= 0 ? due : until(daemon->expire_at));
    if (daemon->phase == DAEMON_SERVING && daemon->read_only[0] == '\0' && daemon->look_at > 0)
        delay = sooner(delay, daemon->look_at > now ? daemon->look_at - now : 1);
    if (daemon->phase == DAEMON_STOPPING)
        delay = sooner(delay, daemon->kill_at > now ? daemon->kill_at - now : 1);
    uv_timer_start(&daemon->timer, on_timer, (uint64_t)delay, 0);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct daemon *daemon = prepare->data;
    const bool at_once = commit_turn(daemon);
    stop_advance(daemon);
    if (daemon->phase != DAEMON_CLOSED)
        arm(daemon, at_once);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct daemon *daemon = handle->data;
    if (number != SIGHUP) {
        stop_begin(daemon, (double)daemon->options->drain_timeout_ms / 1000);
        return;
    }
    notify_reloading(&daemon->notify);
    if (log_reopen(daemon->log) == 0) /* else it has logged why */
        log_event(daemon->log, LOG_LEVEL_INFO, "reopened");
    notify_tell(&daemon->notify, "READY=1");
}

static void on_watchdog(uv_timer_t *timer)
{
    const struct daemon *daemon = timer->data;
    notify_tell(&daemon->notify, "WATCHDOG=1");
}

static void start_loop(struct daemon *daemon)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    uv_prepare_init(daemon->loop, &daemon->prepare);
    uv_timer_init(daemon->loop, &daemon->timer);
    uv_timer_init(daemon->loop, &daemon->watchdog);
    daemon->prepare.data = daemon->timer.data = daemon->watchdog.data = daemon;
    for (size_t i = 0; i < 3; i++) {
        uv_signal_init(daemon->loop, &daemon->signals[i]);
        daemon->signals[i].data = daemon;
        uv_signal_start(&daemon->signals[i], on_signal, numbers[i]);
    }
    if (daemon->notify.watchdog_ms > 0)
        uv_timer_start(&daemon->watchdog, on_watchdog, (uint64_t)daemon->notify.watchdog_ms,
                       (uint64_t)daemon->notify.watchdog_ms);
    uv_prepare_start(&daemon->prepare, on_prepare);
}

/* ---- opening */

static int is_known(void *user, uint64_t id)
{
    const struct daemon *daemon = user;
    struct record record;
    return store_job_read(daemon->store, id, &record) != -ENOENT;
}

/* Each client is a descriptor, and each run several. */
static void raise_descriptors(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* The pool first, while there is nothing else: its fork server is a copy of what the daemon is now. */
static int open_runs(struct daemon *daemon, char message[512])
{
    const struct daemon_options *options = daemon->options;
    const struct runs_options runs = {.workers = (int32_t)options->workers,
                                      .memory_budget = options->memory_budget,
                                      .output_max = (uint64_t)options->output_max,
                                      .modules = (const char *const *)options->modules,
                                      .held = daemon->statedir.workers,
                                      .outputs = &daemon->outputs,
                                      .on_end = on_end,
                                      .on_started = on_started,
                                      .on_output = on_output,
                                      .log = on_pool_log,
                                      .user = daemon};
    for (size_t i = 0; i < options->module_count; i++) /* before it is loaded: it may hang */
        log_event(daemon->log, LOG_LEVEL_INFO, "loading", log_text("module", options->modules[i]));
    pool_memory_t memory = {0};
    int error = runs_open(&daemon->runs, daemon->loop, &runs, message);
    if (error < 0)
        return error;
    /* Not earlier: jobs inherit the dispositions and limits of the moment when the pool was opened. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file beyond RLIMIT_FSIZE is an error as others */
    raise_descriptors();
    daemon->workers = (size_t)runs_workers(daemon->runs);
    pool_memory(runs_pool(daemon->runs), &memory);
    daemon->budget = memory.budget;
    daemon->memory = memory.total;
    return 0;
}

/* The number that the store got at its first start; 0: it could not be written, and the next start tries again. */
static uint64_t number_store(struct store *store)
{
    int64_t number = 0;
    const int found = store_fact_read(store, "number", &number);
    if (found == 0)
        return (uint64_t)number;
    if (found != -ENOENT || getrandom(&number, sizeof number, 0) != sizeof number)
        return 0;
    number = (number & INT64_MAX) | 1;
    if (store_fact_write(store, "number", number) == 0 && store_commit(store) == 0)
        return (uint64_t)number;
    store_rollback(store);
    return 0;
}

/* Loads the jobs from disk. */
static int open_jobs(struct daemon *daemon, char message[512])
{
    if (schedule_group(&daemon->schedule, GROUP_DEFAULT, sizeof GROUP_DEFAULT - 1) == NULL)
        return explain(message, -ENOMEM, "%s", strerror(ENOMEM));
    int error = store_open(&daemon->store, daemon->statedir.path, message);
    if (error < 0)
        return error;
    error = live_load(daemon);
    if (error < 0)
        return explain(message, error, "%s: %s", daemon->statedir.path, store_message(daemon->store));
    daemon->store_number = number_store(daemon->store);
    outputs_sweep(&daemon->outputs, is_known, daemon);
    return 0;
}

static int open_door(struct daemon *daemon, int listen_fd, char message[512])
{
    const struct daemon_options *options = daemon->options;
    const struct session_options session = {.message_max = (size_t)options->message_max,
                                            .unread_max = (size_t)options->unread_max,
                                            .clients_max = (size_t)options->clients_max,
                                            .reserved_max = SESSION_RESERVED,
                                            .on_request = on_request,
                                            .on_close = on_close,
                                            .log = daemon->log,
                                            .user = daemon};
    int error = listen_fd >= 0 ? door_take(&daemon->door, listen_fd, message)
                               : door_open(&daemon->door, options->socket, message);
    if (error < 0)
        return error;
    error = sessions_open(&daemon->sessions, daemon->loop, &daemon->door, &session);
    return error < 0 ? explain(message, error, "the socket cannot be listened to: %s", strerror(-error)) : 0;
}

static int open_all(struct daemon *daemon, int listen_fd, char message[512])
{
    int error = statedir_open(&daemon->statedir, daemon->options->state, message);
    if (error < 0)
        return error;
    error = outputs_open(&daemon->outputs, daemon->statedir.fd);
    if (error < 0)
        return explain(message, error, "%s/jobs: %s", daemon->statedir.path, strerror(-error));
    error = open_runs(daemon, message);
    if (error == 0)
        error = open_jobs(daemon, message);
    if (error == 0)
        error = open_door(daemon, listen_fd, message);
    return error;
}

static void close_all(struct daemon *daemon)
{
    live_clear(daemon);
    schedule_deinit(&daemon->schedule);
    turn_deinit(daemon);
    for (struct ending *ending; (ending = STAILQ_FIRST(&daemon->endings)) != NULL; ending_free(ending))
        STAILQ_REMOVE_HEAD(&daemon->endings, entry);
    store_close(daemon->store);
    outputs_close(&daemon->outputs);
    door_close(&daemon->door);
    statedir_close(&daemon->statedir); /* last: it lets the next daemon in */
    notify_close(&daemon->notify);
}

static void report_ready(struct daemon *daemon)
{
    log_event(daemon->log, LOG_LEVEL_INFO, "ready", log_text("version", pool_version()),
              log_text("socket", daemon->door.path != NULL ? daemon->door.path : "handed over"),
              log_text("state", daemon->statedir.path), log_number("workers", (int64_t)daemon->workers),
              log_number("jobs", HASH_COUNT(daemon->jobs)));
    notify_tell(&daemon->notify, "READY=1");
    notify_status(&daemon->notify, "%u jobs that have not ended", HASH_COUNT(daemon->jobs));
}

int reclaimd_run(const struct daemon_options *options, struct log *log, int listen_fd)
{
    uv_loop_t loop;
    struct daemon daemon = {.options = options,
                            .loop = &loop,
                            .log = log,
                            .statedir = {.fd = -1, .lock = -1, .workers = -1},
                            .outputs = {.dir = -1},
                            .door = {.fd = -1}};
    char message[512] = "";
    TAILQ_INIT(&daemon.watches);
    STAILQ_INIT(&daemon.endings);
    schedule_init(&daemon.schedule);
    if (uv_loop_init(&loop) < 0)
        return 1;
    if (notify_open(&daemon.notify, message) < 0)
        log_event(log, LOG_LEVEL_WARNING, "notify", log_text("message", message));
    const int error = open_all(&daemon, listen_fd, message);
    start_loop(&daemon);
    daemon.opened_ms = uv_now(&loop);
    if (error < 0) {
        log_event(log, LOG_LEVEL_ERROR, "start", log_text("message", message));
        stop_start_failed(&daemon);
    } else
        report_ready(&daemon);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    close_all(&daemon);
    log_event(log, LOG_LEVEL_INFO, "stopped", log_number("exit_code", daemon.exit_code));
    return daemon.exit_code;
}
