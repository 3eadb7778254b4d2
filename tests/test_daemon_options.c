/* reclaimd's command line: defaults, values, and what is refused. */
#include "daemon_options.h"
#include "program.h"

#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MAX 140

static struct daemon_options options;
static char said[8192]; /* on standard error and output, by the last read_line */

/* Reads "reclaimd" and these words; NULL ends them. */
static int read_words(const char *const *words)
{
    char *argv[WORDS_MAX] = {"reclaimd"};
    int argc = 1;
    for (; *words != NULL; words++)
        argv[argc++] = (char *)*words;
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(NULL);
    const int out = dup(1), err = dup(2);
    dup2(fileno(file), 1);
    dup2(fileno(file), 2);
    const int rc = daemon_options_read(&options, argc, argv);
    fflush(NULL);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    rewind(file);
    said[fread(said, 1, sizeof said - 1, file)] = '\0';
    fclose(file);
    return rc;
}

#define READ(...) read_words((const char *const[]){__VA_ARGS__, NULL})

/* Read from inside of a function: so that a failed assertion leaves no modules behind. */
static int options_end(void **state)
{
    daemon_options_deinit(&options);
    unsetenv("RECLAIM_SOCKET");
    unsetenv("XDG_STATE_HOME");
    return support_end(state);
}

static int options_begin(void **state)
{
    unsetenv("RECLAIM_SOCKET");
    setenv("XDG_STATE_HOME", "/somewhere/state", 1);
    return support_begin(state);
}

static void test_daemon_options_defaults(void **state)
{
    (void)state;
    setenv("RECLAIM_SOCKET", "/somewhere/socket", 1);
    assert_int_equal(read_words((const char *const[]){NULL}), 0);
    assert_string_equal(said, "");
    assert_string_equal(options.socket, "/somewhere/socket");
    assert_string_equal(options.state, "/somewhere/state/reclaim");
    assert_string_equal(options.log_file, "");
    assert_int_equal(options.log_level, LOG_LEVEL_INFO);
    assert_int_equal(options.workers, 0);
    assert_int_equal(options.memory_budget, 0);
    assert_null(options.modules[0]);
    assert_int_equal(options.keep_ms, INT64_C(604800000));
    assert_int_equal(options.drain_timeout_ms, 30000);
    assert_int_equal(options.queue_max, 1000000);
    assert_int_equal(options.client_jobs_max, 1000000);
    assert_int_equal(options.clients_max, 256);
    assert_int_equal(options.message_max, 16 << 20);
    assert_int_equal(options.unread_max, 8 << 20);
    assert_int_equal(options.output_max, 64 << 20);
}

static void test_daemon_options_all(void **state)
{
    (void)state;
    assert_int_equal(READ("--socket", "/s", "--state=/d", "--workers", "3", "--memory-budget", "1.5G", "--keep", "0",
                          "--drain-timeout", "250ms", "--max-queue", "7", "--max-client-jobs", "6", "--max-clients",
                          "5", "--max-message", "1M", "--max-unread", "2M", "--max-output", "3M", "--log", "/l",
                          "--log-level", "debug"),
                     0);
    assert_string_equal(options.socket, "/s");
    assert_string_equal(options.state, "/d");
    assert_string_equal(options.log_file, "/l");
    assert_int_equal(options.log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(options.workers, 3);
    assert_int_equal(options.memory_budget, INT64_C(3) << 29);
    assert_int_equal(options.keep_ms, 0);
    assert_int_equal(options.drain_timeout_ms, 250);
    assert_int_equal(options.queue_max, 7);
    assert_int_equal(options.client_jobs_max, 6);
    assert_int_equal(options.clients_max, 5);
    assert_int_equal(options.message_max, 1 << 20);
    assert_int_equal(options.unread_max, 2 << 20);
    assert_int_equal(options.output_max, 3 << 20);
}

static void test_daemon_options_percent(void **state)
{
    (void)state;
    assert_int_equal(READ("--memory-budget", "50%"), 0);
    const double half = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 2;
    assert_true((double)options.memory_budget > half - 1 && (double)options.memory_budget <= half);
}

static void test_daemon_options_relative_paths(void **state)
{
    (void)state;
    char directory[PATH_MAX], expected[PATH_MAX + 8];
    assert_non_null(getcwd(directory, sizeof directory));
    snprintf(expected, sizeof expected, "%s/x", directory);
    assert_int_equal(READ("--socket", "x", "--state", "x", "--log", "x"), 0);
    assert_string_equal(options.socket, expected);
    assert_string_equal(options.state, expected);
    assert_string_equal(options.log_file, expected);
}

static void test_daemon_options_modules(void **state)
{
    (void)state;
    const char *many[2 * (OPTIONS_MODULES_MAX + 1) + 1] = {NULL};
    assert_int_equal(READ("--module", "/proc/self/exe", "--module", "/dev/null"), 0);
    assert_int_equal(options.module_count, 2);
    assert_non_null(strstr(options.modules[0], "test_daemon_options"));
    assert_string_equal(options.modules[1], "/dev/null");
    assert_null(options.modules[2]);
    daemon_options_deinit(&options);
    assert_null(options.modules[0]);
    for (size_t i = 0; i <= OPTIONS_MODULES_MAX; i++) {
        many[2 * i] = "--module";
        many[2 * i + 1] = "/dev/null";
    }
    assert_int_equal(read_words(many), -1);
    assert_non_null(strstr(said, "more than 64 modules"));
}

static void test_daemon_options_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *option, *value, *says;
    } table[] = {
        {"--socket", "", "reclaimd: --socket : is empty"},
        {"--workers", "0", "must lie between 1 and 10000"},
        {"--workers", "two", "not a whole number"},
        {"--memory-budget", "4K", "at least 1M"},
        {"--memory-budget", "101%", "not a percentage"},
        {"--module", "/nowhere/x.so", "--module /nowhere/x.so: No such file"},
        {"--keep", "a while", "not a duration"},
        {"--drain-timeout", "-1", "not a duration"},
        {"--max-queue", "0", "must lie between 1 and"},
        {"--max-clients", "100001", "must lie between 1 and"},
        {"--max-client-jobs", "", "not a whole number"},
        {"--max-message", "1K", "must lie between 4K and 512M"},
        {"--max-message", "1T", "must lie between 4K and 512M"},
        {"--max-unread", "1", "must lie between 4K and 1G"},
        {"--max-output", "0", "must be at least 1"},
        {"--max-output", "12Q", "not a size"},
        {"--log-level", "loud", "give error, warning, info or debug"},
        {"--sokket", "/x", "did you mean --socket?"},
        {"--keep", NULL, "--keep needs a value"},
        {"start", NULL, "reclaimd: start: not an option"},
        {"-x", NULL, "there is no option -x; reclaimd --help"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const int rc = READ(table[i].option, table[i].value);
        daemon_options_deinit(&options);
        if (rc != -1 || strstr(said, table[i].says) == NULL || strchr(said, '\n') != said + strlen(said) - 1)
            fail_msg("%s %s: %d, %s", table[i].option, table[i].value, rc, said);
    }
}

static void test_daemon_options_too_long(void **state)
{
    (void)state;
    char path[PATH_MAX + 8];
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    assert_int_equal(READ("--state", path), -1);
    assert_non_null(strstr(said, "too long for a path"));
    setenv("RECLAIM_SOCKET", path, 1);
    assert_int_equal(read_words((const char *const[]){NULL}), -1);
    assert_non_null(strstr(said, "give --socket PATH"));
}

static void test_daemon_options_help(void **state)
{
    (void)state;
    assert_int_equal(READ("--help"), -2);
    assert_non_null(strstr(said, "Usage: reclaimd [OPTION...]\n"));
    assert_non_null(strstr(said, "--drain-timeout DUR"));
    assert_int_equal(READ("--version"), -2);
    assert_int_equal(strncmp(said, "reclaimd ", 9), 0);
    assert_string_equal(said + 9 + strlen(pool_version()), "\n");
}

static void test_daemon_options_state(void **state)
{
    (void)state;
    char path[PATH_MAX], home[PATH_MAX];
    memset(home, 'x', sizeof home - 1);
    home[0] = '/';
    home[sizeof home - 1] = '\0';
    assert_int_equal(program_state_path(1000, "/xdg", "/home/ann", path), 0);
    assert_string_equal(path, "/xdg/reclaim");
    assert_int_equal(program_state_path(1000, NULL, "/home/ann", path), 0);
    assert_string_equal(path, "/home/ann/.local/state/reclaim");
    assert_int_equal(program_state_path(1000, "relative", "/home/ann", path), 0);
    assert_string_equal(path, "/home/ann/.local/state/reclaim");
    assert_int_equal(program_state_path(0, NULL, "/root", path), 0);
    assert_string_equal(path, "/var/lib/reclaim");
    assert_int_equal(program_state_path(0, "/xdg", NULL, path), 0);
    assert_string_equal(path, "/xdg/reclaim");
    assert_int_equal(program_state_path(1000, "", NULL, path), -ENOENT);
    assert_int_equal(program_state_path(1000, NULL, "", path), -ENOENT);
    assert_int_equal(program_state_path(1000, NULL, home, path), -ENAMETOOLONG);
}

#define OPTIONS_TEST(function) cmocka_unit_test_setup_teardown(function, options_begin, options_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPTIONS_TEST(test_daemon_options_defaults), OPTIONS_TEST(test_daemon_options_all),
        OPTIONS_TEST(test_daemon_options_percent),  OPTIONS_TEST(test_daemon_options_relative_paths),
        OPTIONS_TEST(test_daemon_options_modules),  OPTIONS_TEST(test_daemon_options_refusals),
        OPTIONS_TEST(test_daemon_options_too_long), OPTIONS_TEST(test_daemon_options_help),
        OPTIONS_TEST(test_daemon_options_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
