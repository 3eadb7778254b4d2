#include "thief.h"

#include <errno.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#define NUMBERS 1024

/* The highest descriptor of a type: the worker's own sit above the job's. */
static int highest(mode_t type)
{
    struct stat st;
    for (int fd = NUMBERS; fd > STDERR_FILENO; fd--)
        if (fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type)
            return fd;
    return -1;
}

int thief_result_pipe(void)
{
    return highest(S_IFIFO);
}

int thief_task_socket(void)
{
    return highest(S_IFSOCK);
}

bool thief_write(const void *data, size_t size)
{
    const int fd = thief_result_pipe();
    for (const uint8_t *at = data; size > 0;) {
        const ssize_t wrote = write(fd, at, size);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return false;
        at += wrote;
        size -= (size_t)wrote;
    }
    return true;
}
