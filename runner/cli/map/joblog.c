#include "joblog.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define COLUMNS_BEFORE 8 /* Command may contain TABs: it lies between these columns */
#define COLUMNS_AFTER  4

/* ---- rows -------------------------------------------------------------------------------------------------------- */

void joblog_format(const struct joblog_row *row, struct text *text)
{
    text_printf(text, "%llu\t:\t%.3f\t%10.3f\t0\t%llu\t%d\t%d\t", (unsigned long long)row->seq, row->started,
                row->seconds, (unsigned long long)row->received, row->exit_value, row->signal);
    text_put(text, row->command, row->command_size);
    if (row->peak_memory >= 0)
        text_printf(text, "\t%lld\t", (long long)row->peak_memory);
    else
        text_puts(text, "\t-\t");
    text_printf(text, "%.*s\t%.*s\t%u\n", (int)row->method_size, row->method, (int)row->outcome_size, row->outcome,
                row->attempt);
}

struct field {
    const char *data;
    size_t size;
};

static int split(const char *line, size_t size, struct field before[], struct field after[], struct field *command)
{
    const char *start = line, *end = line + size;
    for (int i = 0; i < COLUMNS_BEFORE; i++) {
        const char *tab = memchr(start, '\t', (size_t)(end - start));
        if (tab == NULL)
            return -EINVAL;
        before[i] = (struct field){start, (size_t)(tab - start)};
        start = tab + 1;
    }
    for (int i = COLUMNS_AFTER - 1; i >= 0; i--) {
        const char *tab = memrchr(start, '\t', (size_t)(end - start));
        if (tab == NULL)
            return -EINVAL;
        after[i] = (struct field){tab + 1, (size_t)(end - tab - 1)};
        end = tab;
    }
    *command = (struct field){start, (size_t)(end - start)};
    return 0;
}

static int read_number(struct field field, double *number)
{
    char text[64], *end;
    if (field.size == 0 || field.size >= sizeof text)
        return -EINVAL;
    memcpy(text, field.data, field.size);
    text[field.size] = '\0';
    *number = strtod(text, &end);
    return end == text + field.size ? 0 : -EINVAL;
}

int joblog_parse(const char *line, size_t size, struct joblog_row *row)
{
    struct field before[COLUMNS_BEFORE], after[COLUMNS_AFTER], command;
    double seq, received, exit_value, signal, peak = -1, attempt;
    *row = (struct joblog_row){0};
    if (split(line, size, before, after, &command) < 0)
        return -EINVAL;
    if (read_number(before[0], &seq) < 0 || read_number(before[2], &row->started) < 0 ||
        read_number(before[3], &row->seconds) < 0 || read_number(before[5], &received) < 0 ||
        read_number(before[6], &exit_value) < 0 || read_number(before[7], &signal) < 0 ||
        read_number(after[3], &attempt) < 0 || after[2].size == 0)
        return -EINVAL;
    if (!(after[0].size == 1 && after[0].data[0] == '-') && read_number(after[0], &peak) < 0)
        return -EINVAL;
    if (!(seq >= 0 && seq < 1e18 && received >= 0 && received < 1e18 && attempt >= 0 && attempt < 1e9 &&
          exit_value >= -1 && exit_value < 1e6 && signal >= 0 && signal < 1e6 && peak >= -1 && peak < 1e18))
        return -EINVAL;
    row->seq = (uint64_t)seq;
    row->received = (uint64_t)received;
    row->exit_value = (int)exit_value;
    row->signal = (int)signal;
    row->peak_memory = (int64_t)peak;
    row->attempt = (uint32_t)attempt;
    row->command = command.data;
    row->command_size = command.size;
    row->method = after[1].data;
    row->method_size = after[1].size;
    row->outcome = after[2].data;
    row->outcome_size = after[2].size;
    return 0;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static int say(char *problem, size_t size, int code, const char *what)
{
    snprintf(problem, size, "%s", what);
    return code;
}

/* The start of a header that was being written when its writer died is a joblog, too. */
static int check_header(const char *line, size_t length, char *problem, size_t size)
{
    const size_t header = strlen(JOBLOG_HEADER);
    if (length <= header && strncmp(line, JOBLOG_HEADER, length) == 0)
        return 0;
    return say(problem, size, -EINVAL,
               strncmp(line, "Seq\tHost\t", 9) == 0
                   ? "a joblog, but not of reclaim map: it has other columns; name another file"
                   : "exists and is no joblog; name another file");
}

static int read_rows(FILE *file, joblog_row_fn on_row, void *user, char *problem, size_t size)
{
    char *line = NULL;
    size_t capacity = 0;
    uint64_t number = 0;
    int rc = 0;
    for (ssize_t length; rc == 0 && (length = getline(&line, &capacity, file)) > 0;) {
        struct joblog_row row;
        if (number++ == 0) {
            rc = check_header(line, (size_t)length, problem, size);
            if (on_row == NULL)
                break;
        } else if (line[length - 1] == '\n') { /* a torn line is cut off in joblog_begin */
            rc = joblog_parse(line, (size_t)length - 1, &row);
            if (rc < 0)
                snprintf(problem, size, "line %llu is no row of a joblog", (unsigned long long)number);
            else if ((rc = on_row(&row, user)) < 0)
                say(problem, size, rc, strerror(-rc));
        }
    }
    if (rc == 0 && ferror(file))
        rc = say(problem, size, -EIO, "cannot be read");
    free(line);
    return rc;
}

static bool is_regular(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

int joblog_open(struct joblog *joblog, const char *path, joblog_row_fn on_row, void *user, char *problem, size_t size)
{
    int rc = 0;
    *joblog = (struct joblog){.fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666)};
    if (joblog->fd < 0 && (errno == EINVAL || errno == EISDIR || errno == EACCES || errno == ESPIPE))
        joblog->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (joblog->fd < 0)
        return say(problem, size, -errno, strerror(errno));
    if (!is_regular(joblog->fd))
        return 0; /* a terminal, a pipe, /dev/null: nothing to read back */
    if (flock(joblog->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return say(problem, size, -EBUSY, "another reclaim map is writing it");
    const int copy = dup(joblog->fd);
    FILE *file = copy < 0 ? NULL : fdopen(copy, "r");
    if (file == NULL) {
        rc = say(problem, size, -errno, strerror(errno));
        if (copy >= 0)
            close(copy);
        return rc;
    }
    rc = read_rows(file, on_row, user, problem, size);
    fclose(file);
    return rc;
}

/* The size of all whole lines. */
static off_t whole_size(int fd, off_t size)
{
    char data[4096];
    while (size > 0) {
        const off_t start = size > (off_t)sizeof data ? size - (off_t)sizeof data : 0;
        const ssize_t got = pread(fd, data, (size_t)(size - start), start);
        if (got <= 0)
            return got < 0 ? -errno : 0;
        const char *newline = memrchr(data, '\n', (size_t)got);
        if (newline != NULL)
            return start + (newline - data) + 1;
        size = start;
    }
    return 0;
}

int joblog_begin(struct joblog *joblog, bool keep)
{
    off_t size = 0;
    struct stat status;
    if (joblog->fd < 0)
        return 0;
    if (is_regular(joblog->fd)) {
        if (fstat(joblog->fd, &status) < 0)
            return -errno;
        if (keep && (size = whole_size(joblog->fd, status.st_size)) < 0)
            return (int)size;
        if (size != status.st_size && ftruncate(joblog->fd, size) < 0)
            return -errno;
    }
    return size == 0 ? write_all(joblog->fd, JOBLOG_HEADER, strlen(JOBLOG_HEADER)) : 0;
}

int joblog_write(struct joblog *joblog, const struct joblog_row *row)
{
    if (joblog->fd < 0)
        return 0;
    text_clear(&joblog->line);
    joblog_format(row, &joblog->line);
    return joblog->line.failed ? -ENOMEM : write_all(joblog->fd, joblog->line.data, joblog->line.size);
}

void joblog_close(struct joblog *joblog)
{
    if (joblog->fd >= 0)
        close(joblog->fd);
    joblog->fd = -1;
    text_deinit(&joblog->line);
}
