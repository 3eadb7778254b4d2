/* supervise.h - the host's side of keeper and fork server: which of them is there, and what is asked and heard. */
#ifndef SUPERVISE_H
#define SUPERVISE_H

#include "message.h"

struct loop;

/* Watches the keeper, which has been started. Negative errno. */
int supervise_start(struct loop *loop);

/* Sends a message to the fork server, in order, now or when it can take it. Without a fork server it is dropped: the
 * workers that it is about are gone with theirs. -ENOMEM: it cannot now, and there is no memory to keep it until then.
 */
int supervise_send(struct loop *loop, enum message_type type, const void *message);

/* Asks for count more workers. */
void supervise_fork(struct loop *loop, size_t count);

/* Asks the keeper to end everything; keeper_gone follows. */
void supervise_end(struct loop *loop);

/* Keeper and fork server are both gone, one without the other's help: ends the processes that carry the tag of one of
 * this pool's workers. */
void supervise_sweep(struct loop *loop);

/* Kills keeper and fork server: an end that was asked for did not come. */
void supervise_force(struct loop *loop);

#endif
