/* process.h - the state of a process that is not its own: what keeper, fork server, workers and commands put right
 * after a fork. Sources: signal(7), prctl(2), setpgid(2). */
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

/* Takes the calling process's, but for what it ignores. mask: the calling thread's, before the caller blocked signals
 * for the fork. */
void process_origin_take(struct process_origin *origin, const sigset_t *mask);

/* Default dispositions for all signals. What was ignored is kept in origin. */
void process_signals_reset(struct process_origin *origin);

/* The mask of keeper and fork server: holds back every signal but a program's own faults. *child is filled in for their
 * signalfd: SIGCHLD. What is sent to the whole tree (kill(2) to a session or a container, scancel, systemd's KillMode=)
 * is for the host to decide on: keeper and fork server go on until the host has decided. The kernel's own SIGHUP is
 * held, too, which a stopped process gets when its host dies (setpgid(2), orphaned process groups): they clean up all
 * the same. */
void process_signals_hold(sigset_t *child);

/* From here on to be ignored, by children as well. */
void process_signal_ignore(int signal_number);

/* Looks at what this process ignores, where others may have changed it: process_signals_restore needs to know. */
void process_signals_note(void);

/* What is ignored, and the mask, as the host had them, for a program to begin with: exec resets what is handled. */
void process_signals_restore(const struct process_origin *origin);

/* fork(2) from a process of one thread, without fork handlers (_Fork(3)). Handlers repair what other threads held, and
 * there are none; what they do besides does harm here: libuv's closes the descriptor numbers that it remembers, whoever
 * has them by now. */
pid_t process_fork(void);

/* The gap: numbers 3 and 4. A job that forks runs the handlers all the same, so the descriptors that they remember must
 * not be the job's. The keeper has the gap free when it forks a fork server, the one fork that runs them: what they
 * open lands there, and is theirs from then on. Returns the first number behind what they have opened: to be asked
 * once, in the fork server, before anything else is opened. */
unsigned process_gap_end(void);

/* In a worker: puts standard input, which is /dev/null, in the place of what fork handlers have opened in the fork
 * server, up to end. Workers must not share that with each other. */
void process_gap_fill(unsigned end);

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t process_now_ms(void);

/* Microseconds of CPU time that this process has used: what something costs. A clock on the wall would count what
 * others ran meanwhile. */
int64_t process_cpu_us(void);

/* Asks the scheduler to let this process run at once whenever it wakes, and briefly, also when everything else is
 * busy, as far as it may have that. Its children are to call process_be_ordinary. Source: sched_setattr(2), whose
 * sched_runtime is the slice of an ordinary process from Linux 6.12 on. */
void process_be_prompt(const struct process_origin *origin);

/* As nice as the host was. */
void process_be_ordinary(const struct process_origin *origin);

/* Ends with parent: SIGKILL when the parent process dies. -ESRCH: it already has. Only for the children of
 * single-threaded processes: the signal comes when the parent's *thread* ends. */
int process_die_with(pid_t parent);

/* Keeps only stdin (from /dev/null), stdout, stderr, others below first, and the count descriptors in keep, which move
 * to high numbers and are updated. What stdio holds for the host is dropped, not written; no stream is locked. */
void process_descriptors_keep(unsigned first, int **keep, unsigned count);

/* Closes all from first on but the count descriptors in keep; -1 is none. They stay where they are. */
void process_descriptors_close_but(unsigned first, int **keep, unsigned count);

/* Moves *fd to a high number, where a job is unlikely to step on it: 0, or a negative errno and it stays. */
int process_descriptor_lift(int *fd);

/* Lowest number that process_descriptor_lift uses. */
int process_descriptor_floor(void);

/* Fresh seeds for libc's random generators: two workers must not draw the same numbers. Takes the lock of random(3):
 * image.h tells whether that is free. */
void process_seed(void);

/* Random bytes of the kernel's, by the system call itself: later versions of getrandom(3) lock. -EAGAIN: there are none
 * yet. */
int process_random(void *bytes, size_t size);

/* Words for an errno and for a signal. strerror(3) and strsignal(3) look for translations, under locks that a thread of
 * the host may have held at the fork; these do not: strerrordesc_np(3), sigdescr_np(3). */
const char *process_error(int error);
const char *process_signal_name(int signal_number);

#endif
