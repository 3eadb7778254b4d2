/* forkserver_state.h - the state of a fork server, which all files of this folder but keeper.c share. */
#ifndef FORKSERVER_STATE_H
#define FORKSERVER_STATE_H

#include "area.h"
#include "forkserver.h"
#include "meter.h"
#include "process.h"
#include "slot.h"
#include "strangers.h"

#include <stdbool.h>
#include <stdint.h>

/* Times in milliseconds of process_now_ms(). */
struct reaper {
    int64_t sweep_at;    /* next sweep for processes of jobs that are over; LADDER_NEVER: none needed */
    int64_t sweep_pause; /* doubles with every sweep that leaves some of them */
    int64_t count_at;    /* next count of processes, for `pids` limits */
};

#define SECRETS_DRAWN 32

/* Random numbers, drawn many at a time. */
struct secrets {
    uint64_t drawn[SECRETS_DRAWN];
    size_t left;
};

/* Mapped with MADV_DONTFORK: workers need none of it, and a write after a fork then copies no page. */
struct server {
    int control, signals, epoll;
    uint64_t tag_most; /* see sweep_tag */
    uint64_t notes;    /* enum message_note, for hello */
    pid_t pid;
    bool closing;
    size_t warm;            /* idle workers to keep without a request of the host */
    uint64_t births[2];     /* workers that the host has asked for, still to be forked: plain ones, full ones */
    size_t unforked;        /* replacements still to be forked: slot.unforked */
    struct slot_ends spare; /* of the next worker; SLOT_NO_ENDS: not made yet */
    const struct forkserver_config *config;
    uint64_t inherited; /* anonymous bytes that every worker starts with */
    struct slot *slots, *slots_end;
    int areas[2];     /* memfds of tasks and pages */
    struct area area; /* its pages alone */
    uint8_t *window;  /* where the next worker finds its own task and page: birth.c */
    uint64_t next_serial;
    struct secrets secrets;
    struct reaper reaper;
    struct strangers strangers;
    struct metering metering;
    uint8_t incoming[4096], outgoing[16 * 1024];
    char crash[4096]; /* text of the crash note that is being sent */
};

#endif
