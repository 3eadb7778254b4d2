/* process.h - what keeper, fork server, workers and commands put right after a fork: signals, descriptors, scheduling.
 * Sources: signal(7), prctl(2), setpgid(2). */
#ifndef PROCESS_H
#define PROCESS_H

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

/* What the host had when it opened the pool, and commands get back. */
struct process_origin {
    sigset_t mask;
    sigset_t ignored; /* see process_signals_reset */
    pid_t group;
    int nice;
};

/* Fills in all but `ignored`, from the calling process. mask: the thread's, before it blocked signals for the fork. */
void process_origin_take(struct process_origin *origin, const sigset_t *mask);

/* Default dispositions for all signals. Notes in origin which were ignored. */
void process_signals_reset(struct process_origin *origin);

/* The mask of keeper and fork server: blocks every signal but a program's own faults. *child becomes the set for their
 * signalfd: SIGCHLD. Signals to the whole tree (kill(2) to a session or a container, scancel, systemd's KillMode=) are
 * for the host to decide on, and keeper and fork server go on until it has. SIGHUP, too, which the kernel sends to a
 * stopped process whose host dies (setpgid(2), orphaned process groups): they still clean up. */
void process_signals_hold(sigset_t *child);

/* Ignores a signal, in children as well. */
void process_signal_ignore(int signal_number);

/* Notes what this process ignores, for process_signals_restore, where foreign code may have changed it. */
void process_signals_note(void);

/* Gives a program that is about to be exec'ed the host's mask and ignored signals. exec itself resets handlers. */
void process_signals_restore(const struct process_origin *origin);

/* fork(2) from a process of one thread, without fork handlers (_Fork(3)). Handlers repair what other threads held, and
 * there are none. libuv's would do harm: it closes descriptor numbers that it remembers and others use by now. */
pid_t process_fork(void);

/* The gap: descriptors 3 and 4. A job that forks does run fork handlers, so the numbers that they remember must not be
 * the job's. The keeper leaves the gap free when it forks a fork server, which is the one fork that runs them: what
 * they open lands in the gap. Returns the first number behind that: to be called in the fork server, once, before it
 * opens anything else. */
unsigned process_gap_end(void);

/* In a worker: puts standard input, which is /dev/null, in the place of the handlers' descriptors, up to end. Workers
 * must not share those. */
void process_gap_fill(unsigned end);

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t process_now_ms(void);

/* Microseconds of CPU time that this process has used: what something costs, without the time of other processes. */
int64_t process_cpu_us(void);

/* The most bytes that this process ever had resident; 0: unknown. */
uint64_t process_peak(void);

/* Asks the scheduler to run this process at once when it wakes, as far as its privileges go, also on a busy machine.
 * Its children are to call process_be_ordinary. Source: sched_setattr(2); sched_runtime is the time slice of an
 * ordinary process since Linux 6.12. */
void process_be_prompt(const struct process_origin *origin);

/* As nice as the host was. */
void process_be_ordinary(const struct process_origin *origin);

/* SIGKILL for the calling process when parent dies, which must have one thread: the signal comes when the thread that
 * forked ends. -ESRCH: parent is dead already. */
int process_die_with(pid_t parent);

/* Keeps stdin (from /dev/null), stdout, stderr, all below first, and the count descriptors in keep, which move to high
 * numbers and are updated. What stdio buffers for the host is dropped, not written; no stream is locked. */
void process_descriptors_keep(unsigned first, int **keep, unsigned count);

/* Closes all from first on but the count descriptors in keep, which stay where they are; -1 is none. */
void process_descriptors_close_but(unsigned first, int **keep, unsigned count);

/* Moves *fd to a high number, where a job is unlikely to step on it. Negative errno: it stays. */
int process_descriptor_lift(int *fd);

/* Lowest number that process_descriptor_lift uses. */
int process_descriptor_floor(void);

/* Seeds libc's random generators with a random number, in the fork server before each fork: no two workers draw the
 * same. Takes the lock of random(3): see image.h. */
void process_seed(uint64_t number);

/* Random bytes by the system call itself: later versions of getrandom(3) lock. -EAGAIN: there are none yet. */
int process_random(void *bytes, size_t size);

/* Words for an errno. strerror(3) looks for translations, under locks that a thread of the host may have held at the
 * fork; strerrordesc_np(3) does not. */
const char *process_error(int error);

#endif
