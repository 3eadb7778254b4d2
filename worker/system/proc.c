#include "proc.h"

#include "amount.h"
#include "array.h"
#include "cgroup_file.h"
#include "descriptor.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATUS_USUAL 4096 /* bytes; a user with many groups makes it longer */

static ssize_t read_path(const char *path, char *text, size_t size)
{
    const ssize_t got = descriptor_read_file(AT_FDCWD, path, text, size);
    return got == -ENOENT ? -ESRCH : got;
}

static ssize_t read_process(pid_t pid, const char *file, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    return read_path(path, text, size);
}

int proc_entry_parse(const char *text, struct proc_entry *entry)
{
    const char *after = strrchr(text, ')');
    if (after == NULL || sscanf(text, "%d", &entry->pid) != 1)
        return -EBADMSG;
    const int got =
        sscanf(after + 1,
               " %c %d %*d %*d %*d %*d %*u %" SCNu64 " %*u %*u %*u %*u %*u %*d %*d %*d %*d %d %*d %" SCNu64
               " %*u %*d %*u %*u %*u %" SCNu64,
               &entry->state, &entry->parent, &entry->minor_faults, &entry->threads, &entry->start, &entry->stack);
    return got == 6 ? 0 : -EBADMSG;
}

int proc_entry_read(pid_t pid, struct proc_entry *entry)
{
    char text[1024];
    const ssize_t got = read_process(pid, "stat", text, sizeof text);
    return got < 0 ? (int)got : proc_entry_parse(text, entry);
}

int proc_call_parse(const char *text, struct proc_call *call)
{
    uint64_t *a = call->arguments;
    if (strncmp(text, "running", 7) == 0)
        return -EAGAIN;
    const int got = sscanf(text, "%ld %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64,
                           &call->number, &a[0], &a[1], &a[2], &a[3], &a[4], &a[5]);
    if (got >= 1 && call->number == -1) /* blocked, but not in a system call: by a page fault */
        return -EAGAIN;
    return got == 7 ? 0 : -EBADMSG;
}

int proc_call_read(pid_t pid, struct proc_call *call)
{
    char text[256];
    const ssize_t got = read_process(pid, "syscall", text, sizeof text);
    return got < 0 ? (int)got : proc_call_parse(text, call);
}

bool proc_entry_is_over(const struct proc_entry *entry)
{
    return entry->state == 'Z' && entry->threads <= 1;
}

static int list_add(struct proc_list *list, const struct proc_entry *entry)
{
    struct proc_entry *entries = array_grow(list->entries, list->count, &list->capacity, sizeof *entries);
    if (entries == NULL)
        return -ENOMEM;
    list->entries = entries;
    list->entries[list->count++] = *entry;
    return 0;
}

static int by_pid(const void *a, const void *b)
{
    const struct proc_entry *x = a, *y = b;
    return (x->pid > y->pid) - (x->pid < y->pid);
}

int proc_list_read(struct proc_list *list)
{
    DIR *dir = opendir("/proc");
    if (dir == NULL)
        return -errno;
    int rc = 0;
    list->count = 0;
    for (struct dirent *d; rc == 0 && (d = readdir(dir)) != NULL;) {
        struct proc_entry entry;
        if (isdigit((unsigned char)d->d_name[0]) && proc_entry_read((pid_t)strtol(d->d_name, NULL, 10), &entry) == 0)
            rc = list_add(list, &entry);
    }
    closedir(dir);
    if (list->count > 0)
        qsort(list->entries, list->count, sizeof *list->entries, by_pid);
    return rc;
}

void proc_list_free(struct proc_list *list)
{
    free(list->entries);
    *list = (struct proc_list){0};
}

const struct proc_entry *proc_list_find(const struct proc_list *list, pid_t pid)
{
    const struct proc_entry key = {.pid = pid};
    if (list->count == 0)
        return NULL;
    return bsearch(&key, list->entries, list->count, sizeof key, by_pid);
}

pid_t proc_list_branch(const struct proc_list *list, pid_t pid, pid_t root)
{
    /* Read while processes come and go, so parents may form a loop: no climb is longer than the list. */
    for (size_t steps = 0; steps <= list->count; steps++) {
        const struct proc_entry *entry = proc_list_find(list, pid);
        if (entry == NULL)
            return 0;
        if (entry->parent == root)
            return pid;
        pid = entry->parent;
    }
    return 0;
}

uint64_t proc_tag(pid_t pid)
{
    char text[4096];
    unsigned long long soft;
    const char *line = read_process(pid, "limits", text, sizeof text) < 0 ? NULL : strstr(text, "Max file locks");
    if (line == NULL || sscanf(line + strlen("Max file locks"), " %llu", &soft) != 1)
        return 0;
    return soft;
}

static int parse_statm(const char *text, uint64_t *resident, uint64_t *anonymous)
{
    unsigned long long all, shared;
    if (sscanf(text, "%*u %llu %llu", &all, &shared) != 2)
        return -EBADMSG;
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    *resident = all * page;
    *anonymous = all > shared ? (all - shared) * page : 0;
    return 0;
}

int proc_resident(pid_t pid, uint64_t *resident, uint64_t *anonymous)
{
    char text[256];
    const ssize_t got = read_process(pid, "statm", text, sizeof text);
    return got < 0 ? (int)got : parse_statm(text, resident, anonymous);
}

int proc_resident_at(int statm, uint64_t *resident, uint64_t *anonymous)
{
    char text[256];
    const ssize_t got = descriptor_read_text(statm, text, sizeof text);
    return got < 0 ? (int)got : parse_statm(text, resident, anonymous);
}

/* ---- labelled lines -------------------------------------------------------------------------------------------- */

bool proc_bytes(const char *text, const char *label, uint64_t *bytes)
{
    const size_t length = strlen(label);
    for (const char *line = text; line != NULL; line = strchr(line, '\n'), line += line != NULL)
        if (strncmp(line, label, length) == 0) {
            char *end;
            const unsigned long long kib = strtoull(line + length, &end, 10);
            *bytes = kib * 1024;
            return end > line + length;
        }
    return false;
}

int proc_status_parse(const char *text, struct proc_status *status)
{
    return proc_bytes(text, "RssAnon:", &status->anonymous) && proc_bytes(text, "RssFile:", &status->file) &&
                   proc_bytes(text, "RssShmem:", &status->shared)
               ? 0
               : -EBADMSG;
}

int proc_status_read(pid_t pid, struct proc_status *status)
{
    char text[16384]; /* a user with many groups makes it long */
    const ssize_t got = read_process(pid, "status", text, sizeof text);
    return got < 0 ? (int)got : proc_status_parse(text, status);
}

int proc_rollup_parse(const char *text, struct proc_rollup *rollup)
{
    uint64_t dirty;
    if (!proc_bytes(text, "Pss_Anon:", &rollup->anonymous) || !proc_bytes(text, "Pss_Shmem:", &rollup->shared) ||
        !proc_bytes(text, "Private_Dirty:", &dirty) || !proc_bytes(text, "Anonymous:", &rollup->all) ||
        !proc_bytes(text, "LazyFree:", &rollup->lazy))
        return -EBADMSG;
    /* Private_Dirty also counts pages of shared memory and files: this much of it may be anonymous. */
    rollup->private = amount_smaller(amount_less(dirty, rollup->shared), rollup->anonymous);
    return 0;
}

int proc_rollup_read(pid_t pid, struct proc_rollup *rollup)
{
    char text[4096];
    const ssize_t got = read_process(pid, "smaps_rollup", text, sizeof text);
    return got < 0 ? (int)got : proc_rollup_parse(text, rollup);
}

/* ---- children -------------------------------------------------------------------------------------------------- */

/* Adds pids to the count that are there. Returns the new count, also beyond size. */
static ssize_t add_pids(char *text, pid_t *children, size_t size, size_t count)
{
    for (char *at = text, *end;; at = end) {
        const long child = strtol(at, &end, 10);
        if (end == at)
            return (ssize_t)count;
        if (count < size)
            children[count] = (pid_t)child;
        count++;
    }
}

ssize_t proc_children_text(int file, char *text, size_t size)
{
    size_t length = 0;
    ssize_t got = 1;
    while (length < size - 1 && got > 0) {
        got = pread(file, text + length, size - 1 - length, (off_t)length);
        if (got < 0 && errno != EINTR)
            return -errno;
        length += got > 0 ? (size_t)got : 0;
        got = got < 0 ? 1 : got;
    }
    while (got > 0 && length > 0 && text[length - 1] != ' ')
        length--;
    text[length] = '\0';
    return (ssize_t)length;
}

static ssize_t add_children(int file, pid_t *children, size_t size, size_t count)
{
    char text[16384];
    const ssize_t got = proc_children_text(file, text, sizeof text);
    return got < 0 ? got : add_pids(text, children, size, count);
}

ssize_t proc_children_at(int file, pid_t *children, size_t size)
{
    return add_children(file, children, size, 0);
}

ssize_t proc_children(pid_t pid, pid_t *children, size_t size)
{
    char path[64];
    ssize_t count = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *threads = opendir(path);
    if (threads == NULL)
        return errno == ENOENT ? -ESRCH : -errno;
    for (struct dirent *d; count >= 0 && (d = readdir(threads)) != NULL;)
        if (isdigit((unsigned char)d->d_name[0])) {
            char file[300];
            snprintf(file, sizeof file, "%s/children", d->d_name);
            int fd = openat(dirfd(threads), file, O_RDONLY | O_CLOEXEC);
            if (fd >= 0)
                count = add_children(fd, children, size, (size_t)count);
            else if (errno != ENOENT) /* a thread may end meanwhile */
                count = -errno;
            descriptor_close(&fd);
        }
    closedir(threads);
    return count;
}

pid_t proc_survivor(pid_t pid)
{
    char path[64];
    uint64_t resident, anonymous;
    pid_t survivor = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *threads = opendir(path);
    if (threads == NULL)
        return 0;
    for (struct dirent *d; survivor == 0 && (d = readdir(threads)) != NULL;) {
        const pid_t thread = (pid_t)strtol(d->d_name, NULL, 10);
        if (thread > 0 && proc_resident(thread, &resident, &anonymous) == 0 && resident > 0)
            survivor = thread;
    }
    closedir(threads);
    return survivor;
}

/* ---- the machine ----------------------------------------------------------------------------------------------- */

uint64_t proc_births(int loadavg)
{
    char text[128];
    unsigned long long last;
    if (loadavg < 0 || descriptor_read_text(loadavg, text, sizeof text) < 0 ||
        sscanf(text, "%*s %*s %*s %*s %llu", &last) != 1)
        return 0;
    return last;
}

uint64_t proc_oom_kills(void)
{
    char text[16384];
    return read_path("/proc/vmstat", text, sizeof text) < 0 ? 0 : cgroup_keyed_number(text, "oom_kill");
}

/* For a status file that is longer than usual. */
static uint64_t peak_of_lines(const char *path)
{
    char line[256]; /* a longer line comes in pieces, of which none looks like the label */
    uint64_t bytes = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    while (bytes == 0 && fgets(line, sizeof line, file) != NULL)
        proc_bytes(line, "VmHWM:", &bytes);
    fclose(file);
    return bytes;
}

uint64_t proc_peak(pid_t pid)
{
    char path[64], text[STATUS_USUAL];
    uint64_t bytes;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    const ssize_t got = read_path(path, text, sizeof text);
    if (got >= 0 && proc_bytes(text, "VmHWM:", &bytes))
        return bytes;
    return got == (ssize_t)sizeof text - 1 ? peak_of_lines(path) : 0;
}

int proc_threads(void)
{
    struct proc_entry self;
    const int rc = proc_entry_read(getpid(), &self);
    return rc < 0 ? rc : self.threads;
}
