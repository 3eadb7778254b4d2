#include "output_files.h"
#include "program.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define IDS_A_DIRECTORY 1000
#define TEMPORARY       "value.new"
#define PIECE           ((size_t)256 * 1024) /* between two looks at the disk; libuv has four threads: OUTPUTS_ROOM */

static const char *const suffixes[OUTPUT_KIND_COUNT] = {"out", "err", "value"};

/* ---- names ------------------------------------------------------------------------------------------------------- */

static void name_of(char name[32], uint64_t id, const char *suffix)
{
    snprintf(name, 32, "%" PRIu64 ".%s", id, suffix);
}

static void directory_of(char name[32], uint64_t id)
{
    snprintf(name, 32, "%" PRIu64, id / IDS_A_DIRECTORY);
}

static int open_directory(int parent, const char *name)
{
    const int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* A new directory is on disk before a file is put into it. */
static int make_directory(int parent, const char *name)
{
    if (mkdirat(parent, name, 0700) < 0) {
        if (errno != EEXIST)
            return -errno;
    } else if (fsync(parent) < 0) {
        const int r = -errno;
        unlinkat(parent, name, AT_REMOVEDIR); /* so that the next one syncs it, too */
        return r;
    }
    return open_directory(parent, name);
}

int outputs_open(struct outputs *outputs, int statedir_fd)
{
    outputs->dir = make_directory(statedir_fd, "jobs");
    return outputs->dir < 0 ? outputs->dir : 0;
}

void outputs_close(struct outputs *outputs)
{
    if (outputs->dir >= 0)
        close(outputs->dir);
    outputs->dir = -1;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* A new file: a process that still has the old one open does not write into it. */
static int create_in(int directory, const char *name)
{
    if (unlinkat(directory, name, 0) < 0 && errno != ENOENT)
        return -errno;
    const int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : fd;
}

static int make_directory_of(const struct outputs *outputs, uint64_t id)
{
    char name[32];
    directory_of(name, id);
    return make_directory(outputs->dir, name);
}

int outputs_create(struct outputs *outputs, uint64_t id, enum output_kind kind)
{
    char name[32];
    const int directory = make_directory_of(outputs, id);
    if (directory < 0)
        return directory;
    name_of(name, id, suffixes[kind]);
    const int fd = create_in(directory, name);
    close(directory);
    return fd;
}

/* Before every piece: a value that is too large must not fill the disk even for a moment, when writes of others would
 * fail. A file system that does not say how large it is has room. */
static int check_room(int fd, size_t size)
{
    struct statvfs disk;
    if (fstatvfs(fd, &disk) < 0 || disk.f_blocks == 0)
        return 0;
    return (uint64_t)disk.f_bavail * disk.f_frsize < size + OUTPUTS_ROOM ? -ENOSPC : 0;
}

static int write_whole(int fd, const char *data, size_t size)
{
    int error = 0;
    while (error == 0 && size > 0) {
        const size_t piece = size < PIECE ? size : PIECE;
        error = check_room(fd, size);
        if (error == 0)
            error = write_all(fd, data, piece);
        data += piece;
        size -= piece;
    }
    return error == 0 && fsync(fd) < 0 ? -errno : error;
}

static int write_in(int directory, uint64_t id, const void *data, size_t size)
{
    char temporary[32], name[32];
    name_of(temporary, id, TEMPORARY);
    name_of(name, id, suffixes[OUTPUT_VALUE]);
    const int fd = create_in(directory, temporary);
    if (fd < 0)
        return fd;
    int r = write_whole(fd, data, size);
    close(fd);
    if (r == 0 && renameat(directory, temporary, directory, name) < 0)
        r = -errno;
    const bool is_named = r == 0;
    if (is_named && fsync(directory) < 0)
        r = -errno;
    if (r < 0)
        unlinkat(directory, is_named ? name : temporary, 0);
    return r;
}

int outputs_value_write(struct outputs *outputs, uint64_t id, const void *data, size_t size)
{
    const int directory = make_directory_of(outputs, id);
    if (directory < 0)
        return directory;
    const int r = write_in(directory, id, data, size);
    close(directory);
    return r;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static int open_to_read(const struct outputs *outputs, uint64_t id, enum output_kind kind)
{
    char name[32];
    directory_of(name, id);
    const int directory = open_directory(outputs->dir, name);
    if (directory < 0)
        return directory;
    name_of(name, id, suffixes[kind]);
    const int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    const int r = fd < 0 ? -errno : fd;
    close(directory);
    return r;
}

static int read_at(int fd, uint64_t offset, char *buffer, size_t *size, uint64_t *total)
{
    struct stat stat_buffer;
    const size_t room = *size;
    *size = 0;
    if (fstat(fd, &stat_buffer) < 0)
        return -errno;
    if (!S_ISREG(stat_buffer.st_mode))
        return -EINVAL;
    *total = (uint64_t)stat_buffer.st_size;
    while (*size < room && offset + *size < *total) {
        const ssize_t got = pread(fd, buffer + *size, room - *size, (off_t)(offset + *size));
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got == 0)
            break;
        if (got > 0)
            *size += (size_t)got;
    }
    return 0;
}

int outputs_read(struct outputs *outputs, uint64_t id, enum output_kind kind, uint64_t offset, void *buffer,
                 size_t *size, uint64_t *total)
{
    *total = 0;
    const int fd = open_to_read(outputs, id, kind);
    if (fd < 0) {
        *size = 0;
        return fd == -ENOENT ? 0 : fd;
    }
    const int r = read_at(fd, offset, buffer, size, total);
    close(fd);
    return r;
}

/* ---- removing ---------------------------------------------------------------------------------------------------- */

void outputs_remove(struct outputs *outputs, uint64_t id)
{
    char name[32], file[32];
    directory_of(name, id);
    const int directory = open_directory(outputs->dir, name);
    if (directory < 0)
        return;
    for (size_t i = 0; i < OUTPUT_KIND_COUNT; i++) {
        name_of(file, id, suffixes[i]);
        unlinkat(directory, file, 0);
    }
    close(directory);
    unlinkat(outputs->dir, name, AT_REMOVEDIR); /* refused while there are others */
}

struct sweep {
    int (*is_known)(void *user, uint64_t id);
    void *user;
    uint64_t group; /* the directory's number */
};

/* A number without leading zeros, as we write them; *rest: the text after it. */
static bool read_number(const char *text, uint64_t *number, const char **rest)
{
    char *end;
    if (text[0] < '0' || text[0] > '9' || (text[0] == '0' && text[1] >= '0' && text[1] <= '9'))
        return false;
    errno = 0;
    *number = strtoull(text, &end, 10);
    *rest = end;
    return errno == 0;
}

/* Only names that we give: other files are not ours to remove. */
static bool is_left_over(const struct sweep *sweep, const char *name)
{
    uint64_t id;
    const char *rest;
    if (!read_number(name, &id, &rest) || id / IDS_A_DIRECTORY != sweep->group || *rest != '.')
        return false;
    if (strcmp(rest + 1, TEMPORARY) == 0)
        return true;
    for (size_t i = 0; i < OUTPUT_KIND_COUNT; i++)
        if (strcmp(rest + 1, suffixes[i]) == 0)
            return sweep->is_known(sweep->user, id) == 0;
    return false;
}

static int list(int parent, const char *name, DIR **entries)
{
    const int fd = open_directory(parent, name);
    if (fd < 0)
        return fd;
    *entries = fdopendir(fd);
    const int r = *entries == NULL ? -errno : 0;
    if (r < 0)
        close(fd);
    return r;
}

static int sweep_directory(const struct sweep *sweep, int parent, const char *name)
{
    int removed = 0;
    DIR *entries;
    const int r = list(parent, name, &entries);
    if (r < 0)
        return r == -ENOTDIR ? 0 : r; /* a file or a symlink: not ours */
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;)
        if (is_left_over(sweep, entry->d_name) && unlinkat(dirfd(entries), entry->d_name, 0) == 0)
            removed++;
    closedir(entries);
    unlinkat(parent, name, AT_REMOVEDIR);
    return removed;
}

int outputs_sweep(struct outputs *outputs, int (*is_known)(void *user, uint64_t id), void *user)
{
    struct sweep sweep = {.is_known = is_known, .user = user};
    int removed = 0, r;
    DIR *entries;
    if ((r = list(outputs->dir, ".", &entries)) < 0)
        return r;
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        const char *rest;
        if (!read_number(entry->d_name, &sweep.group, &rest) || *rest != '\0')
            continue;
        if ((r = sweep_directory(&sweep, outputs->dir, entry->d_name)) < 0)
            break;
        removed += r;
    }
    closedir(entries);
    return r < 0 ? r : removed;
}
