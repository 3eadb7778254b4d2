/* support.h - what every whole-pool test needs: a clean process before and after, and ways to wait for events.
 *
 * As cmocka setup and teardown, support_begin notes descriptors and children, support_end asserts that there are no
 * more: no process, zombie, descriptor or thread is left behind, also when the test failed. */
#ifndef SUPPORT_H
#define SUPPORT_H

/* cmocka wants these before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <reclaim/pool.h>
#include <stdbool.h>
#include <sys/types.h>

/* 1 under a sanitizer, where memory and time cost several times as much: tests use smaller numbers then. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SUPPORT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SUPPORT_SANITIZED 1
#endif
#endif
#ifndef SUPPORT_SANITIZED
#define SUPPORT_SANITIZED 0
#endif

int support_begin(void **state);
int support_end(void **state);

/* A test with that fixture. */
#define SUPPORT_TEST(function) cmocka_unit_test_setup_teardown(function, support_begin, support_end)

/* Opens a pool or fails the test. warm: as the option (0 default, POOL_NONE). */
pool_t *support_open(int workers, int warm);

/* The same with full workers, as for commands. */
pool_t *support_open_full(int workers, int warm);

/* Submits or fails the test. */
pool_job_t *support_submit(pool_t *pool, pool_fn fn, const void *arg, size_t size, const pool_job_options_t *options);

/* Waits for ever (the test's own time limit aside), and gives the result. */
const pool_result_t *support_wait(pool_job_t *job);

/* Asserts the two words of a result; on failure prints its message. */
void support_expect(const pool_result_t *result, pool_outcome_t outcome, pool_cause_t cause);

/* Bytes resident in this process. */
uint64_t support_rss(void);

/* Open descriptors, and threads, of this process. */
size_t support_fds(void);
size_t support_threads(void);

/* Processes that descend from root, zombies included, root not; and a signal for each of them. */
size_t support_descendants(pid_t root);
size_t support_signal_descendants(pid_t root, int signal_number);

/* Whether a process is there and no zombie. */
bool support_alive(pid_t pid);

/* A pipe by which a job tells its test something: the writing end is inherited by nobody but those it is handed to (as
 * options.fds). support_await_byte blocks until a byte or end-of-file comes: the byte, or -1. */
void support_pipe(int ends[2]);
int support_await_byte(int fd);

/* Blocks until the process is gone, by pidfd where it is no child of ours. */
void support_await_death(pid_t pid);

#endif
