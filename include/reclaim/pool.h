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
 * Done means gone: when a job is settled, its process and every process that it started have been reaped, their memory
 * is back with the system, and the result says how much the job used and how that was measured.
 *
 * Conventions, for every declaration below:
 *   - Calls return 0 (or a count) or a negative errno; pool_message() then says what to do about it.
 *   - Ownership: *borrows* (reads it during the call only), *copies*, *takes* (owns it from then on, also on failure).
 *   - Structs that the caller fills are zero-initialised: zero means the default, POOL_NONE "none" or "at once".
 *   - Any thread may call any function, but no signal handler may. In a callback a call that would block gives
 *     -EDEADLK. A signal ends no call but those that say so (_masked).
 *   - Any call may give -EINVAL (the message names the argument) or -ENOMEM.
 *   - Sizes are bytes. Times are milliseconds (names in _ms) or seconds (names in _seconds). Timeout -1: for ever.
 *   - In a process that the host forked without exec, a call on the parent's pool gives -EPERM and has no effect.
 */
#ifndef RECLAIM_POOL_H
#define RECLAIM_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/select.h> /* sigset_t, in ISO C, too */

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define POOL_API __attribute__((visibility("default")))
#else
#define POOL_API
#endif

#define POOL_NONE (-1)

typedef struct pool pool_t;                         /* a queue, a fork server and its workers */
typedef struct pool_job pool_job_t;                 /* one submitted job: a future, reference counted */
typedef struct pool_call pool_call_t;               /* the job as seen by its own process: reclaim/call.h */
typedef struct pool_reservation pool_reservation_t; /* memory and a worker for a job not yet submitted: pool_reserve */

typedef struct pool_bytes {
    const void *data;
    size_t size;
} pool_bytes_t;

/* The function of a job; runs in its worker process. Returns 0 for success; any other value fails the job. */
typedef int (*pool_fn)(pool_call_t *call);

/* Why a call failed: a negative errno, and a sentence that says what to do. */
typedef struct pool_error {
    int code;
    char message[256];
} pool_error_t;

/* ---- what became of a job -------------------------------------------------------------------------------------- */

typedef enum pool_outcome {
    POOL_PENDING = 0,   /* not settled yet */
    POOL_DONE,          /* the function returned 0, or the command exited 0; no signal ended the process after that */
    POOL_FAILED,        /* a return value or exit code other than 0, or over the limit on output or processes */
    POOL_CRASHED,       /* died of a signal, exited before its result was complete, or broke the protocol */
    POOL_TIMED_OUT,     /* exceeded timeout_ms, deadline_ms or cpu_ms */
    POOL_OUT_OF_MEMORY, /* exceeded its memory limit, or was chosen by the machine's OOM killer: see the cause */
    POOL_CANCELLED,     /* by pool_job_cancel or pool_close */
    POOL_LOST,          /* its fork server died, or no worker could be started */
    POOL_OUTCOME_COUNT_
} pool_outcome_t;

/* Finer than the outcome. */
typedef enum pool_cause {
    POOL_CAUSE_NONE = 0,       /* not settled yet */
    POOL_CAUSE_EXITED,         /* the function returned, or the process exited */
    POOL_CAUSE_SIGNALLED,      /* died of a signal other than SIGKILL that this pool did not send */
    POOL_CAUSE_KILLED,         /* died of a SIGKILL that this pool did not send; no limit was exceeded */
    POOL_CAUSE_TIMEOUT,        /* timeout_ms or deadline_ms */
    POOL_CAUSE_CPU_LIMIT,      /* cpu_ms */
    POOL_CAUSE_MEMORY_LIMIT,   /* memory_limit */
    POOL_CAUSE_MACHINE_OOM,    /* the kernel's OOM killer: the machine or an enclosing cgroup was short of memory */
    POOL_CAUSE_OUTPUT_LIMIT,   /* output_limit, result_limit, or no room for the value in this process */
    POOL_CAUSE_PROCESS_LIMIT,  /* pids, without a cgroup in which the kernel refuses the fork */
    POOL_CAUSE_CANCELLED,      /* pool_job_cancel or pool_close */
    POOL_CAUSE_NOT_FOUND,      /* the command does not exist */
    POOL_CAUSE_NOT_EXECUTABLE, /* the command exists but cannot be executed */
    POOL_CAUSE_PROTOCOL,       /* the worker sent an invalid message */
    POOL_CAUSE_LOST,           /* the fork server died, or no worker could be started */
    POOL_CAUSE_UNKILLABLE,     /* as EXITED, but a process of the job may still be there: usage.unkillable */
    POOL_CAUSE_COUNT_
} pool_cause_t;

typedef enum pool_state {
    POOL_STATE_QUEUED = 0, /* waits for a worker, or for its retry delay */
    POOL_STATE_STARTING,   /* may start; no worker has it yet */
    POOL_STATE_RUNNING,    /* a worker has it */
    POOL_STATE_FINISHING,  /* the result has arrived, the worker is not reaped yet */
    POOL_STATE_SETTLED     /* pool_job_result() has the result */
} pool_state_t;

/* How a peak was measured. Peaks of two methods cannot be compared: docs/memory.md. */
typedef enum pool_memory_method {
    POOL_MEMORY_UNMEASURED = 0, /* the job never ran, or its process vanished unmeasured */
    POOL_MEMORY_RUSAGE,         /* wait4(2)'s high-water mark of its largest process: it ended before a first sample */
    POOL_MEMORY_SAMPLED,        /* anonymous and shared memory of all its processes, from /proc, and RUSAGE */
    POOL_MEMORY_CGROUP          /* the kernel's own count: memory.peak of a cgroup v2 */
} pool_memory_method_t;

typedef struct pool_usage {
    uint64_t peak_memory;                /* bytes that the job itself added at its peak, without inherited memory */
    uint64_t peak_bound;                 /* the true peak may be higher by up to this much; 0: exact for its method */
    pool_memory_method_t memory_method;  /* of peak_memory */
    uint64_t memory_limit;               /* bytes, of the last attempt; 0: none */
    uint64_t memory_first_limit;         /* of the first attempt, if retry_oom has raised it since; else 0 */
    uint64_t overshoot;                  /* bytes by which the peak exceeded the limit */
    double wall_seconds;                 /* last attempt, from hand-over to a worker until the worker was reaped */
    double user_seconds, system_seconds; /* CPU time of the worker and of every descendant that was waited for */
    uint64_t minor_faults, major_faults; /* page faults, as getrusage(2) counts them */
    uint32_t processes;                  /* processes of the job that were seen, its worker or command included */
    uint32_t processes_killed;           /* of these, how many still ran at its end and had to be killed */
    uint32_t attempt;                    /* 1 for the first; 0: never started */
    uint32_t oom_retries; /* attempts that ended at their memory limit and were repeated with a larger one */
    uint32_t
        evictions; /* attempts stopped to make room, or lost with their fork server, and repeated: not in attempt */
    double started, ended; /* seconds since the epoch (CLOCK_REALTIME), last attempt; 0: never started */
    bool complete;         /* false: an `early` job's worker was not reaped yet, and the usage is partial */
    bool unkillable; /* a process could not be killed (another user's, or stuck in the kernel), and may still run */
    uint64_t reserved[8];
} pool_usage_t;

typedef struct pool_result {
    pool_outcome_t outcome;
    pool_cause_t cause;
    int32_t code;   /* DONE: 0; FAILED: the function's return value or the command's exit code */
    int32_t signal; /* the signal that ended the job; 0: none */
    /* The value, aligned to 16, read-only; NULL: none. A job that ended by itself may have one also where it is FAILED,
     * TIMED_OUT or OUT_OF_MEMORY. */
    const void *data;
    size_t size;         /* bytes in data */
    const char *message; /* one sentence about what happened; never NULL */
    const char *crash;   /* the crash note: signal, address and backtrace, in lines; NULL: none */
    const void *out;     /* captured standard output, followed by a NUL; NULL: not captured */
    size_t out_size;
    const void *err; /* captured standard error, likewise */
    size_t err_size;
    bool truncated; /* there was more output than output_limit: out and err hold its beginning */
    pool_usage_t usage;
    uint64_t reserved[8];
} pool_result_t;

/* ---- opening --------------------------------------------------------------------------------------------------- */

typedef enum pool_queue_full { POOL_QUEUE_BLOCK = 0, POOL_QUEUE_REFUSE } pool_queue_full_t;

/* Gets a line (*borrowed*) for each event of the pool itself, such as a fork server's death; on the pool's thread. */
typedef void (*pool_log_fn)(const char *line, void *user);

typedef struct pool_options {
    int32_t workers;              /* jobs that run at once; default: online processors */
    int32_t warm;                 /* idle workers that are forked ahead; default: as many as workers; POOL_NONE: none */
    int64_t queue_limit;          /* jobs that may wait; default: no limit; POOL_NONE: none, a worker must be free */
    pool_queue_full_t queue_full; /* at queue_limit submit blocks, or gives -EAGAIN */
    /* Bytes that running jobs may be expected to use together, at least 1 MiB; docs/memory.md says what counts for a
     * job. Default: 80 % of what the machine or an enclosing cgroup has. POOL_NONE: jobs start without regard to it. */
    int64_t memory_budget;
    /* Bytes of available memory to keep free on the machine: no job starts that would leave less, and below the floor
     * the youngest running rerunnable job is stopped and queued again. Default: 5 % of what the machine or an enclosing
     * cgroup has. POOL_NONE: no floor. */
    int64_t memory_floor;
    /* Default: CGROUP if there is a delegated cgroup, else SAMPLED, and the log hook gets the reason. If you name a
     * method, the pool uses that one or does not open. */
    pool_memory_method_t memory_method;
    /* A delegated cgroup v2 directory (absolute, *copied*) in which the pool makes its own; pool_open fails if it
     * cannot. Default: found through /proc/self/cgroup, see docs/memory.md. */
    const char *cgroup;
    /* The warm template: runs in each new fork server, before it forks workers. Every worker shares what this loads,
     * copy-on-write; pages of it that a job rewrites may be missing in peak_memory: see peak_bound. Returns 0, or a
     * nonzero code and a message, which fail pool_open. It runs with all signals blocked and must leave one thread
     * behind. exit(3) in it fails pool_open and runs none of the host's handlers. on_start_arg is *borrowed*, as it was
     * at pool_open. */
    int (*on_start)(void *arg, pool_error_t *error);
    void *on_start_arg;
    pool_log_fn log; /* default: none */
    void *log_user;
    /* Descriptors that the keeper and the fork server hold open, and jobs do not; *copied* by the fork. For example one
     * with a lock (flock(2)), by which others see, also after the host has died, that such a process is still there. */
    const int *held;
    size_t held_count; /* at most 4 */
    /* Hooks for a language's run-time. before_fork and on_forked run on the thread that calls pool_open, before and
     * after each try to fork the keeper, also one that fails; there may be several. Signals are as the caller has them,
     * and no lock of the library is held. What before_fork locks is locked in the keeper's copy, too: on_start unlocks
     * it there. on_start has not ended yet when on_forked runs, so that is the place to let go of what others need.
     * They must not call the library. */
    void (*before_fork)(void *user);
    void (*on_forked)(void *user);
    /* Runs in every worker, also of a command, before that can take a task, mostly ahead, while it is idle. All signals
     * are blocked. The job has what it leaves, except that memory which it touches may count as the job's. A worker in
     * which it takes 10 s is killed, and another started; a job for which that, or its exit, ends several in a row is
     * LOST. It must not call the library. CPython wants PyOS_BeforeFork and PyOS_AfterFork_Parent in the other two, and
     * PyOS_AfterFork_Child in on_start and here. */
    void (*on_birth)(void *user);
    void *hook_user; /* for these three; *borrowed*, by on_birth as it was at pool_open */
    /* Memory that no process of the pool keeps, so that it is free once the host has freed it: private mappings without
     * code (*copied* by the fork). The keeper unmaps the whole pages of each range. on_start, on_birth or a job that
     * touches them gets SIGSEGV, or somebody else's data. No other thread may unmap them before pool_open has returned.
     * A large block of malloc(3) will do if nothing in the pool frees it. Refused is what can be seen not to do: code,
     * static data, the calling thread's stack. Stacks of other threads, and what an allocator needs for itself, are not
     * seen: leave them in. */
    const pool_bytes_t *exclude;
    size_t exclude_count; /* at most 1,024 */
    /* Workers are made by fork(3), so that handlers of pthread_atfork(3) run in them and in the fork server. Default:
     * by _Fork(3), which runs none. Keeper and fork server are made by fork(3) in any case. */
    bool fork_handlers;
    /* Most jobs will be commands, or will get or return megabytes or descriptors: the workers are made for that from
     * the start, not only after the first such job. */
    bool commands;
    uint64_t reserved[1];
} pool_options_t;

/* Opens a pool: forks the keeper and the fork server from the calling process, runs on_start in the fork server, starts
 * the pool's thread. Open early, while the host is small and has few threads: fork(2) copies what is mapped now, and
 * only functions and files that are mapped now can run as jobs. The pool keeps the credentials, root directory and
 * resource limits of this moment. It opens those of the descriptors 0 to 2 that are closed on /dev/null, for good, so
 * that no descriptor of the pool gets the number of a standard stream.
 *
 * A fork also copies the locks that other threads hold, and a job that needs one of them hangs. So if this process has
 * other threads, a process that is made like a worker first takes libc's common locks: of malloc, stdio, random,
 * localtime, setenv, setlocale, dlopen and dl_iterate_phdr, getpwnam, exit. Where it cannot, the keeper is forked anew,
 * for some two seconds; then pool_open gives -EBUSY. Locks of other libraries, and of the host itself, it does not see.
 *
 * Before it returns these may have run: before_fork and on_forked (on this thread), log (on the pool's), on_start and
 * on_birth (in other processes). options (*borrows*) may be NULL. On failure *pool is NULL and error (may be NULL) says
 * why. Errors: -EBADF (held), -EFAULT (exclude), -EBUSY (see above), -EMFILE, -EAGAIN (fork), -ECHILD (the keeper died
 * at once), -ETIMEDOUT (a fork handler of this process hangs in the keeper), -ECANCELED (on_start failed), -ENOTSUP
 * (CGROUP was asked for, and no delegated one is found), the kernel's for a named cgroup. */
POOL_API int pool_open(pool_t **pool, const pool_options_t *options, pool_error_t *error);

/* ---- submitting ------------------------------------------------------------------------------------------------ */

/* Where a function job's standard output and error go. For a command: pool_command_t. */
typedef enum pool_output {
    POOL_OUTPUT_INHERIT = 0, /* the host's at pool_open */
    POOL_OUTPUT_CAPTURE,     /* into result.out and result.err */
    POOL_OUTPUT_DISCARD
} pool_output_t;

typedef enum pool_event_kind {
    POOL_EVENT_STARTED = 1, /* a worker has the job */
    POOL_EVENT_PROGRESS,    /* done, total */
    POOL_EVENT_PARTIAL,     /* data, size: a partial result, in the order of the emits */
    POOL_EVENT_MEMORY,      /* memory: bytes that the job used at `time`; see memory_every_ms */
    POOL_EVENT_RETRIED,     /* the attempt ended as `outcome`, another will follow; memory: its limit */
    /* `signal` stopped the command, whoever sent it. Its time (timeout_ms, and what deadline_ms leaves it) runs on,
     * except for a foreground command that SIGTSTP, SIGTTIN or SIGTTOU has stopped in the host's process group and in
     * the terminal's foreground: job control. A function's time runs on. */
    POOL_EVENT_STOPPED,
    POOL_EVENT_CONTINUED /* the stopped command runs again; not sent if it ends at once */
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

/* Callbacks run one at a time on the pool's thread, perhaps before submit has returned. A job's events come before
 * on_settled. Arguments are *borrowed*. A callback must not block. */
typedef void (*pool_settled_fn)(pool_job_t *job, const pool_result_t *result, void *user);
typedef void (*pool_event_fn)(pool_job_t *job, const pool_event_t *event, void *user);
/* Runs exactly once, on the thread that drops the job's last reference. */
typedef void (*pool_release_fn)(void *user);

/* One bit for each outcome, for retry_on. */
#define POOL_RETRY_ON(outcome) (UINT32_C(1) << (outcome))

typedef struct pool_job_options {
    const char *name;        /* *copied*; default: the function's symbol, else object+offset; a command: argv[0] */
    int32_t priority;        /* higher runs first; equal ones in the order of submission */
    int64_t timeout_ms;      /* per attempt, from RUNNING; then each process of the job gets SIGTERM; default: none */
    int64_t kill_after_ms;   /* from SIGTERM to SIGKILL; default: 2000; POOL_NONE: SIGKILL at once */
    int64_t deadline_ms;     /* from submit, with queueing and retries; default: none */
    int64_t cpu_ms;          /* CPU time of one process (RLIMIT_CPU, rounded up to seconds); default: none */
    int64_t memory_limit;    /* bytes that all its processes together may add, at least 1 MiB; default: none */
    int64_t memory_expected; /* bytes, for admission; default: learned from finished jobs of its name, else
                                docs/memory.md; POOL_NONE: not worth counting */
    /* Processes at once, without the worker. In a cgroup threads count, too, and fork fails; else PROCESS_LIMIT. */
    int32_t pids;
    /* Share of the CPU under contention, 1 to 10,000, others have 100 (cgroup's cpu.weight; -ENOTSUP without it). */
    int32_t cpu_weight;
    int32_t nofile;       /* descriptors of each process (RLIMIT_NOFILE, at most the hard limit) */
    int32_t nice;         /* added to the host's; see setpriority(2) */
    pool_output_t output; /* function jobs */
    /* Bytes kept of each captured stream; default: 1 GiB; POOL_NONE: no output allowed. Beyond, the job is killed
     * (OUTPUT_LIMIT); if it has ended well by then it is DONE, with truncated. */
    int64_t output_limit;
    bool huge_pages;      /* commands: glibc's malloc uses huge pages (GLIBC_TUNABLES=glibc.malloc.hugetlb=1) */
    bool memory_backstop; /* beyond memory_limit the allocations of each single process fail, too (RLIMIT_DATA) */
    const int *fds;       /* *copied* (dup), for pool_call_fd(); a command has them as 3, 4, ... or by its fd_numbers */
    size_t fd_count;      /* at most 240 */
    int32_t retries;      /* further attempts, after the outcomes in retry_on only */
    uint32_t retry_on;    /* POOL_RETRY_ON bits; default: crashed, timed out, lost */
    int64_t retry_delay_ms; /* before each further attempt; default: none */
    /* After MEMORY_LIMIT the job runs again with this many times the limit (1.1 to 100), at most the budget. These
     * attempts do not count in `retries`. Default: no. */
    double retry_oom;
    /* Between two POOL_EVENT_MEMORY (and samples, down to 1 ms), unless the memory grows a good deal. Default: none. */
    int64_t memory_every_ms;
    bool rerunnable; /* may run again if its worker is taken from it: fork server lost, memory pressure */
    /* Settles when the value is complete, before the worker is reaped. Outcome and value are final, usage is partial.
     */
    bool early;
    bool collect; /* pool_next hands it out */
    /* *taken*: pool_reserve has chosen it, and the job starts at once. Must be of the same pool, memory_expected,
     * memory_limit and memory_share. Not for pool_map. */
    pool_reservation_t *reservation;
    pool_settled_fn on_settled;
    pool_event_fn on_event;
    pool_release_fn on_release;
    void *user; /* for the three callbacks and pool_job_user() */
    /* memory_limit as a share of the machine's memory, or of the smallest cgroup around the host: above 0, at most 1.
     * If both are given the lower limit counts. -ENOTSUP if the machine does not say what it has. Default: none. */
    double memory_share;
    /* Function jobs: bytes that the value, and each partial result, may have. A larger one is refused in the job
     * (-EFBIG), and never mapped or read here. Default: a value counts against memory_limit, by its size where that is
     * more than what the job has written (MEMORY_LIMIT); POOL_NONE: any size. */
    int64_t result_limit;
    uint64_t reserved[6];
} pool_job_options_t;

/* Submits fn(arg) to run once in a fresh worker process. arg and options (may be NULL) are *copied*. *job is a
 * reference of the caller's, for pool_job_release; job may be NULL. On failure *job is NULL, and no callback runs, not
 * even on_release. Blocks only at queue_limit. Errors: -EFAULT (fn is not in code mapped at pool_open), -EAGAIN (queue
 * full), -ESHUTDOWN (pool closed), -E2BIG (memory_expected is above memory_budget: it could never start), -EPERM (the
 * host's credentials changed), -ENOTSUP (cpu_weight), -EMFILE, -EIO (the pool failed: its keeper is gone). */
POOL_API int pool_submit(pool_t *pool, pool_fn fn, const void *arg, size_t arg_size, const pool_job_options_t *options,
                         pool_job_t **job);

/* The same with an argument in parts (*copies*), one after the other: gathered with writev(2), without a copy between.
 */
POOL_API int pool_submit_parts(pool_t *pool, pool_fn fn, const pool_bytes_t *parts, size_t count,
                               const pool_job_options_t *options, pool_job_t **job);

typedef enum pool_stdin {
    POOL_STDIN_NULL = 0,
    POOL_STDIN_BYTES,
    POOL_STDIN_FD,
    POOL_STDIN_INHERIT, /* the host's, at the start of the job */
    POOL_STDIN_CLOSED   /* closed: the first file that the command opens becomes its descriptor 0 */
} pool_stdin_t;

typedef enum pool_stream {
    POOL_STREAM_INHERIT = 0, /* the host's, at the start of the job */
    POOL_STREAM_CAPTURE,     /* into result.out or result.err */
    POOL_STREAM_FD,
    POOL_STREAM_DISCARD,
    POOL_STREAM_CLOSED
} pool_stream_t;

typedef struct pool_command {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up in the job's PATH as execvp(3) does; no shell */
    const char *const *envp; /* NULL-terminated; NULL: the host's at submit */
    const char *cwd;         /* NULL: the host's at submit */
    pool_stdin_t stdin_mode;
    pool_bytes_t stdin_bytes; /* with POOL_STDIN_BYTES; *copied* */
    int stdin_fd;             /* with POOL_STDIN_FD; *copied* (dup) at submit, as stdout_fd and stderr_fd */
    pool_stream_t stdout_mode;
    int stdout_fd;
    pool_stream_t stderr_mode;
    int stderr_fd;
    /* In the host's process group, so that the terminal's Ctrl-C, Ctrl-Z and fg reach it; else in a group of its own.
     */
    bool foreground;
    /* options.fds[i] becomes descriptor fd_numbers[i] (*copied*); each above 2, no two alike. NULL: 3, 4, ... */
    const int32_t *fd_numbers;
    uint64_t reserved[8];
} pool_command_t;

/* Submits a command: it runs as the only child of a worker, with the signal mask and dispositions that the host had
 * when the pool was opened. Without cwd it starts in the host's directory, even if that has been removed. command is
 * *copied*. A command that cannot be executed settles as FAILED, with code 127 (NOT_FOUND) or 126 (NOT_EXECUTABLE).
 * Errors: as pool_submit, and -E2BIG (argv and envp above 4 MiB). */
POOL_API int pool_submit_command(pool_t *pool, const pool_command_t *command, const pool_job_options_t *options,
                                 pool_job_t **job);

/* Submits fn once for each of args (*copied*), all or none. jobs[i] is the job of args[i], on failure NULL; jobs may be
 * NULL. Errors: as pool_submit, and -EINVAL (count is above queue_limit and workers together). */
POOL_API int pool_map(pool_t *pool, pool_fn fn, const pool_bytes_t *args, size_t count,
                      const pool_job_options_t *options, pool_job_t **jobs);

/* ---- reserving -------------------------------------------------------------------------------------------------- */

/* For a host with a queue of its own that has to know whether a job may start before it submits the job. A reservation
 * is such a job's place in the order of turns; once pool_reserve has chosen it, it holds memory and a worker. Of
 * options (*copies*) it uses name (required, for what the name has needed before) and those of memory; give the
 * job's own. On failure *reservation is NULL. -E2BIG: as pool_submit. */
POOL_API int pool_reservation_new(pool_t *pool, const pool_job_options_t *options, pool_reservation_t **reservation);

/* Finds the first of the reservations (*borrows*; NULL entries are skipped), in the order of their turns, that may
 * start now, and reserves memory and a worker for it; *which is its index. Submit its job with it, or free it. Later
 * ones may pass one that cannot start, as often and as long as in the pool's own queue, whose jobs come first. So give
 * all that wait; the first 64 are looked at. -EAGAIN: none may start. Then ask again when a job has ended, and after
 * *again_ms at the latest (-1: no worker is free before a job ends). which and again_ms may be NULL. Errors: -EINVAL
 * (no reservation, one of another pool, one that already holds something), -ESHUTDOWN, -EIO, -EDEADLK (in any
 * callback). */
POOL_API int pool_reserve(pool_t *pool, pool_reservation_t *const *reservations, size_t count, size_t *which,
                          int64_t *again_ms);

/* Gives back what the reservation holds, and frees it (*takes*; NULL is fine), also after pool_free. */
POOL_API void pool_reservation_free(pool_reservation_t *reservation);

/* ---- waiting --------------------------------------------------------------------------------------------------- */

/* Waits until the job is settled; timeout_ms 0 only looks. -ETIMEDOUT: the job goes on. */
POOL_API int pool_job_wait(pool_job_t *job, int64_t timeout_ms);

/* Waits until one of the jobs (of one or several pools; NULL entries are skipped) is settled; *which is the lowest
 * index of a settled one. Errors: -ETIMEDOUT, -EINVAL (no job at all). */
POOL_API int pool_wait_any(pool_job_t *const *jobs, size_t count, int64_t timeout_ms, size_t *which);

/* Hands out the jobs that were submitted with .collect, in the order in which they settled, each once; *job is a
 * reference of the caller's. Errors: -ENOENT (none is outstanding), -ETIMEDOUT, -ESHUTDOWN (the pool was closed, and no
 * job is left). */
POOL_API int pool_next(pool_t *pool, int64_t timeout_ms, pool_job_t **job);

/* A descriptor for poll(2): readable (level-triggered) while pool_next would return a job at once. It belongs to the
 * pool: do not read or close it. A negative errno on misuse. */
POOL_API int pool_fd(const pool_t *pool);

/* The three waits again, as a signal ends them: -EINTR when a handler has run on this thread meanwhile (also with
 * SA_RESTART). Nothing else has happened then: the jobs go on, none was handed out. During the call the thread has the
 * signal mask `mask` (*borrows*), as in ppoll(2), so that a signal that is blocked otherwise is not lost between a
 * check and the wait:
 *
 *     sigset_t interrupts, mask;
 *     sigemptyset(&interrupts);
 *     sigaddset(&interrupts, SIGINT);
 *     pthread_sigmask(SIG_BLOCK, &interrupts, &mask);          // the handler sets has_to_end
 *     while (!has_to_end && pool_job_wait_masked(job, -1, &mask) == -EINTR)
 *         ;
 *
 * A mask of NULL leaves the thread's as it is. The kernel gives a signal for the process to any thread that does not
 * block it: let the others block it, or poll pool_job_fd() beside a descriptor that the handler writes to. A handler
 * must return. Errors: as the three, -EINTR, -EMFILE. */
POOL_API int pool_job_wait_masked(pool_job_t *job, int64_t timeout_ms, const sigset_t *mask);
POOL_API int pool_wait_any_masked(pool_job_t *const *jobs, size_t count, int64_t timeout_ms, const sigset_t *mask,
                                  size_t *which);
POOL_API int pool_next_masked(pool_t *pool, int64_t timeout_ms, const sigset_t *mask, pool_job_t **job);

/* ---- one job --------------------------------------------------------------------------------------------------- */

/* NULL until settled. *Borrowed*: valid until the job's last reference is dropped, also after pool_free. */
POOL_API const pool_result_t *pool_job_result(const pool_job_t *job);
POOL_API pool_state_t pool_job_state(const pool_job_t *job);

/* A settled job's value as a new descriptor for the caller to close: of a memfd, sealed (it cannot be changed), at its
 * beginning, read-only. It stays good after pool_job_release and pool_free. A value above 60 KiB is not copied for it;
 * but of all values that are not released, at most as many stay descriptors as a quarter of RLIMIT_NOFILE, others are
 * copied now. Errors: -EAGAIN (not settled), -ENODATA (no value), -EMFILE, -ENOMEM. */
POOL_API int pool_job_value_fd(pool_job_t *job);

/* A settled job's value as a private map that may be written to: the caller's alone, who frees it with munmap(*data,
 * *size). Pages are copied when they are first written (on small pages: huge ones gain nothing here); pool_job_result
 * and other maps stay as they are. It stays good after pool_job_release and pool_free. Copies at once what
 * pool_job_value_fd would copy. Errors: as there; then *data is NULL. */
POOL_API int pool_job_value_map(pool_job_t *job, void **data, size_t *size);

POOL_API void *pool_job_user(const pool_job_t *job);       /* options.user */
POOL_API const char *pool_job_name(const pool_job_t *job); /* *borrowed*, as the result */

/* A descriptor for poll(2): readable (level-triggered) from the moment that the job is settled. Made at the first call;
 * later ones give the same. It belongs to the job: do not read or close it. It is closed with the job's last reference,
 * which the pool may drop when the job has ended: keep a reference while it is in use. For many jobs: pool_fd.
 * Errors: -EMFILE. */
POOL_API int pool_job_fd(pool_job_t *job);

/* Asks to end a job: drops a queued one, sends SIGTERM, after kill_after_ms SIGKILL, to all processes of a running one.
 * 0 means requested: a job whose whole result was on its way may still be DONE. -EALREADY: settled. */
POOL_API int pool_job_cancel(pool_job_t *job);

/* Cancels a job that no worker has: in the queue, or waiting for its retry delay. 0: it does not run (again), and is
 * settled soon, as CANCELLED unless its deadline has just passed or the pool has just failed. Errors: -EBUSY (a worker
 * has it, or is about to; it goes on), -EALREADY (settled). */
POOL_API int pool_job_cancel_queued(pool_job_t *job);

/* Sends a signal to a running job: to its command and, unless that is in the foreground, the command's process group;
 * or to the process of its function. The job's result shows the effect. 0 means requested. Errors: -ESRCH (not
 * running), -EINVAL (SIGKILL and SIGSTOP, for which see pool_job_cancel; for a command SIGCHLD; no signal). */
POOL_API int pool_job_signal(pool_job_t *job, int signal);

/* Adds a reference; returns job. */
POOL_API pool_job_t *pool_job_retain(pool_job_t *job);
/* Drops a reference (NULL is fine); the last one frees the result and runs on_release once. The job runs all the same.
 */
POOL_API void pool_job_release(pool_job_t *job);

/* ---- the pool -------------------------------------------------------------------------------------------------- */

typedef struct pool_memory {
    uint64_t host;               /* resident, this process */
    uint64_t fork_server;        /* resident in the fork server; it shares most of this with host and workers */
    uint64_t workers;            /* anonymous and shared memory of the workers, without what they inherited */
    uint64_t results;            /* results of settled jobs that are not released, and arguments that have not run */
    uint64_t reserved_for_jobs;  /* admission: expected use of running jobs, and what reservations hold */
    uint64_t budget;             /* admission: memory_budget in force; 0: none */
    uint64_t floor;              /* admission: memory_floor in force; 0: none */
    uint64_t available;          /* without swapping: MemAvailable (proc(5)), or less in a cgroup */
    bool pressure;               /* no job starts for lack of memory: stalls (PSI), or below the floor */
    pool_memory_method_t method; /* how this pool measures and limits: CGROUP or SAMPLED */
    uint64_t
        total; /* the machine's, or the limit of the smallest cgroup around the host: of it memory_share is a share */
    uint64_t reserved[7];
} pool_memory_t;

typedef struct pool_stats {
    uint64_t queued, running;            /* now; running includes starting and finishing jobs, and reservations */
    uint64_t warm;                       /* idle workers now */
    uint64_t submitted;                  /* this and the counts below: since pool_open */
    uint64_t settled[16];                /* by outcome, indexed by pool_outcome_t */
    uint64_t retried;                    /* further attempts */
    uint64_t evictions;                  /* jobs that were stopped to free memory and queued again */
    uint64_t workers_started;            /* worker processes forked */
    uint64_t fork_servers_lost;          /* fork servers that died and were replaced */
    int32_t keeper_pid, fork_server_pid; /* processes of this pool; -1: none */
    uint32_t tag; /* marks every process of a job of the present fork server, see pool_sweep; 0: none yet */
    uint64_t reserved[8];
} pool_stats_t;

/* Both fill in the present figures. pool_memory reads /proc, and gives its errors. */
POOL_API int pool_memory(const pool_t *pool, pool_memory_t *memory);
POOL_API int pool_stats(const pool_t *pool, pool_stats_t *stats);

typedef enum pool_close {
    POOL_CLOSE_WAIT = 0,      /* all submitted jobs run */
    POOL_CLOSE_CANCEL_QUEUED, /* queued jobs are cancelled, running ones finish */
    POOL_CLOSE_KILL           /* all jobs are cancelled, running ones get SIGKILL */
} pool_close_t;

/* Refuses new jobs, ends the others as `how` says, gives back what reservations hold, and returns when every process of
 * the pool is gone. Other threads may call it again meanwhile, with a harder `how`. Blocked submits give -ESHUTDOWN,
 * and so does pool_next when no job is left; settled jobs can still be fetched. */
POOL_API int pool_close(pool_t *pool, pool_close_t how);

/* Refuses new jobs and returns at once, also in a callback: submitted jobs run as under POOL_CLOSE_WAIT, and the pool's
 * processes leave with the last one. pool_close is still required, and then finds them gone. */
POOL_API int pool_seal(pool_t *pool);

/* Closes the pool with POOL_CLOSE_KILL if it is open, and frees it (*takes*; NULL is fine). Unreleased jobs and their
 * results stay valid. No other thread may be in a call on this pool or enter one, except on its jobs. In a callback it
 * does nothing. */
POOL_API void pool_free(pool_t *pool);

/* Kills every process that carries one of these tags: jobs of a pool whose host, keeper and fork server were all killed
 * at once, so that nothing else ends them. For a restarted host that has kept pool_stats_t.tag. At most 4096 tags
 * (*borrows*). Errors: -EINVAL, -EBUSY (some did not end within seconds). */
POOL_API int pool_sweep(const uint32_t *tags, size_t count);

/* Why this thread's last failed pool_ call failed, in words. *Borrowed* until its next one. Never NULL. */
POOL_API const char *pool_message(void);

/* The words of reports: "done", "crashed"; "exited", "memory-limit"; "sampled". Never NULL, static. */
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
