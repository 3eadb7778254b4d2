#include "area.h"

#include "descriptor.h"
#include "payload.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

enum { TASKS, PAGES };

size_t area_page_size(void)
{
    static const size_t least = 4096; /* a page of the machine may be larger */
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return page > least ? page : least;
}

size_t area_pages_size(size_t slots)
{
    return (slots + 1) * area_page_size();
}

static int create(const char *name, size_t size)
{
    int fd = payload_create(name);
    if (fd < 0)
        return fd;
    if (ftruncate(fd, (off_t)size) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0) {
        const int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

int area_create(size_t slots, int fds[2])
{
    fds[TASKS] = create("reclaim-tasks", slots * AREA_TASK_SIZE);
    if (fds[TASKS] < 0)
        return fds[TASKS];
    fds[PAGES] = create("reclaim-pages", area_pages_size(slots));
    if (fds[PAGES] >= 0)
        return 0;
    descriptor_close(&fds[TASKS]);
    return fds[PAGES];
}

/* A mapping of a file that can no longer shrink under it. NULL and errno. */
static uint8_t *map(int fd, size_t size)
{
    struct stat st;
    const int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || fstat(fd, &st) < 0 || (size_t)st.st_size != size) {
        errno = EBADMSG;
        return NULL;
    }
    void *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        return NULL;
    madvise(mapped, size, MADV_DONTFORK);
    return mapped;
}

int area_map_pages(struct area *area, size_t slots, int pages)
{
    *area = (struct area){.slots = slots, .pages = map(pages, area_pages_size(slots))};
    return area->pages == NULL ? -errno : 0;
}

int area_map(struct area *area, size_t slots, const int fds[2])
{
    int rc = area_map_pages(area, slots, fds[PAGES]);
    if (rc < 0)
        return rc;
    area->tasks = map(fds[TASKS], slots * AREA_TASK_SIZE);
    if (area->tasks == NULL) {
        rc = -errno;
        area_unmap(area);
        return rc;
    }
    /* Kernels before 5.1 do not know this seal: a job could then write into its own task. */
    fcntl(fds[TASKS], F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
    fcntl(fds[TASKS], F_ADD_SEALS, F_SEAL_SEAL);
    fcntl(fds[PAGES], F_ADD_SEALS, F_SEAL_SEAL);
    return 0;
}

void area_unmap(struct area *area)
{
    if (area->tasks != NULL)
        munmap(area->tasks, area->slots * AREA_TASK_SIZE);
    if (area->pages != NULL)
        munmap(area->pages, area_pages_size(area->slots));
    *area = (struct area){0};
}

struct area_task *area_task(const struct area *area, size_t slot)
{
    return (struct area_task *)(void *)(area->tasks + slot * AREA_TASK_SIZE);
}

void *area_page(const struct area *area, size_t slot)
{
    return area->pages + slot * area_page_size();
}

struct area_host_page *area_host_page(const struct area *area)
{
    return area_page(area, area->slots);
}
