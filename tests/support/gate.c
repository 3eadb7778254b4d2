#include "gate.h"

#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ASLEEP_LOOKS 20 /* in a row, a millisecond apart */

void gate_open(struct gate *gate)
{
    support_pipe(gate->ready);
    support_pipe(gate->go);
    gate->fds[0] = gate->ready[1];
    gate->fds[1] = gate->go[0];
}

void gate_close(struct gate *gate)
{
    for (int i = 0; i < 2; i++) {
        close(gate->ready[i]);
        close(gate->go[i]);
    }
}

pool_job_options_t gate_options(const struct gate *gate)
{
    return (pool_job_options_t){.fds = gate->fds, .fd_count = 2};
}

void gate_say(const pool_call_t *call, pid_t pid)
{
    const ssize_t wrote = write(pool_call_fd(call, 0), &pid, sizeof pid);
    (void)wrote; /* the test that does not get it says so */
}

void gate_wait(const pool_call_t *call)
{
    char byte;
    while (read(pool_call_fd(call, 1), &byte, 1) < 0 && errno == EINTR)
        ;
}

void gate_pass(const pool_call_t *call)
{
    gate_say(call, getpid());
    gate_wait(call);
}

int gate_job(pool_call_t *call)
{
    gate_pass(call);
    return 0;
}

pid_t gate_await(const struct gate *gate)
{
    pid_t pid = -1;
    ssize_t got;
    do {
        got = read(gate->ready[0], &pid, sizeof pid);
    } while (got < 0 && errno == EINTR);
    assert_int_equal(got, sizeof pid);
    return pid;
}

pool_job_t *gate_submit(pool_t *pool, const struct gate *gate, pool_job_options_t options)
{
    options.fds = gate->fds;
    options.fd_count = 2;
    return support_submit(pool, gate_job, NULL, 0, &options);
}

void gate_release(const struct gate *gate, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(write(gate->go[1], "g", 1), 1);
}

static char thread_state(pid_t thread)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)thread);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    const size_t got = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[got] = '\0';
    const char *after = strrchr(text, ')');
    return after != NULL && after[1] == ' ' ? after[2] : '?';
}

void gate_await_asleep(pid_t thread)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    for (int looks = 0; looks < ASLEEP_LOOKS; nanosleep(&moment, NULL))
        looks = thread_state(thread) == 'S' ? looks + 1 : 0;
}
