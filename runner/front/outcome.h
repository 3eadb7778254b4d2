/* outcome.h - the result of a command as users know it: words, exit codes, signals. Pure. */
#ifndef OUTCOME_H
#define OUTCOME_H

#include <reclaim/pool.h>
#include <stddef.h>

#define OUTCOME_OWN_FAILURE    125 /* reclaim itself failed */
#define OUTCOME_NOT_EXECUTABLE 126

/* The outcome in a report: exited, signalled, timeout, ... */
const char *outcome_word(const pool_result_t *result);

/* The exit code, as timeout(1) would exit. */
int outcome_exit_code(const pool_result_t *result);

/* The signal that killed the command without reclaim, so that reclaim dies of it, too; 0: none. */
int outcome_own_signal(const pool_result_t *result);

/* The signal of a stop of all processes (SIGHUP, SIGINT, SIGQUIT or SIGTERM) that the command died of, or reports by
 * exit code 128+n, as shells do. 0: none, or reclaim sent it. */
int outcome_stop_signal(const pool_result_t *result);

/* The result as a cancel: a stop of all processes, not by reclaim, ended the command. */
pool_result_t outcome_withdrawn(const pool_result_t *result);

/* Whether reclaim ended the command. */
int outcome_is_ours(const pool_result_t *result);

/* The result of a job that the front end cancelled, because it was over its output limit or its timeout. It *borrows*
 * `message`, which gets the sentence. */
pool_result_t outcome_over_output(const pool_result_t *result, int64_t limit, char *message, size_t size);
pool_result_t outcome_over_time(const pool_result_t *result, double seconds, char *message, size_t size);

/* The columns Exitval and Signal of GNU parallel's joblog. */
void outcome_parallel(const pool_result_t *result, int *exit_value, int *signal_number);

#endif
