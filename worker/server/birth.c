#include "birth.h"

#include "descriptor.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Adds what is missing: a pipe, and for a full worker a socket. 0 or a negative errno. */
static int make_ends(struct slot_ends *ends, bool full)
{
    int pair[2];
    if (ends->host[0] < 0) {
        if (pipe2(pair, O_CLOEXEC) < 0)
            return -errno;
        ends->host[0] = pair[0];
        ends->worker[0] = pair[1];
    }
    if (full && ends->host[1] < 0) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
            return -errno;
        ends->host[1] = pair[0];
        ends->worker[1] = pair[1];
    }
    return 0;
}

bool birth_wants_full(const struct server *server)
{
    return atomic_load(&area_host_page(&server->area)->full) != 0;
}

void birth_stock(struct server *server)
{
    if (server->spare.host[0] < 0)
        make_ends(&server->spare, birth_wants_full(server));
}

bool birth_prepare(struct server *server, struct slot *slot, bool full)
{
    const struct meter_mechanism *mechanism = server->metering.mechanism;
    int rc = mechanism->prepare != NULL ? mechanism->prepare(server, slot) : 0;
    if (rc == 0)
        rc = make_ends(&server->spare, full);
    if (rc < 0) {
        slot->error = (uint64_t)-rc;
        return false;
    }
    slot->ends = server->spare;
    server->spare = (struct slot_ends)SLOT_NO_ENDS;
    return true;
}

/* Maps the slot's task and page into the window, the one part of the area that a fork copies. 0 or a negative errno. */
static int open_window(const struct server *server, const struct slot *slot)
{
    const size_t index = slot_index(server, slot), page = area_page_size();
    if (mmap(server->window, AREA_TASK_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED, server->areas[0],
             (off_t)(index * AREA_TASK_SIZE)) == MAP_FAILED ||
        mmap(server->window + AREA_TASK_SIZE, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, server->areas[1],
             (off_t)(index * page)) == MAP_FAILED)
        return -errno;
    return 0;
}

/* Whether a channel has one of the numbers to which a worker would move its channels. */
static bool is_in_the_way(const int *channels, int numbers)
{
    bool found = false;
    for (int i = 0; i < WORKER_CHANNELS; i++)
        found = found || (channels[i] >= numbers && channels[i] < numbers + WORKER_CHANNELS);
    return found;
}

void birth_fork(struct server *server, struct slot *slot)
{
    const struct forkserver_config *config = server->config;
    const int channels[WORKER_CHANNELS] = {slot->ends.worker[0], slot->ends.worker[1], slot->meter.leaf};
    int numbers = process_descriptor_floor();
    while (is_in_the_way(channels, numbers))
        numbers += WORKER_CHANNELS;
    const struct worker_birth birth = {
        /* by value: the child has neither server nor slot */
        .serial = slot->serial,
        .channels = {channels[0], channels[1], channels[2]},
        .numbers = numbers,
        .gap_end = config->gap_end,
        .tag_most = server->tag_most,
        .has_pids = server->metering.cgroup.pids,
        .task = (const struct area_task *)(const void *)server->window,
        .page = (struct page *)(void *)(server->window + AREA_TASK_SIZE),
        .window_size = AREA_TASK_SIZE + area_page_size(),
        .origin = &config->origin,
        .parent = server->pid,
        .on_birth = config->on_birth,
        .hook_user = config->hook_user,
    };
    const int rc = open_window(server, slot);
    slot->page->inherited = server->inherited;
    process_seed(
        slot_draw(server)); /* here, or each worker would have to find the code of that, and to copy three pages */
    const pid_t pid = rc < 0 ? -1 : config->fork_handlers ? fork() : process_fork();
    if (pid == 0)
        worker_main(&birth);
    if (pid < 0)
        slot->error = (uint64_t)(rc < 0 ? -rc : errno);
    else
        slot->pid = pid;
    descriptor_close_pair(slot->ends.worker);
}
