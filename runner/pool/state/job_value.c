#include "job_value.h"

#include "amount.h"
#include "descriptor.h"
#include "payload.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEPT_SHARE \
    4 /* of this process's descriptors a quarter at most: the pool's workers and the host need the rest */

#define UNASKED ((uint64_t)16 << 20) /* bytes; of less it is not asked whether they are available */
#define BLOCK   512                  /* bytes, of st_blocks */

/* Descriptors are the process's, whichever pool they are for. */
static atomic_ulong kept;

static void keep(struct job_value *value, int fd)
{
    struct rlimit files = {0};
    getrlimit(RLIMIT_NOFILE, &files);
    if (atomic_fetch_add(&kept, 1) < files.rlim_cur / KEPT_SHARE) {
        value->fd = fd;
        return;
    }
    atomic_fetch_sub(&kept, 1);
    close(fd);
}

void job_value_init(struct job_value *value)
{
    *value = (struct job_value){.fd = -1};
}

bool job_value_is_available(uint64_t bytes, const struct machine *machine)
{
    struct machine_memory memory;
    return bytes <= UNASKED || !machine_read(machine, &memory) || memory.total == 0 || bytes <= memory.available;
}

/* *is_ours: no process can change it any more. */
static void *open_value(int fd, size_t size, const struct machine *machine, bool *is_ours)
{
    struct stat file;
    *is_ours = payload_seal(fd) == 0 || payload_check(fd, size, true) == 0;
    if (fstat(fd, &file) < 0)
        return NULL;
    if (*is_ours && payload_check(fd, size, true) < 0) {
        errno = EBADMSG; /* sealed after it shrank */
        return NULL;
    }
    const uint64_t hole = amount_less(size, (uint64_t)file.st_blocks * BLOCK);
    if (!job_value_is_available(*is_ours ? hole : size, machine)) {
        errno = ENOMEM;
        return NULL;
    }
    return *is_ours ? payload_map(fd, size, false) : payload_read(fd, size);
}

/* What the worker did to its file is no lack of ours. */
static int code_of(int error)
{
    return error == EACCES || error == EBADF || error == EPERM || error == EINVAL ? -EBADMSG : -error;
}

int job_value_receive(struct job_value *value, int fd, size_t size, const struct machine *machine)
{
    bool is_ours = false;
    int rc = payload_check(fd, size, false);
    if (rc == 0) {
        value->data = open_value(fd, size, machine, &is_ours);
        rc = value->data == NULL ? code_of(errno) : 0;
    }
    if (rc == 0)
        value->mapped = size;
    if (rc == 0 && is_ours)
        keep(value, fd);
    else
        close(fd);
    return rc;
}

void job_value_drop(struct job_value *value)
{
    if (value->mapped > 0)
        payload_unmap(value->data, value->mapped);
    else
        free(value->data);
    if (value->fd >= 0)
        atomic_fetch_sub(&kept, 1);
    descriptor_close(&value->fd);
    job_value_init(value);
}
