/* For tests/vm/init, what busybox has no applet for.
 *
 *     vm_enter --delegate DIRECTORY                     marks a cgroup as delegated, as systemd does
 *     vm_enter CGROUP UID SECONDS PROGRAM [ARGUMENT...] runs a program there, as that user, for so long at most */
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

static int fail(const char *what)
{
    perror(what);
    return 97;
}

static int delegate(const char *directory)
{
    if (setxattr(directory, "user.delegate", "1", 1, 0) < 0 || setxattr(directory, "trusted.delegate", "1", 1, 0) < 0)
        return fail(directory);
    return 0;
}

/* "0" is whoever writes it. */
static int join(const char *cgroup)
{
    char path[512];
    snprintf(path, sizeof path, "%s/cgroup.procs", cgroup);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const int written = fd < 0 ? -1 : (int)write(fd, "0", 1);
    close(fd);
    return written == 1 ? 0 : -1;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--delegate") == 0)
        return delegate(argv[2]);
    if (argc < 5)
        return 2;
    const unsigned id = (unsigned)strtoul(argv[2], NULL, 10);
    if (join(argv[1]) < 0)
        return fail(argv[1]);
    if (id != 0 && (setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0))
        return fail("setresuid");
    alarm((unsigned)strtoul(argv[3], NULL, 10)); /* which an exec keeps */
    execv(argv[4], argv + 4);
    return fail(argv[4]);
}
