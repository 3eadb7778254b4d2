#include "door.h"

#include "explain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- the directory ---------------------------------------------------------------------------------------------- */

/* last: the one that the socket stands in. Others may write to one above it only if they cannot rename what is ours
 * there, as in /tmp. */
static int check_directory(const char *path, bool last, char message[512])
{
    struct stat st;
    if (stat(path, &st) < 0)
        return explain(message, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return explain(message, -ENOTDIR, "%s is not a directory: choose another --socket", path);
    if (last && st.st_uid != geteuid() && st.st_uid != 0)
        return explain(message, -EACCES, "%s belongs to uid %u, who could replace the socket: choose another --socket",
                       path, (unsigned)st.st_uid);
    const mode_t open = last ? S_IWGRP | S_IWOTH : S_IWOTH;
    if ((st.st_mode & open) != 0 && (last || (st.st_mode & S_ISVTX) == 0))
        return explain(
            message, -EACCES,
            "others may write to %s (mode %04o) and could replace the socket: chmod go-w, or another --socket", path,
            (unsigned)(st.st_mode & 07777));
    return 0;
}

static int make_directory(const char *path, bool last, char message[512])
{
    const int rc = mkdir(path, S_IRWXU) < 0 ? -errno : 0;
    if (rc < 0 && rc != -EEXIST &&
        access(path, F_OK) < 0) /* a directory that is there may be on a read-only file system */
        return explain(message, rc, "cannot make the directory %s: %s", path, strerror(-rc));
    return check_directory(path, last, message);
}

/* Makes the missing parts of directory, and checks all of them. */
static int make_directories(char *directory, char message[512])
{
    for (char *at = directory + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        const int rc = make_directory(directory, false, message);
        *at = '/';
        if (rc < 0)
            return rc;
    }
    return make_directory(directory, true, message);
}

/* The directory that path is in, locked: of several that open a door there at the same time only one goes on, and none
 * takes the other's socket for a stale one. */
static int enter_directory(const char *path, char message[512])
{
    char directory[sizeof((struct sockaddr_un *)0)->sun_path + 2];
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        snprintf(directory, sizeof directory, ".");
    else
        snprintf(directory, sizeof directory, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    const int rc = make_directories(directory, message);
    if (rc < 0)
        return rc;
    const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return explain(message, -errno, "cannot open %s: %s", directory, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        close(fd);
        return explain(message, -EADDRINUSE, "another daemon starts in %s at this moment: try again", directory);
    }
    return fd;
}

/* ---- the socket ------------------------------------------------------------------------------------------------- */

/* Does somebody answer? 0: no; -EADDRINUSE, or another negative errno where that is not known. */
static int probe(const struct sockaddr_un *address)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int rc = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? -EADDRINUSE : -errno;
    close(fd);
    if (rc == -EAGAIN) /* its queue is full */
        rc = -EADDRINUSE;
    return rc == -ECONNREFUSED || rc == -ENOENT ? 0 : rc;
}

/* Removes a socket that nobody answers at; refuses anything else. */
static int clear_place(const struct sockaddr_un *address, char message[512])
{
    const char *path = address->sun_path;
    struct stat st;
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : explain(message, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return explain(message, -EEXIST, "%s is there and is %s: not replaced; remove it, or choose another --socket",
                       path, S_ISLNK(st.st_mode) ? "a symlink" : "no socket");
    const int rc = probe(address);
    if (rc == -EADDRINUSE)
        return explain(message, rc, "another daemon answers at %s: stop it, or choose another --socket", path);
    if (rc < 0)
        return explain(message, rc, "cannot tell whether a daemon answers at %s: %s", path, strerror(-rc));
    if (unlink(path) < 0 && errno != ENOENT)
        return explain(message, -errno, "cannot remove the stale socket %s: %s", path, strerror(errno));
    return 0;
}

static int listen_at(const struct sockaddr_un *address, struct door *door, char message[512])
{
    struct stat st;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return explain(message, -errno, "cannot make a socket: %s", strerror(errno));
    const mode_t before = umask(S_IXUSR | S_IRWXG | S_IRWXO); /* 0600 from its first moment on */
    int rc = bind(fd, (const struct sockaddr *)address, sizeof *address) < 0 ? -errno : 0;
    umask(before);
    if (rc == 0 && (lstat(address->sun_path, &st) < 0 || listen(fd, SOMAXCONN) < 0)) {
        rc = -errno;
        unlink(address->sun_path);
    }
    if (rc < 0) {
        close(fd);
        return explain(message, rc, "cannot listen at %s: %s", address->sun_path, strerror(-rc));
    }
    *door = (struct door){.fd = fd, .path = door->path, .device = st.st_dev, .inode = st.st_ino};
    return 0;
}

int door_open(struct door *door, const char *path, char message[512])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const size_t size = strlen(path);
    if (size == 0)
        return explain(message, -EINVAL, "the path of the socket is empty: name one by --socket");
    if (size >= sizeof address.sun_path)
        return explain(message, -ENAMETOOLONG, "%s is %zu bytes long: a socket's path has at most %zu", path, size,
                       sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, size);
    *door = (struct door){.fd = -1, .path = strdup(path)};
    if (door->path == NULL)
        return explain(message, -ENOMEM, "%s", strerror(ENOMEM));
    const int directory = enter_directory(path, message);
    int rc = directory < 0 ? directory : clear_place(&address, message);
    if (rc == 0)
        rc = listen_at(&address, door, message);
    if (directory >= 0)
        close(directory);
    if (rc < 0) {
        free(door->path);
        door->path = NULL;
    }
    return rc;
}

static bool has_option(int fd, int option, int expected)
{
    int value;
    socklen_t size = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 && value == expected;
}

int door_take(struct door *door, int fd, char message[512])
{
    *door = (struct door){.fd = -1};
    if (!has_option(fd, SO_DOMAIN, AF_UNIX) || !has_option(fd, SO_TYPE, SOCK_STREAM) ||
        !has_option(fd, SO_ACCEPTCONN, 1) || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        close(fd);
        return explain(message, -ENOTSOCK, "descriptor %d of LISTEN_FDS is no listening Unix stream socket", fd);
    }
    door->fd = fd;
    return 0;
}

void door_close(struct door *door)
{
    struct stat st;
    /* while it is open, so that its inode's number cannot be another's yet */
    if (door->path != NULL && lstat(door->path, &st) == 0 && st.st_dev == door->device && st.st_ino == door->inode)
        unlink(door->path);
    if (door->fd >= 0)
        close(door->fd);
    free(door->path);
    *door = (struct door){.fd = -1};
}

int door_peer(int fd, uid_t *uid, pid_t *pid)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return -errno;
    *uid = peer.uid;
    *pid = peer.pid;
    return peer.uid == geteuid() || peer.uid == 0 ? 0 : -EACCES;
}
