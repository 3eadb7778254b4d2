/* log.h - the daemon's log, one line an event:
 *
 *     time=2026-01-31T12:00:00.123Z level=info event=denied uid=1000 name="two words\n"
 *
 * A value that is not plain is quoted, and its bytes outside printable ASCII become \n, \t, \r or \xNN: text of a
 * client stays one line, and gives no orders to a terminal. A line is one write(2) of at most LOG_LINE_MAX bytes;
 * longer values and lines are cut ("..."). A line that cannot be written (the disk is full, nobody reads the pipe) is
 * dropped, and the next line counts the dropped ones: nothing waits for the log, and nothing fails by it. The caller
 * ignores SIGPIPE. Any thread may log. */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_LINE_MAX    4096 /* the newline included: a pipe takes so much at once */
#define LOG_VALUE_MAX   512  /* bytes of a value, before they are encoded */
#define LOG_ENCODED_MAX (4 * LOG_VALUE_MAX + 8)

enum log_level { LOG_LEVEL_ERROR = 1, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* "error" "warning" "info" "debug"; -EINVAL. */
int log_level_parse(const char *word, enum log_level *level);

struct log_field {
    const char *key; /* plain; NULL ends a list */
    const char *text;
    size_t size;
    int64_t number; /* where text is NULL */
};

struct log_field log_text(const char *key, const char *text); /* *borrows*; NULL is "" */
struct log_field log_bytes(const char *key, const void *data, size_t size);
struct log_field log_number(const char *key, int64_t number);

struct log;

/* To standard error (path NULL), or to the end of a file that is made 0600. Where standard error is the journal's
 * (JOURNAL_STREAM), lines have its priority (<3>) in place of time and level. path is *borrowed*. Negative errno, and a
 * sentence in message. */
int log_open(struct log **log, const char *path, enum log_level level, char message[512]);
/* Opens the file anew after it was moved away. A failure is logged to the old file, which stays open. */
int log_reopen(struct log *log);
void log_close(struct log *log); /* NULL is fine */

/* log_event(log, LOG_LEVEL_INFO, "started", log_text("socket", path), log_number("jobs", 3)) */
#define log_event(log, level, event, ...) \
    log_write(log, level, (const struct log_field[]){log_text("event", event), ##__VA_ARGS__, {0}})
void log_write(struct log *log, enum log_level level, const struct log_field *fields);

/* Encodes a value as in a line, with a NUL; returns its length. Pure. */
size_t log_encode(const char *data, size_t length, char out[LOG_ENCODED_MAX]);

/* Whether this descriptor is what JOURNAL_STREAM ("device:inode") says that the journal reads; NULL: no. */
bool log_is_journal(int fd, const char *stream);

#endif
