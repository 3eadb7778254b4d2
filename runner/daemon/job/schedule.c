#include "schedule.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct schedule_edge {
    struct schedule_job *job; /* the one that needs the other, in whose list needed_by this edge is */
    LIST_ENTRY(schedule_edge) of_job, of_needed;
};

/* ---- groups ------------------------------------------------------------------------------------------------------ */

void schedule_init(struct schedule *schedule)
{
    *schedule = (struct schedule){.later = NULL};
    TAILQ_INIT(&schedule->groups);
}

void schedule_deinit(struct schedule *schedule)
{
    for (struct schedule_group *group; (group = TAILQ_FIRST(&schedule->groups)) != NULL;) {
        TAILQ_REMOVE(&schedule->groups, group, entry);
        free(group->name);
        free(group);
    }
}

struct schedule_group *schedule_group_find(const struct schedule *schedule, const char *name, size_t size)
{
    struct schedule_group *group;
    TAILQ_FOREACH(group, &schedule->groups, entry) {
        if (strlen(group->name) == size && memcmp(group->name, name, size) == 0)
            break;
    }
    return group;
}

struct schedule_group *schedule_group(struct schedule *schedule, const char *name, size_t size)
{
    struct schedule_group *group = schedule_group_find(schedule, name, size);
    if (group != NULL)
        return group;
    group = calloc(1, sizeof *group);
    if (group != NULL)
        group->name = strndup(name, size);
    if (group == NULL || group->name == NULL) {
        free(group);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&schedule->groups, group, entry);
    schedule->group_count++;
    return group;
}

/* ---- leftist heaps of jobs ---------------------------------------------------------------------------------------
 *
 * Intrusive, so nothing can fail. Every call costs O(log jobs), also the removal of a job in the middle.
 * https://en.wikipedia.org/wiki/Leftist_tree */

/* Whether a comes before b; a total order. */
typedef bool (*before_fn)(const struct schedule_job *a, const struct schedule_job *b);

/* The way to the next missing child: at most log2 of the jobs below. */
static uint32_t heap_rank_of(const struct schedule_job *job)
{
    return job == NULL ? 0 : job->heap_rank;
}

/* Puts the lower side right. Returns whether the rank has changed. */
static bool heap_put_right(struct schedule_job *job)
{
    const uint32_t before = job->heap_rank;
    if (heap_rank_of(job->heap_left) < heap_rank_of(job->heap_right)) {
        struct schedule_job *left = job->heap_left;
        job->heap_left = job->heap_right;
        job->heap_right = left;
    }
    job->heap_rank = heap_rank_of(job->heap_right) + 1;
    return job->heap_rank != before;
}

/* Recurses down the right sides only, so no deeper than their ranks. */
static struct schedule_job *heap_merge(struct schedule_job *a, struct schedule_job *b, before_fn before)
{
    if (a == NULL || b == NULL)
        return a == NULL ? b : a;
    struct schedule_job *top = before(a, b) ? a : b;
    top->heap_right = heap_merge(top->heap_right, top == a ? b : a, before);
    top->heap_right->heap_up = top;
    heap_put_right(top);
    return top;
}

static void heap_add(struct schedule_job **top, struct schedule_job *job, before_fn before)
{
    assert(top != NULL);
    job->heap_left = job->heap_right = NULL;
    job->heap_rank = 1;
    *top = heap_merge(*top, job, before);
    (*top)->heap_up = NULL;
}

static void heap_remove(struct schedule_job **top, struct schedule_job *job, before_fn before)
{
    struct schedule_job *up = job->heap_up;
    struct schedule_job *rest = heap_merge(job->heap_left, job->heap_right, before);
    if (rest != NULL)
        rest->heap_up = up;
    if (up == NULL)
        *top = rest;
    else if (up->heap_left == job)
        up->heap_left = rest;
    else
        up->heap_right = rest;
    while (up != NULL && heap_put_right(up))
        up = up->heap_up;
    job->heap_left = job->heap_right = job->heap_up = NULL;
}

/* ---- from state to state ----------------------------------------------------------------------------------------- */

static bool runs_before(const struct schedule_job *a, const struct schedule_job *b)
{
    return a->priority != b->priority ? a->priority > b->priority : a->id < b->id;
}

static bool is_due_before(const struct schedule_job *a, const struct schedule_job *b)
{
    return a->start_at != b->start_at ? a->start_at < b->start_at : a->id < b->id;
}

/* The group's counter of jobs in this state; NULL: there is none. */
static size_t *counter(const struct schedule_job *job)
{
    switch (job->state) {
    case SCHEDULE_NEEDS:
    case SCHEDULE_LATER:
        return &job->group->waiting;
    case SCHEDULE_READY:
        return &job->group->ready;
    case SCHEDULE_RUNNING:
        return &job->group->running;
    default:
        return NULL;
    }
}

static void move(struct schedule *schedule, struct schedule_job *job, enum schedule_state state)
{
    if (job->state == SCHEDULE_READY)
        heap_remove(&job->group->heap, job, runs_before);
    if (job->state == SCHEDULE_LATER)
        heap_remove(&schedule->later, job, is_due_before);
    size_t *count = counter(job);
    if (count != NULL)
        (*count)--;
    job->state = state;
    count = counter(job);
    if (count != NULL)
        (*count)++;
    if (state == SCHEDULE_READY)
        heap_add(&job->group->heap, job, runs_before);
    if (state == SCHEDULE_LATER)
        heap_add(&schedule->later, job, is_due_before);
}

/* The state of a job that is not running. */
static enum schedule_state waiting_state(const struct schedule_job *job, double now)
{
    if (!LIST_EMPTY(&job->needs))
        return SCHEDULE_NEEDS;
    return job->start_at > now ? SCHEDULE_LATER : SCHEDULE_READY;
}

void schedule_job_init(struct schedule_job *job)
{
    *job = (struct schedule_job){.state = SCHEDULE_OUT};
    LIST_INIT(&job->needs);
    LIST_INIT(&job->needed_by);
}

void schedule_add(struct schedule *schedule, struct schedule_job *job, double now)
{
    assert(job->state == SCHEDULE_OUT);
    move(schedule, job, waiting_state(job, now));
}

void schedule_change(struct schedule *schedule, struct schedule_job *job, int32_t priority,
                     struct schedule_group *group, double start_at, double now)
{
    assert(job->state != SCHEDULE_OUT && job->state != SCHEDULE_RUNNING);
    move(schedule, job, SCHEDULE_OUT); /* while it has the old values, by which the heap finds it */
    job->priority = priority;
    job->group = group;
    job->start_at = start_at;
    schedule_add(schedule, job, now);
}

/* ---- the next jobs ----------------------------------------------------------------------------------------------- */

static bool is_open(const struct schedule_group *group)
{
    return !group->paused && group->heap != NULL && (group->limit == 0 || group->running < (uint64_t)group->limit);
}

/* The next jobs in their order. A job that follows those in it is directly below one of them in their heaps. */
struct front {
    struct schedule_job **jobs;
    size_t count, most;
    size_t passed; /* the first jobs, whose places are final */
};

/* Inserts a job (NULL: nothing) at its place; the last one falls out if there are more than `most`. */
static void put(struct front *front, struct schedule_job *job)
{
    size_t low = front->passed, high = front->count;
    while (job != NULL && low < high) {
        const size_t middle = low + (high - low) / 2;
        if (runs_before(front->jobs[middle], job))
            low = middle + 1;
        else
            high = middle;
    }
    if (job == NULL || low == front->most)
        return;
    const size_t kept = front->count < front->most ? front->count++ : front->most - 1;
    memmove(&front->jobs[low + 1], &front->jobs[low], (kept - low) * sizeof(front->jobs[0]));
    front->jobs[low] = job;
}

size_t schedule_look(struct schedule *schedule, double now, struct schedule_job **jobs, size_t most)
{
    struct front front = {.jobs = jobs, .most = most};
    const struct schedule_group *group;
    while (schedule->later != NULL && schedule->later->start_at <= now)
        move(schedule, schedule->later, SCHEDULE_READY);
    if (schedule->paused)
        return 0;
    TAILQ_FOREACH(group, &schedule->groups, entry) {
        if (is_open(group))
            put(&front, group->heap);
    }
    while (front.passed < front.count) {
        const struct schedule_job *job = jobs[front.passed++];
        put(&front, job->heap_left);
        put(&front, job->heap_right);
    }
    return front.count;
}

void schedule_run(struct schedule *schedule, struct schedule_job *job)
{
    assert(job->state == SCHEDULE_READY);
    move(schedule, job, SCHEDULE_RUNNING);
}

double schedule_wake_at(const struct schedule *schedule)
{
    return schedule->later == NULL ? 0 : schedule->later->start_at;
}

/* ---- jobs that need others --------------------------------------------------------------------------------------- */

int schedule_need(struct schedule_job *job, struct schedule_job *needed)
{
    const struct schedule_edge *last = LIST_FIRST(&needed->needed_by);
    if (last != NULL && last->job == job)
        return 0;
    struct schedule_edge *edge = malloc(sizeof *edge);
    if (edge == NULL)
        return -ENOMEM;
    edge->job = job;
    LIST_INSERT_HEAD(&job->needs, edge, of_job);
    LIST_INSERT_HEAD(&needed->needed_by, edge, of_needed);
    return 0;
}

static void drop_edge(struct schedule_edge *edge)
{
    LIST_REMOVE(edge, of_job);
    LIST_REMOVE(edge, of_needed);
    free(edge);
}

void schedule_remove(struct schedule *schedule, struct schedule_job *job)
{
    for (struct schedule_edge *edge = LIST_FIRST(&job->needs), *next; edge != NULL; edge = next) {
        next = LIST_NEXT(edge, of_job);
        drop_edge(edge);
    }
    move(schedule, job, SCHEDULE_OUT);
}

struct schedule_job *schedule_release(struct schedule *schedule, struct schedule_job *ended, double now)
{
    for (struct schedule_edge *edge = LIST_FIRST(&ended->needed_by), *next; edge != NULL; edge = next) {
        struct schedule_job *job = edge->job;
        next = LIST_NEXT(edge, of_needed);
        drop_edge(edge);
        if (job->state == SCHEDULE_NEEDS && LIST_EMPTY(&job->needs))
            move(schedule, job, waiting_state(job, now));
        if (job->state != SCHEDULE_OUT)
            return job;
    }
    return NULL;
}
