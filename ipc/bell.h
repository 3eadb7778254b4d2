/* bell.h - a word in shared memory with which one process wakes another. Source: futex(2).
 *
 * A peer may write anything into the word. That misleads the waiting process alone: the one that rings never waits. */
#ifndef BELL_H
#define BELL_H

#include <stdatomic.h>
#include <stdint.h>

#define BELL_FIRST UINT32_C(2) /* least value that may be rung; 0: silent; 1: somebody waits */

/* Waits until the bell has been rung: the value that it was rung with. Touches no errno. */
uint32_t bell_await(_Atomic uint32_t *bell);

/* Leaves a value of at least BELL_FIRST, and wakes the process that waits for one. */
void bell_ring(_Atomic uint32_t *bell, uint32_t value);

#endif
