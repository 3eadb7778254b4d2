/* door.h - the listening socket: its place, and the peers that may connect.
 *
 * unix(7), sd_listen_fds(3). A path socket, 0600, in a directory of 0700 that is made if it is not there. */
#ifndef DOOR_H
#define DOOR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct door {
    int fd;                 /* listening, non-blocking, close-on-exec */
    char *path;             /* NULL: handed over by systemd, which removes it */
    uint64_t device, inode; /* of the socket that door_open made: only that one is removed */
};

/* Opens it at path (*copies*). An existing socket that nobody answers at is replaced; one that is answered, a symlink
 * or anything else in its place is refused; so is a directory that others may write to. 0, or negative errno and a
 * sentence in message that names path and what to do. -ENAMETOOLONG: above 107 bytes. -EADDRINUSE: answered. */
int door_open(struct door *door, const char *path, char message[512]);

/* Takes a listening Unix stream socket from LISTEN_FDS (takes fd). Negative errno when it is none. */
int door_take(struct door *door, int fd, char message[512]);

void door_close(struct door *door); /* and removes the socket of door_open */

/* Who connected: SO_PEERCRED. 0 if uid is ours or root's, -EACCES if not, another negative errno if unknown. */
int door_peer(int fd, uid_t *uid, pid_t *pid);

#endif
