/* Runs over a real pool: commands and tasks, what becomes of their output, and how they end. */
#include "runs.h"

#include "form.h"
#include "statedir.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIMIT_MS 40000
#define IDS      8
#define MIB      ((int64_t)1024 * 1024)

/* What was told of a run. */
struct told {
    int starts, ends, outputs;
    struct record_end end;
    uint32_t evictions;
    char *value;
    size_t value_size;
};

struct fixture {
    char path[64];
    struct statedir state;
    struct outputs outputs;
    uv_loop_t loop;
    uv_timer_t limit;
    struct runs_options options;
    struct runs *runs;
    struct form form;
    struct told told[IDS];
    char message[512], log[512];
    uint64_t memory_limit;    /* of the next start; 0: its specification's */
    bool reserves;            /* what a job needs, before it is started */
    bool closed, late, again; /* again: job 1 is started anew when it has ended, once */
    struct record_end first;  /* of a run that was started again at its end */
};

/* ---- what is told ------------------------------------------------------------------------------------------------ */

static int start(struct fixture *fixture, uint64_t id);

static void on_started(void *user, uint64_t id)
{
    ((struct fixture *)user)->told[id].starts++;
}

static void on_output(void *user, uint64_t id)
{
    ((struct fixture *)user)->told[id].outputs++;
}

static void on_end(void *user, uint64_t id, const struct record_end *end, uint32_t evictions, pool_job_t *job)
{
    struct fixture *fixture = user;
    struct told *told = &fixture->told[id];
    told->ends++;
    told->end = *end;
    told->evictions = evictions;
    free(told->value);
    told->value = end->result_size == 0 ? NULL : malloc(end->result_size);
    told->value_size = end->result_size;
    if (told->value != NULL)
        memcpy(told->value, pool_job_result(job)->data, told->value_size);
    if (fixture->again) {
        fixture->again = false;
        fixture->first = *end;
        form_deinit(&fixture->form);
        form_init(&fixture->form);
        form_texts(&fixture->form, "command", "echo", "two", NULL);
        assert_int_equal(start(fixture, id), 0);
    }
}

static void on_log(void *user, const char *line)
{
    struct fixture *fixture = user;
    if (strstr(line, "job ") != NULL) /* the others come on the pool's thread */
        snprintf(fixture->log, sizeof fixture->log, "%s", line);
}

static void on_limit(uv_timer_t *timer)
{
    ((struct fixture *)timer->data)->late = true;
}

static void on_closed(void *user)
{
    ((struct fixture *)user)->closed = true;
}

/* ---- before and after -------------------------------------------------------------------------------------------- */

static int begin(void **state)
{
    support_begin(state);
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    strcpy(fixture->path, "/tmp/reclaim-runs-XXXXXX");
    assert_non_null(mkdtemp(fixture->path));
    assert_int_equal(statedir_open(&fixture->state, fixture->path, fixture->message), 0);
    assert_int_equal(outputs_open(&fixture->outputs, fixture->state.fd), 0);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    uv_timer_init(&fixture->loop, &fixture->limit);
    fixture->limit.data = fixture;
    uv_timer_start(&fixture->limit, on_limit, LIMIT_MS, 0);
    form_init(&fixture->form);
    fixture->options = (struct runs_options){
        .workers = 2,
        .memory_budget = POOL_NONE,
        .output_max = (uint64_t)MIB,
        .held = fixture->state.workers,
        .outputs = &fixture->outputs,
        .on_end = on_end,
        .on_started = on_started,
        .on_output = on_output,
        .log = on_log,
        .user = fixture,
    };
    *state = fixture;
    return 0;
}

static void close_runs(struct fixture *fixture)
{
    runs_close(fixture->runs, on_closed, fixture);
    while (!fixture->closed && !fixture->late)
        uv_run(&fixture->loop, UV_RUN_ONCE);
    assert_true(fixture->closed);
    fixture->runs = NULL;
    fixture->closed = false;
}

static int end(void **state)
{
    struct fixture *fixture = *state;
    char command[128];
    if (fixture->runs != NULL)
        close_runs(fixture);
    uv_close((uv_handle_t *)&fixture->limit, NULL);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    outputs_close(&fixture->outputs);
    statedir_close(&fixture->state);
    snprintf(command, sizeof command, "rm -r %s", fixture->path);
    assert_int_equal(system(command), 0);
    for (int i = 0; i < IDS; i++)
        free(fixture->told[i].value);
    form_deinit(&fixture->form);
    free(fixture);
    return support_end(state);
}

static void open_runs(struct fixture *fixture, const char *module)
{
    const char *const modules[] = {module, NULL};
    fixture->options.modules = module == NULL ? NULL : modules;
    if (runs_open(&fixture->runs, &fixture->loop, &fixture->options, fixture->message) < 0)
        fail_msg("%s", fixture->message);
}

/* NULL where nothing is to be reserved. */
static pool_reservation_t *reserve(struct fixture *fixture, const struct spec *spec, uint64_t limit)
{
    pool_reservation_t *reservation = NULL;
    size_t which = 1;
    if (!fixture->reserves)
        return NULL;
    assert_int_equal(runs_reservation_new(fixture->runs, spec, limit, &reservation), 0);
    if (pool_reserve(runs_pool(fixture->runs), &reservation, 1, &which, NULL) < 0)
        fail_msg("%s", pool_message());
    assert_int_equal(which, 0);
    return reservation;
}

/* Starts what the form says, and empties the form. */
static int start(struct fixture *fixture, uint64_t id)
{
    struct spec spec;
    struct rpc_error error;
    if (spec_read(form_map(&fixture->form), &spec, &error) < 0)
        fail_msg("%s", error.message);
    const uint64_t limit = fixture->memory_limit > 0 ? fixture->memory_limit : (uint64_t)spec.settings.memory;
    pool_reservation_t *reservation = reserve(fixture, &spec, limit);
    const int rc = runs_start(fixture->runs, id, 1, &spec, limit, reservation, fixture->message);
    form_deinit(&fixture->form);
    form_init(&fixture->form);
    return rc;
}

static void start_shell(struct fixture *fixture, uint64_t id, const char *script)
{
    form_texts(&fixture->form, "command", "sh", "-c", script, NULL);
    if (start(fixture, id) < 0)
        fail_msg("%s", fixture->message);
}

static void start_task(struct fixture *fixture, uint64_t id, const char *task)
{
    form_text(&fixture->form, "task", task);
    if (start(fixture, id) < 0)
        fail_msg("%s", fixture->message);
}

static void step(struct fixture *fixture)
{
    uv_run(&fixture->loop, UV_RUN_ONCE);
    if (fixture->late)
        fail_msg("nothing more has happened for a long time");
}

static const struct told *await_end(struct fixture *fixture, uint64_t id)
{
    const struct told *told = &fixture->told[id];
    const int before = told->ends;
    while (told->ends == before)
        step(fixture);
    return told;
}

static void await_output(struct fixture *fixture, uint64_t id)
{
    while (fixture->told[id].outputs == 0)
        step(fixture);
}

/* A run that ends is told of once, with this. */
static const struct told *expect_end(struct fixture *fixture, uint64_t id, int cause, int exit_code)
{
    const struct told *told = await_end(fixture, id);
    if (told->end.cause != cause || told->end.exit_code != exit_code)
        fail_msg("%s, exit code %d: %s", record_cause_name(told->end.cause), told->end.exit_code, told->end.message);
    assert_true(told->end.message[0] != '\0' && told->end.ended_at > 1e9);
    return told;
}

static void expect_output(struct fixture *fixture, uint64_t id, enum output_kind kind, const char *expected)
{
    char data[4096] = "";
    size_t size = sizeof data - 1;
    uint64_t total;
    assert_int_equal(outputs_read(&fixture->outputs, id, kind, 0, data, &size, &total), 0);
    assert_string_equal(data, expected);
    const struct record_end *ended = &fixture->told[id].end;
    assert_int_equal(kind == OUTPUT_STDOUT ? ended->stdout_size : ended->stderr_size, strlen(expected));
}

static pid_t fork_server(const struct fixture *fixture)
{
    pool_stats_t stats;
    assert_int_equal(pool_stats(runs_pool(fixture->runs), &stats), 0);
    return stats.fork_server_pid;
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */

static void test_runs_command(void **state)
{
    struct fixture *fixture = *state;
    open_runs(fixture, NULL);
    assert_int_equal(runs_workers(fixture->runs), 2);
    assert_null(runs_tasks(fixture->runs)[0]);
    start_shell(fixture, 1, "printf out; printf err >&2; exit 3");
    assert_int_equal(runs_count(fixture->runs), 1);
    const struct told *told = expect_end(fixture, 1, POOL_CAUSE_EXITED, 3);
    assert_int_equal(runs_count(fixture->runs), 0);
    assert_int_equal(told->end.code, 3);
    assert_true(told->starts == 1 && told->evictions == 0 && told->value == NULL && !told->end.truncated);
    assert_true(told->end.started_at > 1e9 && told->end.wall_seconds > 0 && told->end.processes >= 1);
    expect_output(fixture, 1, OUTPUT_STDOUT, "out");
    expect_output(fixture, 1, OUTPUT_STDERR, "err");
}

static void test_runs_surroundings(void **state)
{
    struct fixture *fixture = *state;
    open_runs(fixture, NULL);
    form_texts(&fixture->form, "env", "PATH=/usr/bin:/bin", "RECLAIM_JOB_ID=7", "A=b c", NULL);
    form_text(&fixture->form, "cwd", "/usr");
    form_bytes(&fixture->form, "stdin", "line\n", 5);
    start_shell(fixture, 1, "pwd; cat; env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= | sort");
    expect_end(fixture, 1, POOL_CAUSE_EXITED, 0);
    expect_output(fixture, 1, OUTPUT_STDOUT,
                  "/usr\nline\nA=b c\nPATH=/usr/bin:/bin\nRECLAIM_ATTEMPT=1\nRECLAIM_JOB_ID=1\n");
    setenv("RUNS_OWN", "kept", 1);
    start_shell(fixture, 2, "pwd; readlink /proc/self/fd/0; echo $RUNS_OWN $RECLAIM_JOB_ID");
    expect_end(fixture, 2, POOL_CAUSE_EXITED, 0);
    unsetenv("RUNS_OWN");
    expect_output(fixture, 2, OUTPUT_STDOUT, "/\n/dev/null\nkept 2\n");
}

static void test_runs_ends(void **state)
{
    struct fixture *fixture = *state;
    open_runs(fixture, NULL);
    form_texts(&fixture->form, "command", "no-such-program-here", NULL);
    assert_int_equal(start(fixture, 1), 0);
    expect_end(fixture, 1, POOL_CAUSE_NOT_FOUND, 127);
    form_texts(&fixture->form, "command", "/etc/passwd", NULL);
    assert_int_equal(start(fixture, 2), 0);
    expect_end(fixture, 2, POOL_CAUSE_NOT_EXECUTABLE, 126);
    form_double(&fixture->form, "timeout", 0.05);
    start_shell(fixture, 3, "exec sleep 1000");
    expect_end(fixture, 3, POOL_CAUSE_TIMEOUT, 124);
    start_shell(fixture, 4, "kill -HUP $$");
    assert_int_equal(expect_end(fixture, 4, POOL_CAUSE_SIGNALLED, 128 + SIGHUP)->end.signal, SIGHUP);
    form_int(&fixture->form, "memory", 16 * MIB);
    start_shell(fixture, 5, "head -c 400000000 /dev/zero | tail -n 1 | wc -c");
    const struct told *told = expect_end(fixture, 5, POOL_CAUSE_MEMORY_LIMIT, 128 + SIGKILL);
    assert_int_equal(told->end.memory_limit, 16 * MIB);
    assert_true(told->end.peak_memory > 8 * (uint64_t)MIB && told->end.memory_method != 0);
}

/* The limit of a run may be higher than its job's first, and then that much is expected. */
static void test_runs_more_memory(void **state)
{
    struct fixture *fixture = *state;
    pool_memory_t memory;
    fixture->options.memory_budget = 256 * MIB;
    open_runs(fixture, NULL);
    fixture->memory_limit = 128 * (uint64_t)MIB;
    form_int(&fixture->form, "memory", 64 * MIB);
    form_int(&fixture->form, "expected", 2 * MIB);
    start_shell(fixture, 1, "echo ready; exec sleep 1000");
    await_output(fixture, 1);
    assert_int_equal(pool_memory(runs_pool(fixture->runs), &memory), 0);
    assert_int_equal(memory.reserved_for_jobs, 128 * MIB);
    assert_int_equal(runs_cancel(fixture->runs, 1), 0);
    assert_int_equal(expect_end(fixture, 1, POOL_CAUSE_CANCELLED, 128 + SIGTERM)->end.memory_limit, 128 * MIB);
}

static void test_runs_start_refused(void **state)
{
    struct fixture *fixture = *state;
    pool_memory_t memory;
    fixture->options.memory_budget = 64 * MIB;
    open_runs(fixture, NULL);
    assert_int_equal(pool_memory(runs_pool(fixture->runs), &memory), 0);
    assert_int_equal(memory.budget, 64 * MIB);
    form_texts(&fixture->form, "command", "true", NULL);
    form_int(&fixture->form, "expected", 65 * MIB);
    assert_int_equal(start(fixture, 1), -E2BIG);
    assert_non_null(strstr(fixture->message, "job 1: memory_expected"));
    assert_int_equal(runs_count(fixture->runs), 0);
    start_shell(fixture, 1, "exit 0");
    expect_end(fixture, 1, POOL_CAUSE_EXITED, 0);
    assert_int_equal(fixture->told[1].ends, 1);
}

/* However few descriptors there are: refused in words or run, never half. */
static void test_runs_want_of_descriptors(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit old;
    open_runs(fixture, NULL);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    const rlim_t used = (rlim_t)open("/dev/null", O_RDONLY | O_CLOEXEC);
    close((int)used);
    int refused = 0;
    for (rlim_t more = 0; more < 6; more++) {
        const struct rlimit few = {.rlim_cur = used + more, .rlim_max = old.rlim_max};
        form_texts(&fixture->form, "command", "true", NULL);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        const int rc = start(fixture, 1);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        assert_true(rc == 0 || rc == -EMFILE);
        if (rc == 0)
            expect_end(fixture, 1, POOL_CAUSE_EXITED, 0);
        else
            assert_non_null(strstr(fixture->message, "Too many open files"));
        refused += rc < 0;
    }
    assert_true(refused >= 5);
    assert_int_equal(runs_count(fixture->runs), 0);
    start_shell(fixture, 1, "echo well");
    expect_end(fixture, 1, POOL_CAUSE_EXITED, 0);
    expect_output(fixture, 1, OUTPUT_STDOUT, "well\n");
}

/* However few there are: opened whole, or refused in words and nothing left of it. */
static void test_runs_open_with_few_descriptors(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit old;
    int opened = 0, refused = 0;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    const rlim_t used = (rlim_t)open("/dev/null", O_RDONLY | O_CLOEXEC);
    close((int)used);
    for (rlim_t more = 0; more < 40; more += 4) {
        const struct rlimit few = {.rlim_cur = used + more, .rlim_max = old.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        const int rc = runs_open(&fixture->runs, &fixture->loop, &fixture->options, fixture->message);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        if (rc == 0)
            close_runs(fixture);
        else
            assert_true(fixture->runs == NULL && fixture->message[0] != '\0');
        opened += rc == 0;
        refused += rc < 0;
    }
    assert_true(opened > 0 && refused > 0);
}

/* ---- output ------------------------------------------------------------------------------------------------------ */

static void test_runs_output_limit(void **state)
{
    struct fixture *fixture = *state;
    open_runs(fixture, NULL);
    form_int(&fixture->form, "output_limit", 1000);
    start_shell(fixture, 1, "exec yes");
    const struct told *told = expect_end(fixture, 1, POOL_CAUSE_OUTPUT_LIMIT, 128 + SIGTERM);
    assert_true(told->end.truncated && told->end.stdout_size == 1000 && told->end.stderr_size == 0);
    assert_non_null(strstr(told->end.message, "output limit of 1000 bytes"));
    form_int(&fixture->form, "output_limit", 4);
    start_shell(fixture, 2, "printf four");
    assert_false(expect_end(fixture, 2, POOL_CAUSE_EXITED, 0)->end.truncated);
    form_int(&fixture->form, "output_limit", 0);
    start_shell(fixture, 3, "printf x >&2; exec sleep 1000");
    assert_int_equal(expect_end(fixture, 3, POOL_CAUSE_OUTPUT_LIMIT, 128 + SIGTERM)->end.stderr_size, 0);
}

static void test_runs_output_dropped(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.output_max = 5;
    open_runs(fixture, NULL);
    start_shell(fixture, 1, "printf 12345; head -c 3000000 /dev/zero; printf 12345 >&2");
    assert_true(expect_end(fixture, 1, POOL_CAUSE_EXITED, 0)->end.truncated);
    expect_output(fixture, 1, OUTPUT_STDOUT, "12345");
    expect_output(fixture, 1, OUTPUT_STDERR, "12345");
    start_shell(fixture, 2, "printf 12345");
    assert_false(expect_end(fixture, 2, POOL_CAUSE_EXITED, 0)->end.truncated);
}

/* It comes while the job runs, and what stays behind does not hold the end up. */
static void test_runs_output_as_it_comes(void **state)
{
    struct fixture *fixture = *state;
    char data[16];
    size_t size = sizeof data;
    uint64_t total;
    open_runs(fixture, NULL);
    start_shell(fixture, 1, "echo early; sleep 1000");
    await_output(fixture, 1);
    assert_int_equal(outputs_read(&fixture->outputs, 1, OUTPUT_STDOUT, 0, data, &size, &total), 0);
    assert_true(size == 6 && total == 6 && memcmp(data, "early\n", 6) == 0);
    assert_int_equal(runs_cancel(fixture->runs, 1), 0);
    expect_end(fixture, 1, POOL_CAUSE_CANCELLED, 128 + SIGTERM);
    start_shell(fixture, 2, "sleep 1000 & echo hi");
    assert_int_equal(expect_end(fixture, 2, POOL_CAUSE_EXITED, 0)->end.killed_processes, 1);
    expect_output(fixture, 2, OUTPUT_STDOUT, "hi\n");
}

static void test_runs_output_that_cannot_be_written(void **state)
{
    struct fixture *fixture = *state;
    open_runs(fixture, NULL);
    const int in_the_way = openat(fixture->outputs.dir, "0", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(in_the_way >= 0);
    close(in_the_way);
    start_shell(fixture, 1, "head -c 300000 /dev/zero");
    const struct told *told = expect_end(fixture, 1, POOL_CAUSE_EXITED, 0);
    assert_true(told->end.truncated && told->end.stdout_size == 0);
    assert_non_null(strstr(fixture->log, "job 1: its standard output is cut"));
}

/* The same id once more, from within the word of its end: the earlier output is gone. */
static void test_runs_again(void **state)
{
    struct fixture *fixture = *state;
    open_runs(fixture, NULL);
    fixture->again = true;
    start_shell(fixture, 1, "echo a longer first line; echo x >&2; exit 1");
    while (fixture->told[1].ends < 2) /* both may come in one step */
        step(fixture);
    assert_int_equal(fixture->first.cause, POOL_CAUSE_EXITED);
    assert_int_equal(fixture->first.exit_code, 1);
    assert_int_equal(fixture->told[1].end.exit_code, 0);
    expect_output(fixture, 1, OUTPUT_STDOUT, "two\n");
    expect_output(fixture, 1, OUTPUT_STDERR, "");
}

/* ---- tasks ------------------------------------------------------------------------------------------------------- */

static void test_runs_tasks(void **state)
{
    struct fixture *fixture = *state;
    open_runs(fixture, TEST_MODULES "/good.so");
    assert_string_equal(runs_tasks(fixture->runs)[0], "echo");
    assert_true(runs_has_task(fixture->runs, (struct rpc_text){"talkative", 4}));
    assert_false(runs_has_task(fixture->runs, (struct rpc_text){"talkative", 9}));
    form_name(&fixture->form, "argument");
    msgpack_pack_str_with_body(&fixture->form.packer, "abc", 3);
    start_task(fixture, 1, "echo");
    const struct told *told = expect_end(fixture, 1, POOL_CAUSE_EXITED, 0);
    assert_int_equal(told->end.result_size, 4);
    assert_memory_equal(told->value,
                        "\xa3"
                        "abc",
                        4);
    start_task(fixture, 2, "echo"); /* no argument: no bytes */
    assert_null(expect_end(fixture, 2, POOL_CAUSE_EXITED, 0)->value);
    start_task(fixture, 3, "large");
    told = expect_end(fixture, 3, POOL_CAUSE_EXITED, 0);
    assert_true(told->value_size == (size_t)(3 * MIB) && told->value[told->value_size - 1] == 'x');
}

/* All of the budget each time: what one does not give back the next does not get. */
static void test_runs_reserved(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit old;
    fixture->options.memory_budget = 64 * MIB;
    fixture->reserves = true;
    open_runs(fixture, TEST_MODULES "/good.so");
    form_texts(&fixture->form, "command", "echo", "one", NULL);
    form_int(&fixture->form, "expected", 64 * MIB);
    assert_int_equal(start(fixture, 1), 0);
    expect_end(fixture, 1, POOL_CAUSE_EXITED, 0);
    expect_output(fixture, 1, OUTPUT_STDOUT, "one\n");
    for (uint64_t id = 2; id < 4; id++) {
        form_text(&fixture->form, "task", "echo");
        form_int(&fixture->form, "memory", 64 * MIB);
        assert_int_equal(start(fixture, id), 0);
        expect_end(fixture, id, POOL_CAUSE_EXITED, 0);
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    const struct rlimit none = {.rlim_cur = 3, .rlim_max = old.rlim_max};
    form_texts(&fixture->form, "command", "true", NULL);
    form_int(&fixture->form, "expected", 64 * MIB);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const int rc = start(fixture, 4);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(rc, -EMFILE);
    form_texts(&fixture->form, "command", "true", NULL);
    form_int(&fixture->form, "expected", 64 * MIB);
    assert_int_equal(start(fixture, 4), 0);
    expect_end(fixture, 4, POOL_CAUSE_EXITED, 0);
}

static void test_runs_task_output(void **state)
{
    struct fixture *fixture = *state;
    open_runs(fixture, TEST_MODULES "/good.so");
    start_task(fixture, 1, "talk");
    const struct told *told = expect_end(fixture, 1, POOL_CAUSE_EXITED, 0);
    expect_output(fixture, 1, OUTPUT_STDOUT, "buffered child 1 1\nlast");
    expect_output(fixture, 1, OUTPUT_STDERR, "direct");
    assert_int_equal(told->value_size, sizeof(int));
    int loaded_by;
    memcpy(&loaded_by, told->value, sizeof loaded_by);
    assert_int_equal(loaded_by, fork_server(fixture)); /* once, there, and not in us */
}

static void test_runs_task_ends(void **state)
{
    struct fixture *fixture = *state;
    open_runs(fixture, TEST_MODULES "/good.so");
    start_task(fixture, 1, "fail");
    assert_non_null(strstr(expect_end(fixture, 1, POOL_CAUSE_EXITED, 42)->end.message, "no such key: x"));
    start_task(fixture, 2, "crash");
    expect_end(fixture, 2, POOL_CAUSE_SIGNALLED, 128 + SIGSEGV);
    expect_output(fixture, 2, OUTPUT_STDOUT, "before");
    start_task(fixture, 3, "leave"); /* exit(0) without a value is no success */
    expect_end(fixture, 3, POOL_CAUSE_EXITED, 125);
    start_task(fixture, 4, "missing");
    assert_non_null(strstr(expect_end(fixture, 4, POOL_CAUSE_EXITED, 1)->end.message, "\"missing\""));
    start_task(fixture, 5, "fail-wide");
    assert_int_equal(expect_end(fixture, 5, POOL_CAUSE_EXITED, 1)->end.code, 256);
}

static void test_runs_modules_refused(void **state)
{
    static const char *const cases[][2] = {
        {"old", "version 99"},
        {"short", "size 8"},
        {"without", "no symbol pool_module"},
        {"empty", "no tasks"},
        {"twice", "\"echo\" already"},
        {"nameless", "1 to 255 bytes"},
        {"unwilling", "the table is missing"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[512], name[64];
        snprintf(path, sizeof path, TEST_MODULES "/%s.so", cases[i][0]);
        snprintf(name, sizeof name, "%s.so: ", cases[i][0]);
        const char *const modules[] = {path, NULL};
        fixture->options.modules = modules;
        assert_true(runs_open(&fixture->runs, &fixture->loop, &fixture->options, fixture->message) < 0);
        assert_null(fixture->runs);
        if (strstr(fixture->message, name) == NULL || strstr(fixture->message, cases[i][1]) == NULL)
            fail_msg("%s: %s", cases[i][0], fixture->message);
    }
    const char *const both[] = {TEST_MODULES "/good.so", TEST_MODULES "/good.so", NULL};
    fixture->options.modules = both;
    assert_true(runs_open(&fixture->runs, &fixture->loop, &fixture->options, fixture->message) < 0);
    assert_non_null(strstr(fixture->message, "good.so: there is a task \"echo\" already"));
    const char *const none[] = {"/no/such/module.so", NULL}, *const no_object[] = {"/etc/passwd", NULL};
    fixture->options.modules = none;
    assert_true(runs_open(&fixture->runs, &fixture->loop, &fixture->options, fixture->message) < 0);
    assert_non_null(strstr(fixture->message, "module /no/such/module.so: cannot be loaded"));
    assert_non_null(strstr(fixture->message, "No such file or directory"));
    fixture->options.modules = no_object;
    assert_true(runs_open(&fixture->runs, &fixture->loop, &fixture->options, fixture->message) < 0);
    assert_non_null(strstr(fixture->message, "module /etc/passwd: cannot be loaded"));
    fixture->options.modules = NULL;
    fixture->options.held = 1 << 20;
    assert_int_equal(runs_open(&fixture->runs, &fixture->loop, &fixture->options, fixture->message), -EBADF);
    assert_non_null(strstr(fixture->message, "1048576"));
}

/* ---- ends from outside ------------------------------------------------------------------------------------------- */

static void test_runs_cancel(void **state)
{
    struct fixture *fixture = *state;
    open_runs(fixture, NULL);
    assert_int_equal(runs_cancel(fixture->runs, 1), -ESRCH);
    form_double(&fixture->form, "kill_after", 0);
    start_shell(fixture, 1, "trap '' TERM; echo ready; while :; do sleep 1000; done");
    await_output(fixture, 1);
    assert_int_equal(runs_cancel(fixture->runs, 1), 0);
    assert_int_equal(runs_cancel(fixture->runs, 1), 0);
    expect_end(fixture, 1, POOL_CAUSE_CANCELLED, 128 + SIGKILL);
    assert_int_equal(runs_cancel(fixture->runs, 1), -ESRCH);
    assert_int_equal(fixture->told[1].ends, 1);
}

/* More than there are workers: one that waits in the pool is dropped, and never was. */
static void test_runs_cancel_before_it_starts(void **state)
{
    struct fixture *fixture = *state;
    open_runs(fixture, NULL);
    for (uint64_t id = 1; id <= 3; id++)
        start_shell(fixture, id, "echo ready; exec sleep 1000");
    await_output(fixture, 1);
    await_output(fixture, 2);
    assert_int_equal(runs_cancel(fixture->runs, 3), 0);
    const struct told *told = expect_end(fixture, 3, POOL_CAUSE_CANCELLED, 128 + SIGTERM);
    assert_true(told->starts == 0 && told->outputs == 0 && told->end.started_at == 0);
}

static void test_runs_lost(void **state)
{
    struct fixture *fixture = *state;
    open_runs(fixture, TEST_MODULES "/good.so");
    start_shell(fixture, 1, "echo ready; exec sleep 1000");
    await_output(fixture, 1);
    assert_int_equal(kill(fork_server(fixture), SIGKILL), 0);
    expect_end(fixture, 1, POOL_CAUSE_LOST, 125);
    expect_output(fixture, 1, OUTPUT_STDOUT, "ready\n");
    form_int(&fixture->form, "argument", 7);
    start_task(fixture, 2, "echo"); /* the next fork server has the module as well */
    assert_memory_equal(expect_end(fixture, 2, POOL_CAUSE_EXITED, 0)->value, "\x07", 1);
}

/* Taken from its worker and run again: one run, whose output is that of the second time. */
static void test_runs_rerunnable(void **state)
{
    struct fixture *fixture = *state;
    char script[256];
    open_runs(fixture, NULL);
    snprintf(
        script, sizeof script,
        "echo first >&2; if mkdir %s/mark 2>/dev/null; then echo one; sleep 1000; else echo two; fi; rmdir %s/mark",
        fixture->path, fixture->path);
    form_bool(&fixture->form, "rerunnable", 1);
    start_shell(fixture, 1, script);
    while (fixture->told[1].outputs < 2) /* of both streams */
        step(fixture);
    assert_int_equal(kill(fork_server(fixture), SIGKILL), 0);
    const struct told *told = expect_end(fixture, 1, POOL_CAUSE_EXITED, 0);
    assert_true(told->evictions == 1 && told->starts == 1 && told->ends == 1);
    expect_output(fixture, 1, OUTPUT_STDOUT, "two\n");
    expect_output(fixture, 1, OUTPUT_STDERR, "first\n");
}

/* Who reads along hears that it begins anew, also where nothing more comes. */
static void test_runs_tells_when_output_begins_anew(void **state)
{
    struct fixture *fixture = *state;
    char script[256];
    open_runs(fixture, NULL);
    snprintf(script, sizeof script, "if mkdir %s/mark 2>/dev/null; then echo one; sleep 1000; fi; rmdir %s/mark",
             fixture->path, fixture->path);
    form_bool(&fixture->form, "rerunnable", 1);
    start_shell(fixture, 1, script);
    await_output(fixture, 1);
    assert_int_equal(fixture->told[1].outputs, 1);
    assert_int_equal(kill(fork_server(fixture), SIGKILL), 0);
    assert_int_equal(expect_end(fixture, 1, POOL_CAUSE_EXITED, 0)->outputs, 2);
    expect_output(fixture, 1, OUTPUT_STDOUT, "");
}

static void test_runs_close(void **state)
{
    struct fixture *fixture = *state;
    open_runs(fixture, NULL);
    start_shell(fixture, 1, "trap '' TERM; echo ready; while :; do sleep 1000; done");
    await_output(fixture, 1);
    runs_close(fixture->runs, on_closed, fixture);
    form_texts(&fixture->form, "command", "true", NULL);
    assert_int_equal(start(fixture, 2), -ESHUTDOWN);
    assert_non_null(strstr(fixture->message, "job 2"));
    assert_false(fixture->closed || fixture->told[1].ends > 0);
    while (!fixture->closed)
        step(fixture);
    fixture->runs = NULL;
    assert_int_equal(fixture->told[1].ends, 1);
    assert_int_equal(fixture->told[1].end.cause, POOL_CAUSE_CANCELLED);
}

/* As many as there are workers at once, over and over, with nothing left of them. */
static void test_runs_many(void **state)
{
    struct fixture *fixture = *state;
    open_runs(fixture, NULL);
    for (int round = 0; round < 20; round++) {
        start_shell(fixture, 1, "echo one");
        start_shell(fixture, 2, "echo two; exit 2");
        while (fixture->told[1].ends + fixture->told[2].ends < 2 * (round + 1))
            step(fixture);
        expect_output(fixture, 1, OUTPUT_STDOUT, "one\n");
        expect_output(fixture, 2, OUTPUT_STDOUT, "two\n");
    }
    assert_int_equal(fixture->told[2].end.code, 2);
}

#define RUNS_TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUNS_TEST(test_runs_command),
        RUNS_TEST(test_runs_surroundings),
        RUNS_TEST(test_runs_ends),
        RUNS_TEST(test_runs_more_memory),
        RUNS_TEST(test_runs_start_refused),
        RUNS_TEST(test_runs_want_of_descriptors),
        RUNS_TEST(test_runs_open_with_few_descriptors),
        RUNS_TEST(test_runs_output_limit),
        RUNS_TEST(test_runs_output_dropped),
        RUNS_TEST(test_runs_output_as_it_comes),
        RUNS_TEST(test_runs_output_that_cannot_be_written),
        RUNS_TEST(test_runs_again),
        RUNS_TEST(test_runs_tasks),
        RUNS_TEST(test_runs_reserved),
        RUNS_TEST(test_runs_task_output),
        RUNS_TEST(test_runs_task_ends),
        RUNS_TEST(test_runs_modules_refused),
        RUNS_TEST(test_runs_cancel),
        RUNS_TEST(test_runs_cancel_before_it_starts),
        RUNS_TEST(test_runs_lost),
        RUNS_TEST(test_runs_rerunnable),
        RUNS_TEST(test_runs_tells_when_output_begins_anew),
        RUNS_TEST(test_runs_close),
        RUNS_TEST(test_runs_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
