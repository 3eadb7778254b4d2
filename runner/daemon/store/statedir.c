#include "statedir.h"

#include "explain.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <reclaim/pool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TAGS_MAX        1024
#define LAST_MOMENT_MS  1000
#define WORKERS_POLL_MS 10

static int fail_with(char message[512], int error, const char *what, const char *path)
{
    return explain(message, error, "cannot %s the state directory %.300s: %s", what, path, strerror(-error));
}

static int check_owner(const struct statedir *dir, char message[512])
{
    struct stat stat_buffer;
    if (fstat(dir->fd, &stat_buffer) < 0)
        return fail_with(message, -errno, "look at", dir->path);
    if (stat_buffer.st_uid != geteuid())
        return explain(message, -EACCES, "the state directory %.300s belongs to uid %u: name one of your own",
                       dir->path, (unsigned)stat_buffer.st_uid);
    if ((stat_buffer.st_mode & 077) != 0)
        return explain(message, -EACCES, "the state directory %.300s is open to others (mode %03o): chmod 700 it",
                       dir->path, (unsigned)stat_buffer.st_mode & 0777);
    return 0;
}

static int open_lock(int directory, const char *name)
{
    const int fd = openat(directory, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 ? -errno : fd;
}

/* flock(2) knows no time limit. */
static int flock_within(int fd, int64_t ms)
{
    for (; flock(fd, LOCK_EX | LOCK_NB) < 0; ms -= WORKERS_POLL_MS) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -errno;
        if (ms <= 0)
            return -ETIMEDOUT;
        nanosleep(&(struct timespec){.tv_nsec = WORKERS_POLL_MS * 1000000L}, NULL);
    }
    return 0;
}

static int say_who(struct statedir *dir, char message[512])
{
    char pid[24] = "";
    const ssize_t size = pread(dir->lock, pid, sizeof pid - 1, 0);
    pid[size > 0 ? size : 0] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
    return explain(message, -EWOULDBLOCK,
                   "another daemon (pid %s) has the state directory %.300s: stop it, or name another directory",
                   pid[0] != '\0' ? pid : "unknown", dir->path);
}

static int lock(struct statedir *dir, char message[512])
{
    char pid[24];
    dir->lock = open_lock(dir->fd, "lock");
    if (dir->lock < 0)
        return fail_with(message, dir->lock, "make the lock of", dir->path);
    const int locked = flock_within(dir->lock, LAST_MOMENT_MS); /* one that was killed may be ending */
    if (locked < 0)
        return locked == -ETIMEDOUT ? say_who(dir, message) : fail_with(message, locked, "lock", dir->path);
    const int size = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(dir->lock, 0) < 0 || pwrite(dir->lock, pid, (size_t)size, 0) != size)
        return fail_with(message, errno != 0 ? -errno : -EIO, "write the lock of", dir->path);
    return 0;
}

/* The pool is gone. If all its processes were killed at once, processes of its jobs may still live. */
static int end_leftovers(const struct statedir *dir, char message[512])
{
    uint32_t tags[TAGS_MAX];
    size_t count = 0;
    const ssize_t size = pread(dir->workers, tags, sizeof tags, 0);
    if (size < 0)
        return fail_with(message, -errno, "read the workers' lock of", dir->path);
    for (size_t i = 0; i < (size_t)size / sizeof *tags; i++)
        if (tags[i] != 0)
            tags[count++] = tags[i];
    const int r = pool_sweep(tags, count);
    return r < 0 ? explain(message, r, "what a dead daemon's jobs have left in %.300s: %s", dir->path, pool_message())
                 : 0;
}

/* Reserves room for all tags now: the disk may be full later. */
static int empty_tags(const struct statedir *dir, char message[512])
{
    int r = ftruncate(dir->workers, 0) < 0 ? errno : 0;
    if (r == 0)
        r = posix_fallocate(dir->workers, 0, (off_t)(TAGS_MAX * sizeof(uint32_t)));
    return r == 0 ? 0 : fail_with(message, -r, "write the workers' lock of", dir->path);
}

bool statedir_is_there(const struct statedir *dir)
{
    struct stat ours, there;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/lock", dir->path);
    return fstat(dir->lock, &ours) == 0 && stat(path, &there) == 0 && ours.st_dev == there.st_dev &&
           ours.st_ino == there.st_ino;
}

int statedir_tag_add(struct statedir *dir, uint32_t tag)
{
    /* Of so many fork servers the oldest is surely gone. */
    const off_t at = (off_t)(dir->tags++ % TAGS_MAX * sizeof tag);
    return pwrite(dir->workers, &tag, sizeof tag, at) == sizeof tag ? 0 : -EIO;
}

static int await_workers(struct statedir *dir, char message[512])
{
    dir->workers = open_lock(dir->fd, "workers.lock");
    if (dir->workers < 0)
        return fail_with(message, dir->workers, "make the workers' lock of", dir->path);
    int r = flock_within(dir->workers, STATEDIR_WORKERS_MS);
    if (r == 0 && ((r = end_leftovers(dir, message)) < 0 || (r = empty_tags(dir, message)) < 0))
        return r;
    if (r == 0 && flock(dir->workers, LOCK_SH | LOCK_NB) < 0) /* nobody else can come in between: see lock() */
        r = -errno;
    if (r == -ETIMEDOUT)
        return explain(
            message, r,
            "workers of a daemon that died still hold %.300s/workers.lock after %d s: end them (fuser names them)",
            dir->path, STATEDIR_WORKERS_MS / 1000);
    return r < 0 ? fail_with(message, r, "wait for workers of", dir->path) : 0;
}

int statedir_open(struct statedir *dir, const char *path, char message[512])
{
    *dir = (struct statedir){.fd = -1, .lock = -1, .workers = -1};
    int r = path[0] == '\0' ? -ENOENT : program_make_directory(path, 0700);
    if (r < 0)
        return fail_with(message, r, "make", path);
    dir->path = realpath(path, NULL);
    if (dir->path == NULL)
        return fail_with(message, -errno, "find", path);
    dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir->fd < 0)
        r = fail_with(message, -errno, "open", dir->path);
    if (r == 0)
        r = check_owner(dir, message);
    if (r == 0)
        r = lock(dir, message);
    if (r == 0)
        r = await_workers(dir, message);
    if (r < 0)
        statedir_close(dir);
    return r;
}

/* The lock's file stays: one that is removed while another daemon opens it would be locked by both. */
void statedir_close(struct statedir *dir)
{
    if (dir->workers >= 0)
        close(dir->workers);
    if (dir->lock >= 0)
        close(dir->lock);
    if (dir->fd >= 0)
        close(dir->fd);
    free(dir->path);
    *dir = (struct statedir){.fd = -1, .lock = -1, .workers = -1};
}
