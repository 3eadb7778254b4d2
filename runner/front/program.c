#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool was_closed[3];

int program_fill_streams(void)
{
    for (int fd = 0; fd < 3; fd++) {
        was_closed[fd] = fcntl(fd, F_GETFD) < 0;
        /* open(2) takes the lowest free number: fd. The direction is the wrong one, so that it fails. */
        if (was_closed[fd] && open("/dev/null", (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_CLOEXEC) < 0)
            return -errno;
    }
    return 0;
}

bool program_lacks_stream(int fd)
{
    return was_closed[fd];
}

int write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        const ssize_t wrote = write(fd, data, size);
        if (wrote < 0 && errno != EINTR)
            return -errno;
        if (wrote > 0) {
            data += wrote;
            size -= (size_t)wrote;
        }
    }
    return 0;
}

int program_beside(const char *name, char path[PATH_MAX])
{
    const ssize_t size = name[0] == '/' ? 0 : readlink("/proc/self/exe", path, PATH_MAX - 1);
    path[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(path, '/'), *end = slash != NULL ? slash + 1 : path;
    const size_t room = (size_t)(path + PATH_MAX - end);
    if ((size_t)snprintf(end, room, "%s", name) >= room)
        return -ENAMETOOLONG;
    return access(path, X_OK) < 0 ? -errno : 0;
}

int program_make_directory(const char *path, mode_t mode)
{
    char part[PATH_MAX];
    for (const char *end = path; *end != '\0';) {
        end += 1 + strcspn(end + 1, "/");
        const size_t size = (size_t)(end - path);
        if (size >= sizeof part)
            return -ENAMETOOLONG;
        memcpy(part, path, size);
        part[size] = '\0';
        if (mkdir(part, mode) < 0 && errno != EEXIST && errno != EISDIR)
            return -errno;
    }
    return 0;
}

int program_state_path(uid_t uid, const char *state_home, const char *home, char path[PATH_MAX])
{
    const char *base = "/var/lib", *below = "/reclaim";
    if (state_home != NULL && state_home[0] == '/')
        base = state_home;
    else if (uid != 0) {
        base = home;
        below = "/.local/state/reclaim";
    }
    if (base == NULL || base[0] != '/')
        return -ENOENT;
    return snprintf(path, PATH_MAX, "%s%s", base, below) < PATH_MAX ? 0 : -ENAMETOOLONG;
}
