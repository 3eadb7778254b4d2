#include "spool.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHUNK ((size_t)64 << 10)

void spool_init(struct spool *spool)
{
    *spool = (struct spool){.fd = -1};
}

static const char *temporary_directory(void)
{
    const char *directory = getenv("TMPDIR");
    return directory == NULL || directory[0] == '\0' ? "/tmp" : directory;
}

/* Not every file system has files without a name. */
static int open_temporary(void)
{
    char path[4096];
    const char *directory = temporary_directory();
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
    if (fd >= 0)
        return fd;
    if (snprintf(path, sizeof path, "%s/reclaim-XXXXXX", directory) >= (int)sizeof path)
        return -ENAMETOOLONG;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    unlink(path);
    return fd;
}

int spool_check(const char **directory)
{
    *directory = temporary_directory();
    const int fd = open_temporary();
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

int spool_put(struct spool *spool, const char *data, size_t size)
{
    if (spool->fd < 0 && spool->memory.size + size <= SPOOL_MEMORY) {
        text_put(&spool->memory, data, size);
        return spool->memory.failed ? -ENOMEM : 0;
    }
    if (spool->fd < 0) {
        const int fd = open_temporary();
        if (fd < 0)
            return fd;
        spool->fd = fd;
        const int rc = write_all(fd, spool->memory.data, spool->memory.size);
        if (rc < 0)
            return rc;
        text_deinit(&spool->memory);
    }
    return write_all(spool->fd, data, size);
}

static int drain_file(int fd, spool_sink_fn sink, void *context)
{
    char data[CHUNK];
    off_t at = 0;
    for (;;) {
        const ssize_t got = pread(fd, data, sizeof data, at);
        if (got <= 0)
            return got < 0 ? -errno : 0;
        const int rc = sink(context, data, (size_t)got);
        if (rc < 0)
            return rc;
        at += got;
    }
}

int spool_drain(struct spool *spool, spool_sink_fn sink, void *context)
{
    int rc = 0;
    if (spool->fd >= 0)
        rc = drain_file(spool->fd, sink, context);
    else if (spool->memory.size > 0)
        rc = sink(context, spool->memory.data, spool->memory.size);
    spool_clear(spool);
    return rc;
}

void spool_clear(struct spool *spool)
{
    if (spool->fd >= 0)
        close(spool->fd);
    spool->fd = -1;
    text_deinit(&spool->memory);
}
