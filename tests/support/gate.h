/* gate.h - jobs that say that they run, and then wait until their test lets them go. */
#ifndef GATE_H
#define GATE_H

#include <reclaim/call.h>
#include <reclaim/pool.h>
#include <stddef.h>
#include <sys/types.h>

struct gate {
    int ready[2]; /* pids come up here */
    int go[2];    /* a byte for each job that may go on */
    int fds[2];   /* what a job gets, as its first two descriptors */
};

void gate_open(struct gate *gate);

/* Lets everybody go who still waits, too. */
void gate_close(struct gate *gate);

/* The options' fds are the gate's. */
pool_job_options_t gate_options(const struct gate *gate);

/* A job: passes the gate, returns 0. */
int gate_job(pool_call_t *call);

/* In a job that was handed the gate: says the caller's pid, waits to be let go. */
void gate_pass(const pool_call_t *call);

/* The two halves of it, for processes that a job starts, too. */
void gate_say(const pool_call_t *call, pid_t pid);
void gate_wait(const pool_call_t *call);

/* The pid of the next job that came to the gate; fails the test when none ever will. */
pid_t gate_await(const struct gate *gate);

/* Submits a gate_job with these options, gate's fds included. */
pool_job_t *gate_submit(pool_t *pool, const struct gate *gate, pool_job_options_t options);

void gate_release(const struct gate *gate, size_t count);

/* Waits until a thread of this process sleeps in the kernel, and goes on sleeping. */
void gate_await_asleep(pid_t thread);

#endif
