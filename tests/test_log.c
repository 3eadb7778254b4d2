/* The daemon's log: lines that stay lines, whatever is in them, and a disk that is full. */
#include "log.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char message[512], content[1 << 16];

/* What is in the file by now. */
static const char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    content[fread(content, 1, sizeof content - 1, file)] = '\0';
    fclose(file);
    return content;
}

static struct log *open_log(enum log_level level)
{
    struct log *log;
    assert_int_equal(log_open(&log, file_path, level, message), 0);
    return log;
}

/* What stands after time and level in a line. */
static const char *after_level(const char *line)
{
    const char *at = strstr(line, " level=");
    assert_non_null(at);
    at = strchr(at + 1, ' ');
    assert_non_null(at);
    return at + 1;
}

static void assert_begins(const char *text, const char *start)
{
    if (strncmp(text, start, strlen(start)) != 0)
        fail_msg("\"%s\" does not begin with \"%s\"", text, start);
}

static void test_log_encode(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t size;
        const char *text;
    } table[] = {
        {"plain-1.5/x:y,z", 15, "plain-1.5/x:y,z"},
        {"", 0, "\"\""},
        {"two words", 9, "\"two words\""},
        {"a=b", 3, "\"a=b\""},
        {"say \"no\"", 8, "\"say \\\"no\\\"\""},
        {"back\\slash", 10, "\"back\\\\slash\""},
        {"a\nb\tc\rd", 7, "\"a\\nb\\tc\\rd\""},
        {"\x1b[31m", 5, "\"\\x1b[31m\""},
        {"nul\0x", 5, "\"nul\\x00x\""},
        {"\xc3\xa9\x7f", 3, "\"\\xc3\\xa9\\x7f\""},
    };
    char out[LOG_ENCODED_MAX];
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        assert_int_equal(log_encode(table[i].data, table[i].size, out), strlen(table[i].text));
        assert_string_equal(out, table[i].text);
    }
}

static void test_log_encode_cuts(void **state)
{
    (void)state;
    char data[LOG_VALUE_MAX + 1], out[LOG_ENCODED_MAX];
    memset(data, '\x01', sizeof data);
    assert_int_equal(log_encode(data, LOG_VALUE_MAX, out), 4 * LOG_VALUE_MAX + 2);
    assert_int_equal(log_encode(data, sizeof data, out), 4 * LOG_VALUE_MAX + 5);
    assert_string_equal(out + 4 * LOG_VALUE_MAX - 3, "\\x01...\"");
}

static void test_log_lines(void **state)
{
    (void)state;
    struct log *log = open_log(LOG_LEVEL_INFO);
    log_event(log, LOG_LEVEL_INFO, "started", log_text("socket", "/run/x"), log_number("jobs", -3),
              log_text("nothing", NULL), log_bytes("name", "a\nb", 3));
    log_event(log, LOG_LEVEL_DEBUG, "unheard");
    log_event(log, LOG_LEVEL_ERROR, "alone");
    log_event(log, LOG_LEVEL_WARNING, "denied", log_text("name", "\nlevel=fake\x1b"));
    log_close(log);
    char *second, *third, *text = (char *)read_file(file_path);
    assert_non_null(second = strchr(text, '\n') + 1);
    assert_non_null(third = strchr(second, '\n') + 1);
    struct stat status;
    int year, month, day, hour, minute, second_, ms, end = 0;
    assert_int_equal(sscanf(text, "time=%4d-%2d-%2dT%2d:%2d:%2d.%3dZ level=info %n", &year, &month, &day, &hour,
                            &minute, &second_, &ms, &end),
                     7);
    assert_true(end > 0 && year >= 2024);
    assert_begins(after_level(text), "event=started socket=/run/x jobs=-3 nothing=\"\" name=\"a\\nb\"\n");
    assert_begins(after_level(second), "event=alone\n");
    assert_string_equal(after_level(third), "event=denied name=\"\\nlevel=fake\\x1b\"\n");
    assert_int_equal(stat(file_path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void test_log_appends(void **state)
{
    (void)state;
    file_write("before\n", 7);
    struct log *log = open_log(LOG_LEVEL_INFO);
    log_event(log, LOG_LEVEL_INFO, "after");
    log_close(log);
    assert_begins(read_file(file_path), "before\ntime=");
}

static void test_log_cuts_lines(void **state)
{
    (void)state;
    char value[LOG_VALUE_MAX];
    memset(value, '\n', sizeof value);
    struct log *log = open_log(LOG_LEVEL_INFO);
    log_event(log, LOG_LEVEL_INFO, "long", log_bytes("a", value, sizeof value), log_bytes("b", value, sizeof value),
              log_bytes("c", value, sizeof value), log_bytes("d", value, sizeof value), log_text("lost", "yes"));
    log_event(log, LOG_LEVEL_INFO, "next");
    log_close(log);
    const char *text = read_file(file_path), *first = strchr(text, '\n');
    assert_non_null(first);
    assert_true(first + 1 - text <= LOG_LINE_MAX);
    assert_begins(first - 4, " ...\n");
    assert_begins(after_level(first + 1), "event=next\n");
}

static void test_log_reopens(void **state)
{
    (void)state;
    char moved[64];
    snprintf(moved, sizeof moved, "%s.1", file_path);
    struct log *log = open_log(LOG_LEVEL_INFO);
    log_event(log, LOG_LEVEL_INFO, "old");
    assert_int_equal(rename(file_path, moved), 0);
    assert_int_equal(log_reopen(log), 0);
    log_event(log, LOG_LEVEL_INFO, "new");
    assert_non_null(strstr(read_file(moved), "event=old\n"));
    assert_null(strstr(content, "event=new"));
    assert_non_null(strstr(read_file(file_path), "event=new\n"));
    assert_int_equal(unlink(file_path), 0);
    assert_int_equal(mkdir(file_path, 0700), 0); /* what cannot be opened keeps the old one */
    assert_int_equal(log_reopen(log), -EISDIR);
    assert_int_equal(rmdir(file_path), 0);
    assert_int_equal(log_reopen(log), 0);
    log_event(log, LOG_LEVEL_INFO, "third");
    assert_non_null(strstr(read_file(file_path), "event=third\n"));
    log_close(log);
    unlink(moved);
}

static void test_log_open_fails(void **state)
{
    (void)state;
    struct log *log = (struct log *)1;
    assert_int_equal(log_open(&log, "/nowhere/at/all", LOG_LEVEL_INFO, message), -ENOENT);
    assert_null(log);
    assert_non_null(strstr(message, "/nowhere/at/all"));
    assert_int_equal(unlink(file_path), 0);
    assert_int_equal(mkfifo(file_path, 0600), 0);
    assert_int_equal(log_open(&log, file_path, LOG_LEVEL_INFO, message), -ENXIO); /* and does not wait for a reader */
    log_close(NULL);
}

static void test_log_full_disk(void **state)
{
    (void)state;
    struct log *log;
    assert_int_equal(log_open(&log, "/dev/full", LOG_LEVEL_INFO, message), 0);
    for (int i = 0; i < 100; i++)
        log_event(log, LOG_LEVEL_INFO, "lost", log_number("i", i));
    log_close(log);
}

/* A file that may grow up to a limit, which is then raised: what is missing is told, and the torn line is ended. */
static void test_log_recovers(void **state)
{
    (void)state;
    struct rlimit old, low;
    struct log *log = open_log(LOG_LEVEL_INFO);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    low = old;
    low.rlim_cur = 20;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    log_event(log, LOG_LEVEL_INFO, "torn");
    log_event(log, LOG_LEVEL_INFO, "lost");
    const int rc = setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(rc, 0);
    log_event(log, LOG_LEVEL_INFO, "again");
    log_close(log);
    read_file(file_path);
    assert_int_equal(content[20], '\n');
    assert_begins(after_level(content + 21), "event=log-dropped lines=2\n");
    assert_string_equal(after_level(strchr(content + 21, '\n')), "event=again\n");
}

/* To standard error: nothing is reopened, nothing closed. */
static void test_log_stderr(void **state)
{
    (void)state;
    struct stat status;
    struct log *log;
    char stream[64];
    const int saved = dup(2), fd = open(file_path, O_WRONLY | O_APPEND);
    assert_true(fd >= 0 && saved >= 0);
    dup2(fd, 2);
    close(fd);
    fstat(2, &status);
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    const int opened = log_open(&log, NULL, LOG_LEVEL_INFO, message);
    if (opened == 0) {
        log_event(log, LOG_LEVEL_WARNING, "plain");
        log_reopen(log);
        log_close(log);
    }
    setenv("JOURNAL_STREAM", stream, 1);
    const int again = log_open(&log, NULL, LOG_LEVEL_INFO, message);
    if (again == 0) {
        log_event(log, LOG_LEVEL_ERROR, "journal");
        log_event(log, LOG_LEVEL_INFO, "words");
        log_close(log);
    }
    unsetenv("JOURNAL_STREAM");
    dup2(saved, 2);
    close(saved);
    assert_int_equal(opened, 0);
    assert_int_equal(again, 0);
    assert_string_equal(after_level(read_file(file_path)), "event=plain\n<3>event=journal\n<6>event=words\n");
}

/* Standard error is a pipe that is full: its reader sleeps. */
static void test_log_full_pipe(void **state)
{
    (void)state;
    int ends[2];
    struct log *log;
    ssize_t size;
    static char zeros[65536];
    const int saved = dup(2);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    while (write(ends[1], zeros, sizeof zeros) > 0)
        ;
    assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0);
    dup2(ends[1], 2);
    close(ends[1]);
    assert_int_equal(log_open(&log, NULL, LOG_LEVEL_INFO, message), 0);
    for (int i = 0; i < 3; i++)
        log_event(log, LOG_LEVEL_INFO, "dropped");
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    while (read(ends[0], zeros, sizeof zeros) > 0)
        ;
    log_event(log, LOG_LEVEL_INFO, "kept");
    log_close(log);
    dup2(saved, 2);
    close(saved);
    size = read(ends[0], content, sizeof content - 1);
    close(ends[0]);
    assert_true(size > 0);
    content[size] = '\0';
    assert_begins(after_level(content), "event=log-dropped lines=3\n");
    assert_non_null(strstr(content, " event=kept\n"));
}

static void test_log_journal_stream(void **state)
{
    (void)state;
    assert_false(log_is_journal(2, NULL));
    assert_false(log_is_journal(2, ""));
    assert_false(log_is_journal(2, "1:2"));
    assert_false(log_is_journal(-1, "1:2"));
}

#define THREADS 4
#define LINES   200

static void *log_many(void *arg)
{
    for (int i = 0; i < LINES; i++)
        log_event(arg, LOG_LEVEL_INFO, "thread", log_number("i", i), log_text("x", "0123456789"));
    return NULL;
}

static void test_log_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    struct log *log = open_log(LOG_LEVEL_INFO);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, log), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(log_reopen(log), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    log_close(log);
    int lines = 0;
    for (char *at = (char *)read_file(file_path), *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        *end = '\0';
        assert_begins(at, "time=");
        assert_begins(after_level(at), "event=thread i=");
        assert_string_equal(end - 13, " x=0123456789");
        lines++;
    }
    assert_int_equal(lines, THREADS * LINES);
}

static void test_log_levels(void **state)
{
    (void)state;
    enum log_level level;
    assert_int_equal(log_level_parse("error", &level), 0);
    assert_int_equal(level, LOG_LEVEL_ERROR);
    assert_int_equal(log_level_parse("debug", &level), 0);
    assert_int_equal(level, LOG_LEVEL_DEBUG);
    assert_int_equal(log_level_parse("Debug", &level), -EINVAL);
    assert_int_equal(log_level_parse("", &level), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_log_encode),  SUPPORT_TEST(test_log_encode_cuts), FILE_TEST(test_log_lines),
        FILE_TEST(test_log_appends),    FILE_TEST(test_log_cuts_lines),     FILE_TEST(test_log_reopens),
        FILE_TEST(test_log_open_fails), SUPPORT_TEST(test_log_full_disk),   FILE_TEST(test_log_recovers),
        FILE_TEST(test_log_stderr),     SUPPORT_TEST(test_log_full_pipe),   SUPPORT_TEST(test_log_journal_stream),
        FILE_TEST(test_log_threads),    SUPPORT_TEST(test_log_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
