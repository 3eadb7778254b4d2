#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_CAPACITY 64

static bool make_room(struct text *text, size_t size)
{
    size_t capacity = text->capacity == 0 ? FIRST_CAPACITY : text->capacity;
    while (capacity - text->size <= size)
        capacity *= 2;
    if (capacity == text->capacity)
        return true;
    char *data = realloc(text->data, capacity);
    if (data == NULL) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void text_put(struct text *text, const char *data, size_t size)
{
    if (!make_room(text, size))
        return;
    if (size > 0)
        memcpy(text->data + text->size, data, size);
    text->size += size;
    text->data[text->size] = '\0';
}

void text_puts(struct text *text, const char *string)
{
    text_put(text, string, strlen(string));
}

void text_printf(struct text *text, const char *format, ...)
{
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    const int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (size < 0)
        text->failed = true;
    else if ((size_t)size < sizeof line)
        text_put(text, line, (size_t)size);
    else if (make_room(text, (size_t)size)) {
        va_start(arguments, format);
        vsnprintf(text->data + text->size, (size_t)size + 1, format, arguments);
        va_end(arguments);
        text->size += (size_t)size;
    }
}

const char **text_list(const struct text *text, size_t count)
{
    const char **list = calloc(count + 1, sizeof *list);
    const char *at = text->data;
    for (size_t i = 0; list != NULL && i < count; i++, at += strlen(at) + 1)
        list[i] = at;
    return list;
}

void text_drop(struct text *text, size_t size)
{
    if (size == 0)
        return;
    text->size -= size;
    memmove(text->data, text->data + size, text->size + 1);
}

void text_clear(struct text *text)
{
    text->size = 0;
    text->failed = false;
    if (text->data != NULL)
        text->data[0] = '\0';
}

void text_deinit(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}

static int add_all(struct text *text, int fd, size_t most)
{
    char piece[65536];
    for (;;) {
        const ssize_t got = read(fd, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : 0;
        if (text->size + (size_t)got > most)
            return -EFBIG;
        text_put(text, piece, (size_t)got);
        if (text->failed)
            return -ENOMEM;
    }
}

int text_add_file(struct text *text, const char *path, size_t most)
{
    if (strcmp(path, "-") == 0)
        return add_all(text, STDIN_FILENO, most);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    const int rc = add_all(text, fd, most);
    close(fd);
    return rc;
}

uint64_t text_fnv(uint64_t number, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        number = (number ^ (unsigned char)data[i]) * UINT64_C(1099511628211);
    return number;
}
