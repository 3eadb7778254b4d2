#include "call_value.h"

#include "payload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20) /* of less there is none */

/* ---- setting it -------------------------------------------------------------------------------------------------- */

static int return_inline(struct pool_call *call, const pool_bytes_t *parts, size_t count, size_t size)
{
    if (size > 0) {
        call->data = size <= sizeof call->little ? call->little : malloc(size);
        if (call->data == NULL)
            return -ENOMEM;
        payload_gather(call->data, parts, count);
        call->payload = PAYLOAD_INLINE;
    }
    return 0;
}

/* fd is *taken*, in case of failure, too. */
static int keep_memfd(struct pool_call *call, int fd)
{
    const int rc = descriptor_identify(fd, &call->memfd_identity);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    call->memfd = fd;
    return 0;
}

static int return_copy(struct pool_call *call, const pool_bytes_t *parts, size_t count, size_t size)
{
    const int fd = payload_create("reclaim-result");
    if (fd < 0)
        return fd;
    atomic_store(&call->channel->page->written, size); /* counts from now on: limits are checked meanwhile */
    int rc = payload_write_parts(fd, parts, count);
    if (rc < 0)
        close(fd);
    else
        rc = keep_memfd(call, fd);
    if (rc == 0)
        call->payload = PAYLOAD_MEMFD;
    else
        atomic_store(&call->channel->page->written, 0);
    return rc;
}

/* A plain worker did not expect a large value: it goes up at once, so that no copy is made of it. */
static int return_pieces(struct pool_call *call, const pool_bytes_t *parts, size_t count, size_t size)
{
    size_t left = size;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        left -= parts[i].size;
        rc = channel_send_pieces(call->channel, true, &parts[i], left);
    }
    call->payload = PAYLOAD_PIECES;
    return rc;
}

/* The value was built in place: its memfd takes the size that is used. */
static int return_built(struct pool_call *call, size_t size)
{
    if (size > call->mapped)
        return -EINVAL;
    if (size > 0 && size < call->mapped && ftruncate(call->memfd, (off_t)size) < 0)
        return -errno;
    call->payload = size > 0 ? PAYLOAD_MEMFD : PAYLOAD_NONE;
    return 0;
}

/* Whether a value of this size may be set now. */
static int check_value(const struct pool_call *call, size_t size)
{
    return call->returned ? -EALREADY : call_is_too_large(call, size) ? -EFBIG : 0;
}

/* A function may not look at the error: then its job must not end well without its value. */
static int note(struct pool_call *call, int rc, size_t size)
{
    if (rc == 0) {
        call->size = size;
        call->returned = true;
    } else if (rc != -EALREADY) {
        call->refused = rc;
        call->refused_size = size;
    }
    return rc;
}

/* The caller holds the lock. */
static int return_parts(struct pool_call *call, const pool_bytes_t *parts, size_t count)
{
    size_t size;
    int rc = payload_measure(parts, count, &size);
    if (rc == 0)
        rc = check_value(call, size);
    if (rc == 0 && call->mapped > 0) /* it has to be the one that was allocated */
        rc = count == 1 && parts->data == call->data ? return_built(call, size) : -EINVAL;
    else if (rc == 0 && size <= FRAME_INLINE_MAX)
        rc = return_inline(call, parts, count, size);
    else if (rc == 0 && channel_is_plain(call->channel))
        rc = return_pieces(call, parts, count, size);
    else if (rc == 0)
        rc = return_copy(call, parts, count, size);
    return note(call, rc, size);
}

int pool_call_return_parts(pool_call_t *call, const pool_bytes_t *parts, size_t count)
{
    if (!call_is_worker(call))
        return -EPERM;
    if (parts == NULL && count > 0)
        return -EINVAL;
    pthread_mutex_lock(&call->lock);
    const int rc = return_parts(call, parts, count);
    pthread_mutex_unlock(&call->lock);
    return rc;
}

int pool_call_return(pool_call_t *call, const void *data, size_t size)
{
    return pool_call_return_parts(call, &(pool_bytes_t){data, size}, 1);
}

static void *alloc_result(struct pool_call *call, size_t size)
{
    int rc = call->mapped > 0 ? -EALREADY : check_value(call, size);
    int fd = rc == 0 ? payload_create("reclaim-result") : rc;
    if (fd < 0) {
        errno = -fd;
        return NULL;
    }
    void *data = MAP_FAILED;
    if (ftruncate(fd, (off_t)size) == 0)
        data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) {
        descriptor_close(&fd);
        return NULL;
    }
    if (size >= HUGE_PAGE) /* helps where shmem_enabled is `advise`: filled in a fifth of the time */
        madvise(data, size, MADV_HUGEPAGE);
    rc = keep_memfd(call, fd);
    if (rc < 0) {
        munmap(data, size);
        errno = -rc;
        return NULL;
    }
    call->data = data;
    call->mapped = size;
    return data;
}

void *pool_call_alloc_result(pool_call_t *call, size_t size)
{
    if (!call_is_worker(call) || size == 0 || size > INT64_MAX) {
        errno = call_is_worker(call) ? EINVAL : EPERM;
        return NULL;
    }
    pthread_mutex_lock(&call->lock);
    void *data = alloc_result(call, size);
    pthread_mutex_unlock(&call->lock);
    return data;
}

/* ---- a memfd of the job's own ------------------------------------------------------------------------------------ */

/* Bytes of the file that this process maps. */
static uint64_t count_mapped(const struct stat *file)
{
    unsigned long long from, to, inode, mapped = 0;
    unsigned major_number, minor_number;
    char line[4352];
    FILE *maps = fopen("/proc/self/maps", "re");
    if (maps == NULL)
        return 0;
    while (fgets(line, sizeof line, maps) != NULL)
        if (sscanf(line, "%llx-%llx %*s %*x %x:%x %llu", &from, &to, &major_number, &minor_number, &inode) == 5 &&
            inode == file->st_ino && makedev(major_number, minor_number) == file->st_dev)
            mapped += to - from;
    fclose(maps);
    return mapped;
}

/* A memfd that holds size bytes, and can be sealed or copied. */
static int check_memfd(int fd, size_t size, struct stat *file)
{
    if (fstat(fd, file) < 0)
        return -errno;
    const bool is_memfd = fcntl(fd, F_GET_SEALS) >= 0 && file->st_nlink == 0; /* a file of a tmpfs has a name */
    if (!is_memfd || (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR || file->st_size < 0 || (uint64_t)file->st_size < size)
        return -EINVAL;
    return 0;
}

static int take_memfd(struct pool_call *call, int fd, size_t size)
{
    struct stat file;
    int rc = check_memfd(fd, size, &file);
    if (rc < 0 || size == 0)
        return rc;
    if ((size_t)file.st_size > size && ftruncate(fd, (off_t)size) < 0)
        return -EINVAL; /* it is sealed */
    const int copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    rc = copy < 0 ? -errno : keep_memfd(call, copy);
    if (rc < 0)
        return rc;
    const uint64_t held = (uint64_t)file.st_blocks * 512, mapped = count_mapped(&file);
    if (held > mapped) /* what is mapped counts there */
        atomic_store(&call->channel->page->written, held - mapped);
    call->payload = PAYLOAD_MEMFD;
    return 0;
}

int pool_call_return_fd(pool_call_t *call, int fd, size_t size)
{
    if (!call_is_worker(call))
        return -EPERM;
    pthread_mutex_lock(&call->lock);
    int rc = size > INT64_MAX ? -EINVAL : check_value(call, size);
    if (rc == 0 && call->mapped > 0) /* see return_parts */
        rc = -EINVAL;
    if (rc == 0)
        rc = take_memfd(call, fd, size);
    note(call, rc == -EBADF ? -EINVAL : rc, size); /* -EBADF would say that the channel is broken */
    pthread_mutex_unlock(&call->lock);
    return rc;
}

/* ---- sending it -------------------------------------------------------------------------------------------------- */

int call_value_settle(struct pool_call *call)
{
    if (call->returned)
        return 0;
    if (call->mapped > 0)
        return pool_call_return(call, call->data, call->mapped);
    if (call->packing)
        return pool_call_return(call, call->packed.data, call->packed.size);
    return call->refused;
}

/* Not by a map, whose pages would count as the job's a second time. */
static int send_memfd_in_pieces(struct pool_call *call)
{
    static uint8_t piece[FRAME_INLINE_MAX];
    for (size_t at = 0; at < call->size;) {
        const size_t left = call->size - at;
        const ssize_t got = pread(call->memfd, piece, left < sizeof piece ? left : sizeof piece, (off_t)at);
        if (got <= 0)
            return got < 0 ? -errno : -ESTALE;
        at += (size_t)got;
        const int rc = channel_send_pieces(call->channel, true, &(pool_bytes_t){piece, (size_t)got}, call->size - at);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int call_value_send(struct pool_call *call, bool early, struct message_result *result)
{
    if (!call->returned || call->payload == PAYLOAD_NONE)
        return 0;
    result->payload = call->payload;
    result->size = call->size;
    if (call->payload == PAYLOAD_INLINE)
        result->data = (struct message_slice){call->data, call->size};
    if (call->payload != PAYLOAD_MEMFD)
        return 0;
    if (descriptor_verify(call->memfd, &call->memfd_identity) < 0)
        return -ESTALE;
    if (channel_is_plain(call->channel)) {
        result->payload = PAYLOAD_PIECES;
        return send_memfd_in_pieces(call);
    }
    if (early) { /* sealing fails while it is mapped for writing; then the host seals it at the end */
        if (call->mapped > 0)
            munmap(call->data, call->mapped);
        result->sealed = payload_seal(call->memfd) == 0;
    }
    return channel_send_descriptor(call->channel, call->memfd);
}
