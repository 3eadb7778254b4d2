/* resume.h - which inputs need not run again, by a joblog. Pure.
 *
 * The key is the command with its inputs in it, {#} and {%} left as they are: not the line number, so inputs may be
 * reordered and added. An input that stands twice is two: the log is a multiset. A row whose attempt is above that of
 * an earlier row of its key that failed, or was cancelled or lost, is a further run of the same input and takes that
 * row's place. */
#ifndef RESUME_H
#define RESUME_H

#include "joblog.h"

#include <stdbool.h>
#include <stdint.h>

struct resume_entry;
struct resume {
    struct resume_entry *entries; /* uthash */
};

/* -ENOMEM. */
int resume_add(struct resume *resume, const struct joblog_row *row);

/* Takes one input out. True: skip it, it ran. False: run it; it has had *attempts runs so far. An input that was
 * cancelled or lost always runs again, a failed one only with failed_too. */
bool resume_take(struct resume *resume, const char *command, size_t size, bool failed_too, uint32_t *attempts);

void resume_deinit(struct resume *resume);

#endif
