/* page.h - the page that a worker shares with the fork server alone: what must be told even when no frame can be sent.
 *
 * The worker writes, the fork server reads when the worker is dead (phase and stopped: while it runs). Other workers do
 * not have it mapped. The job may scribble over it: every field is bounded where it is read. */
#ifndef PAGE_H
#define PAGE_H

#include <stdatomic.h>
#include <stdint.h>

#define PAGE_SIZE_BYTES 4096
#define PAGE_TRACE_MAX  40
#define PAGE_FRAME_MAX  3072

enum page_phase { PAGE_BORN = 0, PAGE_READY, PAGE_BEGUN };

struct page {
    _Atomic uint32_t phase;
    _Atomic uint32_t guard; /* whether the fork server has this job's limits: page_guard_await() */
    uint32_t is_command;
    uint64_t baseline;           /* resident bytes when the job began */
    uint64_t inherited;          /* anonymous bytes among them: copy-on-write, so that rewriting them does not show */
    _Atomic uint64_t written;    /* bytes written into a memfd of the job's value: in no process's resident set */
    uint64_t charged;            /* bytes charged to its cgroup when the job began */
    uint64_t file;               /* file pages resident when a function has returned, if it grew at all; else 0 */
    _Atomic int32_t command_pid; /* 0: it has not been started yet */
    uint32_t command_signal;     /* that the command died of; 0: none */
    uint32_t exec_step;          /* at which the command's child failed before it was the command */
    int32_t exec_error;          /* and why; 0: it did not */
    _Atomic int64_t stopped_since_ms; /* CLOCK_MONOTONIC; 0: the terminal has not stopped the command */
    _Atomic int64_t stopped_ms;       /* in all, before that */

    uint32_t crash_signal;
    int32_t crash_code;
    uint64_t crash_address;
    uint32_t trace_size;
    _Atomic uint32_t frame_size; /* the last frame, where the job has broken the result pipe */
    uint64_t trace[PAGE_TRACE_MAX];
    uint8_t frame[PAGE_FRAME_MAX];
};

_Static_assert(sizeof(struct page) <= PAGE_SIZE_BYTES, "one page");

/* In the worker: returns when the fork server has its job's limits and watches it. Without that, a job that gets the
 * processor first on a busy machine would be far past its limit before anybody looks. Source: futex(2). */
void page_guard_await(struct page *page);

/* In the fork server: it watches. */
void page_guard_take(struct page *page);

#endif
