#include "trust.h"

#include "connection.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is in it was put there by root or uid. */
static bool is_kept(const char *directory, uid_t uid)
{
    struct stat st;
    return stat(directory, &st) == 0 && (st.st_uid == 0 || st.st_uid == uid) && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* All directories that path is looked up in. */
static bool are_kept(const char *path, uid_t uid)
{
    char directory[PATH_MAX];
    if (path[0] != '/' && !is_kept(".", uid))
        return false;
    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        const size_t size = slash == path ? 1 : (size_t)(slash - path);
        if (size >= sizeof directory)
            return false;
        memcpy(directory, path, size);
        directory[size] = '\0';
        if (!is_kept(directory, uid))
            return false;
    }
    return true;
}

bool trust_uid(uid_t uid, uid_t own, const char *path)
{
    char resolved[PATH_MAX];
    if (uid == own || uid == 0)
        return true;
    return own == 0 && are_kept(path, uid) && realpath(path, resolved) != NULL && are_kept(resolved, uid);
}

int trust_peer(int fd, const char *path, pool_error_t *error)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return connection_fail(error, -errno, "%s: nobody says who listens there: %s", path, strerror(errno));
    if (trust_uid(peer.uid, geteuid(), path))
        return 0;
    return connection_fail(error, -EPERM,
                           "%s: uid %u listens there, neither you (uid %u) nor root: nothing was sent; name your own "
                           "reclaimd's socket (RECLAIM_SOCKET)%s",
                           path, (unsigned)peer.uid, (unsigned)geteuid(),
                           geteuid() == 0 ? ", or be that user (runuser)" : "");
}
