#include "inherited.h"

#include "say.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

void inherited_find(struct inherited *inherited, const char *verb)
{
    struct rlimit files = {.rlim_max = RLIM_INFINITY};
    DIR *dir = opendir("/proc/self/fd");
    size_t left_out = 0;
    inherited->count = 0;
    if (dir == NULL)
        return;
    getrlimit(RLIMIT_NOFILE, &files);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        const int fd = (int)strtol(entry->d_name, NULL, 10); /* "." and "..": 0 */
        const int flags = fd <= STDERR_FILENO ? FD_CLOEXEC : fcntl(fd, F_GETFD);
        if (flags < 0 || (flags & FD_CLOEXEC) != 0)
            continue;
        if (inherited->count < INHERITED_MAX && (rlim_t)fd < files.rlim_max)
            inherited->numbers[inherited->count++] = fd;
        else
            left_out++;
    }
    closedir(dir);
    if (left_out > 0)
        say(verb, "not passed on to the command: %zu open files (at most %d are, and none numbered above ulimit -Hn)",
            left_out, INHERITED_MAX);
}
