/* submit.c - pool_submit, pool_submit_command, pool_map: from what a caller asks to a job in the queue. */
#include "submit.h"

#include "failure.h"
#include "job.h"
#include "loop.h"
#include "options.h"
#include "payload.h"
#include "pool_state.h"
#include "reservation.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMAND_MAX ((size_t)4 << 20)

/* ---- whether the pool takes it --------------------------------------------------------------------------------- */

/* What can be told before any work is done for it. */
static int check_caller(const pool_t *pool)
{
    if (pool == NULL)
        return failure(-EINVAL, "pool is NULL");
    if (pool_is_foreign(pool))
        return failure(-EPERM, "this pool belongs to process %d: a forked child opens its own", (int)pool->owner);
    if (getuid() != pool->uid || geteuid() != pool->euid || getgid() != pool->gid || getegid() != pool->egid)
        return failure(-EPERM, "the process changed its uid or gid after pool_open, and jobs would run with the old "
                               "ones: open the pool after the change");
    return 0;
}

int submit_check_means(const pool_t *pool, const pool_job_options_t *options)
{
    const uint64_t budget = pool->loop->room.admission.rules.budget;
    if (options->cpu_weight >= 0 && !atomic_load(&pool->has_cpu_weight))
        return failure(-ENOTSUP, "cpu_weight is %d: this pool has no cgroup with a cpu controller",
                       options->cpu_weight);
    if (budget > 0 && options->memory_expected > 0 && (uint64_t)options->memory_expected > budget)
        return failure(
            -E2BIG,
            "memory_expected is %lld bytes and memory_budget %llu: it could never start; raise memory_budget "
            "at pool_open, or lower memory_expected",
            (long long)options->memory_expected, (unsigned long long)budget);
    return 0;
}

int submit_check_phase(const pool_t *pool)
{
    if (pool->error.code != 0)
        return failure(-EIO, "%s", pool->error.message);
    if (pool->phase != POOL_OPEN)
        return failure(-ESHUTDOWN, "the pool is closed: open another");
    return 0;
}

/* Whether count more jobs fit: what can start at once does not wait. */
static bool has_room(const pool_t *pool, size_t count)
{
    const uint64_t waiting = (uint64_t)pool->queue.count + count;
    const uint64_t busy = pool->running;
    const uint64_t free_now = busy < (uint64_t)pool->options.workers ? (uint64_t)pool->options.workers - busy : 0;
    const uint64_t over = waiting > free_now ? waiting - free_now : 0;
    return over <= (uint64_t)pool->options.queue_limit;
}

/* Waits until count jobs fit, or says why not. The caller holds the lock. */
static int wait_for_room(pool_t *pool, size_t count)
{
    int rc;
    if ((uint64_t)count > (uint64_t)pool->options.queue_limit + (uint64_t)pool->options.workers)
        return failure(-EINVAL, "a map of %zu jobs can never fit a queue_limit of %lld and %d workers", count,
                       (long long)pool->options.queue_limit, pool->options.workers);
    while ((rc = submit_check_phase(pool)) == 0 && !has_room(pool, count)) {
        if (pool->options.queue_full == POOL_QUEUE_REFUSE)
            return failure(-EAGAIN, "the queue is full (queue_limit %lld): try again when jobs have settled",
                           (long long)pool->options.queue_limit);
        if (pool_in_callback())
            return failure(-EDEADLK, "the queue is full, and a callback must not wait for room in it");
        pool->callers++;
        pthread_cond_wait(&pool->room, &pool->lock);
        pool->callers--;
        pthread_cond_broadcast(&pool->phase_changed);
    }
    return rc;
}

/* Who has to hear of it, once count jobs are in the queue. While every worker is busy the loop looks at it anyway when
 * one ends; where others wait longer, how long a look takes is not known. sooner: a deadline is the next of all. */
enum news { NEWS_NONE, NEWS_NOW, NEWS_SOON };

static enum news news_of(const pool_t *pool, size_t count, bool sooner)
{
    if (pool->running >= (size_t)pool->options.workers && !sooner)
        return NEWS_NONE;
    return pool->queue.count <= count ? NEWS_NOW : NEWS_SOON;
}

/* Whoever has been looked at may come to wait for a retry. */
static bool needs_time(const pool_job_t *job)
{
    return job->deadline_at != LOOP_NEVER || job->is_admitted;
}

/* Room for jobs of one kind in queue and timetable, all or none. The caller holds the lock. */
static int take_places(pool_t *pool, pool_job_t **jobs, size_t count)
{
    const bool timed = needs_time(jobs[0]);
    struct queue *queue = jobs[0]->is_admitted ? &pool->admitted : &pool->queue;
    size_t queued = 0;
    int rc = timed ? timetable_reserve(&pool->times, count) : 0;
    if (rc < 0)
        return failure(rc, "no memory for the deadlines of %zu jobs", count);
    while (queued < count && rc == 0) {
        rc = queue_add(queue, &jobs[queued]->queued, job_options(jobs[queued])->priority, false);
        queued += rc == 0;
    }
    if (rc == 0)
        return 0;
    while (queued > 0)
        queue_remove(queue, &jobs[--queued]->queued);
    if (timed)
        timetable_unreserve(&pool->times, count);
    return failure(rc, "no memory for the queue");
}

/* From here on it is the pool's. The caller holds the lock. */
static void adopt(pool_t *pool, pool_job_t *job, bool keep)
{
    if (keep)
        pool_job_retain(job);
    if (job_options(job)->collect) {
        pool_job_retain(job);
        pool->collect_outstanding++;
    }
    job->has_time = needs_time(job);
    if (job->deadline_at != LOOP_NEVER)
        timetable_add(&pool->times, &job->timed, job->deadline_at);
    job_move(job, JOB_WAITING);
}

static pool_reservation_t *reservation_of(const pool_job_options_t *options)
{
    return options != NULL ? options->reservation : NULL;
}

/* One that has reserved what it needs does not wait. The caller holds the lock. */
static int admit(pool_t *pool, pool_job_t *job, const pool_reservation_t *reservation)
{
    int rc = submit_check_phase(pool);
    if (rc == 0)
        rc = reservation_check(reservation, pool, job_options(job));
    job->is_admitted = rc == 0;
    return rc;
}

/* The caller holds the lock. */
static int enqueue_locked(pool_t *pool, pool_job_t **jobs, size_t count, pool_reservation_t *reservation, bool keep,
                          enum news *news)
{
    bool sooner = reservation != NULL;
    int rc = reservation != NULL ? admit(pool, jobs[0], reservation) : wait_for_room(pool, count);
    if (rc == 0)
        rc = take_places(pool, jobs, count);
    if (rc < 0)
        return rc;
    if (reservation != NULL)
        reservation_move(reservation, jobs[0]);
    for (size_t i = 0; i < count; i++) {
        adopt(pool, jobs[i], keep);
        sooner = sooner || jobs[i]->timed.place == 1;
    }
    pool->unsettled_count += count;
    pool->stats.submitted += count;
    *news = news_of(pool, count, sooner);
    return 0;
}

/* Puts jobs of one kind into the queue, all or none; then they are the pool's. reservation (of one job) may be NULL. */
static int enqueue(pool_t *pool, pool_job_t **jobs, size_t count, pool_reservation_t *reservation, bool keep)
{
    enum news news = NEWS_NONE;
    struct loop *loop = pool->loop;
    const bool claims = kind_has_callbacks(jobs[0]->kind);
    for (size_t i = 0; claims && i < count; i++)
        drive_claim(loop);
    pthread_mutex_lock(&pool->lock);
    const int rc = enqueue_locked(pool, jobs, count, reservation, keep, &news);
    if (news == NEWS_SOON)
        loop_wake(loop);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; rc < 0 && claims && i < count; i++)
        drive_unclaim(loop);
    if (news == NEWS_NOW)
        loop_tell(loop);
    return rc;
}

/* ---- functions ------------------------------------------------------------------------------------------------- */

static pool_stream_t stream_of(pool_output_t output)
{
    return output == POOL_OUTPUT_CAPTURE   ? POOL_STREAM_CAPTURE
           : output == POOL_OUTPUT_DISCARD ? POOL_STREAM_DISCARD
                                           : POOL_STREAM_INHERIT;
}

/* A job of this kind, not queued yet: see job_new. */
static int make_job(pool_t *pool, struct kind *kind, const pool_job_options_t *given, size_t size, pool_job_t **job)
{
    const int rc = job_new(pool, kind, given, size, job);
    if (rc == 0 && kind->options.deadline_ms >= 0)
        (*job)->deadline_at = process_now_ms() + kind->options.deadline_ms;
    return rc;
}

/* One for a function. kind is *taken*. */
static int make_function_job(pool_t *pool, struct kind *kind, const pool_job_options_t *given, const pool_bytes_t *arg,
                             pool_job_t **out)
{
    pool_job_t *job = NULL;
    int rc = make_job(pool, kind, given, arg->size, &job);
    if (rc == 0 && arg->size > 0 && arg->data == NULL)
        rc = failure(-EINVAL, "the argument is NULL and its size is %zu", arg->size);
    if (rc == 0)
        rc = job_set_payload(job, arg->data, arg->size);
    if (rc < 0 && job != NULL)
        job_discard(job);
    if (rc == 0)
        *out = job;
    return rc;
}

/* The kind of a caller's options, checked; like has what is not said there, and the name where none is given. */
static int find_kind(pool_t *pool, const pool_job_options_t *given, struct kind *like, struct kind **kind)
{
    pool_job_options_t *options = &like->options;
    int rc = options_job(given, like->is_command, options);
    if (rc < 0 || (rc = submit_check_means(pool, options)) < 0)
        return rc;
    if (options->name != NULL)
        like->name = options->name;
    if (!like->is_command)
        like->out = like->err = stream_of(options->output);
    options->name = NULL;
    options->reservation = NULL;
    options->user = NULL;
    options->fds = NULL;
    options->fd_count = 0;
    *kind = kind_take(&pool->kinds, like);
    if (*kind != NULL)
        return 0;
    failure(-ENOMEM, "no memory for a job's options");
    return -ENOMEM;
}

/* fn is not in the image. In a pool that has ended nobody is left to ask for that, and then that is what to say. */
static int refuse_function(pool_t *pool, pool_fn fn)
{
    pthread_mutex_lock(&pool->lock);
    const int rc = submit_check_phase(pool);
    pthread_mutex_unlock(&pool->lock);
    if (rc < 0)
        return rc;
    failure(-EFAULT,
            "the function at %p is not in code that was mapped when the pool was opened, so workers do not have "
            "it: load its library before pool_open",
            (void *)(uintptr_t)fn);
    return -EFAULT;
}

/* Checks that fn can run in a worker, and the rest. */
static int find_function_kind(pool_t *pool, pool_fn fn, const pool_job_options_t *given, struct kind **kind)
{
    int rc = check_caller(pool);
    if (rc < 0)
        return rc;
    if (fn == NULL) {
        failure(-EINVAL, "the function is NULL");
        return -EINVAL;
    }
    struct kind like = {.function = (uint64_t)(uintptr_t)fn, .name = symbol_name(pool->symbols, (void (*)(void))fn)};
    if (like.name == NULL && errno == ENOMEM) {
        failure(-ENOMEM, "no memory for the name of a function");
        return -ENOMEM;
    }
    if (like.name == NULL)
        return refuse_function(pool, fn);
    return find_kind(pool, given, &like, kind);
}

/* All of them, or none. */
static int make_function_jobs(pool_t *pool, struct kind *kind, const pool_job_options_t *given,
                              const pool_bytes_t *args, pool_job_t **jobs, size_t count)
{
    int rc = 0;
    size_t done = 0;
    while (rc == 0 && done < count) {
        rc = make_function_job(pool, kind_retain(kind), given, &args[done], &jobs[done]);
        done += rc == 0;
    }
    while (rc < 0 && done > 0)
        job_discard(jobs[--done]);
    return rc;
}

/* Makes jobs of a kind, and queues them. */
static int map_kind(pool_t *pool, struct kind *kind, const pool_job_options_t *given, const pool_bytes_t *args,
                    size_t count, pool_job_t **jobs)
{
    pool_job_t **made = calloc(count, sizeof(*made));
    if (made == NULL)
        return failure(-ENOMEM, "no memory for %zu jobs", count);
    int rc = make_function_jobs(pool, kind, given, args, made, count);
    if (rc == 0) {
        rc = enqueue(pool, made, count, NULL, jobs != NULL);
        for (size_t i = 0; rc < 0 && i < count; i++)
            job_discard(made[i]);
    }
    if (rc == 0 && jobs != NULL)
        memcpy(jobs, made, count * sizeof(*made));
    free(made);
    return rc;
}

int pool_map(pool_t *pool, pool_fn fn, const pool_bytes_t *args, size_t count, const pool_job_options_t *options,
             pool_job_t **jobs)
{
    struct kind *kind = NULL;
    for (size_t i = 0; jobs != NULL && i < count; i++)
        jobs[i] = NULL;
    if (reservation_of(options) != NULL) {
        pool_reservation_free(options->reservation);
        return failure(-EINVAL, "a reservation is one job's, and none for pool_map: submit each job with its own");
    }
    int rc = find_function_kind(pool, fn, options, &kind);
    if (rc == 0 && count > 0)
        rc = args == NULL ? failure(-EINVAL, "args is NULL and count is %zu", count)
                          : map_kind(pool, kind, options, args, count, jobs);
    kind_release(kind);
    return rc;
}

/* Queues a job that was made, or discards it. */
static int submit(pool_t *pool, pool_job_t *made, const pool_job_options_t *options, pool_job_t **job)
{
    if (job != NULL)
        *job = made; /* before it can run: a callback may look at it */
    const int rc = enqueue(pool, &made, 1, reservation_of(options), job != NULL);
    if (rc == 0)
        return 0;
    job_discard(made);
    if (job != NULL)
        *job = NULL;
    return rc;
}

int pool_submit(pool_t *pool, pool_fn fn, const void *arg, size_t arg_size, const pool_job_options_t *options,
                pool_job_t **job)
{
    const pool_bytes_t bytes = {arg, arg_size};
    struct kind *kind = NULL;
    pool_job_t *made = NULL;
    if (job != NULL)
        *job = NULL;
    int rc = find_function_kind(pool, fn, options, &kind);
    if (rc == 0)
        rc = make_function_job(pool, kind, options, &bytes, &made);
    if (rc == 0)
        rc = submit(pool, made, options, job);
    pool_reservation_free(reservation_of(options)); /* the job has what it held, or it is given back */
    return rc;
}

/* ---- commands -------------------------------------------------------------------------------------------------- */

/* Strings one after the other, each with its NUL. */
struct strings {
    char *data;
    size_t size, capacity;
};

static int strings_add(struct strings *strings, const char *text)
{
    const size_t size = strlen(text) + 1;
    if (size > COMMAND_MAX || strings->size + size > COMMAND_MAX)
        return failure(-E2BIG, "argv and envp are larger than %zu bytes: pass large input on stdin", COMMAND_MAX);
    if (strings->data == NULL || strings->size + size > strings->capacity) {
        const size_t capacity = (strings->size + size) * 2;
        char *data = realloc(strings->data, capacity);
        if (data == NULL)
            return failure(-ENOMEM, "no memory for a command of %zu bytes", strings->size + size);
        strings->data = data;
        strings->capacity = capacity;
    }
    memcpy(strings->data + strings->size, text, size);
    strings->size += size;
    return 0;
}

static int strings_add_all(struct strings *strings, const char *const *vector)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && vector[i] != NULL; i++)
        rc = strings_add(strings, vector[i]);
    return rc;
}

#define TUNABLES     "GLIBC_TUNABLES="
#define TUNABLE_HUGE "glibc.malloc.hugetlb=1"

/* The environment, with glibc's tunable for huge pages added to whatever else is tuned; a user's own word stays. */
static int add_environment(struct strings *strings, const char *const *envp, bool huge_pages)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && envp[i] != NULL; i++) {
        if (!huge_pages || strncmp(envp[i], TUNABLES, strlen(TUNABLES)) != 0) {
            rc = strings_add(strings, envp[i]);
            continue;
        }
        huge_pages = false;
        if (strstr(envp[i], "glibc.malloc.hugetlb=") != NULL || (rc = strings_add(strings, envp[i])) < 0) {
            rc = rc < 0 ? rc : strings_add(strings, envp[i]);
            continue;
        }
        strings->size--; /* over its NUL */
        rc = strings_add(strings, envp[i][strlen(TUNABLES)] == '\0' ? TUNABLE_HUGE : ":" TUNABLE_HUGE);
    }
    if (rc == 0 && huge_pages)
        rc = strings_add(strings, TUNABLES TUNABLE_HUGE);
    return rc;
}

static int pack_command(pool_job_t *job, const struct message_command *message)
{
    const size_t size =
        FRAME_HEADER_SIZE + message->argv.size + message->envp.size + message->cwd.size + message->numbers.size + 64;
    void *storage = malloc(size);
    struct frame_buffer frame;
    if (storage == NULL)
        return failure(-ENOMEM, "no memory for a command of %zu bytes", size);
    frame_buffer_init(&frame, storage, size);
    int rc = message_pack(&frame, MESSAGE_COMMAND, message);
    if (rc == 0)
        rc = job_set_payload(job, frame.data + FRAME_HEADER_SIZE, frame.size - FRAME_HEADER_SIZE);
    free(storage);
    return rc;
}

/* A directory that was removed, or cannot be seen from our root, has no name: a descriptor then leads there. */
static int set_nameless_cwd(pool_job_t *job)
{
    job->files->cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return job->files->cwd < 0
               ? failure(-errno, "the working directory cannot be opened: %s; give cwd", strerror(errno))
               : 0;
}

static struct message_slice slice_of(const char *text)
{
    return (struct message_slice){text, text == NULL ? 0 : strlen(text) + 1};
}

static int set_payload(pool_job_t *job, const pool_command_t *command)
{
    extern char **environ;
    struct strings argv = {0}, envp = {0};
    const char *const *environment = command->envp != NULL ? command->envp : (const char *const *)(const void *)environ;
    char *here = command->cwd == NULL ? getcwd(NULL, 0) : NULL;
    const bool has_name = command->cwd != NULL || (here != NULL && here[0] == '/');
    int rc = strings_add_all(&argv, command->argv);
    if (rc == 0 && environment != NULL)
        rc = add_environment(&envp, environment, job_options(job)->huge_pages);
    if (rc == 0 && !has_name)
        rc = set_nameless_cwd(job);
    const struct message_command message = {
        .argv = {argv.data, argv.size},
        .envp = {envp.data, envp.size},
        .cwd = slice_of(!has_name      ? NULL
                        : here != NULL ? here
                                       : command->cwd),
        .group = command->foreground ? getpgrp() : 0,
        .numbers = {command->fd_numbers,
                    command->fd_numbers == NULL ? 0 : job->files->count * sizeof *command->fd_numbers},
    };
    if (rc == 0)
        rc = pack_command(job, &message);
    free(here);
    free(argv.data);
    free(envp.data);
    return rc;
}

static int copy_stream(pool_job_t *job, int which, int fd, const char *name)
{
    job->files->streams[which] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (job->files->streams[which] < 0)
        return failure(-errno, "%s_fd is %d and cannot be duplicated: %s", name, fd, strerror(errno));
    return 0;
}

static int set_streams(pool_job_t *job, const pool_command_t *command)
{
    int rc = 0;
    if (command->stdin_mode == POOL_STDIN_FD)
        rc = copy_stream(job, 0, command->stdin_fd, "stdin");
    if (command->stdin_mode == POOL_STDIN_BYTES) {
        rc = payload_copy("reclaim-stdin", command->stdin_bytes.data, command->stdin_bytes.size);
        job->files->streams[0] = rc;
        rc = rc < 0 ? failure(rc, "stdin_bytes cannot be copied: %s", strerror(-rc)) : 0;
    }
    if (rc == 0 && command->stdout_mode == POOL_STREAM_FD)
        rc = copy_stream(job, 1, command->stdout_fd, "stdout");
    if (rc == 0 && command->stderr_mode == POOL_STREAM_FD)
        rc = copy_stream(job, 2, command->stderr_fd, "stderr");
    return rc;
}

static int submit_command(pool_t *pool, const pool_command_t *command, const pool_job_options_t *options,
                          pool_job_t **job)
{
    struct kind *kind = NULL;
    pool_job_t *made = NULL;
    if (job != NULL)
        *job = NULL;
    int rc = check_caller(pool);
    if (rc < 0 || (rc = options_command(command, options == NULL ? 0 : options->fd_count)) < 0)
        return rc;
    struct kind like = {.is_command = true,
                        .in = command->stdin_mode,
                        .out = command->stdout_mode,
                        .err = command->stderr_mode,
                        .name = command->argv[0]};
    if ((rc = find_kind(pool, options, &like, &kind)) < 0 || (rc = make_job(pool, kind, options, 0, &made)) < 0)
        return rc;
    rc = set_streams(made, command);
    if (rc == 0)
        rc = set_payload(made, command);
    if (rc < 0) {
        job_discard(made);
        return rc;
    }
    return submit(pool, made, options, job);
}

int pool_submit_command(pool_t *pool, const pool_command_t *command, const pool_job_options_t *options,
                        pool_job_t **job)
{
    const int rc = submit_command(pool, command, options, job);
    pool_reservation_free(reservation_of(options));
    return rc;
}

/* ---- a submitted job --------------------------------------------------------------------------------------------- */

/* The loop is to look at it. The caller holds the lock. */
static void list_for_loop(pool_job_t *job)
{
    if (job->list != JOB_ASKED)
        job_move(job, JOB_ASKED);
    loop_wake(job->pool->loop);
}

int pool_job_cancel(pool_job_t *job)
{
    if (job == NULL)
        return failure(-EINVAL, "job is NULL");
    pool_t *pool = job->pool;
    if (pool_is_foreign(pool))
        return failure(-EPERM, "this job's pool belongs to process %d", (int)pool->owner);
    pthread_mutex_lock(&pool->lock);
    const bool settled = pool_job_state(job) == POOL_STATE_SETTLED;
    if (!settled && !job->cancel_asked) {
        job->cancel_asked = true;
        list_for_loop(job);
    }
    pthread_mutex_unlock(&pool->lock);
    return settled ? failure(-EALREADY, "job %s is settled already", job->kind->name) : 0;
}

/* Those that end or stop a job whatever it does have calls of their own; a command's worker keeps SIGCHLD for itself;
 * libc has some that it does not give away. */
static bool can_be_sent(const pool_job_t *job, int signal)
{
    sigset_t all;
    sigfillset(&all);
    if (signal == SIGKILL || signal == SIGSTOP || (job->kind->is_command && signal == SIGCHLD))
        return false;
    return signal > 0 && signal <= SIGRTMAX && sigismember(&all, signal) == 1;
}

int pool_job_signal(pool_job_t *job, int signal)
{
    if (job == NULL)
        return failure(-EINVAL, "job is NULL");
    pool_t *pool = job->pool;
    if (pool_is_foreign(pool))
        return failure(-EPERM, "this job's pool belongs to process %d", (int)pool->owner);
    if (!can_be_sent(job, signal))
        return failure(-EINVAL, "signal %d is none that a job can be sent: see pool_job_cancel to end it", signal);
    pthread_mutex_lock(&pool->lock);
    const bool runs = pool_job_state(job) == POOL_STATE_RUNNING;
    if (runs) {
        job->record->signals |= UINT64_C(1) << (signal - 1);
        list_for_loop(job);
    }
    pthread_mutex_unlock(&pool->lock);
    return runs ? 0 : failure(-ESRCH, "job %s does not run now", job->kind->name);
}
