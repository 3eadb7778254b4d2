/* joblog.h - a log of finished jobs in GNU parallel's format: its nine columns, then ours.
 *
 * Every row is one write(2) to a file that is open for appending: after a kill the log has whole rows, and at most one
 * torn row at its end, which the next --resume cuts off. */
#ifndef JOBLOG_H
#define JOBLOG_H

#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOBLOG_HEADER                                                                                                \
    "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\tPeakMemory\tMemoryMethod\tOutcome\t" \
    "Attempt\n"

struct joblog_row {
    uint64_t seq;
    double started, seconds;
    uint64_t received; /* bytes of its standard output */
    int exit_value, signal;
    const char *command; /* *borrowed*; one line without a TAB. {#} and {%} stand in it as they are: see resume.h */
    size_t command_size;
    int64_t peak_memory; /* bytes; -1: not measured, which is written as - */
    const char *method, *outcome;
    size_t method_size, outcome_size;
    uint32_t attempt; /* runs that this input has had, those of earlier sessions included */
};

/* Appends a whole line. Pure. */
void joblog_format(const struct joblog_row *row, struct text *text);

/* Reads a line, without its newline; the row's strings point into it. -EINVAL: no row. Pure. */
int joblog_parse(const char *line, size_t size, struct joblog_row *row);

struct joblog {
    int fd; /* -1: none */
    struct text line;
};

typedef int (*joblog_row_fn)(const struct joblog_row *row, void *user);

/* Opens the log for this process alone, and changes nothing in it. Calls on_row (NULL: none) for each row, until it
 * returns a negative errno. On failure `problem` is a sentence. Errors: of open(2); -EINVAL: not a joblog of reclaim
 * map; -EBUSY: another reclaim writes it. */
int joblog_open(struct joblog *joblog, const char *path, joblog_row_fn on_row, void *user, char *problem, size_t size);

/* Before the first row: cuts off a torn line, or (keep false) everything; writes a header if there is none.
 * Negative errno. */
int joblog_begin(struct joblog *joblog, bool keep);

/* Negative errno: the row may be missing or torn. */
int joblog_write(struct joblog *joblog, const struct joblog_row *row);

void joblog_close(struct joblog *joblog);

#endif
