/* daemon.h - reclaimd: what it holds, and how its parts meet.
 *
 *     session  →  methods_*  →  store, schedule        within a turn of the loop
 *     runs     →  ends       →  store, schedule
 *                 turn: one commit, and only then answers, events, starts and kills
 *
 * The store has the truth; memory has what scheduling needs of jobs that have not ended, and can be loaded from the
 * store at any time. When a turn cannot be committed nothing of it has happened: it is rolled back, memory is loaded
 * again, its requests are answered with read-only, and ends of runs wait for the next turn. One thread. */
#ifndef DAEMON_H
#define DAEMON_H

#include "daemon_options.h"
#include "log.h"
#include "notify.h"
#include "output_files.h"
#include "runs.h"
#include "schedule.h"
#include "session.h"
#include "statedir.h"
#include "store.h"

#include <uthash.h>

#define GROUP_DEFAULT "default" /* always there; other groups are made when a job, or `group`, first names them */

/* A job that has not ended. */
struct job {
    struct schedule_job schedule;
    uint64_t client;                 /* the session that submitted it; 0: one of another life */
    uint32_t attempt;                /* runs begun */
    bool after_any;                  /* runs also when one that it needs has failed */
    bool retrying;                   /* its time is a retry's */
    bool relative;                   /* its time was told as a delay: it does not follow a clock that is set */
    bool falling;                    /* it is being ended, since one that it needs has failed */
    bool started;                    /* RUNNING: a worker has it; else one is about to */
    pool_reservation_t *reservation; /* it has been looked at; in a turn that starts it, what it needs */
    UT_hash_handle hh;               /* by schedule.id */
};

/* A connection. */
struct client {
    struct session *session;
    uint64_t serial;
    size_t jobs;    /* that have not ended */
    size_t watched; /* ids that its watches hold */
    bool subscribed;
    bool behind;              /* what it was sent before this turn waits for it still */
    uint64_t *subscribed_ids; /* sorted; NULL: all */
    size_t subscribed_count;
    char *subscribed_group; /* NULL: all */
    UT_hash_handle hh;      /* by serial */
};

enum value_state { VALUE_TO_WRITE, VALUE_BEING_WRITTEN, VALUE_READY };

/* A run that has ended and is not yet on disk. */
struct ending {
    uint64_t id;
    struct record_end end;
    uint32_t evictions;
    pool_job_t *job;   /* has the value; NULL: there is none, or it is in its file already */
    const void *value; /* end.result_size bytes */
    bool applied;      /* in the turn that is being committed */
    bool unstarted;    /* it could not be started: goes back */
    int64_t came_at;   /* uv_now */
    STAILQ_ENTRY(ending) entry;
    /* valuefile.c */
    enum value_state value_state;
    int value_error;
    int unkept; /* negative errno: there is no room for the value, and its run has failed by that; 0: it has not */
    struct daemon *daemon;
    uv_work_t work;
};

struct effect;
struct watch;
struct answer;

enum daemon_phase {
    DAEMON_SERVING,
    DAEMON_STOPPING, /* nothing is started; what runs may finish until kill_at */
    DAEMON_CLOSING,  /* the pool is being closed, and its last ends are written */
    DAEMON_LEAVING,  /* clients read what waits for them */
    DAEMON_CLOSED
};

struct daemon {
    const struct daemon_options *options;
    struct log *log;
    struct notify notify;
    uv_loop_t *loop;
    uv_prepare_t prepare; /* a turn's end: before the loop waits again */
    uv_timer_t timer;     /* the next time anything is due without an event */
    uv_timer_t watchdog;
    uv_signal_t signals[3];
    bool has_statedir, has_outputs, has_door; /* open */
    struct statedir statedir;
    struct store *store;
    uint64_t store_number; /* by which clients know that it is still the same; 0: it could not be written down yet */
    struct outputs outputs;
    struct door door;
    struct sessions *sessions;
    struct runs *runs; /* NULL once it is closed */
    size_t workers;
    uint64_t budget; /* of memory; 0: none */
    uint32_t tag;    /* of the pool's processes, as it is written down */
    struct schedule schedule;
    struct job *jobs;       /* uthash */
    struct client *clients; /* uthash */
    TAILQ_HEAD(watches, watch) watches;
    STAILQ_HEAD(endings, ending) endings;

    /* of the turn */
    struct effect *effects;
    size_t effect_count, effect_capacity;
    struct answer *answers;
    size_t answer_count, answer_capacity;
    int turn_error; /* the store has failed in this turn */

    char read_only[512]; /* "" while the store can be written */
    bool cramped;        /* read-only for want of room: the next turn that can be written has one end alone */
    double clock_offset; /* of the wall clock from the monotonic one, seconds */
    double probe_at;     /* epoch: when to try again */
    double expire_at;
    bool recovered; /* what ran when a daemon died is seen to, and that is on disk */
    bool draining;
    enum daemon_phase phase;
    int64_t look_at;    /* uv_now: jobs wait for memory, and are looked at again; 0: none does */
    int64_t kill_at;    /* uv_now, STOPPING: when what runs is ended */
    uint64_t opened_ms; /* uv_now */
    int exit_code;
};

double daemon_now(void); /* CLOCK_REALTIME, seconds */

/* ---- daemon.c */
/* Until it is told to stop; listen_fd: a socket from systemd, or -1. All is *borrowed*. The exit code. */
int daemon_run(const struct daemon_options *options, struct log *log, int listen_fd);
void daemon_stop(struct daemon *daemon, double drain_seconds); /* as SIGTERM; again: at once */
void daemon_arm(struct daemon *daemon);                        /* the timer, for what is due next */

/* ---- methods.c */
void methods_handle(struct daemon *daemon, struct client *client, const struct rpc_request *request);

/* ---- turn.c */
/* Remembers that a request was answered: call before its answer is packed. false: no memory, it was closed. */
bool turn_answer(struct daemon *daemon, struct client *client, uint32_t request);
/* The store has failed: the turn will be undone. Returns -1, with error filled in (may be NULL). */
int turn_fail(struct daemon *daemon, int code, struct rpc_error *error);
/* For after the commit. */
void turn_cancel(struct daemon *daemon, uint64_t id);
void turn_start(struct daemon *daemon, uint64_t id);
void turn_remove_files(struct daemon *daemon, uint64_t id);
void turn_ended(struct daemon *daemon, uint64_t id);                    /* waits for it are looked at */
void turn_event(struct daemon *daemon, const char *event, uint64_t id); /* as its row is now */
void turn_forget_client(struct daemon *daemon, const struct client *client);
void turn_end(struct daemon *daemon);
void turn_deinit(struct daemon *daemon);

/* ---- live.c */
struct job *live_find(const struct daemon *daemon, uint64_t id);
/* A job for record, not yet in the schedule: see live_add. NULL: no memory. */
struct job *live_new(struct daemon *daemon, const struct record *record, uint64_t client);
void live_add(struct daemon *daemon, struct job *job);
void live_drop(struct daemon *daemon, struct job *job); /* out of the schedule, and free */
/* Everything anew from the store. Jobs that run stay so. */
int live_load(struct daemon *daemon);
void live_clear(struct daemon *daemon);
/* The wall clock was set: delays stay as long as they were. */
void live_follow_clock(struct daemon *daemon);
/* In the first turn that can be written: what ran when the daemon died is interrupted or runs again. */
int live_recover(struct daemon *daemon);

/* ---- ends.c */
/* When it may be applied (uv_now): one that died of a signal that ends daemons, too, is held back for a moment, to see
 * whether this one gets it. 0: at once. */
int64_t ends_held_until(const struct daemon *daemon, const struct ending *ending);
int ends_apply(struct daemon *daemon, const struct ending *ending); /* writes it; -1 after turn_fail */
/* Ends a job that does not run (any more), and with it those that needed it to succeed. record is updated, and written.
 */
int ends_finish(struct daemon *daemon, struct job *job, struct record *record);
/* Ends a job that waits, since one that it needs has failed. */
int ends_let_down(struct daemon *daemon, struct job *job);
/* Removes an ended job: its row, its files. -1 after turn_fail. */
int ends_forget(struct daemon *daemon, uint64_t id);
/* What comes from a job may hold anything: what is no printable text becomes \xNN. */
void ends_encode(char message[RECORD_MESSAGE_MAX]);
/* Fills in an end that is the daemon's word. */
void ends_say(struct record_end *end, int32_t cause, const char *message);

/* ---- launch.c */
void launch_pick(struct daemon *daemon);               /* within a turn: who starts */
void launch_start(struct daemon *daemon, uint64_t id); /* after its commit */

/* ---- view.c */
/* Packs a job as the daemon tells of it; whole: with all of its command. */
void view_job(const struct daemon *daemon, msgpack_packer *packer, const struct record *record, bool whole);

#endif
