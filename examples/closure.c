/* SPDX-License-Identifier: MIT
 *
 * closure.c - which packages would break the most others?
 *
 *     apt-cache dumpavail | closure            (or: closure INDEX)
 *
 * Reads a Debian package index and prints the 20 packages that the most others depend on, directly or through others:
 *
 *     48829 gcc-12-base
 *     48821 libc6
 *     ...
 *     checked: 20 of 20 by walking the graph
 *     host RSS: 2.9 MiB before, 3.1 MiB after
 *     closure: peak 603.1 MiB (sampled), 1.52 s
 *     check:   peak 112.0 MiB (sampled), 0.61 s
 *
 * The closure takes half a gigabyte, the answer twenty lines. A pool job reads the index, returns the twenty lines as
 * MessagePack, and dies with everything else. A second job checks the lines by another algorithm.
 *
 * A package depends on the first alternative of each entry of its Depends and Pre-Depends, if the index has that
 * package. Of records with the same name the first counts. A package does not count for itself. Ties go by name.
 */
#define _POSIX_C_SOURCE 200809L

#include "dependents.h"
#include "package_index.h"

#include <reclaim/call.h>
#include <reclaim/msgpack.h>
#include <reclaim/pool.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOP            20
#define INDEX_SIZE_MAX ((size_t)1 << 30)

/* ---- in the workers -------------------------------------------------------------------------------------------- */

struct line {
    uint32_t count;
    uint32_t package;
};

/* 0, or the code that the job fails with. */
static int load(pool_call_t *call, struct text text, struct package_index *index, struct package_graph *dependents)
{
    struct index_error error;
    int status = package_index_parse(text.data, text.size, index, &error);
    if (status == -EINVAL)
        return pool_call_fail(call, 1, "index, line %zu: %s", error.line, error.what);
    if (status < 0 || package_graph_build(index, dependents) < 0)
        return pool_call_fail(call, 2, "not enough memory to load the index");
    return 0;
}

/* Packages are numbered in the order of their names. */
static int line_compare(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count)
                                : (x->package > y->package) - (x->package < y->package);
}

/* Sets lines, one for each package, in the order of the answer. */
static int rank(pool_call_t *call, const struct package_graph *dependents, struct line **lines)
{
    uint32_t *counts = pool_call_alloc(call, dependents->count * sizeof *counts);
    *lines = pool_call_alloc(call, dependents->count * sizeof **lines);
    if (counts == NULL || *lines == NULL || dependents_count_all(call, dependents, counts) < 0)
        return -ENOMEM;
    for (uint32_t p = 0; p < dependents->count; p++)
        (*lines)[p] = (struct line){counts[p], p};
    qsort(*lines, dependents->count, sizeof **lines, line_compare);
    return 0;
}

/* The first job. Its argument is the text of the index. Its value is the table: [[count, name], ...]. */
static int find_top(pool_call_t *call)
{
    struct text text;
    struct package_index index;
    struct package_graph dependents;
    struct line *lines;

    text.data = pool_call_arg(call, &text.size);
    int code = load(call, text, &index, &dependents);
    if (code != 0)
        return code;
    msgpack_packer *packer = pool_call_packer(call);
    if (packer == NULL || rank(call, &dependents, &lines) < 0)
        return pool_call_fail(call, 2, "not enough memory for the closure of %u packages", index.count);

    uint32_t count = index.count < TOP ? index.count : TOP;
    msgpack_pack_array(packer, count);
    for (uint32_t i = 0; i < count; i++) {
        struct text name = index.packages[lines[i].package].name;
        msgpack_pack_array(packer, 2);
        msgpack_pack_uint32(packer, lines[i].count);
        msgpack_pack_str_with_body(packer, name.data, name.size);
    }
    return 0;
}

/* One line of the table, as the first job packed it. Host and check both validate it. */
static bool read_line(const msgpack_object *line, uint64_t *count, struct text *name)
{
    if (line->type != MSGPACK_OBJECT_ARRAY || line->via.array.size != 2)
        return false;
    const msgpack_object *fields = line->via.array.ptr;
    if (fields[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER || fields[1].type != MSGPACK_OBJECT_STR)
        return false;
    *count = fields[0].via.u64;
    *name = (struct text){fields[1].via.str.ptr, fields[1].via.str.size};
    return true;
}

static bool line_is_right(pool_call_t *call, const struct package_index *index, const struct package_graph *dependents,
                          const msgpack_object *line)
{
    uint64_t count;
    uint32_t walked;
    struct text name;
    if (!read_line(line, &count, &name))
        return false;
    uint32_t package = package_index_find(index, name);
    return package != PACKAGE_NONE && dependents_count_one(call, dependents, package, &walked) == 0 && walked == count;
}

/* The second job. Its argument is [index, table]. Its value is how many lines of the table are right. */
static int check_top(pool_call_t *call)
{
    msgpack_unpacked unpacked;
    struct package_index index;
    struct package_graph dependents;
    uint32_t right = 0;

    if (pool_call_unpack(call, &unpacked) < 0)
        return pool_call_fail(call, 3, "the argument is not MessagePack");
    const msgpack_object_array *pair = &unpacked.data.via.array;
    if (unpacked.data.type != MSGPACK_OBJECT_ARRAY || pair->size != 2 || pair->ptr[0].type != MSGPACK_OBJECT_BIN ||
        pair->ptr[1].type != MSGPACK_OBJECT_ARRAY)
        return pool_call_fail(call, 3, "the argument is not an index and a table");
    struct text text = {pair->ptr[0].via.bin.ptr, pair->ptr[0].via.bin.size};
    int code = load(call, text, &index, &dependents);
    if (code != 0)
        return code;
    const msgpack_object_array *table = &pair->ptr[1].via.array;
    for (uint32_t i = 0; i < table->size; i++)
        right += line_is_right(call, &index, &dependents, &table->ptr[i]);
    return pool_call_return(call, &right, sizeof right);
}

/* ---- in the host ----------------------------------------------------------------------------------------------- */

/* Reads the descriptor to its end. *text is for free(3), also on failure, which gives it back to the system at once. */
static int read_all(int fd, char **text, size_t *size)
{
    size_t room = 0;
    *text = NULL;
    *size = 0;
    for (;;) {
        if (*size == room) {
            room = room > 0 ? 2 * room : 1 << 20;
            char *larger = room <= INDEX_SIZE_MAX ? realloc(*text, room) : NULL;
            if (larger == NULL)
                return room <= INDEX_SIZE_MAX ? -ENOMEM : -EFBIG;
            *text = larger;
        }
        ssize_t got = read(fd, *text + *size, room - *size);
        if (got == 0)
            return 0;
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got > 0)
            *size += (size_t)got;
    }
}

static int read_index(const char *path, char **text, size_t *size)
{
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    int status = fd < 0 ? -errno : read_all(fd, text, size);
    if (path != NULL && fd >= 0)
        close(fd);
    if (status < 0)
        fprintf(stderr, "closure: %s: %s\n", path != NULL ? path : "standard input", strerror(-status));
    return status;
}

/* Runs one job to its end. NULL, and a line on standard error, unless it is done. */
static pool_job_t *run(pool_t *pool, pool_fn function, const char *name, const void *arg, size_t size)
{
    pool_job_options_t options = {.name = name, .timeout_ms = 300 * 1000};
    pool_job_t *job;
    if (pool_submit(pool, function, arg, size, &options, &job) < 0 || pool_job_wait(job, -1) < 0) {
        fprintf(stderr, "%s: %s\n", name, pool_message());
        pool_job_release(job);
        return NULL;
    }
    const pool_result_t *result = pool_job_result(job);
    if (result->outcome != POOL_DONE) {
        fprintf(stderr, "%s: %s: %s\n", name, pool_outcome_name(result->outcome), result->message);
        pool_job_release(job);
        return NULL;
    }
    return job;
}

/* Prints the table and returns how many lines it has; -EBADMSG: it is not a valid table. */
static int print_table(const pool_result_t *result)
{
    msgpack_unpacked unpacked;
    if (pool_result_unpack(result, &unpacked) < 0)
        return -EBADMSG;
    const msgpack_object_array *table = &unpacked.data.via.array;
    int lines = unpacked.data.type == MSGPACK_OBJECT_ARRAY && table->size <= TOP ? (int)table->size : -EBADMSG;
    for (int i = 0; i < lines; i++) {
        uint64_t count;
        struct text name;
        if (!read_line(&table->ptr[i], &count, &name))
            lines = -EBADMSG;
        else
            printf("%ju %.*s\n", (uintmax_t)count, (int)name.size, name.data);
    }
    msgpack_unpacked_destroy(&unpacked);
    return lines;
}

/* Packs [index, table]; the table is MessagePack already. */
static int pack_check(msgpack_sbuffer *argument, const char *text, size_t size, const pool_result_t *table)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, argument, msgpack_sbuffer_write);
    return msgpack_pack_array(&packer, 2) | msgpack_pack_bin_with_body(&packer, text, size) |
           msgpack_sbuffer_write(argument, table->data, table->size);
}

/* True if the second job finds all lines of the table right. */
static bool check(pool_t *pool, const char *text, size_t size, const pool_result_t *table, int lines,
                  pool_usage_t *usage)
{
    msgpack_sbuffer argument;
    uint32_t right = 0;

    msgpack_sbuffer_init(&argument);
    pool_job_t *job = NULL;
    if (pack_check(&argument, text, size, table) == 0)
        job = run(pool, check_top, "check", argument.data, argument.size);
    else
        fprintf(stderr, "closure: not enough memory for the check\n");
    msgpack_sbuffer_destroy(&argument);
    if (job == NULL)
        return false;
    const pool_result_t *result = pool_job_result(job);
    if (result->size == sizeof right)
        memcpy(&right, result->data, sizeof right);
    *usage = result->usage;
    pool_job_release(job);
    printf("checked: %u of %d by walking the graph\n", right, lines);
    return right == (uint32_t)lines;
}

static bool answer(pool_t *pool, const char *path, pool_usage_t *closure_usage, pool_usage_t *check_usage)
{
    char *text = NULL;
    size_t size = 0;
    bool right = false;

    pool_job_t *job = read_index(path, &text, &size) == 0 ? run(pool, find_top, "closure", text, size) : NULL;
    if (job != NULL) {
        const pool_result_t *result = pool_job_result(job);
        int lines = print_table(result);
        *closure_usage = result->usage;
        if (lines < 0)
            fprintf(stderr, "closure: the job's value is no table\n");
        else
            right = check(pool, text, size, result, lines, check_usage);
    }
    pool_job_release(job);
    free(text);
    return right;
}

static double mebibytes(uint64_t bytes)
{
    return (double)bytes / (1024 * 1024);
}

static double host_mebibytes(const pool_t *pool)
{
    pool_memory_t memory = {0};
    return pool_memory(pool, &memory) < 0 ? 0 : mebibytes(memory.host);
}

static void print_usage(const char *job, const pool_usage_t *usage)
{
    printf("%-8s peak %.1f MiB (%s), %.2f s\n", job, mebibytes(usage->peak_memory),
           pool_memory_method_name(usage->memory_method), usage->wall_seconds);
}

int main(int argc, char **argv)
{
    pool_options_t options = {.workers = 1}; /* one job after the other */
    pool_usage_t closure_usage = {0}, check_usage = {0};
    pool_error_t error;
    pool_t *pool;

    if (argc > 2) {
        fprintf(stderr, "usage: closure [INDEX]\n");
        return 2;
    }
    if (pool_open(&pool, &options, &error) < 0) {
        fprintf(stderr, "closure: %s\n", error.message);
        return 1;
    }
    double before = host_mebibytes(pool);
    bool right = answer(pool, argv[1], &closure_usage, &check_usage);
    if (right) {
        printf("host RSS: %.1f MiB before, %.1f MiB after\n", before, host_mebibytes(pool));
        print_usage("closure:", &closure_usage);
        print_usage("check:", &check_usage);
    }
    pool_free(pool);
    return right ? 0 : 1;
}
