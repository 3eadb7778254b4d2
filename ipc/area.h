/* area.h - the memory through which host, fork server and workers talk without a system call: new for each fork server.
 *
 *     tasks   for each slot the task of its worker. The host writes; a worker sees its own, read-only
 *     pages   for each slot the page of its worker (area_page), which that worker writes. Host and fork server see all.
 *             After the last slot comes one more (area_host_page), which no worker has: words of the host's
 *
 * Each is a memfd. The fork server makes them and gives both to the host, which maps and seals them: no process can
 * shrink them, or map the tasks for writing any more. A worker seals its own mappings (mseal(2), Linux 6.10): without
 * that a job can reach the slots beside its own with mremap(2). A process must not trust what another may write: it
 * copies a word once, bounds it, and waits for nothing. Sources: memfd_create(2), fcntl(2), "File Sealing"; madvise(2),
 * MADV_DONTFORK. */
#ifndef AREA_H
#define AREA_H

#include "frame.h"
#include "message.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define AREA_TASK_SIZE ((size_t)64 * 1024)

/* A task as the host leaves it, and an inline payload. */
struct area_task {
    struct message_task message;
    _Alignas(16) uint8_t payload[FRAME_INLINE_MAX];
};

_Static_assert(sizeof(struct area_task) <= AREA_TASK_SIZE, "an inline payload fits a slot");

enum area_call { AREA_TAKE = 2, AREA_LEAVE }; /* what a worker's bell is rung with: take the task; leave */

/* The head of a worker's page. */
struct area_page {
    /* A random number of the fork server's until the job begins. The worker overwrites it, and never looks at it: no
     * job can put it back, and claim that it has not begun. */
    _Atomic uint64_t untaken;
    _Atomic uint32_t bell; /* enum area_call */
};

struct area_host_page {
    _Atomic uint32_t full; /* a worker that nobody has asked for is to be a full one: birth.h */
};

struct area {
    uint8_t *tasks, *pages; /* NULL: not mapped */
    size_t slots;
};

/* Bytes of a slot's page, and of all. */
size_t area_page_size(void);
size_t area_pages_size(size_t slots);

/* In the fork server: two memfds, for tasks and pages. Negative errno. */
int area_create(size_t slots, int fds[2]);

/* In the fork server: maps the pages alone; in the host: maps and seals both. A fork does not copy the mappings.
 * *borrows* the descriptors, which need not stay open. Negative errno; -EBADMSG: they are not what area_create made. */
int area_map_pages(struct area *area, size_t slots, int pages);
int area_map(struct area *area, size_t slots, const int fds[2]);

/* Harmless when it is not mapped. */
void area_unmap(struct area *area);

/* Of a slot below area->slots. */
struct area_task *area_task(const struct area *area, size_t slot);
void *area_page(const struct area *area, size_t slot);
struct area_host_page *area_host_page(const struct area *area);

#endif
