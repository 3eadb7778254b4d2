/* daemon.h - what reclaimd holds. Each field is written by the file that it stands under.
 *
 *     session  →  methods_*  →  store, schedule        within a turn of the loop
 *     runs     →  ends       →  store, schedule
 *                 commit: one transaction, and only then answers, events, starts and kills
 *
 * The store has the truth; memory has what scheduling needs of jobs that have not ended, and can be loaded from the
 * store at any time. When a turn cannot be committed nothing of it has happened: it is rolled back, memory is loaded
 * again, its requests are answered with read-only, and ends of runs wait for the next turn. One thread. */
#ifndef DAEMON_H
#define DAEMON_H

#include "daemon_options.h"
#include "ending.h"
#include "log.h"
#include "notify.h"
#include "output_files.h"
#include "runs.h"
#include "schedule.h"
#include "sessions.h"
#include "statedir.h"
#include "store.h"

#define GROUP_DEFAULT "default" /* always there; other groups are made when a job, or `group`, first names them */

enum daemon_phase {
    DAEMON_SERVING,
    DAEMON_STOPPING, /* nothing is started; running jobs may finish until kill_at */
    DAEMON_CLOSING,  /* the pool is being closed, and its last ends are written */
    DAEMON_LEAVING,  /* clients read what waits for them */
    DAEMON_CLOSED
};

struct daemon {
    /* reclaimd.c, at the start; stop.c sets sessions and runs to NULL once they are closed */
    const struct daemon_options *options;
    struct log *log;
    struct notify notify;
    uv_loop_t *loop;
    uv_prepare_t prepare; /* a turn's end: before the loop waits again */
    uv_timer_t timer;     /* the next time anything is due without an event */
    uv_timer_t watchdog;
    uv_signal_t signals[3];
    struct statedir statedir;
    struct store *store;
    uint64_t store_number; /* by which clients recognise the store; 0: it could not be written down yet */
    struct outputs outputs;
    struct door door;
    struct sessions *sessions;
    struct runs *runs;
    size_t workers;
    uint64_t budget;    /* of memory; 0: none */
    uint64_t memory;    /* of the machine; 0: not known */
    uint64_t opened_ms; /* uv_now */

    /* live.c; the schedule's groups and whether it is paused: methods_change.c, too */
    struct schedule schedule;
    struct job *jobs;    /* uthash */
    double clock_offset; /* of the wall clock from the monotonic one, seconds */

    /* daemon_client.c, watch.c */
    struct client *clients; /* uthash */
    TAILQ_HEAD(watches, watch) watches;

    /* turn.c, during a turn; commit.c ends the turn's error and read-only, and begins read-only for a value */
    struct effect *effects;
    size_t effect_count, effect_capacity;
    struct answer *answers;
    size_t answer_count, answer_capacity;
    int turn_error;      /* the store has failed in this turn */
    char read_only[512]; /* "" while the store can be written */

    /* ends.c adds, commit.c removes */
    STAILQ_HEAD(endings, ending) endings;

    /* commit.c */
    bool one_end_only; /* read-only for want of room: the next turn that can be written has one end alone */
    bool recovered;    /* the jobs that ran when a daemon died are seen to, and that is on disk */
    double probe_at;   /* epoch: when to try again to write */
    double expire_at;  /* epoch: when to look again for ended jobs to forget */

    /* starts.c */
    int64_t look_at; /* uv_now: jobs wait for memory, and are looked at again; 0: none does */
    uint32_t tag;    /* of the pool's processes, as it is written down */

    /* stop.c */
    enum daemon_phase phase;
    int64_t kill_at; /* uv_now, STOPPING: when running jobs are ended */
    int exit_code;

    bool draining; /* methods_control.c */
};

#endif
