/* outbox.h - bytes on their way to a peer: packed, flushed, and then sent as the peer reads. */
#ifndef OUTBOX_H
#define OUTBOX_H

#include "rpc.h"

#include <uv.h>

struct outbox {
    uv_stream_t *stream;
    void (*on_written)(struct outbox *outbox, int status);
    msgpack_packer packer;   /* into packed */
    msgpack_sbuffer packed;  /* not flushed */
    msgpack_sbuffer waiting; /* to be sent: the next write */
    char *sending;           /* the write under way; NULL: none */
    uv_write_t write;
    bool out_of_memory; /* something is missing in packed: nothing more may be sent */
    uint64_t passed_on; /* bytes that went into waiting, ever */
};

/* stream is *borrowed*. on_written: a write that was under way has ended; call outbox_send
 * then, unless the stream is being closed. */
void outbox_init(struct outbox *outbox, uv_stream_t *stream, void (*on_written)(struct outbox *outbox, int status));
void outbox_deinit(struct outbox *outbox);

/* Sends the waiting bytes, as far as the stream takes them. 0, or libuv's error. */
int outbox_send(struct outbox *outbox);
/* Puts the packed bytes behind those that wait, and sends. */
int outbox_flush(struct outbox *outbox);
/* Sends an error before the packed bytes. id NULL: nil. */
int outbox_refuse(struct outbox *outbox, const uint32_t *id, const struct rpc_error *error);

size_t outbox_unsent(const struct outbox *outbox); /* bytes that were flushed and that the stream has not taken */
uint64_t outbox_sent(const struct outbox *outbox); /* bytes, ever */

#endif
