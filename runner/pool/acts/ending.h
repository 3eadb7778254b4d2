/* ending.h - what an ended attempt has left with its peer: its value, its captured output, its usage, and how it ended,
 * for the verdict. gone NULL: its fork server died, and nobody knows how it ended. */
#ifndef ENDING_H
#define ENDING_H

#include "peer.h"
#include "verdict.h"

/* Moves the value to the job. -EBADMSG: it is not what the worker said; another negative errno: this process has no
 * room for it. */
int ending_take_value(struct peer *peer);

/* Moves captured output to the job: all writers are gone, or have flushed. */
void ending_take_output(struct peer *peer);

/* All that the verdict depends on. ending *borrows* the peer's text. */
void ending_describe(const struct peer *peer, const struct message_gone *gone, struct verdict_ending *ending);

/* When it began and ended; that and all that was measured. */
void ending_fill_times(const struct peer *peer, pool_usage_t *usage);
void ending_fill_usage(const struct peer *peer, const struct message_gone *gone, pool_usage_t *usage);

#endif
