#include "log.h"

#include "escape.h"
#include "explain.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CUT " ...\n"

struct log {
    pthread_mutex_t mutex; /* of what follows */
    int fd;
    const char *path; /* NULL: standard error */
    bool journal;
    enum log_level level;
    uint64_t dropped; /* lines, since the last that was written */
    bool torn;        /* the last one was written in part */
};

struct line {
    char data[LOG_LINE_MAX];
    size_t size;
};

static const struct {
    const char *name, *priority; /* the latter is the journal's */
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", "<3>"},
    [LOG_LEVEL_WARNING] = {"warning", "<4>"},
    [LOG_LEVEL_INFO] = {"info", "<6>"},
    [LOG_LEVEL_DEBUG] = {"debug", "<7>"},
};

int log_level_parse(const char *word, enum log_level *level)
{
    for (unsigned at = LOG_LEVEL_ERROR; at <= LOG_LEVEL_DEBUG; at++)
        if (strcmp(word, levels[at].name) == 0) {
            *level = (enum log_level)at;
            return 0;
        }
    return -EINVAL;
}

/* ---- lines: pure ------------------------------------------------------------------------------------------------- */

static bool is_printable(char byte)
{
    return byte >= 0x20 && byte < 0x7f;
}

static bool is_plain(char byte)
{
    return is_printable(byte) && strchr(" \"\\=", byte) == NULL;
}

static size_t encode_byte(char byte, char *out)
{
    static const char bytes[] = "\n\t\r\"\\", letters[] = "ntr\"\\";
    const char *found = memchr(bytes, byte, sizeof bytes - 1);
    if (found != NULL)
        return (size_t)sprintf(out, "\\%c", letters[found - bytes]);
    if (!is_printable(byte))
        return escape_byte(byte, out);
    *out = byte;
    return 1;
}

size_t log_encode(const char *data, size_t length, char out[LOG_ENCODED_MAX])
{
    const size_t used = length < LOG_VALUE_MAX ? length : LOG_VALUE_MAX;
    bool plain = used > 0;
    size_t size = 0;
    for (size_t i = 0; i < used; i++)
        plain = plain && is_plain(data[i]);
    if (!plain)
        out[size++] = '"';
    for (size_t i = 0; i < used; i++)
        size += encode_byte(data[i], out + size);
    if (used < length)
        size += (size_t)sprintf(out + size, "...");
    if (!plain)
        out[size++] = '"';
    out[size] = '\0';
    return size;
}

static void line_begin(struct line *line, bool journal, enum log_level level)
{
    struct timespec now;
    struct tm parts;
    if (journal) {
        line->size = (size_t)snprintf(line->data, sizeof line->data, "%s", levels[level].priority);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    line->size = strftime(line->data, sizeof line->data, "time=%Y-%m-%dT%H:%M:%S", &parts);
    line->size += (size_t)snprintf(line->data + line->size, sizeof line->data - line->size, ".%03dZ level=%s ",
                                   (int)(now.tv_nsec / 1000000), levels[level].name);
}

/* False: it does not fit. */
static bool line_put_field(struct line *line, const struct log_field *field, bool first)
{
    const size_t room = sizeof line->data - sizeof CUT - line->size;
    char value[LOG_ENCODED_MAX];
    if (field->text == NULL)
        snprintf(value, sizeof value, "%" PRId64, field->number);
    else
        log_encode(field->text, field->size, value);
    const int size = snprintf(line->data + line->size, room + 1, "%s%.60s=%s", first ? "" : " ", field->key, value);
    if ((size_t)size > room)
        return false;
    line->size += (size_t)size;
    return true;
}

static void line_make(struct line *line, bool journal, enum log_level level, const struct log_field *fields)
{
    bool fits = true;
    line_begin(line, journal, level);
    for (const struct log_field *field = fields; fits && field->key != NULL; field++)
        fits = line_put_field(line, field, field == fields);
    line->size += (size_t)sprintf(line->data + line->size, "%s", fits ? "\n" : CUT);
}

struct log_field log_text(const char *key, const char *text)
{
    return log_bytes(key, text, text == NULL ? 0 : strlen(text));
}

struct log_field log_bytes(const char *key, const void *data, size_t size)
{
    return (struct log_field){.key = key, .text = data == NULL ? "" : data, .size = data == NULL ? 0 : size};
}

struct log_field log_number(const char *key, int64_t number)
{
    return (struct log_field){.key = key, .number = number};
}

/* ---- writing: with the mutex held -------------------------------------------------------------------------------- */

/* A pipe or a terminal that nobody reads would keep the daemon waiting, and its flags are not ours to change. A pipe
 * that is ready takes a line whole. */
static bool is_ready(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    return poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) != 0;
}

static bool write_line(struct log *log, const struct line *line)
{
    ssize_t wrote;
    if (!is_ready(log->fd))
        return false;
    do
        wrote = write(log->fd, line->data, line->size);
    while (wrote < 0 && errno == EINTR);
    if (wrote == (ssize_t)line->size)
        return true;
    log->torn = log->torn || wrote > 0;
    return false;
}

/* Ends a line of which only a part was written, and says how many are missing. */
static bool catch_up(struct log *log)
{
    struct line line;
    if (log->torn && (!is_ready(log->fd) || write(log->fd, "\n", 1) != 1))
        return false;
    log->torn = false;
    if (log->dropped == 0)
        return true;
    const struct log_field fields[] = {
        log_text("event", "log-dropped"), log_number("lines", (int64_t)log->dropped), {0}};
    line_make(&line, log->journal, LOG_LEVEL_WARNING, fields);
    if (!write_line(log, &line))
        return false;
    log->dropped = 0;
    return true;
}

void log_write(struct log *log, enum log_level level, const struct log_field *fields)
{
    struct line line;
    if (level > log->level)
        return;
    line_make(&line, log->journal, level, fields);
    pthread_mutex_lock(&log->mutex);
    if (!catch_up(log) || !write_line(log, &line))
        log->dropped++;
    pthread_mutex_unlock(&log->mutex);
}

/* ---- where to ---------------------------------------------------------------------------------------------------- */

bool log_is_journal(int fd, const char *stream)
{
    struct stat status;
    char expected[64];
    if (stream == NULL || fstat(fd, &status) < 0)
        return false;
    snprintf(expected, sizeof expected, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    return strcmp(stream, expected) == 0;
}

/* O_NONBLOCK: a FIFO that nobody reads is an error then, and a full one a line that is dropped. */
static int open_file(const char *path)
{
    const int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    return fd < 0 ? -errno : fd;
}

int log_open(struct log **log, const char *path, enum log_level level, char message[512])
{
    const int fd = path == NULL ? STDERR_FILENO : open_file(path);
    *log = NULL;
    if (fd < 0)
        return explain(message, fd, "the log %s cannot be opened: %s; give another --log FILE", path, strerror(-fd));
    *log = calloc(1, sizeof **log);
    if (*log == NULL) {
        if (path != NULL)
            close(fd);
        return explain(message, -ENOMEM, "no memory for the log");
    }
    **log = (struct log){.fd = fd, .path = path, .level = level};
    (*log)->journal = path == NULL && log_is_journal(fd, getenv("JOURNAL_STREAM"));
    pthread_mutex_init(&(*log)->mutex, NULL);
    return 0;
}

int log_reopen(struct log *log)
{
    if (log->path == NULL)
        return 0;
    const int fd = open_file(log->path);
    if (fd < 0) {
        log_event(log, LOG_LEVEL_ERROR, "log-not-reopened", log_text("file", log->path),
                  log_text("reason", strerror(-fd)));
        return fd;
    }
    pthread_mutex_lock(&log->mutex);
    const int old = log->fd;
    log->fd = fd;
    log->torn = false;
    pthread_mutex_unlock(&log->mutex);
    close(old);
    return 0;
}

void log_close(struct log *log)
{
    if (log == NULL)
        return;
    if (log->path != NULL)
        close(log->fd);
    pthread_mutex_destroy(&log->mutex);
    free(log);
}
