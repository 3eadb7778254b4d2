/* schedule.h - which job runs next: groups, priorities, times, and jobs that wait for others.
 *
 * Plain structs, no clock, no process, no disk: what time it is comes in. Jobs belong to the caller and embed struct
 * schedule_job. Every call costs at most O(log jobs), or O(groups), or the number of its own dependents, or of what it
 * hands out. */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct schedule_group;

enum schedule_state {
    SCHEDULE_OUT = 0, /* not in the schedule */
    SCHEDULE_NEEDS,   /* waits for other jobs */
    SCHEDULE_LATER,   /* waits for its time */
    SCHEDULE_READY,
    SCHEDULE_RUNNING
};

struct schedule_edge; /* one job needs another */

struct schedule_job {
    uint64_t id;
    int32_t priority;
    double start_at; /* epoch seconds; 0: at once */
    struct schedule_group *group;
    /* the schedule's own */
    enum schedule_state state;
    struct schedule_job *heap_left, *heap_right, *heap_up; /* NULL: none */
    uint32_t heap_rank;
    LIST_HEAD(schedule_edges, schedule_edge) needs, needed_by;
};

struct schedule_group {
    char *name;
    int64_t limit; /* how many run at once; 0: no limit */
    bool paused;
    size_t waiting, ready, running;
    struct schedule_job *heap; /* ready ones */
    TAILQ_ENTRY(schedule_group) entry;
};

struct schedule {
    bool paused; /* all groups */
    TAILQ_HEAD(schedule_groups, schedule_group) groups;
    struct schedule_job *later; /* heap by start_at */
};

void schedule_init(struct schedule *schedule);
void schedule_deinit(struct schedule *schedule); /* frees groups; jobs have been removed, and their edges with them */

/* The group of that name, made if missing; NULL for want of memory. */
struct schedule_group *schedule_group(struct schedule *schedule, const char *name, size_t size);
struct schedule_group *schedule_group_find(const struct schedule *schedule, const char *name, size_t size);

/* job needs `needed`, which is in the schedule: before schedule_add. -ENOMEM; -EEXIST: was said before (fine; it is
 * seen only where all needs of a job are told before those of the next, else the edge is there twice and released
 * twice). */
int schedule_need(struct schedule_job *job, struct schedule_job *needed);

/* Puts in a job that is OUT, with id, priority, start_at and group set (LIST_HEADs initialised: schedule_job_init). */
void schedule_job_init(struct schedule_job *job);
void schedule_add(struct schedule *schedule, struct schedule_job *job, double now);
/* Takes out a job in any state. Its own needs are dropped; edges from others to it stay with them until
 * schedule_release. Not to be freed before that has given NULL. */
void schedule_remove(struct schedule *schedule, struct schedule_job *job);
/* Changes priority, group or start_at of a job that does not run. */
void schedule_change(struct schedule *schedule, struct schedule_job *job, int32_t priority,
                     struct schedule_group *group, double start_at, double now);

/* The jobs that are next to start at now, `most` of them at most: highest priority first, then lowest id, over all
 * groups that are not paused and not full. They stay READY until schedule_run; a group may be full when one of them has
 * been run, so then look again. How many there are. */
size_t schedule_look(struct schedule *schedule, double now, struct schedule_job **jobs, size_t most);
void schedule_run(struct schedule *schedule, struct schedule_job *job);

/* When a LATER job will be due; 0: there is none. */
double schedule_wake_at(const struct schedule *schedule);

/* A job has ended: hands out, one at a time, those that needed it and are still in the schedule (NULL: no more), each
 * edge being dropped. Those with no needs left become READY or LATER by themselves. */
struct schedule_job *schedule_release(struct schedule *schedule, struct schedule_job *ended, double now);

/* Do these jobs (OUT, with needs among themselves by index) wait for each other? edges: pairs job, needs. -ENOMEM; 1
 * and *which: one of the cycle; 0. */
int schedule_cycle(size_t jobs, const size_t (*edges)[2], size_t edge_count, size_t *which);

#endif
