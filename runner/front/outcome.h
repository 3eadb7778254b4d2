/* outcome.h - what became of a command, in the words and codes that users know. Pure. */
#ifndef OUTCOME_H
#define OUTCOME_H

#include <reclaim/pool.h>
#include <stddef.h>

#define OUTCOME_OWN_FAILURE    125 /* the wrapper's own */
#define OUTCOME_NOT_EXECUTABLE 126

/* The word in a report: exited, signalled, timeout, ... */
const char *outcome_word(const pool_result_t *result);

/* The exit code as timeout(1) has it. */
int outcome_exit_code(const pool_result_t *result);

/* The signal that the command died of by itself, so that its caller dies of it as well; 0: none. */
int outcome_own_signal(const pool_result_t *result);

/* The signal with which whole trees of processes are told to end (SIGHUP, SIGINT, SIGQUIT, SIGTERM) that the command
 * died of, or says, as shells do of what they ran, with exit code 128+n; 0: none, or it was told so by us. */
int outcome_stop_signal(const pool_result_t *result);

/* The command was ended in a stop of all of us, by somebody else: it counts as cancelled. */
pool_result_t outcome_withdrawn(const pool_result_t *result);

/* Whether reclaim itself ended it. */
int outcome_is_ours(const pool_result_t *result);

/* A cancelled job whose limit on output, or whose timeout, the front end keeps itself: what became of it. `message`
 * holds the sentence. */
pool_result_t outcome_over_output(const pool_result_t *result, int64_t limit, char *message, size_t size);
pool_result_t outcome_over_time(const pool_result_t *result, double seconds, char *message, size_t size);

/* Exitval and Signal as GNU parallel logs them. */
void outcome_parallel(const pool_result_t *result, int *exit_value, int *signal_number);

#endif
