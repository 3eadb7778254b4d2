#include "frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define READER_INITIAL ((size_t)1024)

void frame_buffer_init(struct frame_buffer *buffer, void *storage, size_t capacity)
{
    *buffer = (struct frame_buffer){.data = storage, .size = FRAME_HEADER_SIZE, .capacity = capacity};
}

int frame_buffer_write(void *buffer, const char *data, size_t size)
{
    struct frame_buffer *b = buffer;
    if (b->size > b->capacity || size > b->capacity - b->size)
        return -1;
    memcpy(b->data + b->size, data, size);
    b->size += size;
    return 0;
}

void frame_buffer_finish(struct frame_buffer *buffer, uint16_t type)
{
    frame_header_write(buffer->data, type, (uint32_t)(buffer->size - FRAME_HEADER_SIZE));
}

void frame_header_write(void *data, uint16_t type, uint32_t length)
{
    const uint32_t magic = FRAME_MAGIC;
    const uint16_t flags = 0;
    uint8_t *at = data;
    memcpy(at, &magic, 4);
    memcpy(at + 4, &type, 2);
    memcpy(at + 6, &flags, 2);
    memcpy(at + 8, &length, 4);
}

int frame_header_read(const void *data, struct frame_header *header)
{
    const uint8_t *bytes = data;
    uint32_t magic;
    uint16_t flags;
    memcpy(&magic, bytes, 4);
    memcpy(&header->type, bytes + 4, 2);
    memcpy(&flags, bytes + 6, 2);
    memcpy(&header->length, bytes + 8, 4);
    if (magic != FRAME_MAGIC || flags != 0 || header->length > FRAME_BODY_MAX)
        return -EBADMSG;
    return 0;
}

void frame_reader_init(struct frame_reader *reader)
{
    *reader = (struct frame_reader){0};
}

void frame_reader_deinit(struct frame_reader *reader)
{
    free(reader->data);
    frame_reader_init(reader);
}

static int reader_grow(struct frame_reader *reader)
{
    const size_t most = FRAME_HEADER_SIZE + FRAME_BODY_MAX;
    size_t capacity = reader->capacity == 0 ? READER_INITIAL : reader->capacity * 4;
    if (capacity > most)
        capacity = most;
    uint8_t *data = realloc(reader->data, capacity);
    if (data == NULL)
        return -ENOMEM;
    reader->data = data;
    reader->capacity = capacity;
    return 0;
}

void *frame_reader_space(struct frame_reader *reader, size_t *size)
{
    if (reader->start == reader->end) {
        reader->start = reader->end = 0;
    } else if (reader->end == reader->capacity && reader->start > 0) {
        memmove(reader->data, reader->data + reader->start, reader->end - reader->start);
        reader->end -= reader->start;
        reader->start = 0;
    }
    if (reader->end == reader->capacity && reader_grow(reader) < 0)
        return NULL;
    *size = reader->capacity - reader->end;
    return reader->data + reader->end;
}

void frame_reader_filled(struct frame_reader *reader, size_t size)
{
    reader->end += size;
}

int frame_reader_next(struct frame_reader *reader, struct frame_header *header, const uint8_t **body)
{
    const size_t have = reader->end - reader->start;
    if (have < FRAME_HEADER_SIZE)
        return 0;
    if (frame_header_read(reader->data + reader->start, header) < 0)
        return -EBADMSG;
    if (have - FRAME_HEADER_SIZE < header->length)
        return 0;
    *body = reader->data + reader->start + FRAME_HEADER_SIZE;
    reader->start += FRAME_HEADER_SIZE + header->length;
    return 1;
}
