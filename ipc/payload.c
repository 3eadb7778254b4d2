#include "payload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define SEAL_TRIES 20
#define AT_ONCE    64 /* parts of one writev(2) */

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int payload_create(const char *name)
{
    /* Kernels before 6.3 do not know MFD_NOEXEC_SEAL. */
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd < 0 ? -errno : fd;
}

/* Nobody else has the file: what makes it busy are pages that the kernel itself holds for a moment. It waits for them
 * each time. Source: mm/memfd.c, memfd_wait_for_pins(). */
static int seal_own(int fd)
{
    int rc = -EBUSY;
    for (int tries = 0; rc == -EBUSY && tries < SEAL_TRIES; tries++)
        rc = payload_seal(fd);
    return rc;
}

int payload_copy_parts(const char *name, const pool_bytes_t *parts, size_t count)
{
    const int fd = payload_create(name);
    if (fd < 0)
        return fd;
    int rc = payload_write_parts(fd, parts, count);
    if (rc == 0 && lseek(fd, 0, SEEK_SET) < 0)
        rc = -errno;
    if (rc == 0)
        rc = seal_own(fd);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    return fd;
}

int payload_copy(const char *name, const void *data, size_t size)
{
    return payload_copy_parts(name, &(pool_bytes_t){data, size}, 1);
}

int payload_write(int fd, const void *data, size_t size)
{
    return payload_write_parts(fd, &(pool_bytes_t){data, size}, 1);
}

/* The next parts as writev(2) takes them; of the first, begun bytes are written. Returns how many. */
static int next_parts(const pool_bytes_t *parts, size_t count, size_t begun, struct iovec next[AT_ONCE])
{
    int used = 0;
    for (; (size_t)used < count && used < AT_ONCE; used++) {
        next[used].iov_base = (void *)((uintptr_t)parts[used].data + begun);
        next[used].iov_len = parts[used].size - begun;
        begun = 0;
    }
    return used;
}

int payload_write_parts(int fd, const pool_bytes_t *parts, size_t count)
{
    struct iovec next[AT_ONCE];
    size_t begun = 0;
    for (;;) {
        for (; count > 0 && begun >= parts->size; parts++, count--)
            begun -= parts->size;
        if (count == 0)
            return 0;
        const ssize_t wrote = writev(fd, next, next_parts(parts, count, begun, next));
        if (wrote < 0 && errno != EINTR)
            return -errno;
        if (wrote > 0)
            begun += (size_t)wrote;
    }
}

int payload_measure(const pool_bytes_t *parts, size_t count, size_t *size)
{
    *size = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].data == NULL && parts[i].size > 0)
            return -EINVAL;
        if (__builtin_add_overflow(*size, parts[i].size, size) || *size > INT64_MAX)
            return -EINVAL;
    }
    return 0;
}

void payload_gather(void *to, const pool_bytes_t *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (parts[i].size > 0)
            to = mempcpy(to, parts[i].data, parts[i].size);
}

int payload_seal(int fd)
{
    return fcntl(fd, F_ADD_SEALS, SEALS) < 0 ? -errno : 0;
}

int payload_check(int fd, size_t size, bool sealed)
{
    struct stat st;
    const int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < 0 || (size_t)st.st_size != size)
        return -EBADMSG;
    if (sealed && (seals & SEALS) != SEALS)
        return -EBADMSG;
    return 0;
}

void *payload_map(int fd, size_t size, bool populate)
{
    void *data = mmap(NULL, size, PROT_READ, MAP_SHARED | (populate ? MAP_POPULATE : 0), fd, 0);
    return data == MAP_FAILED ? NULL : data;
}

void *payload_read(int fd, size_t size)
{
    uint8_t *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return NULL;
    for (size_t at = 0; at < size;) {
        const ssize_t got = pread(fd, data + at, size - at, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            const int error = got < 0 ? errno : EBADMSG;
            munmap(data, size);
            errno = error;
            return NULL;
        }
        at += (size_t)got;
    }
    return data;
}

void payload_unmap(void *data, size_t size)
{
    if (data != NULL)
        munmap(data, size);
}
