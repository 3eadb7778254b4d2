/* The queue: the highest priority first, in a priority the order in which they came. */
#include "queue.h"

#include "support.h"

#include <stdlib.h>
#include <string.h>

struct item {
    struct queue_entry entry;
    int32_t priority;
};

/* Takes the first out and asserts that it is this one. */
static void expect_next(struct queue *queue, const struct item *item)
{
    struct queue_entry *first = queue_first(queue);
    assert_ptr_equal(first, &item->entry);
    queue_remove(queue, first);
    assert_null(first->level);
}

static void add(struct queue *queue, struct item *item, int32_t priority, bool front)
{
    item->priority = priority;
    assert_int_equal(queue_add(queue, &item->entry, priority, front), 0);
    assert_non_null(item->entry.level);
}

static void test_queue_empty(void **state)
{
    (void)state;
    struct queue queue;
    queue_init(&queue);
    assert_null(queue_first(&queue));
    assert_int_equal(queue.count, 0);
    queue_deinit(&queue);
}

static void test_queue_priorities_then_arrival(void **state)
{
    (void)state;
    static const int32_t priorities[] = {0, 5, 0, -3, 5, INT32_MAX, INT32_MIN, 0};
    static const size_t order[] = {5, 1, 4, 0, 2, 7, 3, 6};
    struct item items[8] = {0};
    struct queue queue;
    queue_init(&queue);
    for (size_t i = 0; i < 8; i++)
        add(&queue, &items[i], priorities[i], false);
    assert_int_equal(queue.count, 8);
    for (size_t i = 0; i < 8; i++)
        expect_next(&queue, &items[order[i]]);
    assert_null(queue_first(&queue));
    assert_int_equal(queue.count, 0);
    queue_deinit(&queue);
}

/* In front of its own priority, not of higher ones. */
static void test_queue_front(void **state)
{
    (void)state;
    struct item items[5] = {0};
    struct queue queue;
    queue_init(&queue);
    add(&queue, &items[0], 1, false);
    add(&queue, &items[1], 2, false);
    add(&queue, &items[2], 1, true);
    add(&queue, &items[3], 1, true);
    add(&queue, &items[4], 3, true); /* the first of its priority */
    expect_next(&queue, &items[4]);
    expect_next(&queue, &items[1]);
    expect_next(&queue, &items[3]);
    expect_next(&queue, &items[2]);
    expect_next(&queue, &items[0]);
    queue_deinit(&queue);
}

static void test_queue_remove_anywhere(void **state)
{
    (void)state;
    struct item items[6] = {0};
    struct queue queue;
    queue_init(&queue);
    for (size_t i = 0; i < 6; i++)
        add(&queue, &items[i], i < 5 ? 1 : 2, false);
    queue_remove(&queue, &items[5].entry); /* the last of its priority */
    queue_remove(&queue, &items[2].entry); /* in the middle */
    queue_remove(&queue, &items[4].entry); /* at the end */
    queue_remove(&queue, &items[0].entry); /* at the beginning */
    add(&queue, &items[0], 1, false);
    expect_next(&queue, &items[1]);
    expect_next(&queue, &items[3]);
    expect_next(&queue, &items[0]);
    assert_int_equal(queue.count, 0);
    queue_deinit(&queue);
}

/* Many priorities, each gone when it is empty. */
static void test_queue_many_levels(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    static struct item items[COUNT];
    struct queue queue;
    queue_init(&queue);
    for (int i = 0; i < COUNT; i++)
        add(&queue, &items[i], i * 7919 % COUNT, false); /* every priority once */
    for (int32_t priority = COUNT - 1; priority >= 0; priority--) {
        const struct item *first = (const struct item *)(const void *)queue_first(&queue);
        assert_int_equal(first->priority, priority);
        expect_next(&queue, first);
    }
    assert_true(TAILQ_EMPTY(&queue.levels));
    queue_deinit(&queue);
}

/* ---- against a model: an array in order -------------------------------------------------------------------------- */

#define MODEL_MAX 64

struct model {
    struct item *items[MODEL_MAX];
    size_t count;
};

static void model_add(struct model *model, struct item *item, bool front)
{
    size_t at = 0;
    while (at < model->count &&
           (model->items[at]->priority > item->priority || (!front && model->items[at]->priority == item->priority)))
        at++;
    memmove(model->items + at + 1, model->items + at, (model->count - at) * sizeof model->items[0]);
    model->items[at] = item;
    model->count++;
}

static struct item *model_remove(struct model *model, size_t at)
{
    struct item *item = model->items[at];
    model->count--;
    memmove(model->items + at, model->items + at + 1, (model->count - at) * sizeof model->items[0]);
    return item;
}

static void test_queue_against_a_model(void **state)
{
    (void)state;
    static struct item items[MODEL_MAX];
    struct model model = {.count = 0};
    struct queue queue;
    queue_init(&queue);
    srandom(7);
    for (int round = 0; round < 200000; round++) {
        struct item *item = &items[random() % MODEL_MAX];
        if (item->entry.level == NULL) {
            const bool front = random() % 4 == 0;
            add(&queue, item, (int32_t)(random() % 5 - 2), front);
            model_add(&model, item, front);
        } else {
            const size_t at = random() % 2 == 0 ? 0 : (size_t)random() % model.count;
            queue_remove(&queue, &model_remove(&model, at)->entry);
        }
        assert_int_equal(queue.count, model.count);
        assert_ptr_equal(queue_first(&queue), model.count == 0 ? NULL : &model.items[0]->entry);
    }
    while (model.count > 0)
        expect_next(&queue, model_remove(&model, 0));
    queue_deinit(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_queue_empty),       SUPPORT_TEST(test_queue_priorities_then_arrival),
        SUPPORT_TEST(test_queue_front),       SUPPORT_TEST(test_queue_remove_anywhere),
        SUPPORT_TEST(test_queue_many_levels), SUPPORT_TEST(test_queue_against_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
