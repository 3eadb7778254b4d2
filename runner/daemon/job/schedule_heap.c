#include "schedule_heap.h"

/* How far it is to the next missing child: at most log2 of the jobs below. */
static uint32_t rank_of(const struct schedule_job *job)
{
    return job == NULL ? 0 : job->heap_rank;
}

/* The shorter side goes right. Whether the rank has changed. */
static bool put_right(struct schedule_job *job)
{
    const uint32_t before = job->heap_rank;
    if (rank_of(job->heap_left) < rank_of(job->heap_right)) {
        struct schedule_job *left = job->heap_left;
        job->heap_left = job->heap_right;
        job->heap_right = left;
    }
    job->heap_rank = rank_of(job->heap_right) + 1;
    return job->heap_rank != before;
}

/* Down the right sides only, so no deeper than their ranks. */
static struct schedule_job *merge(struct schedule_job *a, struct schedule_job *b, schedule_before_fn before)
{
    if (a == NULL || b == NULL)
        return a == NULL ? b : a;
    struct schedule_job *top = before(a, b) ? a : b;
    top->heap_right = merge(top->heap_right, top == a ? b : a, before);
    top->heap_right->heap_up = top;
    put_right(top);
    return top;
}

void schedule_heap_add(struct schedule_job **top, struct schedule_job *job, schedule_before_fn before)
{
    job->heap_left = job->heap_right = NULL;
    job->heap_rank = 1;
    *top = merge(*top, job, before);
    (*top)->heap_up = NULL;
}

void schedule_heap_remove(struct schedule_job **top, struct schedule_job *job, schedule_before_fn before)
{
    struct schedule_job *up = job->heap_up;
    struct schedule_job *rest = merge(job->heap_left, job->heap_right, before);
    if (rest != NULL)
        rest->heap_up = up;
    if (up == NULL)
        *top = rest;
    else if (up->heap_left == job)
        up->heap_left = rest;
    else
        up->heap_right = rest;
    while (up != NULL && put_right(up))
        up = up->heap_up;
    job->heap_left = job->heap_right = job->heap_up = NULL;
}
