#include "cgroup_file.h"

#include "cgroup.h"
#include "descriptor.h"

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

/* Whether the first length bytes of a list have this word. A separator or the end of the text follows them. */
static bool has_word(const char *list, size_t length, const char *separators, const char *word)
{
    const size_t size = strlen(word);
    for (const char *at = list; size > 0 && (at += strspn(at, separators)) < list + length;) {
        const size_t found = strcspn(at, separators);
        if (found == size && memcmp(at, word, size) == 0)
            return true;
        at += found;
    }
    return false;
}

bool cgroup_has_word(const char *list, const char *word)
{
    return has_word(list, strlen(list), " \n", word);
}

bool cgroup_parse_own(const char *text, const char *controller, char *path, size_t size)
{
    for (const char *line = text; line != NULL; line = next_line(line)) {
        const char *end = line + strcspn(line, "\n"), *first = memchr(line, ':', (size_t)(end - line));
        const char *second = first == NULL ? NULL : memchr(first + 1, ':', (size_t)(end - first - 1));
        if (second == NULL || second[1] != '/')
            continue;
        const size_t listed = (size_t)(second - first - 1), length = (size_t)(end - second - 1);
        if (controller == NULL ? listed != 0 || line[0] != '0' : !has_word(first + 1, listed, ",:", controller))
            continue;
        if (length >= size)
            return false;
        memcpy(path, second + 1, length);
        path[length] = '\0';
        return true;
    }
    return false;
}

static bool is_octal(const char *text)
{
    return text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' && text[2] <= '7' && text[3] >= '0' &&
           text[3] <= '7';
}

/* Copies a field of mountinfo, in which the kernel writes space, tab, newline and backslash as \ooo. */
static bool copy_field(const char *field, char *out, size_t size)
{
    size_t length = 0;
    for (; *field != ' ' && *field != '\0' && *field != '\n'; length++) {
        if (length + 1 >= size)
            return false;
        const bool octal = is_octal(field);
        out[length] = (char)(octal ? (field[1] - '0') * 64 + (field[2] - '0') * 8 + (field[3] - '0') : *field);
        field += octal ? 4 : 1;
    }
    out[length] = '\0';
    return length > 0;
}

bool cgroup_parse_mountinfo(const char *line, const char *controller, char *root, char *point, size_t size)
{
    int at_root = 0, at_point = 0, at_options = 0;
    char type[16];
    const char *rest = strstr(line, " - "); /* no field before it can hold a space */
    if (rest == NULL || sscanf(rest, " - %15s %*s %n", type, &at_options) != 1 || at_options == 0)
        return false;
    const char *options = rest + at_options;
    if (controller == NULL
            ? strcmp(type, "cgroup2") != 0
            : strcmp(type, "cgroup") != 0 || !has_word(options, strcspn(options, " \n"), ", \n", controller))
        return false;
    sscanf(line, "%*s %*s %*s %n%*s %n", &at_root, &at_point);
    return at_root > 0 && at_point > at_root && copy_field(line + at_root, root, size) &&
           copy_field(line + at_point, point, size);
}

bool cgroup_parse_mount(const char *line, const char *own, char *path, size_t size, size_t *top)
{
    char root[CGROUP_PATH_MAX - 1], point[CGROUP_PATH_MAX - 1];
    if (!cgroup_parse_mountinfo(line, NULL, root, point, sizeof root))
        return false;
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

uint64_t cgroup_keyed_number(const char *text, const char *key)
{
    const size_t size = strlen(key);
    for (const char *line = text; line != NULL; line = next_line(line))
        if (strncmp(line, key, size) == 0 && line[size] == ' ')
            return strtoull(line + size + 1, NULL, 10);
    return 0;
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

int cgroup_file_write(int dir, const char *name, const char *text)
{
    /* O_NONBLOCK: with it newer kernels do not reclaim memory within a write to memory.max. */
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
    while ((got = read(fd, text, sizeof text)) > 0 || (got < 0 && errno == EINTR))
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
    const ssize_t got = descriptor_read_file(dir, "cgroup.subtree_control", text, sizeof text);
    if (got < 0)
        return (int)got;
    if (cgroup_has_word(text, controller))
        return 0;
    snprintf(text, sizeof text, "+%s", controller);
    return cgroup_file_write(dir, "cgroup.subtree_control", text);
}
