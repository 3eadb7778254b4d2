#include "capture.h"

#include "descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FIRST_CAPACITY ((size_t)64 * 1024)
#define READ_SIZE      ((size_t)64 * 1024)

void capture_init(struct capture *capture)
{
    *capture = (struct capture){.fd = -1};
}

int capture_open(struct capture *capture, int64_t limit, int *write_end)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    capture->fd = ends[0];
    capture->limit = limit;
    *write_end = ends[1];
    return 0;
}

/* Room for size more bytes and the NUL. */
static int reserve(struct capture_bytes *bytes, size_t size)
{
    size_t capacity = bytes->capacity == 0 ? FIRST_CAPACITY : bytes->capacity;
    while (capacity - bytes->size <= size)
        capacity *= 2;
    if (capacity == bytes->capacity)
        return 0;
    void *data = bytes->data == NULL ? mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                                     : mremap(bytes->data, bytes->capacity, capacity, MREMAP_MAYMOVE);
    if (data == MAP_FAILED)
        return -ENOMEM;
    bytes->data = data;
    bytes->capacity = capacity;
    return 0;
}

static void keep(struct capture *capture, const uint8_t *data, size_t size)
{
    struct capture_bytes *bytes = &capture->bytes;
    const uint64_t room = (uint64_t)capture->limit - bytes->size;
    size_t kept = size;
    if (size > room) {
        kept = (size_t)room;
        capture->truncated = true;
    }
    if (kept == 0)
        return;
    if (reserve(bytes, kept) < 0) {
        capture->truncated = capture->no_memory = true;
        return;
    }
    memcpy(bytes->data + bytes->size, data, kept);
    bytes->size += kept;
    bytes->data[bytes->size] = '\0';
}

enum capture_state capture_read(struct capture *capture)
{
    uint8_t data[READ_SIZE];
    /* Reads at most what the pipe holds: a writer that keeps up must not keep the caller here. */
    for (int64_t left = fcntl(capture->fd, F_GETPIPE_SZ); left > 0;) {
        const ssize_t got = read(capture->fd, data, sizeof data);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            break;
        if (got <= 0)
            return CAPTURE_ENDED;
        keep(capture, data, (size_t)got);
        left -= got;
    }
    return capture->truncated ? CAPTURE_OVER_LIMIT : CAPTURE_OPEN;
}

void capture_close(struct capture *capture)
{
    descriptor_close(&capture->fd);
}

void capture_bytes_free(struct capture_bytes *bytes)
{
    if (bytes->data != NULL)
        munmap(bytes->data, bytes->capacity);
    *bytes = (struct capture_bytes){0};
}
