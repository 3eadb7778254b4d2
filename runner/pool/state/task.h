/* task.h - sends a job to a worker: one frame, and with it every descriptor that the job needs. */
#ifndef TASK_H
#define TASK_H

#include "peer.h"

/* Sends peer->job to the peer's worker, never blocking; opens its captures. Negative errno: -EPIPE, the worker is dead;
 * anything else, try again later, with another worker: this one may have half a task. */
int task_send(struct peer *peer);

#endif
