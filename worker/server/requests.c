#include "requests.h"

#include "amount.h"
#include "birth.h"
#include "descriptor.h"
#include "reports.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

union request {
    struct message_fork fork;
    struct message_kill kill;
    struct message_signal signal;
    struct message_watch watch;
};

/* A worker that cannot be forked is reported as gone before it began: the host has its ends already. */
static void fork_replacement(struct server *server, struct slot *slot)
{
    if (!slot->unforked)
        return;
    slot->unforked = false;
    server->unforked--;
    birth_fork(server, slot);
    if (slot->error != 0)
        slot->state = SLOT_GONE;
}

void request_fork_replacements(struct server *server)
{
    for (struct slot *slot = server->slots; server->unforked > 0 && slot < server->slots_end; slot++)
        if (slot->state == SLOT_ALIVE)
            fork_replacement(server, slot);
}

void request_fork_workers(struct server *server)
{
    while (server->births[0] + server->births[1] > 0) {
        const bool full = server->births[0] == 0;
        struct slot *slot = slot_take(server);
        server->births[full]--;
        if (slot == NULL) {
            report_no_slot(server);
        } else {
            if (birth_prepare(server, slot, full))
                birth_fork(server, slot);
            slot->born_unsent = true;
        }
        if (meter_is_due(server))
            return;
    }
}

static void handle_fork(struct server *server, const union request *request)
{
    const uint64_t most = (uint64_t)(server->slots_end - server->slots);
    server->births[request->fork.full != 0] += amount_smaller(request->fork.count, most);
}

/* The living worker that a message is about, forked by now. NULL: it is gone. */
static struct slot *find_worker(struct server *server, uint64_t serial)
{
    struct slot *slot = slot_find(server, serial);
    if (slot != NULL)
        fork_replacement(server, slot);
    return slot != NULL && slot->state == SLOT_ALIVE ? slot : NULL;
}

/* Our clock is rounded down to milliseconds, and no time may end early. */
static int64_t round_up(int64_t ms)
{
    return ms > 0 ? ms + 1 : ms;
}

static void handle_kill(struct server *server, const union request *request)
{
    struct slot *slot = find_worker(server, request->kill.serial);
    if (slot != NULL)
        ladder_ask(&slot->ladder, request->kill.reason, round_up(request->kill.grace_ms), process_now_ms());
}

/* A command's worker passes it on: command.c. */
static void handle_signal(struct server *server, const union request *request)
{
    const struct slot *slot = find_worker(server, request->signal.serial);
    if (slot != NULL && atomic_load(&slot->page->phase) == PAGE_BEGUN)
        kill(slot->pid, (int)request->signal.signal);
}

static void handle_watch(struct server *server, const union request *request)
{
    const struct message_watch *watch = &request->watch;
    struct slot *slot = find_worker(server, watch->serial);
    if (slot == NULL)
        return;
    slot->cpu_ms = watch->cpu_ms;
    slot->pids = server->metering.cgroup.pids ? -1 : watch->pids; /* a cgroup counts itself, and refuses the fork */
    slot->pausable = watch->pausable != 0;
    meter_start(server, slot, watch);
    bell_ring(&slot->page->guard, PAGE_WATCHED);
    if (watch->timeout_ms >= 0)
        ladder_limit(&slot->ladder, process_now_ms() + round_up(watch->timeout_ms), KILL_TIMEOUT,
                     round_up(watch->kill_after_ms));
}

static void (*const handlers[MESSAGE_TYPE_COUNT_])(struct server *server, const union request *request) = {
    [MESSAGE_FORK] = handle_fork,
    [MESSAGE_KILL] = handle_kill,
    [MESSAGE_SIGNAL] = handle_signal,
    [MESSAGE_WATCH] = handle_watch,
};

/* 0 or -EBADMSG. */
static int unpack(const uint8_t *packet, size_t size, struct frame_header *header, union request *request)
{
    if (size < FRAME_HEADER_SIZE || frame_header_read(packet, header) < 0 ||
        size != FRAME_HEADER_SIZE + header->length || header->type >= MESSAGE_TYPE_COUNT_ ||
        handlers[header->type] == NULL)
        return -EBADMSG;
    return message_unpack(header->type, packet + FRAME_HEADER_SIZE, header->length, request);
}

bool request_handle(struct server *server)
{
    struct descriptor_set none;
    struct frame_header header;
    union request request;
    const ssize_t got =
        descriptor_receive(server->control, server->incoming, sizeof server->incoming, MSG_DONTWAIT, &none);
    if (got == -EAGAIN)
        return false;
    descriptor_set_close(&none);
    if (got < 0 || unpack(server->incoming, (size_t)got, &header, &request) < 0) {
        server->closing = true;
        return false;
    }
    handlers[header.type](server, &request);
    return true;
}
