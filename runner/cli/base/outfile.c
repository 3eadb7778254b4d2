#include "outfile.h"

#include "values.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int outfile_open(const char *option, const char *path, FILE **file)
{
    *file = NULL;
    if (path == NULL)
        return 0;
    const int fd = strcmp(path, "-") == 0 ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)
                                          : open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    *file = fd < 0 ? NULL : fdopen(fd, "w");
    return *file != NULL ? 0 : values_fail(option, path, strerror(errno));
}

int outfile_empty(const char *path, FILE *file)
{
    struct stat status;
    if (strcmp(path, "-") == 0)
        return 0; /* others write there, too */
    if (fstat(fileno(file), &status) < 0)
        return -errno;
    return S_ISREG(status.st_mode) && ftruncate(fileno(file), 0) < 0 ? -errno : 0;
}

bool outfile_same(int a, int b)
{
    struct stat of_a, of_b;
    return a >= 0 && b >= 0 && fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 && S_ISREG(of_a.st_mode) &&
           of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

int outfile_close(const char *option, const char *path, FILE *file, int rc)
{
    if (file == NULL)
        return 0;
    if (rc < 0)
        outfile_empty(path, file);
    if (fclose(file) != 0 && rc == 0)
        rc = -errno;
    return rc < 0 ? values_fail(option, path, strerror(-rc)) : 0;
}
