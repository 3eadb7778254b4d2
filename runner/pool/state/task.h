/* task.h - gives a job to a worker: the task in the worker's area, and every descriptor that it needs by the socket. */
#ifndef TASK_H
#define TASK_H

#include "peer.h"

/* Gives peer->job to the peer's worker, a full one if job_needs_full, never blocking; opens its captures. A worker that
 * is dead already never begins. Negative errno: -EPIPE, the worker is dead; anything else, try again later, with
 * another worker: this one may have half a task. */
int task_send(struct peer *peer);

#endif
