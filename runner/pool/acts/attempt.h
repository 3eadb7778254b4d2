/* attempt.h - what became of one attempt at a job: its value, output and usage, and whether there is another. */
#ifndef ATTEMPT_H
#define ATTEMPT_H

#include "peer.h"

/* Settles an `early` job on its result frame: its value is whole and nobody can change it. False: it has to wait for
 * the worker's end after all. */
bool attempt_settle_early(struct peer *peer);

/* The attempt is over: the job is settled, or queued once more. gone NULL: the fork server died under it. */
void attempt_conclude(struct peer *peer, const struct message_gone *gone);

/* The worker died before it read its task: the job has not begun, and is quietly given to another. */
void attempt_restart(struct peer *peer);

#endif
