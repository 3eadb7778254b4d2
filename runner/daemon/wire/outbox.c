#include "outbox.h"

#include <stdlib.h>

/* An error shows when the bytes are to be sent. */
static int put(struct outbox *outbox, msgpack_sbuffer *buffer, const char *bytes, size_t size)
{
    if (!outbox->out_of_memory && msgpack_sbuffer_write(buffer, bytes, size) < 0)
        outbox->out_of_memory = true;
    return outbox->out_of_memory ? -1 : 0;
}

static int on_packed(void *data, const char *bytes, size_t size)
{
    struct outbox *outbox = data;
    return put(outbox, &outbox->packed, bytes, size);
}

static int on_refused(void *data, const char *bytes, size_t size)
{
    struct outbox *outbox = data;
    return put(outbox, &outbox->waiting, bytes, size);
}

void outbox_init(struct outbox *outbox, uv_stream_t *stream, void (*on_written)(struct outbox *outbox, int status))
{
    *outbox = (struct outbox){.stream = stream, .on_written = on_written};
    msgpack_packer_init(&outbox->packer, outbox, on_packed);
    msgpack_sbuffer_init(&outbox->packed);
    msgpack_sbuffer_init(&outbox->waiting);
    outbox->write.data = outbox;
}

void outbox_deinit(struct outbox *outbox)
{
    msgpack_sbuffer_destroy(&outbox->packed);
    msgpack_sbuffer_destroy(&outbox->waiting);
    free(outbox->sending);
}

/* A client that has read everything costs no buffer. */
static void empty(msgpack_sbuffer *buffer)
{
    msgpack_sbuffer_destroy(buffer);
    msgpack_sbuffer_init(buffer);
}

static void on_written(uv_write_t *write, int status)
{
    struct outbox *outbox = write->data;
    free(outbox->sending);
    outbox->sending = NULL;
    outbox->on_written(outbox, status);
}

/* Bytes that the stream does not take at once become the one write under way. */
int outbox_send(struct outbox *outbox)
{
    uv_buf_t rest = {.base = outbox->waiting.data, .len = outbox->waiting.size};
    if (outbox->out_of_memory)
        return UV_ENOMEM;
    if (outbox->sending != NULL || rest.len == 0)
        return 0;
    const int sent = uv_try_write(outbox->stream, &rest, 1);
    if (sent < 0 && sent != UV_EAGAIN)
        return sent;
    rest.base += sent > 0 ? sent : 0;
    rest.len -= sent > 0 ? (size_t)sent : 0;
    if (rest.len == 0) {
        empty(&outbox->waiting);
        return 0;
    }
    outbox->sending = msgpack_sbuffer_release(&outbox->waiting);
    return uv_write(&outbox->write, outbox->stream, &rest, 1, on_written);
}

int outbox_flush(struct outbox *outbox)
{
    outbox->passed_on += outbox->packed.size;
    if (outbox->packed.size > 0 && outbox->waiting.size == 0) { /* most often nothing waits */
        empty(&outbox->waiting);
        outbox->waiting = outbox->packed;
        msgpack_sbuffer_init(&outbox->packed);
    } else if (outbox->packed.size > 0 &&
               put(outbox, &outbox->waiting, outbox->packed.data, outbox->packed.size) == 0) {
        empty(&outbox->packed);
    }
    return outbox_send(outbox);
}

int outbox_refuse(struct outbox *outbox, const uint32_t *id, const struct rpc_error *error)
{
    msgpack_packer packer;
    const size_t before = outbox->waiting.size;
    msgpack_packer_init(&packer, outbox, on_refused);
    rpc_pack_error(&packer, id, error);
    outbox->passed_on += outbox->waiting.size - before;
    return outbox_send(outbox);
}

size_t outbox_unsent(const struct outbox *outbox)
{
    return outbox->waiting.size + uv_stream_get_write_queue_size(outbox->stream);
}

uint64_t outbox_sent(const struct outbox *outbox)
{
    return outbox->passed_on - outbox_unsent(outbox);
}
