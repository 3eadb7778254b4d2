/* The schedule: order, groups, times, jobs that wait for others; and all of it against a model that looks at every job
 * each time. */
#include "schedule.h"

#include "support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct schedule_group *group_of(struct schedule *schedule, const char *name)
{
    struct schedule_group *group = schedule_group(schedule, name, strlen(name));
    assert_non_null(group);
    return group;
}

static void set(struct schedule_job *job, uint64_t id, int32_t priority, struct schedule_group *group)
{
    schedule_job_init(job);
    job->id = id;
    job->priority = priority;
    job->group = group;
}

static struct schedule_job *next_of(struct schedule *schedule, double now)
{
    struct schedule_job *next = NULL;
    const size_t count = schedule_look(schedule, now, &next, 1);
    assert_int_equal(count, next != NULL);
    return next;
}

/* Takes the next one and asserts that it is this one. */
static void expect_next(struct schedule *schedule, struct schedule_job *job, double now)
{
    assert_ptr_equal(next_of(schedule, now), job);
    assert_int_equal(job->state, SCHEDULE_READY);
    schedule_run(schedule, job);
    assert_int_equal(job->state, SCHEDULE_RUNNING);
}

/* ---- one thing at a time ----------------------------------------------------------------------------------------- */

static void test_schedule_priority_then_id(void **state)
{
    (void)state;
    static const int32_t priorities[] = {0, 5, 0, -3, 5, INT32_MAX, INT32_MIN, 0};
    static const size_t order[] = {5, 1, 4, 0, 2, 7, 3, 6};
    struct schedule schedule;
    struct schedule_job jobs[8];
    schedule_init(&schedule);
    for (size_t i = 8; i-- > 0;) {
        set(&jobs[i], i + 1, priorities[i], group_of(&schedule, i % 2 == 0 ? "even" : "odd"));
        schedule_add(&schedule, &jobs[i], 0);
    }
    for (size_t i = 0; i < 8; i++)
        expect_next(&schedule, &jobs[order[i]], 0);
    assert_null(next_of(&schedule, 0));
    for (size_t i = 0; i < 8; i++)
        schedule_remove(&schedule, &jobs[i]);
    assert_int_equal(group_of(&schedule, "even")->running, 0);
    schedule_deinit(&schedule);
}

/* All of them in their order, without running any; and no more than are asked for. */
static void test_schedule_look_ahead(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    static struct schedule_job jobs[COUNT];
    struct schedule_job *found[COUNT + 1];
    struct schedule schedule;
    schedule_init(&schedule);
    assert_int_equal(schedule_look(&schedule, 0, found, COUNT), 0);
    for (size_t i = 0; i < COUNT; i++) {
        char name[] = {(char)('a' + i % 7), '\0'};
        set(&jobs[i], i + 1, (int32_t)(i * 31 % 17), group_of(&schedule, name));
        schedule_add(&schedule, &jobs[i], 0);
    }
    for (size_t most = 1; most <= COUNT + 1; most++) {
        found[most - 1] = NULL;
        const size_t count = schedule_look(&schedule, 0, found, most);
        assert_int_equal(count, most < COUNT ? most : COUNT);
        for (size_t i = 1; i < count; i++)
            assert_true(found[i - 1]->priority > found[i]->priority ||
                        (found[i - 1]->priority == found[i]->priority && found[i - 1]->id < found[i]->id));
    }
    assert_int_equal(schedule_look(&schedule, 0, found, COUNT), COUNT);
    for (size_t i = 0; i < COUNT; i++)
        expect_next(&schedule, found[i], 0); /* as they run */
    for (size_t i = 0; i < COUNT; i++)
        schedule_remove(&schedule, &jobs[i]);
    schedule_deinit(&schedule);
}

static void test_schedule_groups(void **state)
{
    (void)state;
    struct schedule schedule;
    schedule_init(&schedule);
    assert_null(schedule_group_find(&schedule, "a", 1));
    struct schedule_group *a = schedule_group(&schedule, "ab", 1), *ab = group_of(&schedule, "ab");
    assert_string_equal(a->name, "a");
    assert_ptr_not_equal(a, ab);
    assert_ptr_equal(schedule_group(&schedule, "a", 1), a);
    assert_ptr_equal(schedule_group_find(&schedule, "ab", 2), ab);
    schedule_deinit(&schedule);
}

static void test_schedule_limits_and_pauses(void **state)
{
    (void)state;
    struct schedule schedule;
    struct schedule_job jobs[4];
    schedule_init(&schedule);
    struct schedule_group *a = group_of(&schedule, "a"), *b = group_of(&schedule, "b");
    for (size_t i = 0; i < 4; i++) {
        set(&jobs[i], i + 1, i < 2 ? 9 : 0, i < 2 ? a : b);
        schedule_add(&schedule, &jobs[i], 0);
    }
    a->limit = 1;
    expect_next(&schedule, &jobs[0], 0);
    expect_next(&schedule, &jobs[2], 0); /* a is full */
    b->paused = true;
    assert_null(next_of(&schedule, 0));
    schedule_remove(&schedule, &jobs[0]);
    schedule.paused = true;
    assert_null(next_of(&schedule, 0));
    schedule.paused = false;
    expect_next(&schedule, &jobs[1], 0);
    b->paused = false;
    expect_next(&schedule, &jobs[3], 0);
    assert_int_equal(b->running, 2);
    for (size_t i = 1; i < 4; i++)
        schedule_remove(&schedule, &jobs[i]);
    schedule_deinit(&schedule);
}

static void test_schedule_times(void **state)
{
    (void)state;
    static const double times[] = {30, 10, 20, 10};
    static const size_t order[] = {1, 3, 2, 0};
    struct schedule schedule;
    struct schedule_job jobs[4];
    schedule_init(&schedule);
    assert_true(schedule_wake_at(&schedule) == 0);
    for (size_t i = 0; i < 4; i++) {
        set(&jobs[i], i + 1, 0, group_of(&schedule, "g"));
        jobs[i].start_at = times[i];
        schedule_add(&schedule, &jobs[i], 5);
        assert_int_equal(jobs[i].state, SCHEDULE_LATER);
    }
    assert_null(next_of(&schedule, 9.99));
    for (size_t i = 0; i < 4; i++) {
        const double due = times[order[i]];
        assert_true(i == 1 || schedule_wake_at(&schedule) == due); /* the second was due with the first */
        expect_next(&schedule, &jobs[order[i]], due);
    }
    for (size_t i = 0; i < 4; i++)
        schedule_remove(&schedule, &jobs[i]);
    schedule_deinit(&schedule);
}

/* Who was due stays so when the clock is put back, and who is not waits for the clock. */
static void test_schedule_clock_put_back(void **state)
{
    (void)state;
    struct schedule schedule;
    struct schedule_job jobs[2];
    schedule_init(&schedule);
    for (size_t i = 0; i < 2; i++) {
        set(&jobs[i], i + 1, 0, group_of(&schedule, "g"));
        jobs[i].start_at = 100 + 100 * (double)i;
        schedule_add(&schedule, &jobs[i], 0);
    }
    assert_ptr_equal(next_of(&schedule, 150), &jobs[0]);
    expect_next(&schedule, &jobs[0], 50);
    assert_null(next_of(&schedule, 50));
    assert_true(schedule_wake_at(&schedule) == 200);
    for (size_t i = 0; i < 2; i++)
        schedule_remove(&schedule, &jobs[i]);
    schedule_deinit(&schedule);
}

static void test_schedule_change(void **state)
{
    (void)state;
    struct schedule schedule;
    struct schedule_job jobs[3];
    schedule_init(&schedule);
    struct schedule_group *a = group_of(&schedule, "a"), *b = group_of(&schedule, "b");
    for (size_t i = 0; i < 3; i++)
        set(&jobs[i], i + 1, 0, a);
    schedule_add(&schedule, &jobs[0], 0);
    schedule_add(&schedule, &jobs[1], 0);
    assert_int_equal(schedule_need(&jobs[2], &jobs[0]), 0);
    schedule_add(&schedule, &jobs[2], 0);
    schedule_change(&schedule, &jobs[1], 1, b, 0, 0);
    assert_true(a->ready == 1 && b->ready == 1);
    assert_ptr_equal(next_of(&schedule, 0), &jobs[1]);
    schedule_change(&schedule, &jobs[1], 1, b, 50, 0);
    assert_true(jobs[1].state == SCHEDULE_LATER && b->ready == 0 && b->waiting == 1);
    schedule_change(&schedule, &jobs[2], 7, b, 0, 0);
    assert_true(jobs[2].state == SCHEDULE_NEEDS && a->waiting == 0 && b->waiting == 2); /* it still does */
    expect_next(&schedule, &jobs[0], 0);
    schedule_remove(&schedule, &jobs[0]);
    assert_ptr_equal(schedule_release(&schedule, &jobs[0], 60), &jobs[2]);
    expect_next(&schedule, &jobs[2], 60);
    expect_next(&schedule, &jobs[1], 60);
    for (size_t i = 1; i < 3; i++)
        schedule_remove(&schedule, &jobs[i]);
    schedule_deinit(&schedule);
}

/* ---- jobs that wait for others ----------------------------------------------------------------------------------- */

static void test_schedule_needs(void **state)
{
    (void)state;
    struct schedule schedule;
    struct schedule_job jobs[4];
    schedule_init(&schedule);
    for (size_t i = 0; i < 4; i++)
        set(&jobs[i], i + 1, 0, group_of(&schedule, "g"));
    schedule_add(&schedule, &jobs[0], 0);
    schedule_add(&schedule, &jobs[1], 0);
    for (size_t i = 2; i < 4; i++) {
        assert_int_equal(schedule_need(&jobs[i], &jobs[0]), 0);
        assert_int_equal(schedule_need(&jobs[i], &jobs[0]), 0); /* once more: no second edge */
        assert_int_equal(schedule_need(&jobs[i], &jobs[1]), 0);
        jobs[i].start_at = i == 3 ? 100 : 0;
        schedule_add(&schedule, &jobs[i], 0);
    }
    expect_next(&schedule, &jobs[0], 0);
    schedule_remove(&schedule, &jobs[0]);
    struct schedule_job *first = schedule_release(&schedule, &jobs[0], 0);
    struct schedule_job *second = schedule_release(&schedule, &jobs[0], 0);
    assert_true((first == &jobs[2] && second == &jobs[3]) || (first == &jobs[3] && second == &jobs[2]));
    assert_null(schedule_release(&schedule, &jobs[0], 0));
    assert_true(jobs[2].state == SCHEDULE_NEEDS && jobs[3].state == SCHEDULE_NEEDS);
    expect_next(&schedule, &jobs[1], 0);
    schedule_remove(&schedule, &jobs[1]);
    while (schedule_release(&schedule, &jobs[1], 0) != NULL)
        ;
    assert_true(jobs[2].state == SCHEDULE_READY && jobs[3].state == SCHEDULE_LATER);
    for (size_t i = 2; i < 4; i++)
        schedule_remove(&schedule, &jobs[i]);
    schedule_deinit(&schedule);
}

/* Taken out while it waits: nothing of it is left with those that it needed. */
static void test_schedule_remove_who_needs(void **state)
{
    (void)state;
    struct schedule schedule;
    struct schedule_job jobs[3];
    schedule_init(&schedule);
    for (size_t i = 0; i < 3; i++)
        set(&jobs[i], i + 1, 0, group_of(&schedule, "g"));
    schedule_add(&schedule, &jobs[0], 0);
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(schedule_need(&jobs[i], &jobs[0]), 0);
        schedule_add(&schedule, &jobs[i], 0);
    }
    schedule_remove(&schedule, &jobs[1]);
    schedule_remove(&schedule, &jobs[0]);
    assert_ptr_equal(schedule_release(&schedule, &jobs[0], 0), &jobs[2]);
    assert_null(schedule_release(&schedule, &jobs[0], 0));
    schedule_remove(&schedule, &jobs[2]);
    schedule_deinit(&schedule);
}

static void test_schedule_cycles(void **state)
{
    (void)state;
    static const size_t none[][2] = {{1, 0}, {2, 0}, {2, 1}, {4, 3}, {4, 0}};
    static const size_t self[][2] = {{1, 0}, {2, 2}};
    static const size_t ring[][2] = {
        {0, 1}, {1, 2}, {2, 3}, {3, 1}, {4, 0}}; /* 0 and 4 wait for it, and are not in it */
    size_t which = 99;
    assert_int_equal(schedule_cycle(0, none, 0, &which), 0);
    assert_int_equal(schedule_cycle(5, none, 0, &which), 0);
    assert_int_equal(schedule_cycle(5, none, 5, &which), 0);
    assert_int_equal(which, 99);
    assert_int_equal(schedule_cycle(3, self, 2, &which), 1);
    assert_int_equal(which, 2);
    assert_int_equal(schedule_cycle(5, ring, 5, &which), 1);
    assert_true(which >= 1 && which <= 3);
}

/* Edges that go down only never make a cycle, one more that closes a way back always does. */
static void test_schedule_cycles_at_random(void **state)
{
    (void)state;
    enum { JOBS = 50, EDGES = 120 };
    static size_t edges[EDGES + 1][2];
    srandom(11);
    for (int round = 0; round < 300; round++) {
        size_t names[JOBS], which;
        for (size_t i = 0; i < JOBS; i++) {
            const size_t at = (size_t)random() % (i + 1);
            names[i] = names[at];
            names[at] = i;
        }
        for (size_t i = 0; i < EDGES; i++) {
            const size_t high = 1 + (size_t)random() % (JOBS - 1);
            edges[i][0] = names[high];
            edges[i][1] = names[(size_t)random() % high];
        }
        assert_int_equal(schedule_cycle(JOBS, (const size_t(*)[2])edges, EDGES, &which), 0);
        edges[EDGES][0] = edges[round % EDGES][1];
        edges[EDGES][1] = edges[round % EDGES][0];
        assert_int_equal(schedule_cycle(JOBS, (const size_t(*)[2])edges, EDGES + 1, &which), 1);
    }
}

/* Many in one group, in and out in any order: the order holds, and it does not take long. */
static void test_schedule_many(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    struct schedule_job *jobs = calloc(COUNT, sizeof *jobs);
    struct schedule schedule;
    assert_non_null(jobs);
    schedule_init(&schedule);
    for (size_t i = 0; i < COUNT; i++) {
        set(&jobs[i], i + 1, (int32_t)(i * 7919 % 1000), group_of(&schedule, "g"));
        schedule_add(&schedule, &jobs[i], 0);
    }
    for (size_t i = 0; i < COUNT; i += 3)
        schedule_remove(&schedule, &jobs[i]);
    const struct schedule_job *before = NULL;
    size_t count = 0;
    for (struct schedule_job *job; (job = next_of(&schedule, 0)) != NULL; before = job, count++) {
        assert_true(before == NULL || before->priority > job->priority ||
                    (before->priority == job->priority && before->id < job->id));
        schedule_run(&schedule, job);
        schedule_remove(&schedule, job);
    }
    assert_int_equal(count, COUNT - (COUNT + 2) / 3);
    schedule_deinit(&schedule);
    free(jobs);
}

/* ---- against a model --------------------------------------------------------------------------------------------- */

enum { JOBS = 40, GROUPS = 3 };

/* A job as anybody would write it down. */
struct item {
    struct schedule_job job;
    bool in, running, needs[JOBS];
    int32_t priority;
    double start_at;
    int group;
};

struct model {
    struct schedule schedule;
    struct schedule_group *groups[GROUPS];
    struct item items[JOBS];
    uint64_t next_id;
    double now;
};

static bool needs_any(const struct item *item)
{
    for (size_t i = 0; i < JOBS; i++)
        if (item->needs[i])
            return true;
    return false;
}

static bool is_ready(const struct model *model, const struct item *item)
{
    return item->in && !item->running && !needs_any(item) && item->start_at <= model->now;
}

static size_t running_in(const struct model *model, int group)
{
    size_t count = 0;
    for (size_t i = 0; i < JOBS; i++)
        count += model->items[i].in && model->items[i].running && model->items[i].group == group;
    return count;
}

static bool comes_before(const struct item *a, const struct item *b)
{
    return a->priority != b->priority ? a->priority > b->priority : a->job.id < b->job.id;
}

/* The best of those that come behind one (NULL: of all). */
static struct item *model_after(struct model *model, const struct item *before)
{
    struct item *best = NULL;
    for (size_t i = 0; i < JOBS && !model->schedule.paused; i++) {
        struct item *item = &model->items[i];
        const struct schedule_group *group = model->groups[item->group];
        if (!is_ready(model, item) || group->paused ||
            (group->limit > 0 && running_in(model, item->group) >= (size_t)group->limit))
            continue;
        if ((before == NULL || comes_before(before, item)) && (best == NULL || comes_before(item, best)))
            best = item;
    }
    return best;
}

static double model_wake_at(const struct model *model)
{
    double at = 0;
    for (size_t i = 0; i < JOBS; i++) {
        const struct item *item = &model->items[i];
        if (item->in && !item->running && !needs_any(item) && item->start_at > model->now &&
            (at == 0 || item->start_at < at))
            at = item->start_at;
    }
    return at;
}

static void compare(struct model *model)
{
    struct schedule_job *found[JOBS];
    const size_t most = 1 + (size_t)random() % JOBS;
    const size_t count = schedule_look(&model->schedule, model->now, found, most);
    const struct item *expected = NULL;
    for (size_t i = 0; i < count; i++) {
        expected = model_after(model, expected);
        assert_ptr_equal(found[i], expected == NULL ? NULL : &expected->job);
    }
    assert_true(count == most || model_after(model, expected) == NULL);
    assert_true(schedule_wake_at(&model->schedule) == model_wake_at(model));
    for (int group = 0; group < GROUPS; group++) {
        size_t ready = 0, waiting = 0;
        for (size_t i = 0; i < JOBS; i++) {
            const struct item *item = &model->items[i];
            if (!item->in || item->running || item->group != group)
                continue;
            ready += is_ready(model, item);
            waiting += !is_ready(model, item);
        }
        assert_int_equal(model->groups[group]->ready, ready);
        assert_int_equal(model->groups[group]->waiting, waiting);
        assert_int_equal(model->groups[group]->running, running_in(model, group));
    }
}

static void draw(const struct model *model, struct item *item)
{
    item->priority = (int32_t)(random() % 4);
    item->group = (int)(random() % GROUPS);
    item->start_at = random() % 3 == 0 ? model->now + 1 + (double)(random() % 20) : 0;
}

static void enter(struct model *model, struct item *item)
{
    draw(model, item);
    set(&item->job, ++model->next_id, item->priority, model->groups[item->group]);
    item->job.start_at = item->start_at;
    for (size_t i = 0; i < JOBS; i++)
        if (model->items[i].in && random() % 12 == 0) {
            assert_int_equal(schedule_need(&item->job, &model->items[i].job), 0);
            item->needs[i] = true;
        }
    item->in = true;
    schedule_add(&model->schedule, &item->job, model->now);
}

static void leave(struct model *model, struct item *item);

/* Those that needed it: each is handed out once; some fail with it. */
static void release(struct model *model, struct item *ended)
{
    const size_t which = (size_t)(ended - model->items);
    for (struct schedule_job *job; (job = schedule_release(&model->schedule, &ended->job, model->now)) != NULL;) {
        struct item *item = (struct item *)(void *)job;
        assert_true(item->in && item->needs[which]);
        item->needs[which] = false;
        if (random() % 4 == 0)
            leave(model, item);
    }
    for (size_t i = 0; i < JOBS; i++)
        assert_false(model->items[i].needs[which]);
}

static void leave(struct model *model, struct item *item)
{
    schedule_remove(&model->schedule, &item->job);
    assert_int_equal(item->job.state, SCHEDULE_OUT);
    item->in = item->running = false;
    memset(item->needs, 0, sizeof item->needs);
    release(model, item);
}

static void do_anything(struct model *model)
{
    struct item *item = &model->items[random() % JOBS];
    struct item *next = model_after(model, NULL);
    struct schedule_group *group = model->groups[random() % GROUPS];
    switch (random() % 8) {
    case 0:
    case 1:
        if (next != NULL) {
            schedule_run(&model->schedule, &next->job);
            next->running = true;
        }
        break;
    case 2:
        if (item->in && !item->running) {
            draw(model, item);
            schedule_change(&model->schedule, &item->job, item->priority, model->groups[item->group], item->start_at,
                            model->now);
        }
        break;
    case 3:
        model->now += (double)(random() % 3);
        break;
    case 4:
        group->paused = random() % 4 == 0;
        group->limit = random() % 4;
        model->schedule.paused = random() % 8 == 0;
        break;
    default:
        if (!item->in)
            enter(model, item);
        else if (random() % 3 == 0)
            leave(model, item);
    }
}

static void test_schedule_against_a_model(void **state)
{
    (void)state;
    static const char *const names[GROUPS] = {"default", "night", "x"};
    static struct model model = {.now = 1000};
    schedule_init(&model.schedule);
    for (size_t i = 0; i < GROUPS; i++)
        model.groups[i] = group_of(&model.schedule, names[i]);
    srandom(7);
    for (int round = 0; round < 100000; round++) {
        do_anything(&model);
        compare(&model);
    }
    for (size_t i = 0; i < JOBS; i++)
        if (model.items[i].in)
            leave(&model, &model.items[i]);
    compare(&model);
    schedule_deinit(&model.schedule);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_schedule_priority_then_id),
        SUPPORT_TEST(test_schedule_look_ahead),
        SUPPORT_TEST(test_schedule_groups),
        SUPPORT_TEST(test_schedule_limits_and_pauses),
        SUPPORT_TEST(test_schedule_times),
        SUPPORT_TEST(test_schedule_clock_put_back),
        SUPPORT_TEST(test_schedule_change),
        SUPPORT_TEST(test_schedule_needs),
        SUPPORT_TEST(test_schedule_remove_who_needs),
        SUPPORT_TEST(test_schedule_cycles),
        SUPPORT_TEST(test_schedule_cycles_at_random),
        SUPPORT_TEST(test_schedule_many),
        SUPPORT_TEST(test_schedule_against_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
