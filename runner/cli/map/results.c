#include "results.h"

#include "program.h"
#include "replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MOST 255
#define HASH_SIZE 17 /* a dash and 16 digits */

static void put_name(struct text *path, const char *value)
{
    const size_t start = path->size;
    if (value[0] == '\0')
        text_puts(path, "\\0");
    else if (strcmp(value, ".") == 0 || strcmp(value, "..") == 0)
        text_printf(path, "\\%s", value);
    else
        for (const char *at = value; *at != '\0'; at++) {
            if (*at == '/')
                text_puts(path, "\\_");
            else if (*at == '\t')
                text_puts(path, "\\t");
            else if (*at == '\\')
                text_puts(path, "\\\\");
            else
                text_put(path, at, 1);
        }
    if (path->failed || path->size - start <= NAME_MOST)
        return;
    path->size = start + NAME_MOST - HASH_SIZE;
    text_printf(path, "-%016llx", (unsigned long long)text_fnv(TEXT_FNV_START, value, strlen(value)));
}

const char *results_refuse(const char *directory)
{
    static const char *const tables[] = {".csv", ".tsv", ".json"};
    struct replace_use use;
    const size_t size = strlen(directory);
    replace_inspect((const char *const[]){directory, NULL}, SIZE_MAX, &use);
    if (use.any || use.problem != REPLACE_FINE)
        return "give one directory without replacement strings: DIR gets a directory 1/INPUT for each job";
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        const size_t end = strlen(tables[i]);
        if (size >= end && strcasecmp(directory + size - end, tables[i]) == 0)
            return "no table is written: give a directory (one of this name with a / at its end), and --joblog or "
                   "--report for a line a job";
    }
    return NULL;
}

void results_path(struct text *path, const char *directory, const char *const *values, size_t count)
{
    text_puts(path, directory);
    for (size_t i = 0; i < count; i++) {
        text_printf(path, "/%zu/", i + 1);
        put_name(path, values[i]);
    }
}

int results_prepare(const char *directory)
{
    const int rc = program_make_directory(directory, 0777);
    if (rc < 0)
        return rc;
    struct stat status;
    if (stat(directory, &status) == 0 && !S_ISDIR(status.st_mode))
        return -ENOTDIR;
    return access(directory, W_OK | X_OK) < 0 ? -errno : 0;
}

static int open_file(int directory, const char *name)
{
    const int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return fd < 0 ? -errno : fd;
}

static int write_seq(int directory, uint64_t seq)
{
    char line[32];
    const int fd = open_file(directory, "seq");
    if (fd < 0)
        return fd;
    const int size = snprintf(line, sizeof line, "%llu", (unsigned long long)seq);
    const int rc = write_all(fd, line, (size_t)size);
    close(fd);
    return rc;
}

int results_open(const char *path, uint64_t seq, int fds[2])
{
    fds[0] = fds[1] = -1;
    int rc = program_make_directory(path, 0777);
    if (rc < 0)
        return rc;
    const int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return -errno;
    rc = write_seq(directory, seq);
    if (rc >= 0)
        rc = fds[0] = open_file(directory, "stdout");
    if (rc >= 0)
        rc = fds[1] = open_file(directory, "stderr");
    close(directory);
    if (rc < 0 && fds[0] >= 0)
        close(fds[0]);
    if (rc < 0)
        fds[0] = fds[1] = -1;
    return rc < 0 ? rc : 0;
}
