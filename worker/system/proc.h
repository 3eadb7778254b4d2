/* proc.h - reading /proc: who is whose child, how a process is tagged, how much memory it has. Sizes are in bytes.
 * Negative errnos: -ESRCH, the process is gone; -EBADMSG, not the text that was expected. Source: proc(5). */
#ifndef PROC_H
#define PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_entry {
    pid_t pid, parent;
    char state;     /* 'Z': its first thread has ended; see proc_entry_is_over */
    int threads;    /* the first included until all have ended */
    uint64_t start; /* ticks since boot: with the pid, the identity of a process */
    uint64_t minor_faults;
    uint64_t stack; /* where its stack starts: the same after a fork, another after exec; 0: not ours to see */
};

struct proc_list {
    struct proc_entry *entries; /* by pid, ascending */
    size_t count, capacity;
};

/* All processes. Reuses the list's memory. Negative errno. */
int proc_list_read(struct proc_list *list);
void proc_list_free(struct proc_list *list);

/* The entry of pid, NULL: none. */
const struct proc_entry *proc_list_find(const struct proc_list *list, pid_t pid);

/* The topmost ancestor of pid below root (itself when it is root's child); 0: it does not descend from root. */
pid_t proc_list_branch(const struct proc_list *list, pid_t pid, pid_t root);

/* Parses /proc/PID/stat, whose command name may hold anything. */
int proc_entry_read(pid_t pid, struct proc_entry *entry);
int proc_entry_parse(const char *text, struct proc_entry *entry);

/* A zombie. Not a process whose first thread has ended and whose other threads go on. */
bool proc_entry_is_over(const struct proc_entry *entry);

/* A thread of a process whose first thread has ended: /proc shows the memory of the process in that of this thread, and
 * none in its own. 0: no thread is left. */
pid_t proc_survivor(pid_t pid);

/* The system call that a process is blocked in. -EAGAIN: in none; -EACCES, -EPERM, -ESRCH: not ours to see. */
struct proc_call {
    long number;
    uint64_t arguments[6];
};
int proc_call_read(pid_t pid, struct proc_call *call);
int proc_call_parse(const char *text, struct proc_call *call);

/* The soft RLIMIT_LOCKS of a process, a job's tag; 0: unlimited or not readable. */
uint64_t proc_tag(pid_t pid);

/* Resident memory of a process, and how much of it is anonymous. */
int proc_resident(pid_t pid, uint64_t *resident, uint64_t *anonymous);

/* The same from its statm file, kept open: 1 µs where opening costs 6. */
int proc_resident_at(int statm, uint64_t *resident, uint64_t *anonymous);

/* Resident memory by kind, from /proc/PID/status: 9 µs. */
struct proc_status {
    uint64_t anonymous, file, shared;
};
int proc_status_read(pid_t pid, struct proc_status *status);
int proc_status_parse(const char *text, struct proc_status *status);

/* Memory with shared pages divided among those that map them. Walks page tables: some 10 ms a GiB of small pages. */
struct proc_rollup {
    uint64_t anonymous, shared; /* divided so */
    uint64_t private;           /* anonymous pages that no other process maps */
    uint64_t all;               /* anonymous pages, undivided */
    uint64_t lazy;              /* given back with MADV_FREE, and still there */
};
int proc_rollup_read(pid_t pid, struct proc_rollup *rollup);
int proc_rollup_parse(const char *text, struct proc_rollup *rollup);

/* The KiB after a label at the start of a line ("VmHWM:"), in bytes. False: there is no such line. */
bool proc_bytes(const char *text, const char *label, uint64_t *bytes);

/* Pids of the children of all threads of a process, at most size. Returns how many there are, or a negative errno. */
ssize_t proc_children(pid_t pid, pid_t *children, size_t size);

/* The same for one thread, from its children file, kept open. */
ssize_t proc_children_at(int file, pid_t *children, size_t size);

/* Reads such a file as text; one read(2) gives a page at most. If it is longer than size, the last pids are missing,
 * but none is cut. Its length or a negative errno. */
ssize_t proc_children_text(int file, char *text, size_t size);

/* A number that changes whenever a process or thread starts: the last pid of /proc/loadavg, kept open. 0: unknown. */
uint64_t proc_births(int loadavg);

/* Processes that any OOM killer has killed since boot: the machine's, or a cgroup's. */
uint64_t proc_oom_kills(void);

/* The process's own high-water mark (VmHWM); 0: unknown. */
uint64_t proc_peak(pid_t pid);

/* Threads of the calling process. */
int proc_threads(void);

#endif
