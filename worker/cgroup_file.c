#include "cgroup_file.h"
#include "cgroup.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIST_MAX 512 /* a list of controllers */

/* ---- text ------------------------------------------------------------------------------------------------------ */

static const char *next_line(const char *line)
{
    const char *end = strchr(line, '\n');
    return end == NULL || end[1] == '\0' ? NULL : end + 1;
}

bool cgroup_parse_own(const char *text, char *path, size_t size)
{
    const char *line = text;
    while (line != NULL && strncmp(line, "0::/", 4) != 0)
        line = next_line(line);
    const size_t length = line == NULL ? 0 : strcspn(line + 3, "\n");
    if (length == 0 || length >= size)
        return false;
    memcpy(path, line + 3, length);
    path[length] = '\0';
    return true;
}

/* The kernel writes space, tab, newline and backslash in mountinfo as \ooo. */
static void unescape(char *text)
{
    unsigned char *to = (unsigned char *)text;
    for (const unsigned char *from = to; *from != '\0'; to++) {
        const bool octal = from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' && from[2] <= '7' &&
                           from[3] >= '0' && from[3] <= '7';
        const unsigned value = octal ? (from[1] - '0') * 64U + (from[2] - '0') * 8U + (from[3] - '0') : *from;
        *to = (unsigned char)value;
        from += octal ? 4 : 1;
    }
    *to = '\0';
}

bool cgroup_parse_mount(const char *line, const char *own, char *path, size_t size, size_t *top)
{
    char root[CGROUP_PATH_MAX], point[CGROUP_PATH_MAX];
    const char *type = strstr(line, " - cgroup2 "); /* no field before it can hold a space */
    if (type == NULL || sscanf(line, "%*u %*u %*s %1023s %1023s", root, point) != 2)
        return false;
    if (strlen(root) == sizeof root - 1 || strlen(point) == sizeof point - 1)
        return false;
    unescape(root);
    unescape(point);
    const size_t skip = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (strncmp(own, root, skip) != 0 || (own[skip] != '/' && own[skip] != '\0'))
        return false;
    const char *rest = strcmp(own + skip, "/") == 0 ? "" : own + skip;
    /* outside of our cgroup namespace there are no names */
    if (strncmp(rest, "/..", 3) == 0 && (rest[3] == '/' || rest[3] == '\0'))
        return false;
    if (top != NULL)
        *top = strlen(point);
    const int length = snprintf(path, size, "%s%s", point, rest);
    return length > 0 && (size_t)length < size;
}

bool cgroup_has_word(const char *list, const char *word)
{
    const size_t size = strlen(word);
    for (const char *at = list; size > 0 && *(at += strspn(at, " \n")) != '\0';) {
        const size_t length = strcspn(at, " \n");
        if (length == size && memcmp(at, word, size) == 0)
            return true;
        at += length;
    }
    return false;
}

uint64_t cgroup_keyed_number(const char *text, const char *key)
{
    const size_t size = strlen(key);
    for (const char *line = text; line != NULL; line = next_line(line))
        if (strncmp(line, key, size) == 0 && line[size] == ' ')
            return strtoull(line + size + 1, NULL, 10);
    return 0;
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

static ssize_t read_again(int fd, char *text, size_t size)
{
    ssize_t got;
    do {
        got = read(fd, text, size);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

ssize_t cgroup_file_read(int dir, const char *name, char *text, size_t size)
{
    const int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    const ssize_t got = read_again(fd, text, size - 1);
    close(fd);
    text[got < 0 ? 0 : got] = '\0';
    return got;
}

int cgroup_file_write(int dir, const char *name, const char *text)
{
    /* O_NONBLOCK: newer kernels then do not reclaim memory within a write to memory.max. */
    const int fd = openat(dir, name, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    const size_t size = strlen(text);
    ssize_t put;
    do {
        put = write(fd, text, size);
    } while (put < 0 && errno == EINTR);
    const int rc = put < 0 ? -errno : put == (ssize_t)size ? 0 : -EIO;
    close(fd);
    return rc;
}

size_t cgroup_file_pids(int dir, pid_t *pids, size_t capacity)
{
    char text[4096];
    size_t count = 0;
    ssize_t got;
    pid_t pid = 0;
    const int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    while ((got = read_again(fd, text, sizeof text)) > 0)
        for (ssize_t i = 0; i < got; i++) { /* a number may be cut in two */
            if (isdigit((unsigned char)text[i])) {
                pid = pid * 10 + (text[i] - '0');
                continue;
            }
            if (count < capacity)
                pids[count] = pid;
            count++;
            pid = 0;
        }
    close(fd);
    return count;
}

int cgroup_file_hand_down(int dir, const char *controller)
{
    char text[LIST_MAX];
    const ssize_t got = cgroup_file_read(dir, "cgroup.subtree_control", text, sizeof text);
    if (got < 0)
        return (int)got;
    if (cgroup_has_word(text, controller))
        return 0;
    snprintf(text, sizeof text, "+%s", controller);
    return cgroup_file_write(dir, "cgroup.subtree_control", text);
}
