/* descriptor.h - descriptors: sending and receiving them over Unix sockets, and the few things done to any of them.
 * Sources: unix(7), cmsg(3), close_range(2). */
#ifndef DESCRIPTOR_H
#define DESCRIPTOR_H

#include <stddef.h>
#include <sys/types.h>

#define DESCRIPTOR_MAX 253 /* in one message: what the kernel takes (SCM_MAX_FD) */

/* Descriptors that came with a message: the receiver's to close. */
struct descriptor_set {
    int fds[DESCRIPTOR_MAX];
    size_t count;
    int truncated; /* some did not fit into this process's table: those that did are closed again */
};

/* Sends size bytes in one sendmsg, never blocking, with count descriptors (*borrows* all). Returns the bytes taken, or
 * a negative errno: -EAGAIN, -EPIPE (no SIGPIPE), -ETOOMANYREFS (too many in flight), ... */
ssize_t descriptor_send(int socket, const void *data, size_t size, const int *fds, size_t count);

/* Receives at most size bytes and the descriptors with them, close-on-exec. flags as recvmsg(2). Returns the bytes, 0
 * at end-of-file, or a negative errno; -EMSGSIZE: bytes were truncated. */
ssize_t descriptor_receive(int socket, void *data, size_t size, int flags, struct descriptor_set *set);

/* Closes all that is still in the set. */
void descriptor_set_close(struct descriptor_set *set);

/* Takes a descriptor out of the set, the first first: -1 when there is none. */
int descriptor_set_take(struct descriptor_set *set);

/* Closes *fd if it is one and makes it -1. Keeps errno. */
void descriptor_close(int *fd);

/* Closes every descriptor from first to last (inclusive), those that are not open too; where close_range(2) is missing,
 * by /proc/self/fd. */
void descriptor_close_range(unsigned first, unsigned last);

/* Which file a descriptor names, to see later whether it still does. */
struct descriptor_identity {
    dev_t device;
    ino_t inode;
};

int descriptor_identify(int fd, struct descriptor_identity *identity);
/* 0, or -EBADF when fd is closed or names another file now. */
int descriptor_verify(int fd, const struct descriptor_identity *identity);

#endif
