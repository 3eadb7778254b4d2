/* frame.h - what travels on every channel: a fixed header and a body, which is one MessagePack object but for a task.
 *
 * Knows no process and no message: message.h gives the objects a meaning. Both ends are of one build on one machine, so
 * the header is in host order; the magic catches foreign bytes on a channel. */
#ifndef FRAME_H
#define FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_MAGIC       UINT32_C(0x314c4352) /* "RCL1" */
#define FRAME_HEADER_SIZE ((size_t)12)
#define FRAME_BODY_MAX    ((size_t)72 * 1024) /* an inline payload and its description */

/* Larger payloads travel in a memfd: a frame with an inline one fits a pipe of the default 64 KiB. */
#define FRAME_INLINE_MAX ((size_t)60 * 1024)

struct frame_header {
    uint16_t type;
    uint32_t length; /* bytes of the body */
};

/* A frame that is being built in the caller's storage: room for the header, then the body. */
struct frame_buffer {
    uint8_t *data;
    size_t size, capacity;
};

/* *borrows* storage until the frame is sent. */
void frame_buffer_init(struct frame_buffer *buffer, void *storage, size_t capacity);

/* Appends to the body: 0, or -1 when it does not fit (the signature is msgpack_packer_write's). */
int frame_buffer_write(void *buffer, const char *data, size_t size);

/* Fills in the header: the frame is then buffer->data, buffer->size. */
void frame_buffer_finish(struct frame_buffer *buffer, uint16_t type);

/* Writes a header, FRAME_HEADER_SIZE bytes. */
void frame_header_write(void *data, uint16_t type, uint32_t length);

/* -EBADMSG: no magic, or a body above FRAME_BODY_MAX. */
int frame_header_read(const void *data, struct frame_header *header);

/* Collects frames from a stream of bytes; grows as bytes arrive, never by what a header claims. */
struct frame_reader {
    uint8_t *data;
    size_t start, end, capacity;
};

void frame_reader_init(struct frame_reader *reader);
void frame_reader_deinit(struct frame_reader *reader);

/* Where the caller may put the next bytes, at least one if frame_reader_next has returned 0. NULL: no memory. */
void *frame_reader_space(struct frame_reader *reader, size_t *size);
void frame_reader_filled(struct frame_reader *reader, size_t size);

/* 1: the next whole frame, its header and body (*borrowed* until the next call on the reader). 0: it needs more bytes.
 * -EBADMSG: this is no frame, and the channel must not be used again. */
int frame_reader_next(struct frame_reader *reader, struct frame_header *header, const uint8_t **body);

#endif
