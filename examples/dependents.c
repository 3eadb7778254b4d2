/* SPDX-License-Identifier: MIT
 *
 * dependents.c - the transitive closure of the graph of dependents, as bit sets.
 *
 * Packages on a cycle reach each other and so have the same set. Tarjan's algorithm finds these groups (strongly
 * connected components), each after every group that can be reached from it. Along the edges to dependents that means:
 * after all groups that depend on it. So a group's set is its own members and the union of the sets of its direct
 * dependents, which exist already. Each group has a row of bits: 0.5 GB for Debian.
 */
#include "dependents.h"

#include <errno.h>

#define WORD_BITS 64

/* Tarjan's algorithm, with a list instead of recursion, because a chain of dependencies may be long. */
struct tarjan {
    const struct package_graph *graph;
    uint32_t *seen;  /* when a package was first visited: 1, 2, ...; 0: not yet */
    uint32_t *low;   /* the earliest of `seen` that it is known to reach */
    uint32_t *group; /* its group; PACKAGE_NONE while that is open */
    size_t *next;    /* its next edge to follow */
    uint32_t *path;  /* packages being visited, outermost first */
    uint32_t *open;  /* visited, and their group not complete */
    uint32_t *order; /* the packages, group by group in the order of completion */
    uint32_t clock, path_size, open_size, order_size, groups;
};

static void tarjan_enter(struct tarjan *t, uint32_t package)
{
    t->seen[package] = t->low[package] = ++t->clock;
    t->next[package] = t->graph->first[package];
    t->path[t->path_size++] = package;
    t->open[t->open_size++] = package;
}

/* The package is the first visited of its group: all that were opened after it belong to the group. */
static void tarjan_complete(struct tarjan *t, uint32_t package)
{
    uint32_t member;
    do {
        member = t->open[--t->open_size];
        t->group[member] = t->groups;
        t->order[t->order_size++] = member;
    } while (member != package);
    t->groups++;
}

static void tarjan_leave(struct tarjan *t, uint32_t package)
{
    if (t->low[package] == t->seen[package])
        tarjan_complete(t, package);
    if (--t->path_size > 0) {
        uint32_t outer = t->path[t->path_size - 1];
        if (t->low[package] < t->low[outer])
            t->low[outer] = t->low[package];
    }
}

static void tarjan_visit(struct tarjan *t, uint32_t start)
{
    tarjan_enter(t, start);
    while (t->path_size > 0) {
        uint32_t package = t->path[t->path_size - 1];
        if (t->next[package] == t->graph->first[package + 1]) {
            tarjan_leave(t, package);
            continue;
        }
        uint32_t target = t->graph->targets[t->next[package]++];
        if (t->seen[target] == 0)
            tarjan_enter(t, target);
        else if (t->group[target] == PACKAGE_NONE && t->seen[target] < t->low[package])
            t->low[package] = t->seen[target];
    }
}

static int tarjan_run(struct tarjan *t, pool_call_t *call, const struct package_graph *graph)
{
    uint32_t **const arrays[] = {&t->seen, &t->low, &t->group, &t->path, &t->open, &t->order};
    t->graph = graph;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        if ((*arrays[i] = pool_call_alloc(call, graph->count * sizeof **arrays[i])) == NULL)
            return -ENOMEM;
    if ((t->next = pool_call_alloc(call, graph->count * sizeof *t->next)) == NULL)
        return -ENOMEM;
    for (uint32_t p = 0; p < graph->count; p++)
        t->group[p] = PACKAGE_NONE;
    for (uint32_t p = 0; p < graph->count; p++)
        if (t->seen[p] == 0)
            tarjan_visit(t, p);
    return 0;
}

/* ---- sets of packages ------------------------------------------------------------------------------------------ */

static void set_add(uint64_t *set, uint32_t package)
{
    set[package / WORD_BITS] |= UINT64_C(1) << (package % WORD_BITS);
}

static bool set_has(const uint64_t *set, uint32_t package)
{
    return (set[package / WORD_BITS] >> (package % WORD_BITS)) & 1;
}

static void set_unite(uint64_t *set, const uint64_t *other, size_t words)
{
    for (size_t i = 0; i < words; i++)
        set[i] |= other[i];
}

static uint32_t set_size(const uint64_t *set, size_t words)
{
    uint32_t size = 0;
    for (size_t i = 0; i < words; i++)
        size += (uint32_t)__builtin_popcountll(set[i]);
    return size;
}

/* ---- counting -------------------------------------------------------------------------------------------------- */

/* Adds to the set all packages that reach the package through its direct dependents. */
static void unite_dependents(const struct tarjan *t, uint64_t *sets, size_t words, uint32_t package)
{
    uint64_t *set = sets + t->group[package] * words;
    for (size_t edge = t->graph->first[package]; edge < t->graph->first[package + 1]; edge++) {
        uint32_t target = t->graph->targets[edge];
        /* A member came with its whole set: one that is in the set already adds nothing. */
        if (!set_has(set, target))
            set_unite(set, sets + t->group[target] * words, words);
    }
}

int dependents_count_all(pool_call_t *call, const struct package_graph *dependents, uint32_t *counts)
{
    struct tarjan t = {0};
    if (tarjan_run(&t, call, dependents) < 0)
        return -ENOMEM;
    size_t words = (dependents->count + WORD_BITS - 1) / WORD_BITS;
    uint64_t *sets = pool_call_alloc(call, t.groups * words * sizeof *sets);
    if (sets == NULL)
        return -ENOMEM;

    for (uint32_t begin = 0, end; begin < t.order_size; begin = end) {
        uint32_t group = t.group[t.order[begin]];
        uint64_t *set = sets + group * words;
        for (end = begin; end < t.order_size && t.group[t.order[end]] == group; end++)
            set_add(set, t.order[end]);
        for (uint32_t i = begin; i < end; i++)
            unite_dependents(&t, sets, words, t.order[i]);
        uint32_t others = set_size(set, words) - 1; /* a package does not count for itself, not even on a cycle */
        for (uint32_t i = begin; i < end; i++)
            counts[t.order[i]] = others;
    }
    return 0;
}

int dependents_count_one(pool_call_t *call, const struct package_graph *dependents, uint32_t package, uint32_t *count)
{
    bool *seen = pool_call_alloc(call, dependents->count * sizeof *seen);
    uint32_t *queue = pool_call_alloc(call, dependents->count * sizeof *queue);
    uint32_t found = 0;
    if (seen == NULL || queue == NULL)
        return -ENOMEM;

    seen[package] = true;
    queue[found++] = package;
    for (uint32_t at = 0; at < found; at++)
        for (size_t edge = dependents->first[queue[at]]; edge < dependents->first[queue[at] + 1]; edge++) {
            uint32_t target = dependents->targets[edge];
            if (!seen[target]) {
                seen[target] = true;
                queue[found++] = target;
            }
        }
    *count = found - 1;
    return 0;
}
