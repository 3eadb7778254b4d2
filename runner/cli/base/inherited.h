/* inherited.h - the descriptors above 2 that reclaim passes on to its commands, as exec(3p) does with all that are not
 * close-on-exec: `<(...)`, flock(1), make's jobserver and LISTEN_FDS work as without reclaim. */
#ifndef INHERITED_H
#define INHERITED_H

#include <stddef.h>
#include <stdint.h>

#define INHERITED_MAX 240 /* as many as pool_job_options_t takes */

struct inherited {
    int32_t numbers[INHERITED_MAX];
    size_t count;
};

/* Finds the open descriptors above 2 that are not close-on-exec; our own all are. Prints how many it leaves out:
 * those beyond INHERITED_MAX, or numbered above the hard limit on open files. */
void inherited_find(struct inherited *inherited, const char *verb);

#endif
