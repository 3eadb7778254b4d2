#include "sweep.h"

#include "process.h"
#include "raw.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GIVE_UP_MS 5000
#define PAUSE_NS   2000000

uint64_t sweep_tag_most(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_LOCKS, &limit) == 0 ? limit.rlim_max : RLIM_INFINITY;
}

int sweep_tag(uint64_t serial, uint64_t most)
{
    const struct {
        uint64_t soft, hard;
    } limit = {serial, most}; /* the kernel's struct rlimit64 */
    return (int)raw_call(SYS_prlimit64, 0, RLIMIT_LOCKS, raw_pointer(&limit), 0);
}

uint64_t sweep_belongs(const struct sweep_process *process, bool (*is_known)(uint64_t serial, void *context),
                       void *context)
{
    if (process->branch_serial != 0)
        return process->branch_serial;
    if (process->tag != 0 && is_known(process->tag, context))
        return process->tag;
    if (process->branch_tag != 0 && is_known(process->branch_tag, context))
        return process->branch_tag;
    return 0;
}

bool sweep_signal(const struct proc_entry *entry, pid_t self, int signal)
{
    if (entry->parent == self)
        return kill(entry->pid, signal) == 0;
    const int pidfd = (int)syscall(SYS_pidfd_open, entry->pid, 0);
    struct proc_entry now;
    bool sent = false;
    if (pidfd < 0 && errno == ESRCH)
        return false;
    if (proc_entry_read(entry->pid, &now) == 0 && now.start == entry->start) {
        if (pidfd >= 0)
            sent = syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0;
        else /* a kernel without pidfds */
            sent = kill(entry->pid, signal) == 0;
    }
    if (pidfd >= 0)
        close(pidfd);
    return sent;
}

static size_t pass(struct proc_list *list, bool (*is_ours)(uint64_t serial, void *context), void *context)
{
    size_t found = 0;
    if (proc_list_read(list) < 0)
        return 0;
    for (size_t i = 0; i < list->count; i++) {
        const uint64_t tag = proc_tag(list->entries[i].pid);
        if (tag != 0 && !proc_entry_is_over(&list->entries[i]) && is_ours(tag, context))
            found += sweep_signal(&list->entries[i], getpid(), SIGKILL);
    }
    return found;
}

size_t sweep_tagged(bool (*is_ours)(uint64_t serial, void *context), void *context, int passes, int pause_ms)
{
    struct proc_list list = {0};
    size_t found = 1;
    for (int i = 0; i < passes && found > 0; i++) {
        found = pass(&list, is_ours, context);
        if (found > 0)
            poll(NULL, 0, pause_ms);
    }
    proc_list_free(&list);
    return found;
}

int sweep_all_below(pid_t self)
{
    const int64_t give_up_at = process_now_ms() + GIVE_UP_MS;
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    struct proc_list list = {0};
    sigset_t child;
    int rc = -ETIMEDOUT;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    while (process_now_ms() < give_up_at) {
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
            ;
        if (pid < 0 && errno == ECHILD) { /* everything below a subreaper is its child in the end */
            rc = 0;
            break;
        }
        if (proc_list_read(&list) == 0)
            for (size_t i = 0; i < list.count; i++)
                if (!proc_entry_is_over(&list.entries[i]) && proc_list_branch(&list, list.entries[i].pid, self) != 0)
                    sweep_signal(&list.entries[i], self, SIGKILL);
        sigtimedwait(&child, NULL, &pause);
    }
    proc_list_free(&list);
    return rc;
}
