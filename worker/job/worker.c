/* worker.c - one job: takes the task, runs it, sends its result, leaves with _exit. */
#include "worker.h"

#include "call_state.h"
#include "cgroup.h"
#include "command.h"
#include "crash.h"
#include "payload.h"
#include "proc.h"
#include "raw.h"
#include "sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define TOUCHED_STACK    4096
#define FILE_PAGES_LEAST ((uint64_t)1 << 20) /* of less growth the kind does not matter */

/* On the stack: a write to any other page costs a copy of that page. */
struct task {
    const struct message_task *message; /* in the area, which the host does not change before this worker is gone */
    struct descriptor_set descriptors;
    const uint8_t *arg; /* in the area, or the mapping of a memfd */
};

static pid_t own_pid(void)
{
    return (pid_t)raw_call(SYS_getpid, 0, 0, 0, 0);
}

/* Moves the channels to numbers out of a job's way, and closes all else. */
static int take_descriptors(const struct worker_birth *birth, int channels[WORKER_CHANNELS])
{
    int at = birth->numbers; /* no channel has one of these numbers yet */
    for (int i = 0; i < WORKER_CHANNELS; i++) {
        if (birth->channels[i] < 0)
            continue;
        channels[i] = (int)raw_call(SYS_dup3, birth->channels[i], at++, O_CLOEXEC, 0);
        if (channels[i] < 0)
            return -EBADF;
    }
    descriptor_close_range(birth->gap_end, (unsigned)birth->numbers - 1);
    descriptor_close_range((unsigned)at, ~0U);
    process_gap_fill(birth->gap_end);
    return 0;
}

/* From a copy of the fork server to a process of its own. */
static int settle_in(const struct worker_birth *birth, struct channel *channel, int *leaf)
{
    char name[] = {"reclaim-worker"};
    int channels[WORKER_CHANNELS] = {-1, -1, -1};
    int rc = process_die_with(birth->parent);
    if (rc == 0)
        rc = take_descriptors(birth, channels);
    if (rc == 0 && (*leaf = channels[WORKER_LEAF]) >= 0)
        rc = cgroup_leaf_join(*leaf);
    if (rc < 0)
        return rc;
    /* mremap(2) would give the job a copy of the window that reaches over the slots beside it */
    raw_call(SYS_mseal, raw_pointer(birth->task), (long)birth->window_size, 0, 0);
    raw_call(SYS_setpgid, 0, 0, 0, 0);
    process_be_ordinary(birth->origin);
    raw_call(SYS_prctl, PR_SET_NAME, raw_pointer(name), 0, 0);
    sweep_tag(birth->serial, birth->tag_most);
    crash_note_in(birth->page, own_pid());
    return channel_init(channel, channels[WORKER_PIPE], channels[WORKER_SOCKET], birth->page);
}

/* What the task needs beside the area. 0 or a negative errno. */
static int receive_descriptors(int socket, struct task *task)
{
    char byte;
    const ssize_t got = descriptor_receive(socket, &byte, 1, 0, &task->descriptors);
    if (got < 0)
        return (int)got;
    if (task->descriptors.truncated)
        return -EMFILE;
    return got == 1 && task->descriptors.count == task->message->descriptors ? 0 : -EBADMSG;
}

static int open_payload(const struct area_task *area, struct task *task)
{
    switch (task->message->payload) {
    case PAYLOAD_NONE:
        task->arg = NULL;
        return 0;
    case PAYLOAD_INLINE:
        task->arg = area->payload;
        return 0;
    case PAYLOAD_MEMFD: {
        int fd = descriptor_set_take(&task->descriptors);
        if (fd < 0)
            return -EBADMSG;
        /* Populated, so that the baseline contains it: the argument is not the job's usage. */
        task->arg = payload_map(fd, (size_t)task->message->size, true);
        const int rc = task->arg == NULL ? -errno : 0;
        descriptor_close(&fd);
        return rc;
    }
    default:
        return -EBADMSG;
    }
}

static int open_task(const struct worker_birth *birth, int socket, struct task *task)
{
    task->message = &birth->task->message;
    task->descriptors.count = 0;
    const int rc = task->message->descriptors > 0 ? receive_descriptors(socket, task) : 0;
    return rc < 0 ? rc : open_payload(birth->task, task);
}

static void limit(int resource, uint64_t soft, uint64_t hard)
{
    struct rlimit old;
    if (getrlimit((__rlimit_resource_t)resource, &old) < 0)
        return;
    const struct rlimit new = {.rlim_cur = soft < old.rlim_max ? soft : old.rlim_max,
                               .rlim_max = hard < old.rlim_max ? hard : old.rlim_max};
    setrlimit((__rlimit_resource_t)resource, &new);
}

/* RLIMIT_DATA: `more` bytes above what the process has now. statm counts the stack, too, which is close enough. */
static void limit_data(int64_t more)
{
    unsigned long long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm == NULL)
        return;
    if (fscanf(statm, "%*u %*u %*u %*u %*u %llu", &pages) == 1) {
        const uint64_t most = pages * (uint64_t)sysconf(_SC_PAGESIZE) + (uint64_t)more;
        limit(RLIMIT_DATA, most, most);
    }
    fclose(statm);
}

/* 0, or a negative errno. */
static int apply_cgroup_limits(const struct task *task, bool has_pids, int leaf)
{
    const pool_job_options_t *o = &task->message->options;
    const struct cgroup_limits limits = {
        .memory = task->message->memory_limit,
        .pids = has_pids && o->pids >= 0 ? (int64_t)o->pids + 1 : -1, /* the worker counts, too */
        .cpu_weight = o->cpu_weight,
    };
    return leaf < 0 ? 0 : cgroup_leaf_limit(leaf, &limits);
}

static void apply_limits(const struct message_task *task)
{
    const pool_job_options_t *o = &task->options;
    if (o->memory_backstop && task->function != 0 && task->memory_limit >= 0)
        limit_data(task->memory_limit);
    if (o->cpu_ms >= 0) {
        const uint64_t seconds = ((uint64_t)o->cpu_ms + 999) / 1000;
        limit(RLIMIT_CPU, seconds, seconds + 2);
    }
    if (o->nofile >= 0 && task->function != 0)
        limit(RLIMIT_NOFILE, (uint64_t)o->nofile, (uint64_t)o->nofile);
    if (o->nice != 0) {
        errno = 0;
        const int now = getpriority(PRIO_PROCESS, 0);
        if (errno == 0)
            setpriority(PRIO_PROCESS, 0, now + o->nice);
    }
}

/* The job's usage counts above this: the high-water mark, as wait4 will report it at the end, not what is resident now.
 * Closes leaf, which the job is not to have. */
static void take_baseline(struct page *page, int leaf)
{
    if (leaf >= 0) {
        int current = cgroup_leaf_open_current(leaf);
        page->charged = current < 0 ? 0 : cgroup_current(current);
        descriptor_close(&current);
        close(leaf);
    }
    page->baseline = process_peak();
}

/* If the high-water mark has grown, how much of it are file pages, which it does not tell apart. */
static void note_file_pages(struct page *page)
{
    struct proc_status status;
    if (process_peak() > page->baseline + FILE_PAGES_LEAST && proc_status_read(getpid(), &status) == 0)
        page->file = status.file;
}

/* From here on it is the job that runs: the host sees that it has begun. */
static void begin(struct page *page)
{
    atomic_store(&page->head.untaken, 0);
    atomic_store(&page->phase, PAGE_BEGUN);
}

/* Takes the descriptors for 0, 1 and 2 out of the set, as struct command has them. */
static void take_streams(struct task *task, int streams[3])
{
    for (int i = 0; i < 3; i++) {
        const uint64_t bit = (uint64_t)TASK_STDIN << i;
        if ((task->message->streams & bit << TASK_CLOSED_SHIFT) != 0)
            streams[i] = COMMAND_CLOSED;
        else
            streams[i] = (task->message->streams & bit) != 0 ? descriptor_set_take(&task->descriptors) : -1;
    }
}

/* fflush alone would write to the stream's page, which costs a copy; and __fpending is one more page of libc's code. */
static void flush(FILE *stream)
{
#ifdef __GLIBC__
    const bool is_pending = stream->_IO_write_ptr > stream->_IO_write_base || stream->_mode > 0;
#else
    const bool is_pending = __fpending(stream) > 0;
#endif
    if (is_pending)
        fflush(stream);
}

static int run_function(struct task *task, struct channel *channel, int leaf)
{
    int streams[3];
    take_streams(task, streams);
    for (int i = 0; i < 3; i++) {
        if (streams[i] >= 0)
            dup2(streams[i], i);
        descriptor_close(&streams[i]);
    }
    struct pool_call call = {
        .channel = channel,
        .pid = own_pid(),
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .attempt = (uint32_t)task->message->attempt,
        .events = task->message->options.on_event != NULL,
        .arg = task->arg,
        .arg_size = (size_t)task->message->size,
        .fds = task->descriptors.fds,
        .fd_count = task->descriptors.count,
        .arena_lock = PTHREAD_MUTEX_INITIALIZER,
        .result_limit = task->message->options.result_limit,
        .memfd = -1,
    };
    take_baseline(channel->page, leaf);
    begin(channel->page);

    const pool_fn function = (pool_fn)(uintptr_t)task->message->function;
    const int code = function(&call);

    if (own_pid() != call.pid) /* a child that the job forked, and that returned from the function as well */
        _exit(code == 0 ? 0 : 1);
    note_file_pages(channel->page);
    flush(stdout);
    flush(stderr);
    int rc = call_finish(&call, code, task->message->options.early);
    if (task->message->options.early)
        sched_yield(); /* the waiting thread may need this processor, and our exit takes longer than a short job */
    if (rc < 0 && (rc != -EBADF || code != 0)) /* what the job says of its failure can go up alone */
        rc = call_finish_without_value(&call, code, rc);
    return rc;
}

static int run_command(struct task *task, struct channel *channel, const struct worker_birth *birth, int leaf)
{
    struct command command = {.origin = birth->origin, .page = channel->page, .server = birth->parent, .cwd = -1};
    struct message_result result = {0};
    if (message_unpack(MESSAGE_COMMAND, task->arg, (size_t)task->message->size, &command.spec) < 0)
        return -EBADMSG;
    take_streams(task, command.streams);
    if ((task->message->streams & TASK_CWD) != 0)
        command.cwd = descriptor_set_take(&task->descriptors);
    command.fds = task->descriptors.fds;
    command.fd_count = task->descriptors.count;
    if (command.spec.numbers.size != 0 && command.spec.numbers.size != command.fd_count * sizeof(int32_t))
        return -EBADMSG;
    command.events = task->message->options.on_event != NULL ? channel : NULL;
    command.nofile = task->message->options.nofile;
    command.data_limit = task->message->options.memory_backstop ? task->message->memory_limit : -1;
    channel->page->is_command = 1;
    take_baseline(channel->page, leaf);
    begin(channel->page);
    command_run(&command, &result);
    return channel_send_small(channel, MESSAGE_RESULT, &result, true);
}

/* Maps what each function job uses, while nobody waits for this worker yet: the same page faults, but earlier. */
__attribute__((noinline)) static void touch(const struct worker_birth *birth)
{
    const void *const places[] = {
        birth->task,
        (const void *)(uintptr_t)pthread_mutex_lock,
        (const void *)(uintptr_t)memmove,
    };
    volatile uint8_t stack[TOUCHED_STACK];
    stack[0] = 0;
    (void)stack;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        (void)*(const volatile uint8_t *)places[i];
}

void worker_main(const struct worker_birth *birth)
{
    struct task task;
    struct channel channel;
    const sigset_t none = {0}; /* as sigemptyset makes it, without a page fault for that */
    int leaf = -1;
    if (settle_in(birth, &channel, &leaf) < 0)
        _exit(WORKER_EXIT_BIRTH);
    if (birth->on_birth != NULL) /* before it is ready: the birth deadline holds for the hook, too */
        birth->on_birth(birth->hook_user);
    touch(birth);
    atomic_store(&birth->page->phase, PAGE_READY);
    raw_call(SYS_rt_sigprocmask, SIG_SETMASK, raw_pointer(&none), 0, _NSIG / 8);
    if (bell_await(&birth->page->head.bell) != AREA_TAKE)
        _exit(0);
    if (open_task(birth, channel.socket, &task) < 0 || apply_cgroup_limits(&task, birth->has_pids, leaf) < 0)
        _exit(WORKER_EXIT_BIRTH);
    apply_limits(task.message);
    if (task.message->memory_limit >= 0 && leaf < 0)
        bell_await(&birth->page->guard);
    const int rc =
        task.message->function != 0 ? run_function(&task, &channel, leaf) : run_command(&task, &channel, birth, leaf);
    _exit(rc == 0 ? 0 : WORKER_EXIT_CHANNEL);
}
