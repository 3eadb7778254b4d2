#include "links.h"

#include "descriptor.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A packet that the socket would not take yet. */
struct link_unsent {
    STAILQ_ENTRY(link_unsent) link;
    size_t size;
    uint8_t data[];
};

void link_init(struct link *link, bool is_child, struct drive *drive, const struct log_hook *log)
{
    *link = (struct link){.socket = -1, .pidfd = -1, .is_child = is_child, .drive = drive, .log = log};
    STAILQ_INIT(&link->unsent);
}

bool link_is_open(const struct link *link)
{
    return link->socket >= 0;
}

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

static void send_unsent(struct link *link);

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct link *link = poll->data;
    (void)status;
    if ((events & UV_WRITABLE) != 0)
        send_unsent(link);
    link->on_ready(link);
}

static int watch(struct link *link)
{
    const int writable = STAILQ_EMPTY(&link->unsent) ? 0 : UV_WRITABLE;
    link->drive->handles_changed = true;
    return uv_poll_start(link->poll, UV_READABLE | UV_DISCONNECT | writable, on_event);
}

int link_open(struct link *link, int socket, pid_t pid, int pidfd, void (*on_ready)(struct link *link), void *user)
{
    link->socket = socket;
    link->pid = pid;
    link->pidfd = pidfd;
    link->on_ready = on_ready;
    link->user = user;
    link->poll = calloc(1, sizeof *link->poll);
    int rc = link->poll == NULL ? -ENOMEM : uv_poll_init(&link->drive->uv, link->poll, socket);
    if (rc < 0) {
        free(link->poll);
        link->poll = NULL;
    } else {
        link->poll->data = link;
        rc = watch(link);
    }
    if (rc < 0)
        link_close(link);
    return rc;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

void link_close(struct link *link)
{
    link->is_ready = false;
    if (link->poll != NULL)
        uv_close((uv_handle_t *)link->poll, on_closed);
    link->poll = NULL;
    descriptor_close(&link->socket);
    descriptor_close(&link->pidfd);
    for (struct link_unsent *first; (first = STAILQ_FIRST(&link->unsent)) != NULL;) {
        STAILQ_REMOVE_HEAD(&link->unsent, link);
        free(first);
    }
}

void link_signal(const struct link *link, int signal)
{
    if (link->pidfd >= 0)
        syscall(SYS_pidfd_send_signal, link->pidfd, signal, NULL, 0);
    else if (link->is_child && link->pid > 0)
        kill(link->pid, signal);
}

void link_shut(struct link *link)
{
    if (!link_is_open(link))
        return;
    shutdown(link->socket, SHUT_WR); /* not close: a child of the host may hold a copy */
    link_signal(link, SIGCONT);
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

static void send_unsent(struct link *link)
{
    for (struct link_unsent *first; (first = STAILQ_FIRST(&link->unsent)) != NULL;) {
        if (descriptor_is_refused_now(descriptor_send(link->socket, first->data, first->size, NULL, 0)))
            return;
        STAILQ_REMOVE_HEAD(&link->unsent, link);
        free(first);
    }
    watch(link);
}

static int keep_unsent(struct link *link, const uint8_t *frame, size_t size)
{
    struct link_unsent *unsent = malloc(sizeof *unsent + size);
    if (unsent == NULL) {
        log_hook_say(link->log, "no memory for a message to the fork server");
        return -ENOMEM;
    }
    unsent->size = size;
    memcpy(unsent->data, frame, size);
    STAILQ_INSERT_TAIL(&link->unsent, unsent, link);
    watch(link);
    return 0;
}

int link_send(struct link *link, enum message_type type, const void *message)
{
    uint8_t frame[256];
    if (!link_is_open(link))
        return 0;
    const ssize_t size = message_pack(frame, sizeof frame, type, message);
    assert(size > 0);
    if (size > 0 && (!STAILQ_EMPTY(&link->unsent) ||
                     descriptor_is_refused_now(descriptor_send(link->socket, frame, (size_t)size, NULL, 0))))
        return keep_unsent(link, frame, (size_t)size);
    return size < 0 ? (int)size : 0;
}

/* ---- receiving --------------------------------------------------------------------------------------------------- */

int link_receive(struct link *link, const bool *allowed, struct link_packet *packet)
{
    struct frame_header header;
    const ssize_t got =
        descriptor_receive(link->socket, packet->bytes, sizeof packet->bytes, MSG_DONTWAIT, &packet->set);
    if (got == -EAGAIN)
        return 0;
    if (got <= 0)
        return got == 0 ? -EPIPE : (int)got;
    if (got < (ssize_t)FRAME_HEADER_SIZE || frame_header_read(packet->bytes, &header) < 0 ||
        (size_t)got != FRAME_HEADER_SIZE + header.length || header.type >= MESSAGE_TYPE_COUNT_ ||
        !allowed[header.type] ||
        message_unpack(header.type, packet->bytes + FRAME_HEADER_SIZE, header.length, packet) < 0) {
        descriptor_set_close(&packet->set);
        return -EBADMSG;
    }
    return header.type;
}
