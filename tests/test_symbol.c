/* What functions are called, and whether their code was there when the table was made. */
#include "symbol.h"

#include "support.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* glibc's, in every installation, and nothing of ours needs it. */
#define LIBRARY  "libresolv.so.2"
#define FUNCTION "ns_get16"

typedef void (*function_t)(void);

static function_t at(const void *address)
{
    return (function_t)(uintptr_t)address;
}

static int unnamed(void)
{
    return 0;
}

/* Who has the mappings of the moment, in one of the two runs. */
static bool with_witnesses;
static pid_t witnesses[16];
static size_t witness_count;

static pid_t witness_new(void)
{
    const pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    assert_true(pid > 0);
    assert_true(witness_count < sizeof witnesses / sizeof witnesses[0]);
    witnesses[witness_count++] = pid;
    return pid;
}

static int start_with_witnesses(void **state)
{
    (void)state;
    with_witnesses = true;
    return 0;
}

static void end_witnesses(void)
{
    while (witness_count > 0) {
        kill(witnesses[--witness_count], SIGKILL);
        waitpid(witnesses[witness_count], NULL, 0);
    }
}

static struct symbol_table *table_new(void)
{
    struct symbol_table *table = symbol_table_new(with_witnesses ? witness_new() : 0);
    assert_non_null(table);
    return table;
}

static void table_free(struct symbol_table *table)
{
    symbol_table_free(table);
    end_witnesses();
}

static void test_symbol_names(void **state)
{
    (void)state;
    struct symbol_table *table = table_new();
    assert_string_equal(symbol_name(table, (function_t)support_rss), "support_rss");
    assert_string_equal(symbol_name(table, (function_t)cmocka_set_message_output), "cmocka_set_message_output");
    const char *name = symbol_name(table, (function_t)unnamed);
    assert_non_null(name);
    assert_memory_equal(name, "test_symbol+0x", 14);
    assert_ptr_equal(symbol_name(table, (function_t)unnamed), name); /* the same one again */
    table_free(table);
    symbol_table_free(NULL);
}

/* In the middle of a function is not that function. */
static void test_symbol_inside_a_function(void **state)
{
    (void)state;
    struct symbol_table *table = table_new();
    const char *name = symbol_name(table, at((const char *)(uintptr_t)support_rss + 1));
    assert_non_null(name);
    assert_memory_equal(name, "test_symbol+0x", 14);
    table_free(table);
}

/* Addresses that are no code, now or then. */
static void test_symbol_refuses_what_is_no_code(void **state)
{
    (void)state;
    static int data;
    int local;
    struct symbol_table *table = table_new();
    assert_null(symbol_name(table, NULL));
    assert_null(symbol_name(table, at((void *)1)));
    assert_null(symbol_name(table, at((void *)UINTPTR_MAX)));
    assert_null(symbol_name(table, at(&data)));
    assert_null(symbol_name(table, at(&local)));
    table_free(table);
}

static void *map_code(void *where, int fd)
{
    const int flags = MAP_PRIVATE | (fd < 0 ? MAP_ANONYMOUS : 0) | (where != NULL ? MAP_FIXED : 0);
    void *code = mmap(where, 4096, PROT_READ | PROT_EXEC, flags, fd, 0);
    assert_true(code != MAP_FAILED);
    return code;
}

static void test_symbol_refuses_code_mapped_later(void **state)
{
    (void)state;
    char expected[64];
    void *before = map_code(NULL, -1);
    struct symbol_table *table = table_new();
    snprintf(expected, sizeof expected, "%p", before);
    assert_string_equal(symbol_name(table, at(before)), expected); /* of no object */
    void *after = map_code((char *)before + ((size_t)1 << 30), -1);
    assert_null(symbol_name(table, at(after)));
    munmap(after, 4096);
    munmap(before, 4096);
    table_free(table);
}

/* Something else is at the address by now. */
static void test_symbol_refuses_code_replaced_later(void **state)
{
    (void)state;
    const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    void *code = map_code(NULL, -1);
    struct symbol_table *table = table_new();
    map_code(code, fd);
    assert_null(symbol_name(table, at(code)));
    munmap(code, 4096);
    assert_null(symbol_name(table, at(code)));
    table_free(table);
    close(fd);
}

static void test_symbol_refuses_a_library_loaded_later(void **state)
{
    (void)state;
    if (dlopen(LIBRARY, RTLD_NOW | RTLD_NOLOAD) != NULL)
        skip();
    struct symbol_table *before = table_new();
    void *library = dlopen(LIBRARY, RTLD_NOW);
    if (library == NULL)
        skip();
    const void *function = dlsym(library, FUNCTION);
    assert_non_null(function);
    assert_null(symbol_name(before, at(function)));
    assert_null(symbol_name(before, at(function)));
    struct symbol_table *after = table_new();
    const char *name = symbol_name(after, at(function));
    assert_non_null(name);
    assert_non_null(strstr(name, FUNCTION));                   /* or an alias of it, with underscores */
    assert_non_null(symbol_name(before, (function_t)unnamed)); /* what was there is still good */
    dlclose(library);
    assert_null(symbol_name(after, at(function)));
    table_free(before);
    table_free(after);
}

static void *ask_often(void *table)
{
    for (int i = 0; i < 2000; i++)
        if (strcmp(symbol_name(table, (function_t)support_rss), "support_rss") != 0)
            return table;
    return NULL;
}

static void test_symbol_from_many_threads(void **state)
{
    (void)state;
    struct symbol_table *table = table_new();
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, table), 0);
    for (size_t i = 0; i < 4; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    table_free(table);
}

/* The kernel tells us of ourselves alone. */
static void test_symbol_without_asking(void **state)
{
    (void)state;
    assert_int_equal(prctl(PR_SET_DUMPABLE, 0), 0);
    const pid_t nobody = witness_new();
    end_witnesses();
    struct symbol_table *table = symbol_table_new(nobody);
    assert_non_null(table);
    assert_non_null(symbol_name(table, (function_t)unnamed));
    assert_null(symbol_name(table, at(&table)));
    table_free(table);
    assert_int_equal(prctl(PR_SET_DUMPABLE, 1), 0);
}

/* Nobody is left to ask: what is there now is taken for what was there. */
static void test_symbol_of_a_dead_witness(void **state)
{
    (void)state;
    const pid_t dead = witness_new();
    siginfo_t info;
    assert_int_equal(kill(dead, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)dead, &info, WEXITED | WNOWAIT), 0);
    struct symbol_table *table = symbol_table_new(dead);
    assert_non_null(table);
    assert_non_null(symbol_name(table, (function_t)unnamed)); /* of a zombie */
    end_witnesses();
    assert_non_null(symbol_name(table, (function_t)support_rss)); /* of nobody */
    table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_symbol_names),
        SUPPORT_TEST(test_symbol_inside_a_function),
        SUPPORT_TEST(test_symbol_refuses_what_is_no_code),
        SUPPORT_TEST(test_symbol_refuses_code_mapped_later),
        SUPPORT_TEST(test_symbol_refuses_code_replaced_later),
        SUPPORT_TEST(test_symbol_refuses_a_library_loaded_later),
        SUPPORT_TEST(test_symbol_from_many_threads),
        SUPPORT_TEST(test_symbol_without_asking),
        SUPPORT_TEST(test_symbol_of_a_dead_witness),
    };
    const int failed = cmocka_run_group_tests_name("read at once", tests, NULL, NULL);
    return failed + cmocka_run_group_tests_name("asked of a witness", tests, start_with_witnesses, NULL);
}
