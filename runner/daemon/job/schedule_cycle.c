/* schedule_cycle.c - takes out the jobs that need no other, again and again. The rest are in a circle, or need a job
 * that is in one. */
#include "schedule.h"

#include <errno.h>
#include <stdlib.h>

struct graph {
    size_t jobs, edge_count;
    const size_t (*edges)[2]; /* job, needs */
    size_t *needs;            /* of each job: how many are left */
    size_t *first;            /* of each job: where its dependents begin; one more at the end */
    size_t *dependents;
    size_t *free_jobs; /* a queue of the jobs without needs */
};

static int graph_init(struct graph *graph)
{
    const size_t jobs = graph->jobs;
    graph->needs = calloc(jobs * 3 + 2 + graph->edge_count, sizeof *graph->needs);
    if (graph->needs == NULL)
        return -ENOMEM;
    graph->free_jobs = graph->needs + jobs;
    graph->first = graph->free_jobs + jobs;
    graph->dependents = graph->first + jobs + 2;
    size_t *end =
        graph->first + 1; /* of each job: where its dependents end so far; at last, where the next job's begin */
    for (size_t i = 0; i < graph->edge_count; i++) {
        graph->needs[graph->edges[i][0]]++;
        end[graph->edges[i][1] + 1]++;
    }
    for (size_t i = 0; i < jobs; i++)
        end[i + 1] += end[i];
    for (size_t i = 0; i < graph->edge_count; i++)
        graph->dependents[end[graph->edges[i][1]]++] = graph->edges[i][0];
    return 0;
}

/* Returns how many could be taken out. */
static size_t take_out(struct graph *graph)
{
    size_t taken = 0, count = 0;
    for (size_t job = 0; job < graph->jobs; job++)
        if (graph->needs[job] == 0)
            graph->free_jobs[count++] = job;
    for (; taken < count; taken++) {
        const size_t job = graph->free_jobs[taken];
        for (size_t i = graph->first[job]; i < graph->first[job + 1]; i++)
            if (--graph->needs[graph->dependents[i]] == 0)
                graph->free_jobs[count++] = graph->dependents[i];
    }
    return taken;
}

/* Each job that is left needs another such job: the way from one to the next ends in a circle. */
static size_t find_one(const struct graph *graph)
{
    size_t *next = graph->free_jobs; /* which is not needed any more */
    size_t job = 0;
    for (size_t i = 0; i < graph->edge_count; i++)
        if (graph->needs[graph->edges[i][0]] > 0 && graph->needs[graph->edges[i][1]] > 0)
            next[graph->edges[i][0]] = graph->edges[i][1];
    while (graph->needs[job] == 0)
        job++;
    for (size_t i = 0; i < graph->jobs; i++)
        job = next[job];
    return job;
}

int schedule_cycle(size_t jobs, const size_t (*edges)[2], size_t edge_count, size_t *which)
{
    struct graph graph = {.jobs = jobs, .edge_count = edge_count, .edges = edges};
    int rc = graph_init(&graph);
    if (rc < 0)
        return rc;
    if (take_out(&graph) < jobs) {
        *which = find_one(&graph);
        rc = 1;
    }
    free(graph.needs);
    return rc;
}
