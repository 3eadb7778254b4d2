#include "forkserver_state.h"

#include <sys/mman.h>
#include <unistd.h>

#define BIRTH_DEADLINE_MS 10000

/* Serials are the tags of processes, also of pools inside of jobs: none may be another's. The low half counts. */
static uint64_t first_serial(void)
{
    uint32_t high;
    if (process_random(&high, sizeof high) < 0)
        high = (uint32_t)getpid() ^ (uint32_t)process_now_ms();
    return (uint64_t)(high >> 1) << 32 | 1;
}

struct server *server_new(const struct forkserver_config *config, int control)
{
    struct server *server = mmap(NULL, sizeof *server, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (server == MAP_FAILED)
        _exit(1);
    madvise(server, sizeof *server, MADV_DONTFORK);
    server->control = control;
    server->gap_end = config->gap_end;
    server->seeds = true;
    server->origin = &config->origin;
    server->pid = getpid();
    server->warm = config->warm;
    server->next_serial = first_serial();
    server->metering.mechanism = &meter_sampled;
    server->metering.cgroup.dir = server->metering.cgroup.base = server->metering.loadavg = -1;
    return server;
}

struct slot *server_slot_take(struct server *server)
{
    struct slot *slot = slot_take(&server->table, server->next_serial);
    if (slot == NULL)
        return NULL;
    server->next_serial++;
    slot->birth_deadline = process_now_ms() + BIRTH_DEADLINE_MS;
    return slot;
}

void server_slot_free(struct server *server, struct slot *slot)
{
    meter_release(server, slot);
    slot_free(slot);
}
