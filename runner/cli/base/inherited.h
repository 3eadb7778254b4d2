/* inherited.h - what reclaim was started with beyond its three streams, for its commands: exec(3p) passes on every
 * descriptor that is not close-on-exec, so `<(...)`, flock(1), make's jobserver and LISTEN_FDS work as without reclaim.
 */
#ifndef INHERITED_H
#define INHERITED_H

#include <stddef.h>
#include <stdint.h>

#define INHERITED_MAX 240 /* as many as pool_job_options_t takes */

struct inherited {
    int32_t numbers[INHERITED_MAX];
    size_t count;
    size_t left_out; /* beyond INHERITED_MAX, or with a number above the hard limit on open files */
};

/* Finds them: all that are open now, above 2 and not close-on-exec, as nothing of our own is. Says in verb's name
 * how many are left out. */
void inherited_find(struct inherited *inherited, const char *verb);

#endif
