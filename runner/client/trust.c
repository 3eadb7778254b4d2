#include "trust.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Only root and uid can have put files into the directory. */
static bool is_kept(const char *directory, uid_t uid)
{
    struct stat st;
    return stat(directory, &st) == 0 && (st.st_uid == 0 || st.st_uid == uid) && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* The same of every directory that a look-up of path goes through. */
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
