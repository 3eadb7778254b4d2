/* SPDX-License-Identifier: MIT
 *
 * reclaim/pool.h - run a memory-heavy job in a process of its own that does that one job and dies.
 *
 *     pool_t *pool;
 *     pool_error_t error;
 *     if (pool_open(&pool, NULL, &error) < 0) { fprintf(stderr, "%s\n", error.message); return 1; }
 *     pool_job_t *job;
 *     pool_submit(pool, crunch, &input, sizeof input, NULL, &job);      // crunch() runs in a fresh process
 *     pool_job_wait(job, -1);
 *     const pool_result_t *result = pool_job_result(job);              // outcome, value, usage
 *     pool_job_release(job);
 *     pool_free(pool);
 *
 * Done means gone: when a job is reported settled, its process and everything that it started have been reaped, its
 * memory is back with the system, and the report says how much it used and how that was measured.
 *
 * Conventions, for every declaration below:
 *   - Calls return 0 (or a count) or a negative errno; pool_message() then says in words what to do about it.
 *   - Ownership: *borrows* (reads it during the call only), *copies*, *takes* (yours no more, also on failure).
 *   - Structs that the caller fills are zero-initialised: zero means the default, POOL_NONE really none or at once.
 *   - Any function may be called from any thread, except that a call that blocks gives -EDEADLK inside a callback.
 *   - Sizes are bytes, times milliseconds where the name ends in _ms and seconds where it ends in _seconds.
 *   - In a process that the host forked without exec, every call on the parent's pool gives -EPERM and harms nobody.
 */
#ifndef RECLAIM_POOL_H
#define RECLAIM_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define POOL_API __attribute__((visibility("default")))
#else
#define POOL_API
#endif

/* Really none, or at once, where zero stands for a default. */
#define POOL_NONE (-1)

typedef struct pool pool_t;                         /* a queue, a fork server and its workers */
typedef struct pool_job pool_job_t;                 /* one submitted job: a future, reference counted */
typedef struct pool_call pool_call_t;               /* the job as its own process sees it: reclaim/call.h */
typedef struct pool_reservation pool_reservation_t; /* what a job holds that is not in the pool yet: pool_reserve */

typedef struct pool_bytes {
    const void *data;
    size_t size;
} pool_bytes_t;

/* The function that a job runs, in its worker process. 0 is success, any other value fails the job with that code. */
typedef int (*pool_fn)(pool_call_t *call);

/* What setup functions fill in when they fail: a negative errno, and a sentence that names what to do. */
typedef struct pool_error {
    int code;
    char message[256];
} pool_error_t;

/* ---- what became of a job -------------------------------------------------------------------------------------- */

typedef enum pool_outcome {
    POOL_PENDING = 0,   /* not settled yet */
    POOL_DONE,          /* the function returned 0; the command exited 0 */
    POOL_FAILED,        /* the job says so, a command exited other than 0, or it broke a limit on output or processes */
    POOL_CRASHED,       /* died of a signal (also after its result was whole: that counts only if the process ends well,
                           `early` jobs excepted), left before its result was whole, or broke the protocol */
    POOL_TIMED_OUT,     /* over timeout_ms, deadline_ms or cpu_ms */
    POOL_OUT_OF_MEMORY, /* over its own memory limit, or chosen by the machine's OOM killer: see the cause */
    POOL_CANCELLED,     /* pool_job_cancel, or pool_close dropped it */
    POOL_LOST,          /* the fork server died under it, or no worker could be started */
    POOL_OUTCOME_COUNT_
} pool_outcome_t;

/* Finer than the outcome: one for each word that a report uses. */
typedef enum pool_cause {
    POOL_CAUSE_NONE = 0,       /* not settled yet */
    POOL_CAUSE_EXITED,         /* the job ended by itself: returned, or exited */
    POOL_CAUSE_SIGNALLED,      /* died of a signal of its own making */
    POOL_CAUSE_KILLED,         /* a SIGKILL from someone else: not this pool, and no limit was broken */
    POOL_CAUSE_TIMEOUT,        /* timeout_ms or deadline_ms */
    POOL_CAUSE_CPU_LIMIT,      /* cpu_ms */
    POOL_CAUSE_MEMORY_LIMIT,   /* memory_limit */
    POOL_CAUSE_MACHINE_OOM,    /* the kernel's OOM killer, for want of memory outside the job's own limit */
    POOL_CAUSE_OUTPUT_LIMIT,   /* output_limit */
    POOL_CAUSE_PROCESS_LIMIT,  /* pids, where the kernel could not refuse the fork itself */
    POOL_CAUSE_CANCELLED,      /* pool_job_cancel or pool_close */
    POOL_CAUSE_NOT_FOUND,      /* the command does not exist */
    POOL_CAUSE_NOT_EXECUTABLE, /* the command exists and cannot be executed */
    POOL_CAUSE_PROTOCOL,       /* what came out of the worker was no legal message */
    POOL_CAUSE_LOST,           /* the fork server died, or no worker could be started */
    POOL_CAUSE_UNKILLABLE,     /* as EXITED, and what the job has left could not be killed (usage.unkillable): it may
                                  still be there */
    POOL_CAUSE_COUNT_
} pool_cause_t;

typedef enum pool_state {
    POOL_STATE_QUEUED = 0, /* waits for a worker, or for its retry delay */
    POOL_STATE_STARTING,   /* a worker has been asked for */
    POOL_STATE_RUNNING,    /* handed to a worker */
    POOL_STATE_FINISHING,  /* its result is in hand, its worker not reaped yet */
    POOL_STATE_SETTLED     /* pool_job_result() tells */
} pool_state_t;

/* How a peak was measured. Numbers of two methods are not the same thing: docs/memory.md. */
typedef enum pool_memory_method {
    POOL_MEMORY_UNMEASURED = 0, /* the job never ran, or its process vanished unmeasured */
    POOL_MEMORY_RUSAGE,         /* wait4(2)'s high-water mark of the largest process, less what it inherited at birth:
                                   the job was over before it could be sampled */
    POOL_MEMORY_SAMPLED, /* anonymous and shared memory, summed over the job's processes from /proc, and RUSAGE */
    POOL_MEMORY_CGROUP   /* the kernel's own count: memory.peak of a cgroup v2 */
} pool_memory_method_t;

typedef struct pool_usage {
    uint64_t peak_memory;               /* bytes that the job added at its highest, not what it inherited */
    uint64_t peak_bound;                /* the true peak may be higher by up to this much; 0: exact for its method */
    pool_memory_method_t memory_method; /* how peak_memory was measured */
    uint64_t memory_limit;              /* bytes in force; 0: none */
    uint64_t memory_first_limit;        /* of the first attempt, where retry_oom has raised it since; else 0 */
    uint64_t overshoot;                 /* bytes past the limit at its highest */
    double wall_seconds; /* last attempt, from the moment it was handed to a worker until it was reaped */
    double user_seconds, system_seconds; /* CPU time of the worker and every descendant that was waited for */
    uint64_t minor_faults, major_faults; /* page faults, as getrusage(2) counts them */
    uint32_t processes;                  /* processes of the job that were seen, its worker or command included */
    uint32_t processes_killed;           /* how many were still there at its end and had to be killed */
    uint32_t attempt;                    /* 1 for the first; 0: never started */
    uint32_t oom_retries;                /* attempts that ended at their memory limit and were given a larger one */
    uint32_t evictions;    /* times it was taken from its worker and run again, costing no attempt: to make
                              room, or (rerunnable) when the fork server died */
    double started, ended; /* seconds since the epoch (CLOCK_REALTIME), last attempt; 0: never started */
    bool complete;         /* false while an `early` job's process is still being reaped: see early */
    bool unkillable;       /* a process of the job could not be killed (another user's, or it hangs in the kernel): it
                              may still be there. No other job waits for it */
    uint64_t reserved[8];
} pool_usage_t;

typedef struct pool_result {
    pool_outcome_t outcome;
    pool_cause_t cause;
    int32_t code;        /* DONE: 0; FAILED: the function's return value or the command's exit code */
    int32_t signal;      /* the signal it died of; 0: none */
    const void *data;    /* the value; NULL when there is none. Aligned to 16 */
    size_t size;         /* bytes in data */
    const char *message; /* one sentence about what happened, never NULL; a crash note is in crash */
    const char *crash;   /* signal, address and backtrace, a line each, where the job left one; NULL: none */
    const void *out;     /* captured standard output (a NUL follows); NULL unless captured */
    size_t out_size;
    const void *err; /* captured standard error */
    size_t err_size;
    bool truncated; /* there was more output than output_limit: out and err hold the first of it */
    pool_usage_t usage;
    uint64_t reserved[8];
} pool_result_t;

/* ---- opening --------------------------------------------------------------------------------------------------- */

typedef enum pool_queue_full { POOL_QUEUE_BLOCK = 0, POOL_QUEUE_REFUSE } pool_queue_full_t;

/* One line of news about the pool itself (a fork server died, a fallback was taken). Runs on the pool's thread. */
typedef void (*pool_log_fn)(const char *line, void *user);

typedef struct pool_options {
    int32_t workers;              /* jobs that run at once; default: online processors */
    int32_t warm;                 /* idle workers kept forked ahead; default: as many as workers; POOL_NONE: none */
    int64_t queue_limit;          /* jobs that may wait; default: no limit; POOL_NONE: none, a worker must be free */
    pool_queue_full_t queue_full; /* at the limit submit blocks, or gives -EAGAIN */
    int64_t memory_budget; /* bytes that running jobs may be expected to use together, at least 1 MiB; default: 80 % of
                              what the machine or an enclosing cgroup can give; POOL_NONE: jobs start without regard to
                              it. With the default a job of a name never seen counts for budget / workers, so that such
                              jobs alone fill all workers. A budget that is given is kept: such a job counts for its
                              memory_limit; those without one start two by two, at some 200 ms, until they have shown
                              what they use. Either way until the first of the name has ended */
    int64_t memory_floor; /* bytes of the machine's available memory: nothing starts that would leave less, and below it
                             the youngest running rerunnable job is requeued; default: 5 % of what there is;
                             POOL_NONE: no floor */
    pool_memory_method_t memory_method; /* default: POOL_MEMORY_CGROUP where a delegated cgroup is found, else
                                           POOL_MEMORY_SAMPLED, and the log hook hears why. Asked for by name: that one,
                                           or pool_open fails */
    const char
        *cgroup; /* a delegated cgroup v2 directory, absolute (*copied*), in which the pool makes its own; pool_open
                    fails where it cannot. Default: found through /proc/self/cgroup, see docs/memory.md */
    /* Warm template: runs once in the fork server, before any worker is forked; every worker has what it loaded,
     * copy-on-write (what a job rewrites of it is not in its peak_memory: see peak_bound). 0, or a nonzero code and a
     * message that fails pool_open. It must leave one thread behind. It runs with every signal blocked; exit(3) in it
     * fails pool_open and runs no handler of the host's. When a fork server has died the next one runs it again.
     * on_start_arg is *borrowed*: as it was at pool_open. */
    int (*on_start)(void *arg, pool_error_t *error);
    void *on_start_arg;
    pool_log_fn log; /* default: none */
    void *log_user;
    const int *held; /* descriptors that keeper and fork server hold open, and no job: as long as any of them is there,
                        also when the host has died, for a lock (flock(2)) that says so; *copied* (by the fork) */
    size_t held_count; /* at most 4 */
    uint64_t reserved[8];
} pool_options_t;

/* Opens a pool: forks the keeper and the fork server from the calling process, runs on_start there, starts the pool's
 * thread. Open early, while the host is small and has few threads: fork(2) copies what is mapped now, and only
 * functions and files mapped now can run as jobs. The pool keeps the credentials, root directory and resource limits of
 * this moment. Descriptors 0 to 2 that are closed are opened on /dev/null, and stay so: nothing of the pool's may stand
 * where a program prints. options may be NULL (*borrows*). On failure *pool is NULL and error (may be NULL) says why.
 * Errors: -EINVAL (options), -EMFILE, -ENOMEM, -EAGAIN (fork), -ECANCELED (on_start failed), -ENOTSUP
 * (memory_method is CGROUP and no delegated one is found), what the kernel says of a named cgroup. */
POOL_API int pool_open(pool_t **pool, const pool_options_t *options, pool_error_t *error);

/* ---- submitting ------------------------------------------------------------------------------------------------ */

/* Where a function job's standard output and error go. A command says it in pool_command_t. */
typedef enum pool_output {
    POOL_OUTPUT_INHERIT = 0, /* where the host's went when the pool was opened */
    POOL_OUTPUT_CAPTURE,     /* into result.out and result.err */
    POOL_OUTPUT_DISCARD
} pool_output_t;

typedef enum pool_event_kind {
    POOL_EVENT_STARTED = 1, /* handed to a worker */
    POOL_EVENT_PROGRESS,    /* done, total */
    POOL_EVENT_PARTIAL,     /* data, size: a partial result, in the order of the emits */
    POOL_EVENT_MEMORY,      /* memory: bytes the job uses now, at `time`; see memory_every_ms */
    POOL_EVENT_RETRIED,     /* the attempt ended as `outcome` and the job will run again; memory: its next limit */
    POOL_EVENT_STOPPED,     /* a command was stopped by `signal`, of whoever's. Its time runs on, unless it is in the
                               foreground and the terminal's job control has stopped it there */
    POOL_EVENT_CONTINUED    /* and goes on; not told of one that ends at once */
} pool_event_kind_t;

typedef struct pool_event {
    pool_event_kind_t kind;
    uint32_t attempt;
    uint64_t done, total;
    const void *data;
    size_t size;
    uint64_t memory;
    pool_outcome_t outcome;
    double time; /* seconds since the epoch */
    int32_t signal;
} pool_event_t;

/* Callbacks run one at a time on the pool's thread, perhaps before submit has returned; events come before settled.
 * Everything that they are given is *borrowed*. They must not block. */
typedef void (*pool_settled_fn)(pool_job_t *job, const pool_result_t *result, void *user);
typedef void (*pool_event_fn)(pool_job_t *job, const pool_event_t *event, void *user);
/* Runs exactly once, on the thread that drops the job's last reference. */
typedef void (*pool_release_fn)(void *user);

/* One bit for each outcome, for retry_on. */
#define POOL_RETRY_ON(outcome) (UINT32_C(1) << (outcome))

typedef struct pool_job_options {
    const char *name;      /* *copied*; default: the function's symbol, else object+offset; a command: argv[0] */
    int32_t priority;      /* higher runs first; equal ones in the order of submission */
    int64_t timeout_ms;    /* per attempt, from RUNNING; default: none. Then each process of the job gets SIGTERM */
    int64_t kill_after_ms; /* between SIGTERM and SIGKILL; default 2000; POOL_NONE: SIGKILL at once */
    int64_t deadline_ms;   /* from submit, queueing and retries included; default: none */
    int64_t cpu_ms;        /* CPU time of one process (RLIMIT_CPU, rounded up to seconds); default: none */
    int64_t memory_limit;  /* bytes the job may add, its whole tree together; beyond, it is killed: OUT_OF_MEMORY, cause
                              MEMORY_LIMIT; at least 1 MiB; default: none */
    int64_t memory_expected; /* bytes it will need, for admission; default: learned from finished jobs of its name, else
                                as memory_budget says; POOL_NONE: nothing worth counting */
    int32_t pids;         /* processes the job may have at once, its worker not counted; default: no limit. In a cgroup
                             threads count, and the fork fails; else the job is killed: PROCESS_LIMIT */
    int32_t cpu_weight;   /* share of the CPU under contention, 1 to 10,000, others have 100 (cgroup's cpu.weight);
                             -ENOTSUP where the pool has no cgroup with it; default: none */
    int32_t nofile;       /* descriptors a process of the job may have (RLIMIT_NOFILE, at most the hard limit) */
    int32_t nice;         /* added to the host's; see setpriority(2) */
    pool_output_t output; /* function jobs */
    int64_t output_limit; /* bytes kept of each captured stream; beyond, the job is ended (OUTPUT_LIMIT); default
                             1 GiB; POOL_NONE: nothing may be written. One that had ended well before it could be is
                             DONE, with truncated */
    bool huge_pages;      /* commands: glibc's malloc uses huge pages (GLIBC_TUNABLES=glibc.malloc.hugetlb=1) */
    bool memory_backstop; /* beyond memory_limit the allocations of each single process fail as well (RLIMIT_DATA) */
    const int *fds;       /* descriptors for the job: pool_call_fd(), in a command 3, 4, ... or as its fd_numbers say;
                           *copied* (dup) */
    size_t fd_count;      /* at most 240 */
    int32_t retries;      /* further attempts, only after the outcomes in retry_on */
    uint32_t retry_on;    /* POOL_RETRY_ON bits; default: crashed, timed out, lost */
    int64_t retry_delay_ms; /* before each further attempt; default: at once */
    double retry_oom;       /* after MEMORY_LIMIT run it again with this times the limit (1.1 to 100), up to the budget;
                               these attempts are not among `retries`; default: no */
    int64_t memory_every_ms; /* POOL_EVENT_MEMORY for on_event so often, and when it has grown a good deal in between;
                                the job's memory is then looked at as often, down to 1 ms; default: none */
    bool rerunnable;         /* may be run again if its worker is taken from it: fork server lost, memory pressure */
    bool early;              /* settled when the value is whole, before the worker is reaped: outcome and value are
                                final, usage.complete is false and the rest of usage stays as it is */
    bool collect;            /* pool_next hands it out */
    pool_reservation_t *reservation; /* *taken*: pool_reserve has reserved for this job, which starts at once. Of the
                                        same pool, memory_expected and memory_limit; not for pool_map */
    pool_settled_fn on_settled;
    pool_event_fn on_event;
    pool_release_fn on_release;
    void *user; /* passed to the three, and pool_job_user() */
    uint64_t reserved[8];
} pool_job_options_t;

/* Submits fn(arg) to run once in a fresh worker process. arg is *copied*. options (may be NULL) are *copied*.
 * *job is a reference of the caller's, to be dropped with pool_job_release; job may be NULL: nobody will ask.
 * On failure *job is NULL and no callback will run, on_release neither. Blocks only at queue_limit.
 * Errors: -EINVAL, -EFAULT (fn is not in code mapped at pool_open), -EAGAIN (queue full), -ESHUTDOWN (pool closed),
 * -E2BIG (memory_expected is above memory_budget: it could never start), -EPERM (another process, or the host's
 * credentials changed), -ENOTSUP, -EDEADLK (would block in a callback), -ENOMEM, -EMFILE, -EIO (the pool failed: its
 * keeper is gone). */
POOL_API int pool_submit(pool_t *pool, pool_fn fn, const void *arg, size_t arg_size, const pool_job_options_t *options,
                         pool_job_t **job);

typedef enum pool_stdin {
    POOL_STDIN_NULL = 0,
    POOL_STDIN_BYTES,
    POOL_STDIN_FD,
    POOL_STDIN_INHERIT, /* the host's, at the start of the job */
    POOL_STDIN_CLOSED   /* none: what it opens first is its 0 */
} pool_stdin_t;
typedef enum pool_stream {
    POOL_STREAM_INHERIT = 0, /* the host's, at the start of the job */
    POOL_STREAM_CAPTURE,     /* into result.out or result.err */
    POOL_STREAM_FD,
    POOL_STREAM_DISCARD,
    POOL_STREAM_CLOSED /* none */
} pool_stream_t;

typedef struct pool_command {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up in the job's PATH as execvp(3) does; no shell */
    const char *const *envp; /* NULL-terminated; NULL: the host's at submit */
    const char *cwd;         /* NULL: the host's at submit */
    pool_stdin_t stdin_mode;
    pool_bytes_t stdin_bytes; /* with POOL_STDIN_BYTES; *copied* */
    int stdin_fd;             /* with POOL_STDIN_FD; *copied* (dup) at submit, as the next two */
    pool_stream_t stdout_mode;
    int stdout_fd;
    pool_stream_t stderr_mode;
    int stderr_fd;
    bool foreground; /* in the host's process group, so that the terminal's Ctrl-C, Ctrl-Z and fg act on it; else in a
                        group of its own */
    const int32_t *fd_numbers; /* *copied*: options.fds[i] has the number fd_numbers[i] in the command, each above 2 and
                                  no two alike; NULL: 3, 4, ... */
    uint64_t reserved[8];
} pool_command_t;

/* The same for a program: it runs as the only child of a worker, with the signal mask and dispositions that the host
 * had when the pool was opened. Without cwd it starts in the host's directory, also where that has been removed.
 * command is *copied*. A command that cannot be executed settles as FAILED, code 127 (NOT_FOUND) or 126
 * (NOT_EXECUTABLE). Errors: as pool_submit, and -E2BIG (argv and envp above 4 MiB, too). */
POOL_API int pool_submit_command(pool_t *pool, const pool_command_t *command, const pool_job_options_t *options,
                                 pool_job_t **job);

/* Submits fn once for each of args (*copied*), all or none; jobs[i] is the job for args[i], NULLs on failure.
 * jobs may be NULL. A map larger than queue_limit and workers together gives -EINVAL. Errors: as pool_submit. */
POOL_API int pool_map(pool_t *pool, pool_fn fn, const pool_bytes_t *args, size_t count,
                      const pool_job_options_t *options, pool_job_t **jobs);

/* ---- reserving -------------------------------------------------------------------------------------------------- */

/* For a host that has a queue of its own, and is to know that a job may start before it hands it over. A reservation is
 * the turn of one job that waits there, and once pool_reserve has found that it may start, memory and a worker for it.
 * Of options (*copies*) count name (required: what jobs of it have needed is known), memory_expected and memory_limit:
 * those of the job. On failure *reservation is NULL. Errors: -EINVAL, -E2BIG (as pool_submit), -EPERM, -ENOMEM. */
POOL_API int pool_reservation_new(pool_t *pool, const pool_job_options_t *options, pool_reservation_t **reservation);

/* Reserves for the first of these (*borrows*; NULL entries are skipped), in the order of their turn, that may start
 * now: *which says which one. One that may not is passed by others behind it, so often and for so long as in the pool's
 * queue, whose jobs come before all of these: so give all that wait, 64 are looked at. What is reserved nobody else
 * gets: submit the job with it, or free it. -EAGAIN: none may start now; ask again when a job has ended, and after
 * *again_ms at the latest (-1: there is no worker before one has ended). Any of the two may be NULL. Errors: -EINVAL
 * (no reservation, another pool's, one that holds something already), -ESHUTDOWN, -EIO, -EPERM, -ENOMEM, -EDEADLK (in a
 * callback). */
POOL_API int pool_reserve(pool_t *pool, pool_reservation_t *const *reservations, size_t count, size_t *which,
                          int64_t *again_ms);

/* Gives back what it holds, and frees it (*takes*; NULL is fine). Also after pool_free; in a forked child it does
 * nothing. */
POOL_API void pool_reservation_free(pool_reservation_t *reservation);

/* ---- waiting --------------------------------------------------------------------------------------------------- */

/* Waits until the job is settled. 0, or -ETIMEDOUT and the job goes on; timeout_ms -1 waits for ever, 0 only looks.
 * Errors: -EDEADLK in a callback. */
POOL_API int pool_job_wait(pool_job_t *job, int64_t timeout_ms);

/* Waits until any of the jobs (all of one pool or of several; NULL entries are skipped) is settled; *which is the
 * lowest index that is. Errors: -ETIMEDOUT, -EINVAL (no job at all), -EDEADLK. */
POOL_API int pool_wait_any(pool_job_t *const *jobs, size_t count, int64_t timeout_ms, size_t *which);

/* As completed: hands out jobs that were submitted with .collect, in the order in which they settled, each once and
 * with a reference that is the caller's. Errors: -ENOENT (none is outstanding), -ETIMEDOUT, -ESHUTDOWN (closed while
 * waiting and none is left), -EDEADLK. */
POOL_API int pool_next(pool_t *pool, int64_t timeout_ms, pool_job_t **job);

/* A descriptor for poll(2): readable, level-triggered, while pool_next would hand out a job at once. The pool's own:
 * never read or close it. Negative errno on misuse. */
POOL_API int pool_fd(const pool_t *pool);

/* ---- one job --------------------------------------------------------------------------------------------------- */

/* NULL until settled; *borrowed*, valid until the job's last reference is dropped, also after pool_free. */
POOL_API const pool_result_t *pool_job_result(const pool_job_t *job);
POOL_API pool_state_t pool_job_state(const pool_job_t *job);
POOL_API void *pool_job_user(const pool_job_t *job);
POOL_API const char *pool_job_name(const pool_job_t *job); /* *borrowed*, as the result */

/* Asks for the end of a job. Queued: it is dropped; running: its tree gets SIGTERM, after kill_after_ms SIGKILL. 0
 * means requested: a job whose whole result was on its way may still be DONE. -EALREADY: settled before. */
POOL_API int pool_job_cancel(pool_job_t *job);

/* Sends a signal to a running job: to its command (and the group that this leads, unless it is in the foreground), or
 * to the process of its function. What it does to the job shows in its result. Any signal but SIGKILL and SIGSTOP (see
 * pool_job_cancel), and for a command SIGCHLD. 0 means requested. Errors: -ESRCH (it does not run now), -EINVAL (not
 * one of these). */
POOL_API int pool_job_signal(pool_job_t *job, int signal);

/* Adds a reference; returns job. */
POOL_API pool_job_t *pool_job_retain(pool_job_t *job);
/* Drops a reference (NULL is fine); with the last one the result is freed and on_release(user) runs, exactly once.
 * A job whose references are all dropped still runs. */
POOL_API void pool_job_release(pool_job_t *job);

/* ---- the pool -------------------------------------------------------------------------------------------------- */

typedef struct pool_memory {
    uint64_t host;               /* resident, this process */
    uint64_t fork_server;        /* resident in the fork server, most of it shared with host and workers */
    uint64_t workers;            /* anonymous and shared memory resident in workers and not inherited */
    uint64_t results;            /* held in settled results not yet released, and in arguments not yet run */
    uint64_t reserved_for_jobs;  /* admission: what running jobs are expected to use, and reservations hold */
    uint64_t budget;             /* admission: memory_budget in force; 0: none */
    uint64_t floor;              /* admission: memory_floor in force; 0: none */
    uint64_t available;          /* what can be had without swapping: MemAvailable (proc(5)), or less in a cgroup */
    bool pressure;               /* nothing starts now for want of memory: stalls (PSI), or below the floor */
    pool_memory_method_t method; /* how this pool measures and limits: CGROUP or SAMPLED */
    uint64_t reserved[8];
} pool_memory_t;

typedef struct pool_stats {
    uint64_t queued, running;            /* now; running includes what is being started or reaped, and reservations */
    uint64_t warm;                       /* idle workers now */
    uint64_t submitted;                  /* since pool_open */
    uint64_t settled[16];                /* by outcome, indexed by pool_outcome_t */
    uint64_t retried;                    /* further attempts */
    uint64_t evictions;                  /* requeued for memory */
    uint64_t workers_started;            /* worker processes forked */
    uint64_t fork_servers_lost;          /* fork servers that died and were replaced */
    int32_t keeper_pid, fork_server_pid; /* processes of this pool; -1 when there is none */
    uint32_t tag; /* what every process of a job of the present fork server carries, see pool_sweep; 0: none yet */
    uint64_t reserved[8];
} pool_stats_t;

POOL_API int pool_memory(const pool_t *pool, pool_memory_t *memory);
POOL_API int pool_stats(const pool_t *pool, pool_stats_t *stats);

typedef enum pool_close {
    POOL_CLOSE_WAIT = 0,      /* everything that was submitted runs */
    POOL_CLOSE_CANCEL_QUEUED, /* what has not started is cancelled, what runs finishes */
    POOL_CLOSE_KILL           /* everything is cancelled, running jobs get SIGKILL */
} pool_close_t;

/* Refuses new work, ends the rest as `how` says, and returns when every process of the pool is gone. May be called from
 * any thread, also again with a harder how while another call waits. Submits that block give -ESHUTDOWN, and so does
 * pool_next when nothing is left; settled jobs can still be fetched. What reservations hold is given back. Errors:
 * -EDEADLK in a callback, -EINVAL. */
POOL_API int pool_close(pool_t *pool, pool_close_t how);

/* Says that no more work will come: what was submitted runs as under POOL_CLOSE_WAIT, and the pool's processes leave
 * with the last job, so that pool_close, which is to be called all the same, finds them gone. Returns at once; also in
 * a callback. Errors: -EINVAL, -EPERM. */
POOL_API int pool_seal(pool_t *pool);

/* Closes with POOL_CLOSE_KILL if still open, and frees the pool (*takes*; NULL is fine). Jobs that were not released
 * and their results stay valid. No other thread may be inside or enter a call on this pool, except on its jobs. In a
 * callback and in a forked child it does nothing. */
POOL_API void pool_free(pool_t *pool);

/* Ends (SIGKILL) every process that carries one of these tags: of jobs of a pool whose host, keeper and fork server
 * were all killed at once, so that nobody else ends them. For a host that has written pool_stats_t.tag down, and starts
 * again. At most 4096 tags (*borrows*). Errors: -EINVAL, -EBUSY (some could not be ended within seconds). */
POOL_API int pool_sweep(const uint32_t *tags, size_t count);

/* This thread's last failed pool_ call in words: *borrowed* until this thread's next one. Never NULL. */
POOL_API const char *pool_message(void);

/* The words used in reports: "done", "crashed"; "exited", "memory-limit". Never NULL, static. */
POOL_API const char *pool_outcome_name(pool_outcome_t outcome);
POOL_API const char *pool_cause_name(pool_cause_t cause);
POOL_API const char *pool_memory_method_name(pool_memory_method_t method);

#define POOL_VERSION_MAJOR 0
#define POOL_VERSION_MINOR 1
#define POOL_VERSION_PATCH 0
/* The library's version, "0.1.0"; static. */
POOL_API const char *pool_version(void);

#ifdef __cplusplus
}
#endif
#endif
