/* forkserver.c - the fork server's loop; slot.c is its table, birth.c its forks, reaper.c its deaths. */
#include "forkserver.h"

#include "birth.h"
#include "crash.h"
#include "descriptor.h"
#include "image.h"
#include "reaper.h"
#include "forkserver_state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OOM_SCORE_ADJ 500
#define FORK_LATER_NS 50000
#define RETRY_MS      10 /* until a full socket or used-up descriptors are tried again */

enum source { SOURCE_CONTROL, SOURCE_SIGNAL, SOURCE_LIFE, SOURCE_HOST };

/* Workers go first, and an inherited protection from the kernel's OOM killer would make them unkillable by it: proc(5).
 */
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

static int prepare(struct server *server, const struct forkserver_config *config, pool_error_t *error)
{
    static char name[] = "reclaim-server";
    prctl(PR_SET_NAME, name);
    setpgid(0, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    process_be_prompt(&config->origin);
    int rc = reaper_init(&server->reaper);
    if (rc == 0)
        rc = slot_table_init(&server->table, config->slots);
    if (rc < 0) {
        error->code = rc;
        snprintf(error->message, sizeof error->message, "the fork server cannot start: %s", process_error(-rc));
        return rc;
    }
    rc = meter_open(server, &config->cgroups, error->message, sizeof error->message);
    if (server->metering.mechanism->method == POOL_MEMORY_CGROUP) {
        server->notes |= server->metering.cgroup.pids ? 0 : NOTE_NO_PIDS;
        server->notes |= server->metering.cgroup.cpu ? 0 : NOTE_NO_CPU;
    }
    return error->code = config->cgroups_required ? rc : 0;
}

/* What the image has of the host's that would do harm here, and in workers. */
static void check_image(struct server *server, const struct forkserver_config *config)
{
    sigset_t child;
    process_signals_hold(&child);
    const unsigned held = config->threaded ? image_locks_held(&child) : 0;
    server->seeds = (held & IMAGE_RANDOM) == 0;
    server->notes |= (held & IMAGE_RANDOM) != 0 ? NOTE_RANDOM_HELD : 0;
    server->notes |= (held & IMAGE_EXIT) != 0 ? NOTE_EXIT_HELD : 0;
}

static void keep_exit_handlers_out(const struct server *server)
{
    if ((server->notes & NOTE_EXIT_HELD) == 0)
        image_keep_exit_handlers_out();
}

/* The warm template. */
static int run_on_start(const struct server *server, const struct forkserver_config *config, pool_error_t *error)
{
    if (config->on_start != NULL) {
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
        keep_exit_handlers_out(server); /* it may have registered some, which are no worker's either */
    }
    return 0;
}

static int send_message(struct server *server, enum message_type type, const void *message, const int *fds,
                        size_t count)
{
    struct frame_buffer frame;
    frame_buffer_init(&frame, server->outgoing, sizeof server->outgoing);
    const int rc = message_pack(&frame, type, message);
    if (rc < 0)
        return rc;
    const ssize_t sent = descriptor_send(server->control, frame.data, frame.size, fds, count);
    return sent < 0 ? (int)sent : 0;
}

static void say_hello(struct server *server, const pool_error_t *error)
{
    const struct message_hello hello = {.code = error->code,
                                        .method = server->metering.mechanism->method,
                                        .notes = server->notes,
                                        .message = {error->message, strlen(error->message)}};
    send_message(server, MESSAGE_HELLO, &hello, NULL, 0);
}

/* ---- what the host asks ---------------------------------------------------------------------------------------- */

static void fork_worker(struct server *server)
{
    struct slot *slot = server_slot_take(server);
    if (slot == NULL) {
        const struct message_born born = {.error = EAGAIN};
        send_message(server, MESSAGE_BORN, &born, NULL, 0);
        return;
    }
    if (birth_prepare(server, slot))
        birth_fork(server, slot);
    slot->born_unsent = true;
}

static void handle_fork(struct server *server, const struct message_fork *request)
{
    server->births += request->count < server->table.count ? request->count : server->table.count;
}

/* As many as there is time for: who is near a limit does not wait until all are forked. */
static void fork_workers(struct server *server)
{
    while (server->births > 0) {
        server->births--;
        fork_worker(server);
        if (meter_is_due(server))
            return;
    }
}

/* It never was where that fails: told as the death of one that had not begun. */
static void fork_slot(struct server *server, struct slot *slot)
{
    if (!slot->unforked)
        return;
    slot->unforked = false;
    server->unforked--;
    birth_fork(server, slot);
    if (slot->error != 0)
        slot->state = SLOT_GONE;
}

static void fork_slots(struct server *server)
{
    for (size_t i = 0; server->unforked > 0 && i < server->table.count; i++)
        if (server->table.slots[i].state == SLOT_ALIVE)
            fork_slot(server, &server->table.slots[i]);
}

/* The worker that a message is about. NULL: it is gone. */
static struct slot *find_forked(struct server *server, uint64_t serial)
{
    struct slot *slot = slot_find(&server->table, serial);
    if (slot != NULL)
        fork_slot(server, slot);
    return slot;
}

/* Our clock is rounded down to milliseconds, but no time is to be shorter than it was said. */
static int64_t whole(int64_t ms)
{
    return ms > 0 ? ms + 1 : ms;
}

static void handle_kill(struct server *server, const struct message_kill *request)
{
    struct slot *slot = find_forked(server, request->serial);
    if (slot != NULL && slot->state == SLOT_ALIVE)
        ladder_ask(&slot->ladder, request->reason, whole(request->grace_ms), process_now_ms());
}

/* A command's worker passes on what it gets: worker/command.c. */
static void handle_signal(struct server *server, const struct message_signal *request)
{
    const struct slot *slot = find_forked(server, request->serial);
    if (slot != NULL && slot->state == SLOT_ALIVE && atomic_load(&slot->page->phase) == PAGE_BEGUN)
        kill(slot->pid, (int)request->signal);
}

static void handle_watch(struct server *server, const struct message_watch *watch)
{
    struct slot *slot = find_forked(server, watch->serial);
    if (slot == NULL || slot->state != SLOT_ALIVE)
        return;
    slot->cpu_ms = watch->cpu_ms;
    slot->pids = server->metering.cgroup.pids ? -1 : watch->pids; /* there the kernel counts, and refuses the fork */
    slot->pausable = watch->pausable != 0;
    meter_start(server, slot, watch);
    page_guard_take(slot->page);
    if (watch->timeout_ms >= 0)
        ladder_limit(&slot->ladder, process_now_ms() + whole(watch->timeout_ms), KILL_TIMEOUT,
                     whole(watch->kill_after_ms));
}

/* Reads one packet; anything that is no legal message ends the fork server: the host is ours, so it is a bug or memory
 * gone bad, and workers must not live on under it. */
static bool handle_packet(struct server *server)
{
    uint8_t *packet = server->incoming;
    struct descriptor_set none;
    struct frame_header header;
    union {
        struct message_fork fork;
        struct message_kill kill;
        struct message_signal signal;
        struct message_watch watch;
    } message;
    const ssize_t got = descriptor_receive(server->control, packet, sizeof server->incoming, MSG_DONTWAIT, &none);
    if (got == -EAGAIN)
        return false;
    descriptor_set_close(&none);
    if (got < (ssize_t)FRAME_HEADER_SIZE || frame_header_read(packet, &header) < 0 ||
        (size_t)got != FRAME_HEADER_SIZE + header.length ||
        (header.type != MESSAGE_FORK && header.type != MESSAGE_KILL && header.type != MESSAGE_SIGNAL &&
         header.type != MESSAGE_WATCH) ||
        message_unpack(header.type, packet + FRAME_HEADER_SIZE, header.length, &message) < 0) {
        server->closing = true;
        return false;
    }
    if (header.type == MESSAGE_FORK)
        handle_fork(server, &message.fork);
    else if (header.type == MESSAGE_KILL)
        handle_kill(server, &message.kill);
    else if (header.type == MESSAGE_SIGNAL)
        handle_signal(server, &message.signal);
    else
        handle_watch(server, &message.watch);
    return true;
}

/* ---- what the host is told ------------------------------------------------------------------------------------- */

/* Refused for the moment: what goes up is tried again. */
static bool is_refused_now(int rc)
{
    return rc == -EAGAIN || rc == -ETOOMANYREFS || rc == -ENOBUFS || rc == -ENOMEM;
}

/* True when it is told, or never can be. */
static bool tell_born(struct server *server, struct slot *slot)
{
    const struct message_born born = {.serial = slot->serial, .pid = (uint64_t)slot->pid, .error = slot->error};
    const int rc = send_message(server, MESSAGE_BORN, &born, slot->host_ends, slot->error == 0 ? 2 : 0);
    if (is_refused_now(rc))
        return false;
    descriptor_close(&slot->host_ends[0]);
    descriptor_close(&slot->host_ends[1]);
    slot->born_unsent = false;
    if (slot->error != 0)
        server_slot_free(server, slot);
    return true;
}

static size_t count_idle(const struct server *server)
{
    size_t idle = 0;
    for (size_t i = 0; i < server->table.count; i++) {
        const struct slot *slot = &server->table.slots[i];
        idle += slot->state == SLOT_ALIVE && atomic_load(&slot->page->phase) != PAGE_BEGUN;
    }
    return idle;
}

/* The worker that takes the place of one that has done its job, ready to be forked. NULL: none, the host asks if it
 * wants one. It takes one more than `warm`: under load the host hands an idle one its job when it hears that another is
 * done. */
static struct slot *prepare_replacement(struct server *server)
{
    struct slot *slot = server->warm > 0 && count_idle(server) <= server->warm ? server_slot_take(server) : NULL;
    if (slot == NULL || birth_prepare(server, slot))
        return slot;
    server_slot_free(server, slot);
    return NULL;
}

static void drop_replacement(struct server *server, struct slot *slot)
{
    descriptor_close(&slot->host_ends[0]);
    descriptor_close(&slot->host_ends[1]);
    descriptor_close(&slot->worker_ends[0]);
    descriptor_close(&slot->worker_ends[1]);
    server_slot_free(server, slot);
}

/* One packet tells of the end of a worker and brings the ends of the next, which is forked after that: somebody waits
 * for the news. */
static bool tell_gone(struct server *server, struct slot *slot)
{
    struct message_gone gone;
    slot_report(slot, &server->metering, server->crash, sizeof server->crash, &gone);
    struct slot *next = gone.begun != 0 && !slot->unreaped ? prepare_replacement(server) : NULL;
    gone.replacement = next != NULL ? next->serial : 0;
    const int rc =
        send_message(server, MESSAGE_GONE, &gone, next != NULL ? next->host_ends : NULL, next != NULL ? 2 : 0);
    if (is_refused_now(rc)) {
        if (next != NULL)
            drop_replacement(server, next);
        return false;
    }
    if (slot->unreaped)
        slot->state = SLOT_STUCK; /* keeps its place, and its page, until the kernel lets go of it */
    else
        server_slot_free(server, slot);
    if (next == NULL)
        return true;
    descriptor_close(&next->host_ends[0]);
    descriptor_close(&next->host_ends[1]);
    next->unforked = true;
    server->unforked++;
    return true;
}

/* What its job uses now. */
static bool tell_memory(struct server *server, struct slot *slot)
{
    struct meter *meter = &slot->meter;
    const struct message_memory memory = {.serial = slot->serial, .bytes = meter->used, .most = meter->most};
    if (is_refused_now(send_message(server, MESSAGE_MEMORY, &memory, NULL, 0)))
        return false;
    meter->untold = false;
    meter->told = meter->most;
    meter->told_at = meter->looked_at;
    return true;
}

/* Tells what there is to tell, in order a slot: born before memory before gone. False: not all; the socket took no
 * more, or looking at memory, which is due, comes before forking more replacements. */
static bool tell(struct server *server)
{
    for (size_t i = 0; i < server->table.count; i++) {
        struct slot *slot = &server->table.slots[i];
        if (slot->state == SLOT_FREE)
            continue;
        if (slot->born_unsent && !tell_born(server, slot))
            return false;
        if (slot->meter.untold && !tell_memory(server, slot))
            return false;
        if (slot->state == SLOT_GONE && (!tell_gone(server, slot) || meter_is_due(server)))
            return false;
    }
    return true;
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

/* Milliseconds until something has to be done, -1: until something happens. */
static int next_wait(const struct server *server, bool told)
{
    const int64_t now = process_now_ms();
    int64_t next = reaper_next(server, now);
    const int64_t look = meter_next(server);
    if (look < next)
        next = look;
    if (server->births > 0)
        return 0;
    if (!told && now + RETRY_MS < next)
        next = now + RETRY_MS;
    if (next == LADDER_NEVER)
        return -1;
    return next <= now ? 0 : (int)(next - now < 60000 ? next - now : 60000);
}

/* Whether forking the one that is to be forked can wait: no job runs, and there is another worker for the next. */
static bool is_at_rest(const struct server *server)
{
    bool ready = false;
    for (size_t i = 0; i < server->table.count; i++) {
        const struct slot *slot = &server->table.slots[i];
        if (slot->state != SLOT_ALIVE || slot->unforked)
            continue;
        const uint32_t phase = atomic_load(&slot->page->phase);
        if (phase == PAGE_BEGUN)
            return false;
        ready = ready || phase == PAGE_READY;
    }
    return ready;
}

/* Who waits for the news that was just sent may wait for this processor, too, and forking takes as long as the rest of
 * his job: he goes first. */
static int wait_for_events(struct server *server, bool told, struct epoll_event *events, int size)
{
    const struct timespec moment = {.tv_nsec = FORK_LATER_NS};
    const int wait = next_wait(server, told);
    if (server->unforked == 0)
        return epoll_wait(server->epoll, events, size, wait);
    int count = 0;
    if (server->unforked == 1 && wait != 0 && is_at_rest(server))
        count = (int)syscall(SYS_epoll_pwait2, server->epoll, events, size, &moment, NULL, 0);
    if (count <= 0) { /* also where the kernel has no such call */
        fork_slots(server);
        count = 0;
    }
    return count;
}

static void loop(struct server *server)
{
    bool told = true;
    while (!server->closing) {
        struct epoll_event events[8];
        const int count = wait_for_events(server, told, events, 8);
        bool reap = false;
        for (int i = 0; i < count; i++) {
            switch ((enum source)events[i].data.u32) {
            case SOURCE_CONTROL:
                while (handle_packet(server) && !meter_is_due(server))
                    ;
                break;
            case SOURCE_SIGNAL:
                drain_signals(server->signals);
                reap = true;
                break;
            case SOURCE_LIFE:
            case SOURCE_HOST:
                server->closing = true;
                break;
            }
        }
        meter_run(server, process_now_ms());
        fork_workers(server);
        reaper_run(server, reap, process_now_ms());
        told = tell(server);
        birth_stock(server);
    }
}

/* Everything that the loop waits for. on_start may have changed the mask. */
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
    if (rc < 0) {
        error->code = rc;
        snprintf(error->message, sizeof error->message, "the fork server cannot watch its workers: %s",
                 process_error(-rc));
    }
    return rc;
}

/* What can wait until the host knows that we are there: it has to think now, too. Crash handlers come after on_start,
 * for what that loads may install its own. */
static void get_ready(struct server *server, const struct forkserver_config *config)
{
    uint64_t resident;
    offer_to_oom_killer();
    if (!config->threaded)
        crash_prepare();
    crash_install();
    meter_begin(server);
    birth_stock(server);
    if (proc_resident(server->pid, &resident, &server->inherited) < 0)
        server->inherited = 0;
}

void forkserver_main(const struct forkserver_config *config, int control, int life, int host)
{
    struct server *server = server_new(config, control);
    pool_error_t error = {0};
    int rc = prepare(server, config, &error);
    check_image(server, config);
    keep_exit_handlers_out(server);
    if (rc == 0)
        rc = run_on_start(server, config, &error);
    if (rc == 0)
        rc = watch_all(server, life, host, &error);
    say_hello(server, &error);
    if (rc == 0) {
        get_ready(server, config);
        loop(server);
    }
    reaper_end_all(server->pid);
    meter_close(server);
    _exit(rc == 0 ? 0 : 1);
}
