/* faults.c - preloaded into the daemon: a disk that fails, and a clock that jumps.
 *
 * Ruled through a file that both sides map (RECLAIM_FAULTS, struct faults): writes and syncs of files whose path has
 * RECLAIM_FAULTS_PATH in it fail from a given one on until they are allowed again, and CLOCK_REALTIME is off by some
 * seconds. Both may be changed at any time. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum fault_kind { FAULT_WRITE = 1, FAULT_SYNC = 2 };

struct faults {
    int32_t error; /* errno; 0: nothing fails */
    int32_t kinds; /* bits of enum fault_kind: which fail */
    int64_t spare; /* so many more of these succeed */
    int64_t seen;  /* all of them, ever */
    int64_t failed;
    int64_t clock_offset; /* seconds */
};

static struct faults *faults;
static const char *faulty_path;

__attribute__((constructor)) static void faults_open(void)
{
    const char *path = getenv("RECLAIM_FAULTS");
    faulty_path = getenv("RECLAIM_FAULTS_PATH");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *memory = mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory != MAP_FAILED)
        faults = memory;
    close(fd);
}

/* Must this operation fail? errno is set. */
static bool faults_hit(int fd, enum fault_kind kind)
{
    if (!faults || !faulty_path)
        return false;
    char name[64], path[4096];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(name, path, sizeof path - 1);
    if (size < 0)
        return false;
    path[size] = '\0';
    if (!strstr(path, faulty_path))
        return false;
    __atomic_add_fetch(&faults->seen, 1, __ATOMIC_SEQ_CST);
    int32_t error = __atomic_load_n(&faults->error, __ATOMIC_SEQ_CST);
    if (error == 0 || !(faults->kinds & (int32_t)kind))
        return false;
    if (__atomic_sub_fetch(&faults->spare, 1, __ATOMIC_SEQ_CST) >= 0)
        return false;
    __atomic_add_fetch(&faults->failed, 1, __ATOMIC_SEQ_CST);
    errno = error;
    return true;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return faults_hit(fd, FAULT_WRITE) ? -1 : syscall(SYS_pwrite64, fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    return faults_hit(fd, FAULT_WRITE) ? -1 : syscall(SYS_pwrite64, fd, data, size, offset);
}

ssize_t write(int fd, const void *data, size_t size)
{
    return faults_hit(fd, FAULT_WRITE) ? -1 : syscall(SYS_write, fd, data, size);
}

int ftruncate(int fd, off_t size)
{
    return faults_hit(fd, FAULT_WRITE) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    return faults_hit(fd, FAULT_WRITE) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int fsync(int fd)
{
    return faults_hit(fd, FAULT_SYNC) ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return faults_hit(fd, FAULT_SYNC) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

static time_t faults_clock_offset(void)
{
    return faults ? (time_t)__atomic_load_n(&faults->clock_offset, __ATOMIC_SEQ_CST) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += faults_clock_offset();
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    int result = (int)syscall(SYS_gettimeofday, now, zone);
    if (result == 0)
        now->tv_sec += faults_clock_offset();
    return result;
}

time_t time(time_t *seconds)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (seconds)
        *seconds = now.tv_sec;
    return now.tv_sec;
}
