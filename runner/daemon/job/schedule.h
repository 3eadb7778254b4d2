/* schedule.h - which job runs next: groups, priorities, times, and jobs that wait for others.
 *
 * Pure: plain structs; the caller says what time it is. Jobs belong to the caller and embed struct schedule_job. A call
 * costs at most O(log jobs), or O(groups), or the number of the job's dependents, or of the jobs that it returns. */
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
    /* private to the schedule */
    enum schedule_state state;
    struct schedule_job *heap_left, *heap_right, *heap_up;
    uint32_t heap_rank;
    LIST_HEAD(schedule_edges, schedule_edge) needs, needed_by;
};

struct schedule_group {
    char *name;
    int64_t limit; /* how many run at once; 0: no limit */
    bool paused;
    size_t waiting, ready, running;
    struct schedule_job *heap; /* of its READY jobs */
    TAILQ_ENTRY(schedule_group) entry;
};

struct schedule {
    bool paused; /* all groups */
    TAILQ_HEAD(schedule_groups, schedule_group) groups;
    size_t group_count;
    struct schedule_job *later; /* heap by start_at */
};

void schedule_init(struct schedule *schedule);
void schedule_deinit(struct schedule *schedule); /* after all jobs were removed */

/* The group of this name, which is made if it is missing; NULL: no memory. */
struct schedule_group *schedule_group(struct schedule *schedule, const char *name, size_t size);
struct schedule_group *schedule_group_find(const struct schedule *schedule, const char *name, size_t size);

/* Before schedule_add of job: it needs `needed`, which is in the schedule. That it does already is noticed only if the
 * needs of one job are added before those of the next; else there are two edges, which are released one after the
 * other. -ENOMEM. */
int schedule_need(struct schedule_job *job, struct schedule_job *needed);

void schedule_job_init(struct schedule_job *job);
/* Adds a job that is OUT and has id, priority, start_at and group. */
void schedule_add(struct schedule *schedule, struct schedule_job *job, double now);
/* Removes a job in any state, with its needs. Jobs that need it go on needing it: call schedule_release until it
 * returns NULL before the job is freed. */
void schedule_remove(struct schedule *schedule, struct schedule_job *job);
/* Changes priority, group or start_at of a job that does not run. */
void schedule_change(struct schedule *schedule, struct schedule_job *job, int32_t priority,
                     struct schedule_group *group, double start_at, double now);

/* Finds the next `most` jobs to start: by priority, then by id, of all groups that are neither paused nor full. They
 * stay READY. Look again after each schedule_run: a group may be full then. Returns how many. */
size_t schedule_look(struct schedule *schedule, double now, struct schedule_job **jobs, size_t most);
void schedule_run(struct schedule *schedule, struct schedule_job *job);

/* When the next LATER job is due; 0: there is none. */
double schedule_wake_at(const struct schedule *schedule);

/* Of a job that has ended: drops one edge after another and returns the job that needed it, if that is still in the
 * schedule; NULL: no more. A job without further needs becomes READY or LATER. */
struct schedule_job *schedule_release(struct schedule *schedule, struct schedule_job *ended, double now);

/* Whether jobs that are not in the schedule yet need each other in a circle. edges: pairs of indices, job and the one
 * it needs. 1 and *which: a job of a circle; 0: there is none; -ENOMEM. */
int schedule_cycle(size_t jobs, const size_t (*edges)[2], size_t edge_count, size_t *which);

#endif
