/* proc.h - reading /proc: who is whose child, what a process is tagged with, how much memory it has. Source: proc(5).
 */
#ifndef PROC_H
#define PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_entry {
    pid_t pid, parent;
    char state;     /* 'Z': a zombie */
    uint64_t start; /* ticks since boot: with the pid, the identity of a process */
};

struct proc_list {
    struct proc_entry *entries; /* by pid, ascending */
    size_t count, capacity;
};

/* Every process there is. Reuses the list's memory. Negative errno. */
int proc_list_read(struct proc_list *list);
void proc_list_free(struct proc_list *list);

/* The entry of pid, NULL: none. */
const struct proc_entry *proc_list_find(const struct proc_list *list, pid_t pid);

/* The topmost ancestor of pid below root (itself when it is root's child); 0: it does not descend from root. */
pid_t proc_list_branch(const struct proc_list *list, pid_t pid, pid_t root);

/* One process; -ESRCH: it is gone. */
int proc_entry_read(pid_t pid, struct proc_entry *entry);

/* Parses the text of /proc/PID/stat, whose command name may hold anything. */
int proc_entry_parse(const char *text, struct proc_entry *entry);

/* The soft RLIMIT_LOCKS of a process, a job's tag; 0: unlimited or not readable. */
uint64_t proc_tag(pid_t pid);

/* Resident memory of a process in bytes, and how much of it is anonymous. */
int proc_resident(pid_t pid, uint64_t *resident, uint64_t *anonymous);

/* The process's own high-water mark (VmHWM) in bytes; 0: not known. */
uint64_t proc_peak(pid_t pid);

/* Threads of the calling process. */
int proc_threads(void);

#endif
