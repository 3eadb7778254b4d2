#include "inputs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK ((size_t)64 << 10)
#define SHOWN 64 /* bytes of an unfit value */

void inputs_init(struct inputs *inputs)
{
    *inputs = (struct inputs){.fd = -1};
}

static int add(struct inputs *inputs, struct inputs_source source)
{
    struct inputs_source *sources = realloc(inputs->sources, (inputs->count + 1) * sizeof *sources);
    if (sources == NULL)
        return -ENOMEM;
    sources[inputs->count++] = source;
    inputs->sources = sources;
    return 0;
}

int inputs_add_list(struct inputs *inputs, const char *const *list, size_t count)
{
    return add(inputs, (struct inputs_source){.list = list, .count = count});
}

int inputs_add_file(struct inputs *inputs, const char *path)
{
    return add(inputs, (struct inputs_source){.path = path});
}

/* ---- an unfit value -------------------------------------------------------------------------------------------------- */

/* Adds its next piece. */
static void unfit_add(struct unfit *unfit, const char *data, size_t size)
{
    if (unfit->size == 0)
        unfit->number = TEXT_FNV_START;
    unfit->number = text_fnv(unfit->number, data, size);
    unfit->size += size;
    const size_t whole = strnlen(data, size), room = SHOWN - unfit->text.size;
    if (!unfit->has_nul)
        text_put(&unfit->text, data, whole < room ? whole : room);
    unfit->has_nul = unfit->has_nul || whole < size;
}

/* The text that stands for it, until unfit_clear; NULL: no memory. */
static const char *unfit_end(struct unfit *unfit)
{
    text_printf(&unfit->text, "...(%llu bytes, %016llx)", (unsigned long long)unfit->size,
                (unsigned long long)unfit->number);
    return unfit->text.failed ? NULL : unfit->text.data;
}

static void unfit_clear(struct unfit *unfit)
{
    text_clear(&unfit->text);
    *unfit = (struct unfit){.text = unfit->text};
}

/* ---- a source that is read as it comes --------------------------------------------------------------------------- */

int inputs_fill(struct inputs *inputs)
{
    char data[CHUNK];
    const ssize_t got = read(inputs->fd, data, sizeof data);
    if (got < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -errno;
    if (got == 0)
        inputs->at_end = true;
    else {
        text_drop(&inputs->buffer, inputs->used);
        inputs->looked -= inputs->used;
        inputs->used = 0;
        text_put(&inputs->buffer, data, (size_t)got);
    }
    return inputs->buffer.failed ? -ENOMEM : 0;
}

/* The whole value, or its rest. */
static const char *finish_value(struct inputs *inputs, char *start, size_t size)
{
    if (inputs->unfit.size == 0 && size <= UNFIT_SIZE_MOST && memchr(start, '\0', size) == NULL) {
        start[size] = '\0';
        return start;
    }
    unfit_add(&inputs->unfit, start, size);
    inputs->first_reason = inputs->unfit.has_nul ? UNFIT_NUL : UNFIT_LONG;
    return unfit_end(&inputs->unfit);
}

/* 1: *value is the next one, until the next call. */
static int next_of_file(struct inputs *inputs, const char **value)
{
    struct text *buffer = &inputs->buffer;
    if (inputs->first_reason != UNFIT_NOT)
        unfit_clear(&inputs->unfit);
    inputs->first_reason = UNFIT_NOT;
    char *start = buffer->data + inputs->used;
    const size_t left = buffer->size - inputs->used;
    char *end = left == 0
                    ? NULL
                    : memchr(buffer->data + inputs->looked, inputs->nul ? '\0' : '\n', buffer->size - inputs->looked);
    inputs->looked = buffer->size;
    if (end == NULL && !inputs->at_end) {
        if (left > UNFIT_SIZE_MOST) { /* unfit whatever follows */
            unfit_add(&inputs->unfit, start, left);
            inputs->used += left;
        }
        return -EAGAIN;
    }
    if (left == 0 && inputs->unfit.size == 0)
        return 0;
    const size_t size = end != NULL ? (size_t)(end - start) : left; /* the last may lack its end: a NUL follows */
    *value = finish_value(inputs, start, size);
    inputs->used += end != NULL ? size + 1 : size;
    inputs->looked = inputs->used;
    return *value != NULL ? 1 : -ENOMEM;
}

static int next_of_first(struct inputs *inputs)
{
    const struct inputs_source *source = &inputs->sources[0];
    int rc = 0;
    if (source->path != NULL)
        rc = next_of_file(inputs, &inputs->values[0]);
    else if (inputs->number < source->count) {
        inputs->values[0] = source->list[inputs->number];
        rc = 1;
    }
    inputs->number += rc == 1;
    return rc;
}

/* ---- all of them together ---------------------------------------------------------------------------------------- */

static bool has_empty(const struct inputs *inputs)
{
    for (size_t i = 1; i < inputs->count; i++)
        if (inputs->sources[i].count == 0)
            return true;
    return false;
}

/* The next combination with the same first value; false: there is none. */
static bool turn(struct inputs *inputs)
{
    for (size_t i = inputs->count - 1; i > 0; i--) {
        if (++inputs->turns[i] < inputs->sources[i].count)
            return true;
        inputs->turns[i] = 0;
    }
    return false;
}

int inputs_next(struct inputs *inputs, const char *const **values)
{
    *values = inputs->values;
    if (inputs->ended)
        return 0;
    if (!inputs->has_first || !turn(inputs)) {
        inputs->has_first = false;
        const int rc = has_empty(inputs) ? 0 : next_of_first(inputs);
        inputs->ended = rc == 0;
        if (rc <= 0)
            return rc;
        inputs->has_first = true;
    }
    inputs->reason = inputs->first_reason;
    for (size_t i = 1; i < inputs->count; i++) {
        const struct inputs_source *source = &inputs->sources[i];
        inputs->values[i] = source->list[inputs->turns[i]];
        if (inputs->reason == UNFIT_NOT && source->reasons.size > 0)
            inputs->reason = (enum unfit_reason)source->reasons.data[inputs->turns[i]];
    }
    return 1;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static int open_path(const char *path)
{
    const int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        close(fd);
        return -EISDIR;
    }
    return fd;
}

/* Reads a whole source into a list. */
static int load(struct inputs *inputs, struct inputs_source *source)
{
    struct inputs one = {.nul = inputs->nul, .fd = open_path(source->path)};
    const char *value;
    size_t count = 0;
    int rc = one.fd < 0 ? one.fd : 0;
    text_put(&one.buffer, "", 0); /* so that there is something to point into */
    while (rc >= 0 && (rc = next_of_file(&one, &value)) != 0)
        if (rc == 1) {
            text_put(&source->loaded, value, strlen(value) + 1);
            text_put(&source->reasons, &(const char){(char)one.first_reason}, 1);
            count++;
        } else if (rc == -EAGAIN)
            rc = inputs_fill(&one);
    if (rc == 0 && (source->loaded.failed || source->reasons.failed))
        rc = -ENOMEM;
    source->list = rc < 0 ? NULL : text_list(&source->loaded, count);
    if (rc == 0 && source->list == NULL)
        rc = -ENOMEM;
    source->count = count;
    if (one.fd >= 0)
        close(one.fd);
    text_deinit(&one.buffer);
    text_deinit(&one.unfit.text);
    return rc;
}

/* Counts the values that a regular file still has, by reading it through. 0: not a regular file. */
static uint64_t count_values(int fd, char separator)
{
    char data[CHUNK], last = separator;
    struct stat status;
    off_t at = lseek(fd, 0, SEEK_CUR);
    uint64_t count = 0;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || at < 0)
        return 0;
    for (ssize_t got; (got = pread(fd, data, sizeof data, at)) > 0; at += got) {
        for (ssize_t i = 0; i < got; i++)
            count += data[i] == separator;
        last = data[got - 1];
    }
    return count + (last != separator);
}

static int open_first(struct inputs *inputs)
{
    struct inputs_source *source = &inputs->sources[0];
    inputs->total = source->count;
    if (source->path != NULL) {
        inputs->fd = open_path(source->path);
        if (inputs->fd < 0)
            return inputs->fd;
        inputs->total = count_values(inputs->fd, inputs->nul ? '\0' : '\n');
    }
    for (size_t i = 1; i < inputs->count; i++)
        inputs->total *= inputs->sources[i].count;
    return 0;
}

int inputs_open(struct inputs *inputs, const char **path)
{
    int rc = 0;
    inputs->values = calloc(inputs->count + 1, sizeof *inputs->values);
    inputs->turns = calloc(inputs->count + 1, sizeof *inputs->turns);
    text_put(&inputs->buffer, "", 0);
    *path = "";
    if (inputs->values == NULL || inputs->turns == NULL || inputs->buffer.failed)
        return -ENOMEM;
    for (size_t i = 1; rc == 0 && i < inputs->count; i++)
        if (inputs->sources[i].path != NULL) {
            *path = inputs->sources[i].path;
            rc = load(inputs, &inputs->sources[i]);
        }
    if (rc < 0)
        return rc;
    *path = inputs->sources[0].path;
    return open_first(inputs);
}

void inputs_deinit(struct inputs *inputs)
{
    for (size_t i = 0; i < inputs->count; i++)
        if (inputs->sources[i].path != NULL) {
            free((void *)inputs->sources[i].list); /* NOLINT(bugprone-multi-level-implicit-pointer-conversion) */
            text_deinit(&inputs->sources[i].loaded);
            text_deinit(&inputs->sources[i].reasons);
        }
    if (inputs->fd >= 0)
        close(inputs->fd);
    text_deinit(&inputs->buffer);
    text_deinit(&inputs->unfit.text);
    free(inputs->sources);
    free(inputs->values);
    free(inputs->turns);
    inputs_init(inputs);
}
