/* page.h - the page that a worker shares with fork server and host, for what it cannot send in a frame: area.h.
 *
 * The worker writes, the fork server reads when the worker is dead (atomic fields: while it runs); the host uses the
 * head alone. The job may write anything into it: every field is bounded where it is read. */
#ifndef PAGE_H
#define PAGE_H

#include "area.h"
#include "bell.h"

#include <stdatomic.h>
#include <stdint.h>

#define PAGE_SIZE_BYTES 4096
#define PAGE_TRACE_MAX  40
#define PAGE_FRAME_MAX  3072

enum page_phase { PAGE_BORN = 0, PAGE_READY, PAGE_BEGUN };

/* What the guard is rung with: the fork server watches the job. A worker with a memory limit waits for that: else a job
 * that gets the processor first, on a busy machine, would be far past its limit before the first look. */
#define PAGE_WATCHED BELL_FIRST

struct page {
    struct area_page head;
    _Atomic uint32_t phase;
    _Atomic uint32_t guard; /* a bell */
    uint32_t is_command;
    uint64_t baseline;           /* resident bytes when the job began */
    uint64_t inherited;          /* anonymous bytes among them; rewriting them does not show */
    _Atomic uint64_t written;    /* into the memfd of the job's value: in no process's resident set */
    uint64_t charged;            /* bytes charged to its cgroup when the job began */
    uint64_t file;               /* bytes of file pages resident when a function has returned, if it grew; else 0 */
    _Atomic int32_t command_pid; /* 0: not started yet */
    uint32_t command_signal;     /* that the command died of; 0: none */
    uint32_t exec_step;          /* at which the command's child failed before exec */
    int32_t exec_error;          /* errno of that; 0: none */
    _Atomic int64_t stopped_since_ms; /* CLOCK_MONOTONIC; 0: the terminal has not stopped the command */
    _Atomic int64_t stopped_ms;       /* sum of earlier stops */

    uint32_t crash_signal;
    int32_t crash_code;
    uint64_t crash_address;
    uint32_t trace_size;
    _Atomic uint32_t frame_size; /* of the last frame, if the job has broken the result pipe */
    uint64_t trace[PAGE_TRACE_MAX];
    uint8_t frame[PAGE_FRAME_MAX];
};

_Static_assert(sizeof(struct page) <= PAGE_SIZE_BYTES, "one page");

#endif
