/* links.h - the host's end of the socket to its keeper, or to a fork server, and the process at the other end.
 *
 * A message that the socket does not take yet is kept, in order, until it does. A packet that comes is one message of
 * an allowed type, or the link is broken. Knows no worker. All of it belongs to the thread that owns the loop. */
#ifndef LINKS_H
#define LINKS_H

#include "descriptor.h"
#include "drive.h"
#include "failure.h"
#include "message.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#define LINK_PACKET_MAX ((size_t)16 * 1024)

STAILQ_HEAD(link_unsent_list, link_unsent);

struct link {
    int socket; /* -1: closed */
    pid_t pid;  /* of the process at the other end; it stays when the link is closed */
    int pidfd;  /* -1: none */
    bool is_child;
    bool is_ready; /* the process has said that it takes orders: supervise.c */
    void (*on_ready)(struct link *link);
    void *user; /* on_ready's */

    struct drive *drive;        /* *borrowed* */
    const struct log_hook *log; /* *borrowed* */
    uv_poll_t *poll;            /* ours; NULL: closed */
    struct link_unsent_list unsent;
};

/* One message as it came: its slices point into bytes. */
struct link_packet {
    union {
        struct message_server server;
        struct message_server_lost lost;
        struct message_hello hello;
        struct message_born born;
        struct message_memory memory;
        struct message_gone gone;
    };
    struct descriptor_set set; /* the reader's, to take from and to close */
    uint8_t bytes[LINK_PACKET_MAX];
};

/* A closed link. is_child: the process will be a child of ours, whose pid is no other's before we wait for it. */
void link_init(struct link *link, bool is_child, struct drive *drive, const struct log_hook *log);

/* Watches a socket: on_ready runs when there is something to read, or the other end is closed. socket and pidfd are
 * *taken*, in case of failure, too. Negative errno. */
int link_open(struct link *link, int socket, pid_t pid, int pidfd, void (*on_ready)(struct link *link), void *user);

bool link_is_open(const struct link *link);

/* Sends a message now, or when the socket can take it; drops it on a closed link, whose worker is gone. -ENOMEM: the
 * socket is full, and there is no memory to keep the message. */
int link_send(struct link *link, enum message_type type, const void *message);

/* Receives one packet of the types that are allowed[type], without blocking: its type; 0: nothing is there; -EPIPE: the
 * other end is closed; another negative errno: what came cannot be understood. */
int link_receive(struct link *link, const bool *allowed, struct link_packet *packet);

/* Sends no more messages: the process at the other end sees the end of the file. A stopped process is continued,
 * because only a process that runs can end its workers. */
void link_shut(struct link *link);

/* Sends a signal to the process at the other end, by its pidfd; without one only to a child. */
void link_signal(const struct link *link, int signal);

/* Closes socket and pidfd, and drops the messages that were not sent. */
void link_close(struct link *link);

#endif
