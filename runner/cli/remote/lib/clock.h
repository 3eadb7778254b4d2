/* clock.h - time that goes on whatever is set. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

int64_t clock_ms(void); /* CLOCK_MONOTONIC, milliseconds */

#endif
