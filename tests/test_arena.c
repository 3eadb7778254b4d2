/* The arena: aligned, zero-filled, never the same bytes twice. It never frees: each test runs in a child. */
#include "arena.h"

#include "child.h"
#include "support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_zero(const unsigned char *data, size_t size)
{
    return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

/* Every block is filled once it is checked: an overlap would show as a block that is not zero. */
static int check_small_blocks(void *arg)
{
    (void)arg;
    struct arena arena = {0};
    uintptr_t last = 0;
    srandom(4);
    for (int i = 0; i < 100000; i++) {
        const size_t size = (size_t)random() % 200;
        unsigned char *block = arena_alloc(&arena, size);
        CHILD_CHECK(block != NULL);
        CHILD_CHECK((uintptr_t)block % 16 == 0);
        CHILD_CHECK((uintptr_t)block != last); /* one of no size, too, has an address of its own */
        CHILD_CHECK(is_zero(block, size));
        memset(block, 0xff, size);
        last = (uintptr_t)block;
    }
    return 0;
}

/* Small and large in turn: whatever is left of a chunk goes on being used. */
static int check_mixed_blocks(void *arg)
{
    (void)arg;
    static const size_t sizes[] = {
        1, 100000, 17, (size_t)3 << 20, 5, ((size_t)64 << 20) - 16, 33, ((size_t)64 << 20) + 1, 16, (size_t)1 << 20};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    struct arena arena = {0};
    unsigned char *blocks[3 * COUNT];
    for (size_t i = 0; i < 3 * COUNT; i++) {
        const size_t size = sizes[i % COUNT];
        blocks[i] = arena_alloc(&arena, size);
        CHILD_CHECK(blocks[i] != NULL && (uintptr_t)blocks[i] % 16 == 0);
        CHILD_CHECK(blocks[i][0] == 0 && blocks[i][size / 2] == 0 && blocks[i][size - 1] == 0);
        blocks[i][0] = blocks[i][size / 2] = blocks[i][size - 1] = (unsigned char)(i + 1);
    }
    for (size_t i = 0; i < 3 * COUNT; i++) {
        const size_t size = sizes[i % COUNT];
        CHILD_CHECK(blocks[i][0] == i + 1 && blocks[i][size / 2] == i + 1 && blocks[i][size - 1] == i + 1);
    }
    return 0;
}

/* A chunk with much room is not thrown away for one large block. */
static int check_large_block_leaves_the_chunk(void *arg)
{
    (void)arg;
    struct arena arena = {0};
    const unsigned char *first = arena_alloc(&arena, 16);
    CHILD_CHECK(first != NULL);
    CHILD_CHECK(arena_alloc(&arena, (size_t)200 << 20) != NULL);
    CHILD_CHECK(arena_alloc(&arena, 16) == first + 16);
    return 0;
}

static int check_absurd_sizes(void *arg)
{
    (void)arg;
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 15, SIZE_MAX / 2, SIZE_MAX / 2 + 1, (size_t)1 << 62};
    struct arena arena = {0};
    const unsigned char *first = arena_alloc(&arena, 16);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        errno = 0;
        CHILD_CHECK(arena_alloc(&arena, sizes[i]) == NULL);
        CHILD_CHECK(errno == ENOMEM);
    }
    CHILD_CHECK(arena_alloc(&arena, 16) == first + 16); /* and it goes on */
    return 0;
}

static void test_arena_small_blocks(void **state)
{
    (void)state;
    child_run(false, check_small_blocks, NULL);
}

static void test_arena_mixed_blocks(void **state)
{
    (void)state;
    child_run(false, check_mixed_blocks, NULL);
}

static void test_arena_large_block_leaves_the_chunk(void **state)
{
    (void)state;
    child_run(false, check_large_block_leaves_the_chunk, NULL);
}

static void test_arena_absurd_sizes(void **state)
{
    (void)state;
    child_run(false, check_absurd_sizes, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_arena_small_blocks),
        SUPPORT_TEST(test_arena_mixed_blocks),
        SUPPORT_TEST(test_arena_large_block_leaves_the_chunk),
        SUPPORT_TEST(test_arena_absurd_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
