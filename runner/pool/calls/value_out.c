/* value_out.c - a settled job's value as a descriptor, or as a map that may be written to: the caller's, for good. */
#include "failure.h"
#include "job.h"
#include "payload.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int find(const pool_job_t *job, const pool_result_t **result)
{
    if (job == NULL)
        return failure(-EINVAL, "the job is NULL");
    const int rc = state_check_owner(job->pool);
    if (rc < 0)
        return rc;
    *result = pool_job_result(job);
    if (*result == NULL)
        return failure(-EAGAIN, "the job is not settled: its value comes with its end (pool_job_wait)");
    if ((*result)->data == NULL)
        return failure(-ENODATA, "the job has no value: %s", (*result)->message);
    return 0;
}

/* A file description of its own, with an offset of its own; without /proc they share the offset. */
static int open_again(int fd)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const int again = open(path, O_RDONLY | O_CLOEXEC);
    return again >= 0 ? again : fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

int pool_job_value_fd(pool_job_t *job)
{
    const pool_result_t *result;
    int rc = find(job, &result);
    if (rc < 0)
        return rc;
    const int kept_fd = job->record->value.fd;
    if (kept_fd >= 0) {
        rc = open_again(kept_fd);
        return rc >= 0 ? rc : failure(-errno, "there can be no descriptor for a value: %s", strerror(errno));
    }
    rc = payload_copy("reclaim-value", result->data, result->size);
    return rc >= 0 ? rc
                   : failure(rc, "the value of %zu bytes cannot be put into a memfd: %s", result->size, strerror(-rc));
}

int pool_job_value_map(pool_job_t *job, void **data, size_t *size)
{
    const pool_result_t *result;
    if (data == NULL || size == NULL)
        return failure(-EINVAL, "data or size is NULL: the map of a value needs both");
    *data = NULL;
    *size = 0;
    const int rc = find(job, &result);
    if (rc < 0)
        return rc;
    const int fd = job->record->value.fd;
    const int kind =
        MAP_PRIVATE | MAP_NORESERVE | (fd < 0 ? MAP_ANONYMOUS : 0); /* most often little of it is written */
    void *map = mmap(NULL, result->size, PROT_READ | PROT_WRITE, kind, fd, 0);
    if (map == MAP_FAILED)
        return failure(-errno, "the value of %zu bytes cannot be mapped: %s", result->size, strerror(errno));
    if (fd < 0)
        memcpy(map, result->data, result->size);
    *data = map;
    *size = result->size;
    return 0;
}
