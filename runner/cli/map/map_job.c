#include "map_job.h"

#include "outcome.h"
#include "results.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double map_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int map_job_new(struct map_job **made, const struct map_options *options, const char *const *values, uint64_t seq)
{
    const size_t count = options->inputs.count;
    struct map_job *job = calloc(1, sizeof *job);
    *made = NULL;
    if (job == NULL)
        return -ENOMEM;
    job->seq = seq;
    job->input_count = count;
    job->unfit = options->inputs.reason;
    pthread_mutex_init(&job->lock, NULL);
    for (int i = 0; i < 2; i++) {
        job->streams[i] = (struct job_stream){.results = -1, .relay = {.from = -1, .for_command = -1}};
        spool_init(&job->streams[i].spool);
    }
    for (size_t i = 0; i < count; i++) {
        text_put(&job->inputs, values[i], strlen(values[i]) + 1);
        if (i > 0)
            text_puts(&job->tag, " ");
        text_puts(&job->tag, values[i]);
    }
    job->values = job->inputs.failed ? NULL : text_list(&job->inputs, count);
    if (job->values != NULL)
        map_job_describe(job, options);
    if (job->values == NULL || job->tag.failed || job->command.failed) {
        map_job_free(job);
        return -ENOMEM;
    }
    *made = job;
    return 0;
}

/* ---- running it -------------------------------------------------------------------------------------------------- */

/* Our environment with the two variables of GNU parallel's jobs replaced. The list is the caller's, for free(3). */
static const char **environment_of(const struct map_job *job, struct text *added)
{
    static const char *const names[] = {"PARALLEL_SEQ=", "PARALLEL_JOBSLOT="};
    size_t count = 0;
    text_printf(added, "%s%llu", names[0], (unsigned long long)job->seq);
    text_put(added, "", 1);
    text_printf(added, "%s%u", names[1], job->slot);
    while (environ[count] != NULL)
        count++;
    const char **list = added->failed ? NULL : calloc(count + 3, sizeof *list);
    if (list == NULL)
        return NULL;
    list[0] = added->data;
    list[1] = added->data + strlen(added->data) + 1;
    size_t at = 2;
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], names[0], strlen(names[0])) != 0 &&
            strncmp(environ[i], names[1], strlen(names[1])) != 0)
            list[at++] = environ[i];
    return list;
}

/* The name by which admission learns: the program, if it is the same for all jobs. */
static void put_name(const struct map_options *options, struct text *name)
{
    const char *word = options->words[0];
    const size_t size = options->shell ? strcspn(word, " ") : strlen(word);
    if (memchr(word, '{', size) == NULL)
        text_put(name, word, size);
}

/* On the pool's thread. Drops the held output of a run that is repeated; live output is out already. */
static void on_event(pool_job_t *pool_job, const pool_event_t *event, void *user)
{
    struct map_job *job = user;
    pthread_mutex_lock(&job->lock);
    if (event->kind == POOL_EVENT_STARTED)
        job->running_since = map_now();
    else if (event->kind == POOL_EVENT_RETRIED) {
        job->running_since = 0;
        for (int i = 0; i < 2; i++)
            if (!job->streams[i].live)
                job_stream_forget(&job->streams[i]);
        if (job->give_up)
            pool_job_cancel(pool_job);
    }
    pthread_mutex_unlock(&job->lock);
}

static int open_streams(struct map_job *job, const struct map_options *options, struct outlet outlets[2])
{
    int kept[2] = {-1, -1}, rc = 0;
    if (options->results != NULL) {
        struct text path = {0};
        results_path(&path, options->results, job->values, job->input_count);
        rc = path.failed ? -ENOMEM : results_open(path.data, job->seq, kept);
        text_deinit(&path);
    }
    for (int i = 0; i < 2; i++) {
        const struct limits *limits = &options->limits;
        const int opened = job_stream_open(&job->streams[i], limits->output_limit, &outlets[i],
                                           options->tag ? job->tag.data : NULL, kept[i]);
        rc = rc < 0 ? rc : opened;
    }
    return rc;
}

static int submit_command(struct map_job *job, const struct map_options *options, pool_t *pool, int64_t timeout_ms,
                          bool *by_pool)
{
    struct text added = {0}, name = {0};
    pool_job_options_t job_options = options->limits.job;
    const char **envp = environment_of(job, &added);
    put_name(options, &name);
    int rc = envp == NULL || name.failed ? -ENOMEM : 0;
    if (rc == 0) {
        const pool_command_t command = {.argv = job->argv,
                                        .envp = envp,
                                        .stdin_mode = POOL_STDIN_NULL,
                                        .stdout_mode = POOL_STREAM_FD,
                                        .stdout_fd = job->streams[0].relay.for_command,
                                        .stderr_mode = POOL_STREAM_FD,
                                        .stderr_fd = job->streams[1].relay.for_command,
                                        .fd_numbers = options->inherited.numbers};
        job_options.fds = options->inherited.numbers;
        job_options.fd_count = options->inherited.count;
        job->owns_timeout = options->timeout_percent > 0 && timeout_ms == 0;
        if (timeout_ms > 0)
            job_options.timeout_ms = timeout_ms;
        job_options.name = name.data;
        job_options.collect = true;
        job_options.on_event = on_event;
        job_options.user = job;
        rc = pool_submit_command(pool, &command, &job_options, &job->job);
        *by_pool = rc < 0;
    }
    free(envp);
    text_deinit(&added);
    text_deinit(&name);
    return rc;
}

static void end_refused(struct map_job *job)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const double seconds = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    for (int i = 0; i < 2; i++)
        relay_finish(&job->streams[i].relay);
    job->result = (pool_result_t){.outcome = POOL_FAILED,
                                  .cause = POOL_CAUSE_NOT_EXECUTABLE,
                                  .code = OUTCOME_NOT_EXECUTABLE,
                                  .message = job->message,
                                  .usage = {.attempt = 1, .started = seconds, .ended = seconds}};
    job->settled = true;
}

int map_job_submit(struct map_job *job, const struct map_options *options, pool_t *pool, struct outlet outlets[2],
                   int64_t timeout_ms, bool *by_pool)
{
    *by_pool = false;
    int rc = open_streams(job, options, outlets);
    if (rc == 0 && !job->refused)
        rc = submit_command(job, options, pool, timeout_ms, by_pool);
    if (rc == -E2BIG && *by_pool) {
        snprintf(job->message, sizeof job->message, "input %llu: %s", (unsigned long long)job->seq, pool_message());
        job->refused = true;
        rc = 0;
    }
    for (int i = 0; i < 2; i++)
        relay_handed_over(&job->streams[i].relay);
    if (rc == 0 && job->refused)
        end_refused(job);
    return rc;
}

int map_job_fd(struct map_job *job, int stream)
{
    pthread_mutex_lock(&job->lock);
    const struct relay *relay = &job->streams[stream].relay;
    const int fd = relay->over ? -1 : relay->from;
    pthread_mutex_unlock(&job->lock);
    return fd;
}

bool map_job_read(struct map_job *job, int stream)
{
    struct job_stream *of = &job->streams[stream];
    if (of->live) { /* without the lock, for this may block: the pool's thread never touches a live stream */
        relay_pass(&of->relay);
        return !of->relay.over;
    }
    pthread_mutex_lock(&job->lock);
    relay_pass(&of->relay);
    const bool over = of->relay.over;
    pthread_mutex_unlock(&job->lock);
    return !over;
}

void map_job_go_live(struct map_job *job)
{
    struct spool held[2];
    pthread_mutex_lock(&job->lock);
    for (int i = 0; i < 2; i++)
        held[i] = job_stream_set_live(&job->streams[i]);
    pthread_mutex_unlock(&job->lock);
    for (int i = 0; i < 2; i++)
        job_stream_put_held(&job->streams[i], &held[i]);
}

void map_job_cancel(struct map_job *job)
{
    pthread_mutex_lock(&job->lock);
    job->give_up = true;
    pthread_mutex_unlock(&job->lock);
    pool_job_cancel(job->job);
}

void map_job_let_finish(struct map_job *job)
{
    pthread_mutex_lock(&job->lock);
    job->give_up = true;
    pthread_mutex_unlock(&job->lock);
    if (pool_job_state(job->job) == POOL_STATE_QUEUED)
        pool_job_cancel(job->job);
}

void map_job_check_time(struct map_job *job, double now, double seconds)
{
    pthread_mutex_lock(&job->lock);
    const bool over = job->owns_timeout && job->running_since > 0 && now - job->running_since > seconds;
    pthread_mutex_unlock(&job->lock);
    if (!over || job->settled || job->timed_out)
        return;
    job->timed_out = true;
    map_job_cancel(job);
}

void map_job_end(struct map_job *job, const struct map_options *options, double timeout_seconds)
{
    for (int i = 0; i < 2; i++)
        relay_finish(&job->streams[i].relay);
    const pool_result_t *result = pool_job_result(job->job);
    job->result = *result;
    if (job->streams[0].relay.over || job->streams[1].relay.over)
        job->result = outcome_over_output(result, options->limits.output_limit, job->message, sizeof job->message);
    else if (job->timed_out && result->cause == POOL_CAUSE_CANCELLED)
        job->result = outcome_over_time(result, timeout_seconds, job->message, sizeof job->message);
    job->settled = true;
}

void map_job_free(struct map_job *job)
{
    if (job == NULL)
        return;
    for (int i = 0; i < 2; i++)
        job_stream_close(&job->streams[i]);
    pool_job_release(job->job);
    pthread_mutex_destroy(&job->lock);
    text_deinit(&job->inputs);
    text_deinit(&job->tag);
    text_deinit(&job->command);
    text_deinit(&job->words);
    free(job->values);
    free(job->argv);
    free(job);
}
