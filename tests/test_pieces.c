/* Bytes that come in pieces: what is said to follow is a hint that costs little when it is wrong. */
#include "pieces.h"

#include "directory.h"
#include "support.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE    ((size_t)1024)
#define BELIEVED ((size_t)1 << 20)

static unsigned grown; /* calls of realloc(3) */
static bool no_memory;

void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);

void *__wrap_realloc(void *block, size_t size)
{
    grown++;
    return no_memory ? NULL : __real_realloc(block, size);
}

static const struct machine bare; /* no cgroup around it */

/* Adds so many pieces, each of its own bytes; each says that `left` follow it. */
static void add(struct pieces *pieces, size_t count, uint64_t left)
{
    uint8_t piece[PIECE];
    for (size_t i = 0; i < count; i++) {
        memset(piece, (int)(i % 251), sizeof piece);
        assert_int_equal(pieces_add(pieces, piece, sizeof piece, left, &bare), 0);
        assert_true(pieces->size <= pieces->room);
    }
}

static void assert_added(const struct pieces *pieces, size_t count)
{
    assert_int_equal(pieces->size, count * PIECE);
    for (size_t i = 0; i < pieces->size; i++)
        if (((const uint8_t *)pieces->data)[i] != i / PIECE % 251)
            fail_msg("byte %zu is %u", i, ((const uint8_t *)pieces->data)[i]);
}

static void assert_nothing(const struct pieces *pieces)
{
    assert_true(pieces->data == NULL && pieces->size == 0 && pieces->room == 0);
}

static int begin(void **state)
{
    grown = 0;
    no_memory = false;
    return directory_begin(state);
}

/* A true hint saves every move of what is there. */
static void test_pieces_true_hint(void **state)
{
    struct pieces pieces = {0};
    (void)state;
    for (size_t left = 10 * PIECE; left > 0; left -= PIECE)
        add(&pieces, 1, left - PIECE);
    assert_int_equal(pieces.size, 10 * PIECE);
    assert_int_equal(grown, 1);
    assert_int_equal(pieces.room, 10 * PIECE);
    pieces_drop(&pieces);
    assert_nothing(&pieces);
    pieces_drop(&pieces);
}

static void test_pieces_hint_larger_than_what_comes(void **state)
{
    struct pieces pieces = {0};
    (void)state;
    add(&pieces, 3, BELIEVED / 2);
    assert_added(&pieces, 3);
    assert_true(pieces.room >= 3 * PIECE && pieces.room <= BELIEVED);
    pieces_drop(&pieces);
}

/* However much is said to follow. */
static void test_pieces_lie_costs_a_mebibyte(void **state)
{
    static const uint64_t lies[] = {UINT64_MAX, UINT64_MAX - PIECE + 1, UINT64_C(1) << 63, UINT64_C(1) << 40};
    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct pieces pieces = {0};
        add(&pieces, 5, lies[i]);
        assert_added(&pieces, 5);
        assert_true(pieces.room <= 5 * PIECE + BELIEVED);
        pieces_drop(&pieces);
    }
}

/* Nothing is said to follow, and much does; or always the same, which is not so. */
static void test_pieces_grow_by_doubling(void **state)
{
    static const uint64_t hints[] = {0, 1, UINT64_MAX};
    enum { COUNT = 4096 };
    (void)state;
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++) {
        struct pieces pieces = {0};
        grown = 0;
        add(&pieces, COUNT, hints[i]);
        assert_added(&pieces, COUNT);
        assert_in_range(grown, 1, 14); /* not one a piece */
        assert_true(pieces.room <= 2 * PIECE * COUNT + BELIEVED);
        pieces_drop(&pieces);
    }
}

static void test_pieces_without_memory_keep_nothing(void **state)
{
    struct pieces pieces = {0};
    (void)state;
    no_memory = true;
    assert_int_equal(pieces_add(&pieces, "piece", 5, 0, &bare), -ENOMEM);
    assert_nothing(&pieces);
    no_memory = false;
    add(&pieces, 2, 0);
    no_memory = true;
    uint8_t large[4 * PIECE] = {0};
    assert_int_equal(pieces_add(&pieces, large, sizeof large, 0, &bare), -ENOMEM);
    assert_nothing(&pieces);
    no_memory = false;
    add(&pieces, 7, 0); /* from the beginning */
    assert_added(&pieces, 7);
    pieces_drop(&pieces);
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(directory_file(name), "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Memory that malloc would give, but that the machine, or a cgroup around the host, does not have. */
static void test_pieces_are_bounded_by_what_is_available(void **state)
{
    static uint8_t large[64 << 20];
    struct machine_level level = {.is_v1 = false};
    const struct machine full = {.levels = &level, .count = 1};
    struct pieces pieces = {0};
    (void)state;
    write_file("memory.max", "67108864\n");
    write_file("memory.current", "66000000\n");
    write_file("memory.stat", "inactive_file 0\n");
    snprintf(level.path, sizeof level.path, "%s", directory_path);
    assert_int_equal(pieces_add(&pieces, large, PIECE, 0, &full), 0);
    assert_int_equal(pieces_add(&pieces, large, sizeof large, 0, &full), -ENOMEM);
    assert_nothing(&pieces);
    assert_int_equal(grown, 1); /* malloc was not even asked */
    assert_int_equal(pieces_add(&pieces, large, sizeof large, 0, &bare), 0);
    pieces_drop(&pieces);
}

#define PIECES_TEST(function) cmocka_unit_test_setup_teardown(function, begin, directory_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PIECES_TEST(test_pieces_true_hint),
        PIECES_TEST(test_pieces_hint_larger_than_what_comes),
        PIECES_TEST(test_pieces_lie_costs_a_mebibyte),
        PIECES_TEST(test_pieces_grow_by_doubling),
        PIECES_TEST(test_pieces_without_memory_keep_nothing),
        PIECES_TEST(test_pieces_are_bounded_by_what_is_available),
    };
    return cmocka_run_group_tests_name("pieces", tests, NULL, NULL);
}
