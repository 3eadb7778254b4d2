/* Commands as jobs: exit codes, streams, environment, signals, descriptors, and whole trees that end in time. */
#include "gate.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <reclaim/call.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETUP_MS 1000 /* long enough for a command to set itself up before */
#define LARGE    ((size_t)3 << 20)

/* Runs a command and gives its result; *job is to be released. */
static const pool_result_t *run(pool_t *pool, const pool_command_t *command, const pool_job_options_t *options,
                                pool_job_t **job)
{
    if (pool_submit_command(pool, command, options, job) < 0)
        fail_msg("pool_submit_command: %s", pool_message());
    return support_wait(*job);
}

/* A shell's command line, its output captured. */
static const pool_result_t *run_shell(pool_t *pool, const char *line, const pool_job_options_t *options,
                                      pool_job_t **job)
{
    const char *argv[] = {"/bin/sh", "-c", line, NULL};
    const pool_command_t command = {
        .argv = argv, .stdout_mode = POOL_STREAM_CAPTURE, .stderr_mode = POOL_STREAM_CAPTURE};
    return run(pool, &command, options, job);
}

static void expect_output(const pool_result_t *result, const char *out)
{
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_string_equal(result->out, out);
    assert_int_equal(result->out_size, strlen(out));
}

static void expect_shell(pool_t *pool, const char *line, const char *out)
{
    pool_job_t *job;
    expect_output(run_shell(pool, line, NULL, &job), out);
    pool_job_release(job);
}

/* ---- how it ends ------------------------------------------------------------------------------------------------- */

static void expect_end(pool_t *pool, const char *line, pool_outcome_t outcome, pool_cause_t cause, int code, int signal)
{
    pool_job_t *job;
    const pool_result_t *result = run_shell(pool, line, NULL, &job);
    support_expect(result, outcome, cause);
    assert_int_equal(result->code, code);
    assert_int_equal(result->signal, signal);
    assert_null(result->data);
    pool_job_release(job);
}

static void test_command_exit_codes_and_signals(void **state)
{
    (void)state;
    pool_t *pool = support_open(2, 0);
    expect_end(pool, "true", POOL_DONE, POOL_CAUSE_EXITED, 0, 0);
    expect_end(pool, "exit 1", POOL_FAILED, POOL_CAUSE_EXITED, 1, 0);
    expect_end(pool, "exit 255", POOL_FAILED, POOL_CAUSE_EXITED, 255, 0);
    expect_end(pool, "exit 127", POOL_FAILED, POOL_CAUSE_EXITED, 127, 0); /* its own word, not ours */
    expect_end(pool, "kill -SEGV $$", POOL_CRASHED, POOL_CAUSE_SIGNALLED, 0, SIGSEGV);
    expect_end(pool, "kill -TERM $$", POOL_CRASHED, POOL_CAUSE_SIGNALLED, 0, SIGTERM);
    expect_end(pool, "kill -KILL $$", POOL_CRASHED, POOL_CAUSE_KILLED, 0, SIGKILL);
    pool_free(pool);
}

static void expect_no_start(pool_t *pool, const char *program, const char *cwd, pool_cause_t cause, const char *word)
{
    const char *argv[] = {program, "argument", NULL};
    const char *envp[] = {"PATH=/usr/bin:/bin", NULL}; /* directories that anybody may look into */
    const pool_command_t command = {.argv = argv, .envp = envp, .cwd = cwd};
    pool_job_t *job;
    const pool_result_t *result = run(pool, &command, NULL, &job);
    support_expect(result, POOL_FAILED, cause);
    assert_int_equal(result->code, cause == POOL_CAUSE_NOT_FOUND ? 127 : 126);
    if (strstr(result->message, word) == NULL || strstr(result->message, cwd != NULL ? cwd : program) == NULL)
        fail_msg("%s", result->message);
    pool_job_release(job);
}

static void test_command_that_cannot_be_executed(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    expect_no_start(pool, "reclaim-no-such-program", NULL, POOL_CAUSE_NOT_FOUND, "No such file");
    expect_no_start(pool, "/no/such/program", NULL, POOL_CAUSE_NOT_FOUND, "No such file");
    expect_no_start(pool, "/etc/passwd/program", NULL, POOL_CAUSE_NOT_FOUND, "Not a directory");
    expect_no_start(pool, "/etc/passwd", NULL, POOL_CAUSE_NOT_EXECUTABLE, "Permission denied");
    expect_no_start(pool, "/tmp", NULL, POOL_CAUSE_NOT_EXECUTABLE, "Permission denied");
    expect_no_start(pool, "true", "/no/such/directory", POOL_CAUSE_NOT_EXECUTABLE, "directory");
    pool_free(pool);
}

/* A file with these bytes and this mode; the caller unlinks it. */
static void make_file(char *path, const char *text, mode_t mode)
{
    strcpy(path, "/tmp/reclaim-command-XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void test_command_scripts_run_with_and_without_interpreter_line(void **state)
{
    (void)state;
    char path[64], bad[64];
    pool_job_t *job;
    pool_t *pool = support_open(1, 0);
    make_file(path, "echo plain $1\n", 0700);
    make_file(bad, "#!/no/such/interpreter\n", 0700);
    const char *argv[] = {path, "script", NULL};
    const pool_command_t command = {.argv = argv, .stdout_mode = POOL_STREAM_CAPTURE};
    expect_output(run(pool, &command, NULL, &job), "plain script\n");
    pool_job_release(job);
    expect_no_start(pool, bad, NULL, POOL_CAUSE_NOT_FOUND, "No such file");
    pool_free(pool);
    unlink(path);
    unlink(bad);
}

static void test_command_too_large(void **state)
{
    (void)state;
    char *big = malloc(5 << 20);
    assert_non_null(big);
    memset(big, 'x', (5 << 20) - 1);
    big[(5 << 20) - 1] = '\0';
    const char *argv[] = {"true", big, NULL};
    const pool_command_t command = {.argv = argv};
    pool_job_t *job = (pool_job_t *)(void *)big;
    pool_t *pool = support_open(1, 0);
    assert_int_equal(pool_submit_command(pool, &command, NULL, &job), -E2BIG);
    assert_null(job);
    assert_non_null(strstr(pool_message(), "stdin"));
    big[200 << 10] = '\0'; /* too much for one string, as the kernel says */
    const pool_result_t *result = run(pool, &command, NULL, &job);
    support_expect(result, POOL_FAILED, POOL_CAUSE_NOT_EXECUTABLE);
    assert_int_equal(result->code, 126);
    assert_non_null(strstr(result->message, "too long"));
    pool_job_release(job);
    pool_free(pool);
    free(big);
}

/* ---- environment and directory ----------------------------------------------------------------------------------- */

static void test_command_has_the_hosts_environment_and_directory(void **state)
{
    (void)state;
    char here[4096], line[5000];
    assert_non_null(getcwd(here, sizeof here));
    pool_t *pool = support_open(1, 0);
    setenv("RECLAIM_TEST_WORD", "at submit", 1); /* after the pool was opened */
    assert_int_equal(chdir("/usr"), 0);
    expect_shell(pool, "echo $RECLAIM_TEST_WORD; pwd", "at submit\n/usr\n");
    assert_int_equal(chdir(here), 0);
    unsetenv("RECLAIM_TEST_WORD");
    snprintf(line, sizeof line, "[ \"$(pwd -P)\" = \"$(cd '%s' && pwd -P)\" ] && echo \"${RECLAIM_TEST_WORD-none}\"",
             here);
    expect_shell(pool, line, "none\n");
    pool_free(pool);
}

static void test_command_has_the_given_environment_and_directory(void **state)
{
    (void)state;
    const char *argv[] = {"env", NULL}, *envp[] = {"PATH=/usr/bin:/bin", "ONE=1", "EMPTY=", NULL};
    const char *pwd[] = {"pwd", NULL}, *bare[] = {NULL};
    pool_job_t *job;
    pool_t *pool = support_open(1, 0);
    pool_command_t command = {.argv = argv, .envp = envp, .cwd = "/", .stdout_mode = POOL_STREAM_CAPTURE};
    expect_output(run(pool, &command, NULL, &job), "PATH=/usr/bin:/bin\nONE=1\nEMPTY=\n");
    pool_job_release(job);
    command.argv = pwd;
    expect_output(run(pool, &command, NULL, &job), "/\n");
    pool_job_release(job);
    command.argv = (const char *[]){"/usr/bin/env", NULL};
    command.envp = bare;
    expect_output(run(pool, &command, NULL, &job), "");
    pool_job_release(job);
    pool_free(pool);
}

static void test_command_is_looked_up_in_the_jobs_path(void **state)
{
    (void)state;
    char directory[] = "/tmp/reclaim-path-XXXXXX", path[64], variable[64];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/reclaim-own-tool", directory);
    snprintf(variable, sizeof variable, "PATH=%s:/bin", directory);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs("#!/bin/sh\necho mine\n", file);
    fclose(file);
    assert_int_equal(chmod(path, 0700), 0);
    const char *argv[] = {"reclaim-own-tool", NULL}, *envp[] = {variable, NULL};
    const pool_command_t command = {.argv = argv, .envp = envp, .stdout_mode = POOL_STREAM_CAPTURE};
    pool_job_t *job;
    pool_t *pool = support_open(1, 0);
    expect_output(run(pool, &command, NULL, &job), "mine\n");
    pool_job_release(job);
    pool_free(pool);
    unlink(path);
    rmdir(directory);
}

static void expect_tunables(pool_t *pool, const char *given, const char *expected)
{
    const char *argv[] = {"/bin/sh", "-c", "echo $GLIBC_TUNABLES", NULL}, *envp[] = {"A=1", given, NULL};
    const pool_command_t command = {.argv = argv, .envp = envp, .stdout_mode = POOL_STREAM_CAPTURE};
    const pool_job_options_t options = {.huge_pages = true};
    pool_job_t *job;
    expect_output(run(pool, &command, &options, &job), expected);
    pool_job_release(job);
}

static void test_command_huge_pages_by_glibc_tunable(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    expect_tunables(pool, NULL, "glibc.malloc.hugetlb=1\n");
    expect_tunables(pool, "GLIBC_TUNABLES=", "glibc.malloc.hugetlb=1\n");
    expect_tunables(pool, "GLIBC_TUNABLES=glibc.malloc.tcache_count=5",
                    "glibc.malloc.tcache_count=5:glibc.malloc.hugetlb=1\n");
    expect_tunables(pool, "GLIBC_TUNABLES=glibc.malloc.hugetlb=0", "glibc.malloc.hugetlb=0\n");
    expect_shell(pool, "echo ${GLIBC_TUNABLES-none}", "none\n");
    pool_free(pool);
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

static void test_command_stdin_is_empty_by_default(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    expect_shell(pool, "cat; readlink /proc/self/fd/0", "/dev/null\n");
    pool_free(pool);
}

static void expect_stdin_bytes(pool_t *pool, const char *data, size_t size)
{
    const char *argv[] = {"cat", NULL};
    char *copy = malloc(size + 1);
    assert_non_null(copy);
    memcpy(copy, data, size);
    const pool_command_t command = {.argv = argv,
                                    .stdin_mode = POOL_STDIN_BYTES,
                                    .stdin_bytes = {size == 0 ? NULL : copy, size},
                                    .stdout_mode = POOL_STREAM_CAPTURE};
    pool_job_t *job;
    assert_int_equal(pool_submit_command(pool, &command, NULL, &job), 0);
    memset(copy, 'z', size);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->out_size, size);
    assert_memory_equal(result->out, data, size);
    pool_job_release(job);
    free(copy);
}

static void test_command_stdin_bytes(void **state)
{
    (void)state;
    char *large = malloc(LARGE);
    assert_non_null(large);
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (char)(i * 31 >> 4);
    pool_t *pool = support_open(1, 0);
    expect_stdin_bytes(pool, large, 0);
    expect_stdin_bytes(pool, "a line\n", 7);
    expect_stdin_bytes(pool, large, 100000);
    expect_stdin_bytes(pool, large, LARGE);
    pool_free(pool);
    free(large);
}

static void test_command_stdin_from_a_descriptor(void **state)
{
    (void)state;
    const char *argv[] = {"cat", NULL};
    int ends[2];
    pool_job_t *job;
    support_pipe(ends);
    pool_t *pool = support_open(1, 0);
    const pool_command_t command = {
        .argv = argv, .stdin_mode = POOL_STDIN_FD, .stdin_fd = ends[0], .stdout_mode = POOL_STREAM_CAPTURE};
    assert_int_equal(pool_submit_command(pool, &command, NULL, &job), 0);
    close(ends[0]); /* submit has taken its own */
    assert_int_equal(write(ends[1], "through a pipe", 14), 14);
    close(ends[1]); /* the command sees the end: nobody else holds the writing end */
    expect_output(support_wait(job), "through a pipe");
    pool_job_release(job);
    pool_free(pool);
}

/* The host's own standard descriptors, replaced for the length of a test. */
static int replace(int fd, int by)
{
    fflush(stdout);
    const int saved = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    assert_true(saved >= 0);
    assert_int_equal(dup2(by, fd), fd);
    return saved;
}

static void restore(int fd, int saved)
{
    dup2(saved, fd);
    close(saved);
}

static void test_command_inherits_the_hosts_streams_of_the_moment(void **state)
{
    (void)state;
    const char *argv[] = {"/bin/sh", "-c", "cat; echo err >&2", NULL};
    const pool_command_t command = {.argv = argv, .stdin_mode = POOL_STDIN_INHERIT};
    char text[64] = "";
    pool_job_t *job;
    pool_t *pool = support_open(1, 0); /* before they are replaced */
    FILE *in = tmpfile(), *out = tmpfile();
    assert_true(in != NULL && out != NULL);
    fputs("from stdin\n", in);
    rewind(in);
    const int saved[] = {replace(0, fileno(in)), replace(1, fileno(out)), replace(2, fileno(out))};
    const int rc = pool_submit_command(pool, &command, NULL, &job);
    if (rc == 0)
        pool_job_wait(job, -1);
    for (int i = 0; i < 3; i++)
        restore(i, saved[i]);
    assert_int_equal(rc, 0);
    support_expect(pool_job_result(job), POOL_DONE, POOL_CAUSE_EXITED);
    assert_null(pool_job_result(job)->out);
    assert_int_equal(pread(fileno(out), text, sizeof text - 1, 0), 15);
    assert_string_equal(text, "from stdin\nerr\n");
    pool_job_release(job);
    pool_free(pool);
    fclose(in);
    fclose(out);
}

static void test_command_streams_to_descriptors_and_nowhere(void **state)
{
    (void)state;
    const char *argv[] = {"/bin/sh", "-c", "echo out; echo err >&2", NULL};
    char text[64] = "";
    pool_job_t *job;
    FILE *file = tmpfile();
    assert_non_null(file);
    pool_t *pool = support_open(1, 0);
    pool_command_t command = {
        .argv = argv, .stdout_mode = POOL_STREAM_FD, .stdout_fd = fileno(file), .stderr_mode = POOL_STREAM_CAPTURE};
    const pool_result_t *result = run(pool, &command, NULL, &job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_null(result->out);
    assert_string_equal(result->err, "err\n");
    assert_int_equal(pread(fileno(file), text, sizeof text, 0), 4);
    assert_memory_equal(text, "out\n", 4);
    pool_job_release(job);
    command.stdout_mode = POOL_STREAM_DISCARD;
    command.stderr_mode = POOL_STREAM_DISCARD;
    result = run(pool, &command, NULL, &job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_null(result->out);
    assert_null(result->err);
    assert_int_equal(pread(fileno(file), text, sizeof text, 0), 4);
    pool_job_release(job);
    pool_free(pool);
    fclose(file);
}

static void test_command_large_output(void **state)
{
    (void)state;
    pool_job_t *job;
    pool_t *pool = support_open(1, 0);
    const pool_result_t *result =
        run_shell(pool, "head -c 3000000 /dev/zero; head -c 200000 /dev/zero >&2", NULL, &job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(result->out_size, 3000000);
    assert_int_equal(result->err_size, 200000);
    pool_job_release(job);
    const pool_job_options_t options = {.output_limit = 5000};
    result = run_shell(pool, "yes", &options, &job);
    support_expect(result, POOL_FAILED, POOL_CAUSE_OUTPUT_LIMIT);
    assert_int_equal(result->out_size, 5000);
    assert_true(result->truncated);
    pool_job_release(job);
    pool_free(pool);
}

static void test_command_gets_descriptors_from_three(void **state)
{
    (void)state;
    FILE *files[2] = {tmpfile(), tmpfile()};
    assert_true(files[0] != NULL && files[1] != NULL);
    const int fds[] = {fileno(files[0]), fileno(files[1])};
    const pool_job_options_t options = {.fds = fds, .fd_count = 2};
    char text[16] = "";
    pool_job_t *job;
    pool_t *pool = support_open(1, 0);
    const char *line = "echo three >&3; echo four >&4; for i in /proc/self/fd/*; do case $i in */[0-4]) ;; *) "
                       "[ -e $i ] && echo $i;; esac; done; true";
    expect_output(run_shell(pool, line, &options, &job), "");
    assert_int_equal(pread(fds[0], text, sizeof text, 0), 6);
    assert_memory_equal(text, "three\n", 6);
    assert_int_equal(pread(fds[1], text, sizeof text, 0), 5);
    assert_memory_equal(text, "four\n", 5);
    pool_job_release(job);
    pool_free(pool);
    fclose(files[0]);
    fclose(files[1]);
}

/* ---- signals ----------------------------------------------------------------------------------------------------- */

/* Each says its own number, wherever it stands: in an order that has to be turned round, above the soft limit, and over
 * what the worker itself has open. */
static void expect_numbers(pool_t *pool, const int32_t *numbers, size_t count)
{
    enum { MOST = 4 };
    FILE *files[MOST];
    int fds[MOST];
    char line[512] = "";
    pool_job_t *job;
    for (size_t i = 0; i < count; i++) {
        files[i] = tmpfile();
        assert_non_null(files[i]);
        fds[i] = fileno(files[i]);
        const size_t size = strlen(line);
        snprintf(line + size, sizeof line - size, "echo %zu >/proc/self/fd/%d; ", i, numbers[i]);
    }
    strcat(line, "ls /proc/self/fd");
    const char *argv[] = {"/bin/sh", "-c", line, NULL};
    const pool_command_t command = {.argv = argv, .stdout_mode = POOL_STREAM_CAPTURE, .fd_numbers = numbers};
    const pool_job_options_t options = {.fds = fds, .fd_count = count};
    const pool_result_t *result = run(pool, &command, &options, &job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    size_t open_count = 0;
    for (const char *at = result->out; (at = strchr(at, '\n')) != NULL; at++)
        open_count++;
    assert_int_equal(open_count, 3 + count + 1); /* and the directory that ls reads */
    for (size_t i = 0; i < count; i++) {
        char text[8] = "";
        assert_int_equal(pread(fds[i], text, sizeof text, 0), 2);
        assert_int_equal(text[0], '0' + (int)i);
        fclose(files[i]);
    }
    pool_job_release(job);
}

static void test_command_gets_descriptors_at_their_numbers(void **state)
{
    (void)state;
    struct rlimit before, low;
    getrlimit(RLIMIT_NOFILE, &before);
    low = (struct rlimit){.rlim_cur = 100, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &low);
    pool_t *pool = support_open(1, 0);
    expect_numbers(pool, (const int32_t[]){9}, 1);
    expect_numbers(pool, (const int32_t[]){4, 3}, 2);
    expect_numbers(pool, (const int32_t[]){5, 3, 4}, 3);
    expect_numbers(pool, (const int32_t[]){6, 5, 4, 3}, 4);
    expect_numbers(pool, (const int32_t[]){32, 33, 34, 63}, 4);
    expect_numbers(pool, (const int32_t[]){39, 40, 3, 99}, 4);
    if (before.rlim_max > 900)
        expect_numbers(pool, (const int32_t[]){3, 900, 4}, 3);
    pool_free(pool);
    setrlimit(RLIMIT_NOFILE, &before);
}

static void test_command_starts_in_a_directory_that_was_removed(void **state)
{
    (void)state;
    char directory[] = "/tmp/pool_commandXXXXXX";
    const int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    pool_t *pool = support_open(1, 0);
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    assert_int_equal(rmdir(directory), 0);
    expect_shell(pool, "readlink /proc/self/cwd | tail -c 10", "(deleted)\n");
    assert_int_equal(fchdir(here), 0);
    close(here);
    pool_free(pool);
}

static void test_command_has_the_hosts_mask_and_ignored_signals(void **state)
{
    (void)state;
    sigset_t mask, old;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    void (*const before)(int) = signal(SIGUSR1, SIG_IGN);
    pthread_sigmask(SIG_BLOCK, &mask, &old);
    pool_t *pool = support_open(1, 0);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    signal(SIGUSR1, before);
    char expected[128];
    snprintf(expected, sizeof expected, "SigBlk:\t%016llx\nSigIgn:\t%016llx\n", 1ULL << (SIGUSR2 - 1),
             1ULL << (SIGUSR1 - 1));
    expect_shell(pool, "exec grep -E 'SigBlk|SigIgn' /proc/self/status", expected);
    pool_free(pool);
}

static void test_command_timeout_ends_what_it_daemonised(void **state)
{
    (void)state;
    /* Two that have left the session, one that ignores SIGTERM; each says its pid. */
    const char *line = "(setsid sh -c 'trap \"\" TERM; echo $$ >&3; while :; do sleep 1000; done' &) ; "
                       "(setsid sh -c 'echo $$ >&3; exec sleep 1000' &) ; echo $$ >&3; exec sleep 1000";
    int ends[2], pids[3];
    support_pipe(ends);
    const pool_job_options_t options = {
        .timeout_ms = 2 * SETUP_MS, .kill_after_ms = 60000, .fds = &ends[1], .fd_count = 1};
    pool_job_t *job;
    pool_t *pool = support_open(1, 0);
    const pool_result_t *result = run_shell(pool, line, &options, &job);
    support_expect(result, POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    assert_int_equal(result->signal, SIGTERM);
    close(ends[1]);
    FILE *said = fdopen(ends[0], "r");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fscanf(said, "%d", &pids[i]), 1);
        assert_int_equal(kill(pids[i], 0), -1);
    }
    assert_true(result->usage.processes >= 3);
    assert_true(result->usage.processes_killed >= 2);
    fclose(said);
    pool_job_release(job);
    pool_free(pool);
}

static void test_command_leaves_nothing_behind_when_it_is_done(void **state)
{
    (void)state;
    int ends[2], pid;
    support_pipe(ends);
    const pool_job_options_t options = {.fds = &ends[1], .fd_count = 1};
    pool_job_t *job;
    pool_t *pool = support_open(1, 0);
    /* The command waits until the daemon has said its pid. */
    const char *line = "p=$(mktemp -u); mkfifo $p; (setsid sh -c \"echo \\$\\$ >&3; echo > $p; exec sleep 1000\" "
                       ">/dev/null 2>&1 &); read x < $p; rm $p; echo over";
    const pool_result_t *result = run_shell(pool, line, &options, &job);
    expect_output(result, "over\n");
    close(ends[1]);
    FILE *said = fdopen(ends[0], "r");
    assert_int_equal(fscanf(said, "%d", &pid), 1);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(result->usage.processes_killed, 1);
    fclose(said);
    pool_job_release(job);
    pool_free(pool);
}

static void test_command_ignoring_sigterm_is_killed(void **state)
{
    (void)state;
    const pool_job_options_t options = {.timeout_ms = SETUP_MS, .kill_after_ms = 100};
    pool_job_t *job;
    pool_t *pool = support_open(1, 0);
    const pool_result_t *result = run_shell(pool, "trap '' TERM; while :; do sleep 1000; done", &options, &job);
    support_expect(result, POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    assert_int_equal(result->signal, SIGKILL);
    pool_job_release(job);
    pool_free(pool);
}

static void test_command_early_tells_why_it_died(void **state)
{
    (void)state;
    const pool_job_options_t brief = {.timeout_ms = 100, .kill_after_ms = 60000, .early = true};
    const pool_job_options_t options = {.early = true};
    pool_job_t *job;
    pool_t *pool = support_open(1, 0);
    support_expect(run_shell(pool, "exec sleep 1000", &brief, &job), POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    pool_job_release(job);
    support_expect(run_shell(pool, "exit 3", &options, &job), POOL_FAILED, POOL_CAUSE_EXITED);
    pool_job_release(job);
    expect_output(run_shell(pool, "echo early", &options, &job), "early\n");
    pool_job_release(job);
    pool_free(pool);
}

static void test_command_exiting_on_sigterm_is_still_the_timeout(void **state)
{
    (void)state;
    const pool_job_options_t options = {.timeout_ms = SETUP_MS, .kill_after_ms = 60000};
    pool_job_t *job;
    pool_t *pool = support_open(1, 0);
    const pool_result_t *result =
        run_shell(pool, "trap 'exit 9' TERM; while :; do sleep 1000 & wait; done", &options, &job);
    support_expect(result, POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    assert_int_equal(result->code, 9);
    pool_job_release(job);
    pool_free(pool);
}

static void expect_cpu_limit(pool_t *pool, const char *line, int signal_number)
{
    const pool_job_options_t options = {.cpu_ms = 1000};
    pool_job_t *job;
    const pool_result_t *result = run_shell(pool, line, &options, &job);
    support_expect(result, POOL_TIMED_OUT, POOL_CAUSE_CPU_LIMIT);
    assert_int_equal(result->signal, signal_number);
    pool_job_release(job);
}

static void test_command_cpu_limit(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    expect_cpu_limit(pool, "while :; do :; done", SIGXCPU);
    expect_cpu_limit(pool, "trap '' XCPU; while :; do :; done", SIGKILL);
    pool_free(pool);
}

/* A stop that is not the terminal's, to a command in front of it, defeats no limit. */
static void expect_timeout(pool_t *pool, const char *line, bool foreground, const pool_job_options_t *options)
{
    const char *argv[] = {"/bin/sh", "-c", line, NULL};
    const pool_command_t command = {.argv = argv, .foreground = foreground};
    pool_job_t *job;
    support_expect(run(pool, &command, options, &job), POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    pool_job_release(job);
}

/* SIGTERM would wait in a process that is stopped: the grace is longer than the test may take. */
static const pool_job_options_t until_timeout = {.timeout_ms = 200, .kill_after_ms = 3600000};
static const pool_job_options_t until_deadline = {.deadline_ms = 200, .kill_after_ms = 3600000};

static void test_command_stopping_itself_has_its_timeout(void **state)
{
    (void)state;
    pool_t *pool = support_open(1, 0);
    expect_timeout(pool, "kill -STOP $$", false, &until_timeout);
    expect_timeout(pool, "kill -STOP $$", true, &until_timeout);
    expect_timeout(pool, "kill -TSTP $$", false, &until_timeout);
    expect_timeout(pool, "kill -TTIN $$", false, &until_timeout);
    expect_timeout(pool, "kill -STOP $$", false, &until_deadline);
    expect_timeout(pool, "kill -TSTP $$", false, &until_deadline);
    expect_timeout(pool, "setsid sh -c 'kill -STOP $$' & sh -c 'kill -STOP $$' & kill -STOP $$", false, &until_timeout);
    pool_free(pool);
}

static int stop_itself(pool_call_t *call)
{
    raise(*(const int *)pool_call_arg(call, NULL));
    return pause();
}

static int stop_with_a_child(pool_call_t *call)
{
    const pid_t child = fork();
    if (child == 0)
        pause();
    kill(child, SIGSTOP);
    return stop_itself(call);
}

/* Touches 128 MiB at once, so that no look comes before the stop. */
static int stop_with_much(pool_call_t *call)
{
    const size_t size = (size_t)128 << 20;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    return memory == MAP_FAILED ? 1 : stop_itself(call);
}

static void expect_ended(pool_t *pool, pool_fn fn, const pool_job_options_t *options, pool_outcome_t outcome,
                         pool_cause_t cause)
{
    const int signals[] = {SIGSTOP, SIGTSTP, SIGTTOU};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        pool_job_t *job = support_submit(pool, fn, &signals[i], sizeof signals[i], options);
        support_expect(support_wait(job), outcome, cause);
        pool_job_release(job);
    }
}

static void test_command_function_stopping_itself_has_its_limits(void **state)
{
    (void)state;
    const pool_job_options_t memory = {.memory_limit = 64 << 20, .kill_after_ms = 3600000};
    pool_t *pool = support_open(1, 0);
    expect_ended(pool, stop_itself, &until_timeout, POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    expect_ended(pool, stop_itself, &until_deadline, POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    expect_ended(pool, stop_with_a_child, &until_timeout, POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    expect_ended(pool, stop_with_much, &memory, POOL_OUT_OF_MEMORY, POOL_CAUSE_MEMORY_LIMIT);
    pool_free(pool);
}

/* The worker that waits for its end: were it left stopped, nobody would hear of that. */
static void test_command_stopping_its_worker(void **state)
{
    (void)state;
    const pool_job_options_t options = {.cpu_ms = 1000};
    pool_job_t *job;
    pool_t *pool = support_open(1, 0);
    const pool_result_t *result = run_shell(pool, "kill -STOP $PPID; exit 3", NULL, &job);
    support_expect(result, POOL_FAILED, POOL_CAUSE_EXITED);
    assert_int_equal(result->code, 3);
    pool_job_release(job);
    result = run_shell(pool, "kill -STOP $PPID; while :; do :; done", &options, &job);
    support_expect(result, POOL_TIMED_OUT, POOL_CAUSE_CPU_LIMIT);
    pool_job_release(job);
    expect_timeout(pool, "kill -STOP $PPID; kill -STOP $$", false, &until_timeout);
    pool_free(pool);
}

/* ---- asked to end ------------------------------------------------------------------------------------------------ */

/* Each process writes a letter to 3 when SIGTERM comes, and stays until SIGKILL does. */
#define STAY(letter) "trap 'echo " letter " >&3' TERM; echo ready >&3; while :; do read x <&4; done"

/* Reads as many lines; 0: all until end-of-file. */
static void count_letters(int fd, int counts[26], size_t most)
{
    for (size_t lines = 0; most == 0 || lines < most;) {
        const int byte = support_await_byte(fd);
        if (byte < 0)
            return;
        if (byte >= 'A' && byte <= 'Z')
            counts[byte - 'A']++;
        lines += byte == '\n';
    }
}

/* The command, its child, a grandchild in a session of its own and an orphan each get one SIGTERM. */
static void expect_all_asked(bool foreground)
{
    pool_t *pool = support_open(1, 0);
    int said[2], never[2], counts[26] = {0};
    support_pipe(said);
    support_pipe(never);
    const int fds[] = {said[1], never[0]};
    const char *argv[] = {
        "/bin/sh", "-c",
        "sh -c \"" STAY("B") "\" & setsid sh -c \"" STAY("C") "\" & (sh -c \"" STAY("D") "\" &) ; " STAY("A"), NULL};
    const pool_command_t command = {.argv = argv, .foreground = foreground};
    const pool_job_options_t options = {.fds = fds, .fd_count = 2, .kill_after_ms = 60000};
    pool_job_t *job;
    assert_int_equal(pool_submit_command(pool, &command, &options, &job), 0);
    close(said[1]);
    count_letters(said[0], counts, 4);
    assert_int_equal(pool_job_cancel(job), 0);
    count_letters(said[0], counts, 4);
    pool_free(pool);
    support_expect(support_wait(job), POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    count_letters(said[0], counts, 0);
    for (int letter = 0; letter < 4; letter++)
        assert_int_equal(counts[letter], 1);
    pool_job_release(job);
    close(said[0]);
    close(never[0]);
    close(never[1]);
}

static void test_command_ends_with_all_of_its_tree_asked_once(void **state)
{
    (void)state;
    expect_all_asked(false);
    expect_all_asked(true);
}

/* A shell that has set a trap runs it when what it waits for has ended, too: at once, for that has been asked as well.
 */
static void test_command_in_front_cleans_up_at_its_timeout(void **state)
{
    (void)state;
    const char *argv[] = {"/bin/sh", "-c", "trap 'echo cleanup; exit 3' TERM; sleep 1000; echo late", NULL};
    const pool_command_t command = {.argv = argv, .foreground = true, .stdout_mode = POOL_STREAM_CAPTURE};
    const pool_job_options_t options = {.timeout_ms = 300, .kill_after_ms = 60000};
    pool_job_t *job;
    pool_t *pool = support_open(1, 0);
    const pool_result_t *result = run(pool, &command, &options, &job);
    support_expect(result, POOL_TIMED_OUT, POOL_CAUSE_TIMEOUT);
    assert_string_equal(result->out, "cleanup\n");
    assert_int_equal(result->code, 3);
    pool_job_release(job);
    pool_free(pool);
}

/* A function's process and what it has started, in sessions of their own, too. */
static int word_fd;

static void say_term(int signal_number)
{
    (void)signal_number;
    if (write(word_fd, "T\n", 2) != 2)
        _exit(1);
}

static int fork_and_stay(pool_call_t *call)
{
    word_fd = pool_call_fd(call, 0);
    signal(SIGTERM, say_term);
    for (int i = 0; i < 2; i++)
        if (fork() == 0) {
            if (i == 1)
                setsid();
            break;
        }
    if (write(word_fd, "\n", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

static void test_command_functions_are_asked_with_all_they_started(void **state)
{
    (void)state;
    int said[2], counts[26] = {0};
    support_pipe(said);
    const pool_job_options_t options = {.fds = &said[1], .fd_count = 1, .kill_after_ms = 60000};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job = support_submit(pool, fork_and_stay, NULL, 0, &options);
    close(said[1]);
    count_letters(said[0], counts, 3);
    assert_int_equal(pool_job_cancel(job), 0);
    count_letters(said[0], counts, 3);
    pool_free(pool);
    support_expect(support_wait(job), POOL_CANCELLED, POOL_CAUSE_CANCELLED);
    count_letters(said[0], counts, 0);
    assert_int_equal(counts['T' - 'A'], 3);
    pool_job_release(job);
    close(said[0]);
}

struct halts {
    atomic_int stopped, continued; /* the signal; how often */
    int go_on;                     /* the command ends when there is a line to read */
};

static void note_halt(pool_job_t *job, const pool_event_t *event, void *user)
{
    struct halts *halts = user;
    if (event->kind == POOL_EVENT_STOPPED) {
        atomic_store(&halts->stopped, event->signal);
        assert_int_equal(pool_job_signal(job, SIGCONT), 0);
    } else if (event->kind == POOL_EVENT_CONTINUED) {
        atomic_fetch_add(&halts->continued, 1);
        assert_int_equal(write(halts->go_on, "\n", 1), 1);
    }
}

/* Whoever listens hears that it was stopped, by what, and that it goes on. */
static void test_command_tells_that_it_is_stopped(void **state)
{
    (void)state;
    int ends[2];
    support_pipe(ends);
    struct halts halts = {.go_on = ends[1]};
    const pool_job_options_t options = {.fds = &ends[0], .fd_count = 1, .on_event = note_halt, .user = &halts};
    pool_job_t *job;
    pool_t *pool = support_open(1, 0);
    const pool_result_t *result = run_shell(pool, "kill -TSTP $$; read line <&3", &options, &job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    assert_int_equal(atomic_load(&halts.stopped), SIGTSTP);
    assert_int_equal(atomic_load(&halts.continued), 1);
    pool_job_release(job);
    pool_free(pool);
    close(ends[0]);
    close(ends[1]);
}

/* A command without standard streams; what tells is at 3. */
static void test_command_streams_closed(void **state)
{
    (void)state;
    const char *argv[] = {"/bin/sh", "-c", "for fd in 0 1 2; do [ ! -e /proc/$$/fd/$fd ] || echo $fd >&3; done", NULL};
    const pool_command_t command = {.argv = argv,
                                    .stdin_mode = POOL_STDIN_CLOSED,
                                    .stdout_mode = POOL_STREAM_CLOSED,
                                    .stderr_mode = POOL_STREAM_CLOSED};
    int ends[2];
    char said[8];
    support_pipe(ends);
    const pool_job_options_t options = {.fds = &ends[1], .fd_count = 1};
    pool_job_t *job;
    pool_t *pool = support_open(1, 0);
    const pool_result_t *result = run(pool, &command, &options, &job);
    support_expect(result, POOL_DONE, POOL_CAUSE_EXITED);
    close(ends[1]);
    assert_int_equal(read(ends[0], said, sizeof said), 0);
    close(ends[0]);
    pool_job_release(job);
    pool_free(pool);
}

/* ---- again ------------------------------------------------------------------------------------------------------- */

static void test_command_attempts_read_stdin_from_the_start(void **state)
{
    (void)state;
    char path[64];
    make_file(path, "", 0600);
    const char *line = "cat; if [ -s \"$0\" ]; then exit 0; fi; echo tried > \"$0\"; exit 5";
    const char *argv[] = {"/bin/sh", "-c", line, path, NULL};
    const pool_command_t command = {.argv = argv,
                                    .stdin_mode = POOL_STDIN_BYTES,
                                    .stdin_bytes = {"again and again", 15},
                                    .stdout_mode = POOL_STREAM_CAPTURE};
    const pool_job_options_t options = {.retries = 3, .retry_on = POOL_RETRY_ON(POOL_FAILED)};
    pool_job_t *job;
    pool_t *pool = support_open(1, 0);
    const pool_result_t *result = run(pool, &command, &options, &job);
    expect_output(result, "again and again");
    assert_int_equal(result->usage.attempt, 2);
    pool_job_release(job);
    pool_free(pool);
    unlink(path);
}

static void test_command_many_at_once(void **state)
{
    (void)state;
    enum { COUNT = 30 };
    pool_job_t *jobs[COUNT];
    pool_t *pool = support_open(4, 0);
    for (int i = 0; i < COUNT; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        const char *argv[] = {"/bin/sh", "-c", "exit $0", number, NULL};
        const pool_command_t command = {.argv = argv};
        assert_int_equal(pool_submit_command(pool, &command, NULL, &jobs[i]), 0);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(support_wait(jobs[i])->code, i);
        assert_int_equal(pool_job_result(jobs[i])->usage.processes, 1);
        pool_job_release(jobs[i]);
    }
    pool_free(pool);
}

/* ---- signals ----------------------------------------------------------------------------------------------------- */

static int take_signal(pool_call_t *call)
{
    sigset_t set;
    int signal_number;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    gate_say(call, getpid());
    sigwait(&set, &signal_number);
    return signal_number == SIGUSR2 ? 0 : 1;
}

static void test_command_signals_reach_commands_and_functions(void **state)
{
    (void)state;
    int ends[2];
    support_pipe(ends);
    const char *argv[] = {"sh", "-c", "trap 'exit 5' USR1; echo >&3; while :; do sleep 0.01; done", NULL};
    const pool_command_t command = {.argv = argv};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job;
    assert_int_equal(pool_submit_command(pool, &command, &(pool_job_options_t){.fds = &ends[1], .fd_count = 1}, &job),
                     0);
    assert_int_equal(support_await_byte(ends[0]), '\n');
    assert_int_equal(pool_job_signal(job, SIGKILL), -EINVAL);
    assert_int_equal(pool_job_signal(job, SIGSTOP), -EINVAL);
    assert_int_equal(pool_job_signal(job, SIGCHLD), -EINVAL);
    assert_int_equal(pool_job_signal(job, SIGRTMAX + 1), -EINVAL);
    assert_int_equal(pool_job_signal(job, 0), -EINVAL);
    assert_int_equal(pool_job_signal(NULL, SIGUSR1), -EINVAL);
    assert_int_equal(pool_job_signal(job, SIGUSR1), 0);
    const pool_result_t *result = support_wait(job);
    support_expect(result, POOL_FAILED, POOL_CAUSE_EXITED);
    assert_int_equal(result->code, 5);
    assert_int_equal(pool_job_signal(job, SIGUSR1), -ESRCH);
    pool_job_release(job);
    struct gate gate;
    gate_open(&gate);
    const pool_job_options_t options = gate_options(&gate);
    job = support_submit(pool, take_signal, NULL, 0, &options);
    gate_await(&gate);
    assert_int_equal(pool_job_signal(job, SIGUSR2), 0);
    support_expect(support_wait(job), POOL_DONE, POOL_CAUSE_EXITED);
    pool_job_release(job);
    pool_free(pool);
    gate_close(&gate);
    close(ends[0]);
    close(ends[1]);
}

/* A shell with a trap for each of these says which came; what others send to the worker is for nobody. */
static void test_command_gets_every_signal_that_is_sent_to_its_job(void **state)
{
    (void)state;
    const int signals[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTRAP, SIGABRT,      SIGBUS,   SIGFPE,    SIGUSR1,  SIGUSR2,
                           SIGPIPE, SIGALRM, SIGTERM, SIGCONT, SIGTSTP,      SIGTTIN,  SIGTTOU,   SIGURG,   SIGXCPU,
                           SIGXFSZ, SIGPROF, SIGIO,   SIGPWR,  SIGRTMIN + 3, SIGRTMAX, SIGVTALRM, SIGWINCH, SIGSYS};
    int ends[2], never[2];
    char line[64];
    support_pipe(ends);
    support_pipe(never);
    const char *argv[] = {"bash", "-c",
                          "for s in {1..64}; do trap \"echo $s >&3\" $s; done 2>/dev/null; echo 0 >&3;"
                          "while :; do read -t 0.01 -u 4; done",
                          NULL};
    const int fds[] = {ends[1], never[0]};
    const pool_command_t command = {.argv = argv};
    pool_t *pool = support_open(1, 0);
    pool_job_t *job;
    assert_int_equal(pool_submit_command(pool, &command, &(pool_job_options_t){.fds = fds, .fd_count = 2}, &job), 0);
    FILE *said = fdopen(ends[0], "r");
    assert_non_null(fgets(line, sizeof line, said));
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        assert_int_equal(pool_job_signal(job, signals[i]), 0);
        do {
            assert_non_null(fgets(line, sizeof line, said));
        } while (atoi(line) == SIGCHLD);
        assert_int_equal(atoi(line), signals[i]);
    }
    assert_int_equal(pool_job_cancel(job), 0);
    pool_job_wait(job, -1);
    pool_job_release(job);
    pool_free(pool);
    fclose(said);
    close(ends[1]);
    close(never[0]);
    close(never[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SUPPORT_TEST(test_command_exit_codes_and_signals),
        SUPPORT_TEST(test_command_that_cannot_be_executed),
        SUPPORT_TEST(test_command_scripts_run_with_and_without_interpreter_line),
        SUPPORT_TEST(test_command_too_large),
        SUPPORT_TEST(test_command_has_the_hosts_environment_and_directory),
        SUPPORT_TEST(test_command_has_the_given_environment_and_directory),
        SUPPORT_TEST(test_command_is_looked_up_in_the_jobs_path),
        SUPPORT_TEST(test_command_huge_pages_by_glibc_tunable),
        SUPPORT_TEST(test_command_stdin_is_empty_by_default),
        SUPPORT_TEST(test_command_stdin_bytes),
        SUPPORT_TEST(test_command_stdin_from_a_descriptor),
        SUPPORT_TEST(test_command_inherits_the_hosts_streams_of_the_moment),
        SUPPORT_TEST(test_command_streams_to_descriptors_and_nowhere),
        SUPPORT_TEST(test_command_large_output),
        SUPPORT_TEST(test_command_gets_descriptors_from_three),
        SUPPORT_TEST(test_command_gets_descriptors_at_their_numbers),
        SUPPORT_TEST(test_command_starts_in_a_directory_that_was_removed),
        SUPPORT_TEST(test_command_has_the_hosts_mask_and_ignored_signals),
        SUPPORT_TEST(test_command_timeout_ends_what_it_daemonised),
        SUPPORT_TEST(test_command_leaves_nothing_behind_when_it_is_done),
        SUPPORT_TEST(test_command_ignoring_sigterm_is_killed),
        SUPPORT_TEST(test_command_early_tells_why_it_died),
        SUPPORT_TEST(test_command_exiting_on_sigterm_is_still_the_timeout),
        SUPPORT_TEST(test_command_cpu_limit),
        SUPPORT_TEST(test_command_stopping_itself_has_its_timeout),
        SUPPORT_TEST(test_command_function_stopping_itself_has_its_limits),
        SUPPORT_TEST(test_command_stopping_its_worker),
        SUPPORT_TEST(test_command_ends_with_all_of_its_tree_asked_once),
        SUPPORT_TEST(test_command_in_front_cleans_up_at_its_timeout),
        SUPPORT_TEST(test_command_functions_are_asked_with_all_they_started),
        SUPPORT_TEST(test_command_tells_that_it_is_stopped),
        SUPPORT_TEST(test_command_streams_closed),
        SUPPORT_TEST(test_command_attempts_read_stdin_from_the_start),
        SUPPORT_TEST(test_command_many_at_once),
        SUPPORT_TEST(test_command_signals_reach_commands_and_functions),
        SUPPORT_TEST(test_command_gets_every_signal_that_is_sent_to_its_job),
    };
    return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
