/* forkserver.c - the start of a fork server, and its loop. */
#include "forkserver.h"

#include "birth.h"
#include "crash.h"
#include "image.h"
#include "moment.h"
#include "proc.h"
#include "raw.h"
#include "reaper.h"
#include "reports.h"
#include "requests.h"
#include "sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OOM_SCORE_ADJ 500
#define FORK_LATER_NS 50000
#define RETRY_MS      10 /* until a full socket or used-up descriptors are tried again */

enum source { SOURCE_CONTROL, SOURCE_SIGNAL, SOURCE_LIFE, SOURCE_HOST };

/* Workers are to die before the host; inherited protection from the kernel's OOM killer would spare them: proc(5). */
static void offer_to_oom_killer(void)
{
    char text[16] = "";
    const int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    if (read(fd, text, sizeof text - 1) > 0 && strtol(text, NULL, 10) < OOM_SCORE_ADJ) {
        const int length = snprintf(text, sizeof text, "%d", OOM_SCORE_ADJ);
        const ssize_t wrote = pwrite(fd, text, (size_t)length, 0);
        (void)wrote; /* raising it needs no privilege; where it fails all the same, nothing else does */
    }
    close(fd);
}

static int fail(pool_error_t *error, int rc, const char *what)
{
    snprintf(error->message, sizeof error->message, "the fork server cannot %s: %s", what, process_error(-rc));
    return error->code = rc;
}

static int prepare(struct server *server, const struct forkserver_config *config, pool_error_t *error)
{
    prctl(PR_SET_NAME, "reclaim-server");
    setpgid(0, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    process_be_prompt(&config->origin);
    const int measured = meter_open(&server->metering, &config->cgroups, error->message, sizeof error->message);
    if (server->metering.mechanism->method == POOL_MEMORY_CGROUP) {
        server->notes |= server->metering.cgroup.pids ? 0 : NOTE_NO_PIDS;
        server->notes |= server->metering.cgroup.cpu ? 0 : NOTE_NO_CPU;
    }
    if (raw_call(SYS_mseal, 0, 0, 0, 0) < 0)
        server->notes |= NOTE_NO_MSEAL;
    int rc = strangers_init(&server->strangers);
    if (rc == 0)
        rc = slot_table_init(server, config->slots);
    if (rc < 0)
        return fail(error, rc, "start");
    return error->code = config->cgroups_required ? measured : 0;
}

static int run_on_start(const struct forkserver_config *config, pool_error_t *error)
{
    if (config->on_start == NULL)
        return 0;
    const int before = proc_threads(); /* one, but for a sanitizer's own */
    offer_to_oom_killer();
    const int rc = config->on_start(config->on_start_arg, error);
    if (rc != 0) {
        error->message[sizeof error->message - 1] = '\0';
        if (error->message[0] == '\0')
            snprintf(error->message, sizeof error->message, "on_start returned %d", rc);
        return error->code = rc;
    }
    const int threads = proc_threads();
    if (threads > before) {
        snprintf(error->message, sizeof error->message,
                 "on_start left %d more threads: a fork copies only one, so it must end those it started",
                 threads - before);
        return error->code = -EINVAL;
    }
    process_signals_note();
    image_keep_exit_handlers_out(); /* on_start may have registered some, which are no worker's either */
    return 0;
}

/* ---- the loop -------------------------------------------------------------------------------------------------- */

static int watch(int epoll, int fd, enum source source)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = source};
    if (fd < 0)
        return 0;
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void drain_signals(int signals)
{
    struct signalfd_siginfo info[2]; /* a standard signal is pending once at most */
    const ssize_t got = read(signals, info, sizeof info);
    (void)got;
}

/* Milliseconds to wait for events, -1: for ever. all_sent: no report is left over. */
static int next_wait(const struct server *server, bool all_sent)
{
    const int64_t now = process_now_ms();
    int64_t next = moment_earlier(reaper_next(server, now), meter_next(server));
    if (server->births[0] + server->births[1] > 0)
        return 0;
    if (!all_sent)
        next = moment_earlier(next, now + RETRY_MS);
    if (next == LADDER_NEVER)
        return -1;
    return (int)moment_earlier(moment_later(next - now, 0), 60000);
}

/* Whether forking a replacement can wait: no job runs, and another worker is ready for the next. */
static bool is_at_rest(const struct server *server)
{
    bool ready = false;
    for (const struct slot *slot = server->slots; slot < server->slots_end; slot++) {
        if (slot->state != SLOT_ALIVE || slot->unforked)
            continue;
        const uint32_t phase = atomic_load(&slot->page->phase);
        if (phase == PAGE_BEGUN)
            return false;
        ready = ready || phase == PAGE_READY;
    }
    return ready;
}

/* The thread that gets the report just sent may wait for this processor, and a fork takes as long as the rest of its
 * job. It goes first. */
static int wait_for_events(struct server *server, bool all_sent, struct epoll_event *events, int size)
{
    const struct timespec moment = {.tv_nsec = FORK_LATER_NS};
    const int wait = next_wait(server, all_sent);
    if (server->unforked == 0)
        return epoll_wait(server->epoll, events, size, wait);
    int count = 0;
    if (server->unforked == 1 && wait != 0 && is_at_rest(server))
        count = (int)syscall(SYS_epoll_pwait2, server->epoll, events, size, &moment, NULL, 0);
    if (count <= 0) { /* also where the kernel has no such call */
        request_fork_replacements(server);
        count = 0;
    }
    return count;
}

/* True: a SIGCHLD has come. */
static bool handle_event(struct server *server, enum source source)
{
    switch (source) {
    case SOURCE_CONTROL:
        while (request_handle(server) && !meter_is_due(server))
            ;
        break;
    case SOURCE_SIGNAL:
        drain_signals(server->signals);
        return true;
    case SOURCE_LIFE:
    case SOURCE_HOST:
        server->closing = true;
        break;
    }
    return false;
}

static void loop(struct server *server)
{
    bool all_sent = true;
    while (!server->closing) {
        struct epoll_event events[8];
        const int count = wait_for_events(server, all_sent, events, 8);
        bool reap = false;
        for (int i = 0; i < count; i++)
            reap = handle_event(server, (enum source)events[i].data.u32) || reap;
        meter_run(server, process_now_ms());
        request_fork_workers(server);
        reaper_run(server, reap, process_now_ms());
        all_sent = report_all(server);
        birth_stock(server);
    }
}

/* ---- the start ------------------------------------------------------------------------------------------------- */

/* Makes the epoll of the loop, and holds signals again: on_start may have changed the mask. */
static int watch_all(struct server *server, int life, int host, pool_error_t *error)
{
    sigset_t child;
    process_signals_hold(&child);
    server->signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    int rc = server->signals < 0 || server->epoll < 0 ? -errno : 0;
    if (rc == 0) {
        process_descriptor_lift(&server->signals);
        process_descriptor_lift(&server->epoll);
        if ((rc = watch(server->epoll, server->control, SOURCE_CONTROL)) == 0 &&
            (rc = watch(server->epoll, server->signals, SOURCE_SIGNAL)) == 0 &&
            (rc = watch(server->epoll, life, SOURCE_LIFE)) == 0)
            rc = watch(server->epoll, host, SOURCE_HOST);
    }
    return rc < 0 ? fail(error, rc, "watch its workers") : 0;
}

/* What can wait until the host has its hello. Crash handlers come after on_start, whose code may install its own. */
static void get_ready(struct server *server, const struct forkserver_config *config)
{
    uint64_t resident;
    offer_to_oom_killer();
    if (!config->threaded)
        crash_prepare();
    crash_install();
    meter_begin(&server->metering);
    server->tag_most = sweep_tag_most();
    birth_stock(server);
    if (proc_resident(server->pid, &resident, &server->inherited) < 0)
        server->inherited = 0;
}

/* Ends the process where there is no memory. */
static struct server *server_new(const struct forkserver_config *config, int control)
{
    struct server *server = mmap(NULL, sizeof *server, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (server == MAP_FAILED)
        _exit(1);
    madvise(server, sizeof *server, MADV_DONTFORK);
    server->control = control;
    server->config = config;
    server->pid = getpid();
    server->warm = config->warm;
    server->reaper.sweep_at = server->reaper.count_at = LADDER_NEVER;
    return server;
}

void forkserver_main(const struct forkserver_config *config, int control, int life, int host)
{
    struct server *server = server_new(config, control);
    pool_error_t error = {0};
    int rc = prepare(server, config, &error);
    image_keep_exit_handlers_out();
    if (rc == 0)
        rc = run_on_start(config, &error);
    if (rc == 0)
        rc = watch_all(server, life, host, &error);
    report_hello(server, &error);
    if (rc == 0) {
        get_ready(server, config);
        loop(server);
    }
    sweep_all_below(server->pid);
    cgroup_pool_close(&server->metering.cgroup);
    _exit(rc == 0 ? 0 : 1);
}
