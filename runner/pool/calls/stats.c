/* stats.c - pool_stats and pool_memory: what the pool counts, and where the memory is now. Source: proc(5). */
#include "failure.h"
#include "proc.h"
#include "process.h"
#include "state.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int pool_stats(const pool_t *pool, pool_stats_t *stats)
{
    pool_t *p = (pool_t *)(uintptr_t)pool; /* only to lock it */
    const int rc = state_check_owner(pool);
    if (rc < 0)
        return rc;
    if (stats == NULL)
        return failure(-EINVAL, "stats is NULL");
    pthread_mutex_lock(&p->lock);
    *stats = pool->stats;
    stats->queued = pool->backlog.queue.count + pool->backlog.delayed_count;
    stats->running = pool->running;
    pthread_mutex_unlock(&p->lock);
    return 0;
}

/* The memory of the workers and their descendants, without what each inherited from the fork server. */
static uint64_t below(pid_t server, uint64_t inherited)
{
    struct proc_list list = {0};
    uint64_t sum = 0;
    if (proc_list_read(&list) < 0)
        list.count = 0;
    for (size_t i = 0; i < list.count; i++) {
        uint64_t resident, anonymous;
        if (proc_list_branch(&list, list.entries[i].pid, server) != 0 &&
            proc_resident(list.entries[i].pid, &resident, &anonymous) == 0)
            sum += anonymous > inherited ? anonymous - inherited : 0;
    }
    proc_list_free(&list);
    return sum;
}

int pool_memory(const pool_t *pool, pool_memory_t *memory)
{
    pool_stats_t stats;
    uint64_t anonymous;
    if (memory == NULL)
        return failure(-EINVAL, "memory is NULL");
    int rc = pool_stats(pool, &stats);
    if (rc < 0)
        return rc;
    const struct room *room = &pool->room;
    struct machine_memory machine = {0};
    machine_read(&room->machine, &machine);
    *memory = (pool_memory_t){
        .results = atomic_load(&pool->held),
        .reserved_for_jobs = atomic_load(&room->reserved),
        .budget = room->admission.rules.budget,
        .floor = room->admission.rules.floor,
        .available = machine.available,
        .pressure = room_is_pressed(room, process_now_ms()) || machine.available < room->admission.rules.floor,
        .method = atomic_load(&pool->method),
        .total = room->admission.rules.total,
    };
    rc = proc_resident(getpid(), &memory->host, &anonymous);
    if (rc < 0)
        return failure(rc, "/proc/self/statm cannot be read: %s", strerror(-rc));
    if (stats.fork_server_pid > 0 && proc_resident(stats.fork_server_pid, &memory->fork_server, &anonymous) == 0)
        memory->workers = below(stats.fork_server_pid, anonymous);
    return 0;
}
