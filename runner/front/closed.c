#include "closed.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static bool was_closed[3];

int closed_fill(void)
{
    for (int fd = 0; fd < 3; fd++) {
        was_closed[fd] = fcntl(fd, F_GETFD) < 0;
        /* open(2) takes the lowest number there is: this one */
        if (was_closed[fd] && open("/dev/null", (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_CLOEXEC) < 0)
            return -errno;
    }
    return 0;
}

bool closed_was(int fd)
{
    return was_closed[fd];
}
