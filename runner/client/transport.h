/* transport.h - a connection to a daemon: bytes out, whole MessagePack objects in.
 *
 * Blocks in poll(2) alone. No call raises SIGPIPE; a handled signal does not end a call. */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

#define TRANSPORT_MESSAGE_MAX ((size_t)256 * 1024 * 1024) /* bytes; the buffer grows as they arrive */

struct transport {
    int fd;
    char *data; /* received bytes, up to size. Those before `at` are used up; `taken` bytes from `at` are lent */
    size_t at, taken, size, capacity;
};

/* Negative errno: what socket(2) and connect(2) say; -ENAMETOOLONG: path has more than 107 bytes. */
int transport_connect(struct transport *transport, const char *path);
void transport_close(struct transport *transport);

/* Sends all bytes. Keeps those that arrive meanwhile: two ends that both write must not wait for each other. */
int transport_send(struct transport *transport, const void *data, size_t size);

/* The next object, *borrowed* until the next call on the transport. timeout_ms -1: no limit. Errors: -ETIMEDOUT; -EPIPE
 * and -ECONNRESET: the daemon is gone; -EBADMSG: no MessagePack, or above TRANSPORT_MESSAGE_MAX; -ENOMEM. */
int transport_next(struct transport *transport, int64_t timeout_ms, const void **message, size_t *size);

#endif
