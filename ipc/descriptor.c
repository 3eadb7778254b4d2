#include "descriptor.h"

#include "raw.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

ssize_t descriptor_send(int socket, const void *data, size_t size, const int *fds, size_t count)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * DESCRIPTOR_MAX)];
    } control;
    if (count > DESCRIPTOR_MAX)
        return -EINVAL;
    if (count > 0) {
        memset(&control, 0, CMSG_SPACE(sizeof(int) * count));
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * count);
    }
    for (;;) {
        const ssize_t sent = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0)
            return sent;
        if (errno != EINTR)
            return -errno;
    }
}

bool descriptor_is_refused_now(ssize_t sent)
{
    return sent == -EAGAIN || sent == -ETOOMANYREFS || sent == -ENOBUFS || sent == -ENOMEM;
}

/* Adds the descriptors of one control message to the set. */
static void collect(struct cmsghdr *header, struct descriptor_set *set)
{
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
        return;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
        if (set->count < DESCRIPTOR_MAX)
            set->fds[set->count++] = fd;
        else
            close(fd);
    }
}

ssize_t descriptor_receive(int socket, void *data, size_t size, int flags, struct descriptor_set *set)
{
    struct iovec iov = {.iov_base = data, .iov_len = size};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * DESCRIPTOR_MAX)];
    } control;
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t got;
    set->count = 0;
    set->truncated = false;
    do {
        got = raw_call(SYS_recvmsg, socket, raw_pointer(&message), flags | MSG_CMSG_CLOEXEC, 0);
    } while (got == -EINTR);
    if (got < 0)
        return got;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&message); h != NULL; h = CMSG_NXTHDR(&message, h))
        collect(h, set);
    set->truncated = (message.msg_flags & MSG_CTRUNC) != 0;
    if (set->truncated || (message.msg_flags & MSG_TRUNC) != 0)
        descriptor_set_close(set);
    return (message.msg_flags & MSG_TRUNC) != 0 ? -EMSGSIZE : got;
}

void descriptor_set_close(struct descriptor_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        descriptor_close(&set->fds[i]);
    set->count = 0;
}

int descriptor_set_take(struct descriptor_set *set)
{
    if (set->count == 0)
        return -1;
    const int fd = set->fds[0];
    set->count--;
    memmove(set->fds, set->fds + 1, set->count * sizeof set->fds[0]);
    return fd;
}

void descriptor_close(int *fd)
{
    if (*fd < 0)
        return;
    const int saved = errno;
    close(*fd);
    errno = saved;
    *fd = -1;
}

void descriptor_close_pair(int pair[2])
{
    descriptor_close(&pair[0]);
    descriptor_close(&pair[1]);
}

/* The slow way: what is open is what /proc/self/fd lists. */
static void close_listed(unsigned first, unsigned last)
{
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL) {
        for (unsigned fd = first; fd <= last && fd < 65536; fd++)
            close((int)fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char *end;
        const unsigned long fd = strtoul(entry->d_name, &end, 10);
        if (end != entry->d_name && *end == '\0' && fd >= first && fd <= last && (int)fd != dirfd(dir))
            close((int)fd);
    }
    closedir(dir);
}

void descriptor_close_range(unsigned first, unsigned last)
{
    if (first > last)
        return;
    if (raw_call(SYS_close_range, first, last, 0, 0) < 0)
        close_listed(first, last);
}

ssize_t descriptor_read_text(int fd, char *text, size_t size)
{
    ssize_t got;
    do {
        got = pread(fd, text, size - 1, 0);
    } while (got < 0 && errno == EINTR);
    text[got < 0 ? 0 : got] = '\0';
    return got < 0 ? -errno : got;
}

ssize_t descriptor_read_file(int dir, const char *name, char *text, size_t size)
{
    const int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    const ssize_t got = descriptor_read_text(fd, text, size);
    close(fd);
    return got;
}

int descriptor_identify(int fd, struct descriptor_identity *identity)
{
    struct stat st;
    const int rc = raw_fstat(fd, &st);
    if (rc < 0)
        return rc;
    *identity = (struct descriptor_identity){.device = st.st_dev, .inode = st.st_ino};
    return 0;
}

int descriptor_verify(int fd, const struct descriptor_identity *identity)
{
    struct descriptor_identity now = {0};
    if (descriptor_identify(fd, &now) < 0 || now.device != identity->device || now.inode != identity->inode)
        return -EBADF;
    return 0;
}
