#include "reports.h"

#include "birth.h"
#include "descriptor.h"

#include <errno.h>
#include <string.h>

static ssize_t send_message(struct server *server, enum message_type type, const void *message, const int *fds,
                            size_t count)
{
    const ssize_t size = message_pack(server->outgoing, sizeof server->outgoing, type, message);
    return size < 0 ? size : descriptor_send(server->control, server->outgoing, (size_t)size, fds, count);
}

void report_hello(struct server *server, const pool_error_t *error)
{
    const struct message_hello hello = {.code = error->code,
                                        .method = server->metering.mechanism->method,
                                        .notes = server->notes,
                                        .message = {error->message, strlen(error->message)}};
    send_message(server, MESSAGE_HELLO, &hello, server->areas, error->code == 0 ? 2 : 0);
}

void report_no_slot(struct server *server)
{
    const struct message_born born = {.error = EAGAIN};
    send_message(server, MESSAGE_BORN, &born, NULL, 0);
}

/* How many descriptors the host gets with a worker. */
static size_t count_ends(const struct slot *slot)
{
    return slot->ends.host[1] >= 0 ? 2 : 1;
}

/* True when it is sent, or never can be. */
static bool report_born(struct server *server, struct slot *slot)
{
    const struct message_born born = {.serial = slot->serial,
                                      .slot = slot_index(server, slot),
                                      .secret = slot->secret,
                                      .pid = (uint64_t)slot->pid,
                                      .error = slot->error};
    if (descriptor_is_refused_now(
            send_message(server, MESSAGE_BORN, &born, slot->ends.host, slot->error == 0 ? count_ends(slot) : 0)))
        return false;
    descriptor_close_pair(slot->ends.host); /* the host has copies of them */
    slot->born_unsent = false;
    if (slot->error != 0)
        slot_free(server, slot);
    return true;
}

static bool report_memory(struct server *server, struct slot *slot)
{
    struct meter *meter = &slot->meter;
    const struct message_memory memory = {.serial = slot->serial, .bytes = meter->used, .most = meter->most};
    if (descriptor_is_refused_now(send_message(server, MESSAGE_MEMORY, &memory, NULL, 0)))
        return false;
    meter->report_due = false;
    meter->reported = meter->most;
    meter->reported_at = meter->looked_at;
    return true;
}

static size_t count_idle(const struct server *server)
{
    size_t idle = 0;
    for (const struct slot *slot = server->slots; slot < server->slots_end; slot++)
        idle += slot->state == SLOT_ALIVE && atomic_load(&slot->page->phase) != PAGE_BEGUN;
    return idle;
}

/* A slot for the worker that replaces one whose job is over, to be forked soon. NULL: none; the host asks if it wants
 * one. There is one more than `warm`: under load the host gives an idle worker its job when another's is over. */
static struct slot *prepare_replacement(struct server *server)
{
    struct slot *slot = server->warm > 0 && count_idle(server) <= server->warm ? slot_take(server) : NULL;
    if (slot == NULL || birth_prepare(server, slot, birth_wants_full(server)))
        return slot;
    slot_free(server, slot);
    return NULL;
}

/* One packet reports a worker's end and brings the ends of its replacement, which is forked later: the host waits. */
static bool report_gone(struct server *server, struct slot *slot)
{
    struct message_gone gone;
    slot_report(server, slot, &gone);
    struct slot *next = gone.begun != 0 && !slot->unreaped ? prepare_replacement(server) : NULL;
    if (next != NULL) {
        gone.replacement = next->serial;
        gone.replacement_slot = slot_index(server, next);
        gone.replacement_secret = next->secret;
    }
    const ssize_t sent = send_message(server, MESSAGE_GONE, &gone, next != NULL ? next->ends.host : NULL,
                                      next != NULL ? count_ends(next) : 0);
    if (descriptor_is_refused_now(sent)) {
        if (next != NULL)
            slot_free(server, next);
        return false;
    }
    if (slot->unreaped)
        slot->state = SLOT_STUCK; /* keeps its place, and its page, until the worker is reaped */
    else
        slot_free(server, slot);
    if (next != NULL) {
        descriptor_close_pair(next->ends.host);
        next->unforked = true;
        server->unforked++;
    }
    return true;
}

bool report_all(struct server *server)
{
    for (struct slot *slot = server->slots; slot < server->slots_end; slot++) {
        if (slot->state == SLOT_FREE)
            continue;
        if (slot->born_unsent && !report_born(server, slot))
            return false;
        if (slot->meter.report_due && !report_memory(server, slot))
            return false;
        if (slot->state == SLOT_GONE && (!report_gone(server, slot) || meter_is_due(server)))
            return false;
    }
    return true;
}
