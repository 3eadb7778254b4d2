/* descriptor.h - descriptors: sent and received over Unix sockets, closed, recognised, read.
 * Sources: unix(7), cmsg(3), close_range(2). */
#ifndef DESCRIPTOR_H
#define DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define DESCRIPTOR_MAX 253 /* in one message: SCM_MAX_FD of the kernel */

/* Descriptors that came with a message: the receiver's to close. */
struct descriptor_set {
    int fds[DESCRIPTOR_MAX];
    size_t count;
    bool truncated; /* not all fitted into this process's table; then all are closed */
};

/* Sends size bytes in one sendmsg, never blocking, with count descriptors (*borrows* all). Returns the bytes taken, or
 * a negative errno: -EAGAIN, -EPIPE (no SIGPIPE), -ETOOMANYREFS (too many in flight), ... */
ssize_t descriptor_send(int socket, const void *data, size_t size, const int *fds, size_t count);

/* Whether what these two returned means: not now, but later. */
bool descriptor_is_refused_now(ssize_t sent);

/* Receives at most size bytes and the descriptors with them, close-on-exec. flags as recvmsg(2). Returns the bytes, 0
 * at end-of-file, or a negative errno; -EMSGSIZE: bytes were truncated. */
ssize_t descriptor_receive(int socket, void *data, size_t size, int flags, struct descriptor_set *set);

/* Closes all that are still in the set. */
void descriptor_set_close(struct descriptor_set *set);

/* Takes the first descriptor out of the set: -1 when there is none. */
int descriptor_set_take(struct descriptor_set *set);

/* Closes *fd unless it is negative, and makes it -1. Keeps errno. */
void descriptor_close(int *fd);
void descriptor_close_pair(int pair[2]);

/* Closes all descriptors from first to last (inclusive); without close_range(2), those that /proc/self/fd lists. */
void descriptor_close_range(unsigned first, unsigned last);

/* Reads a small file as text, from its start, at most size - 1 bytes of it: its length or a negative errno. */
ssize_t descriptor_read_text(int fd, char *text, size_t size);

/* The same of the file with that name: openat(2). */
ssize_t descriptor_read_file(int dir, const char *name, char *text, size_t size);

/* The file behind a descriptor. */
struct descriptor_identity {
    dev_t device;
    ino_t inode;
};

int descriptor_identify(int fd, struct descriptor_identity *identity);
/* 0, or -EBADF when fd is closed or another file by now. */
int descriptor_verify(int fd, const struct descriptor_identity *identity);

#endif
