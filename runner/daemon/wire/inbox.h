/* inbox.h - bytes of a peer become messages. Nothing that it announces is believed before it is there. Pure. */
#ifndef INBOX_H
#define INBOX_H

#include "rpc.h"
#include "scan.h"

#define INBOX_ELEMENTS_MAX 1000000

/* libuv reads up to 32 times in a turn as long as buffers come back full (uv__read): so this is what makes 256 KiB. */
#define INBOX_PIECE ((size_t)8 * 1024)

struct inbox {
    char *data; /* what came and is not dropped; NULL: nothing */
    size_t size, capacity;
    size_t taken;       /* of size: whole messages that inbox_next gave */
    size_t message_max; /* bytes */
    struct scan scan;   /* of the message behind those */
};

void inbox_init(struct inbox *inbox, size_t message_max);
void inbox_deinit(struct inbox *inbox);

/* Room for a piece more; the caller adds to size what it reads. NULL: no memory. */
char *inbox_room(struct inbox *inbox);

/* The next whole message, in *message (initialised by the caller; it borrows from inbox). 1; 0: it has not come yet; -1
 * and error: the peer's bytes mean nothing any more. */
int inbox_next(struct inbox *inbox, msgpack_unpacked *message, struct rpc_error *error);

/* Drops the messages that were taken. */
void inbox_drop(struct inbox *inbox);

#endif
