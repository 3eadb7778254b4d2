#include "inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void inbox_init(struct inbox *inbox, size_t message_max)
{
    *inbox = (struct inbox){.message_max = message_max};
    scan_begin(&inbox->scan, INBOX_ELEMENTS_MAX);
}

void inbox_deinit(struct inbox *inbox)
{
    free(inbox->data);
}

/* It is asked for only while the message is not above message_max, and doubles: so it never has more than twice that
 * and a piece. */
char *inbox_room(struct inbox *inbox)
{
    if (inbox->capacity - inbox->size < INBOX_PIECE) {
        const size_t capacity = 2 * inbox->size + INBOX_PIECE;
        char *data = realloc(inbox->data, capacity);
        if (data == NULL)
            return NULL;
        inbox->data = data;
        inbox->capacity = capacity;
    }
    return inbox->data + inbox->size;
}

static int scan_message(struct inbox *inbox, struct rpc_error *error)
{
    const int rc = scan_step(&inbox->scan, inbox->data + inbox->taken, inbox->size - inbox->taken);
    if (rc == -E2BIG)
        return rpc_fail(error, RPC_MALFORMED, "a message has more than %d elements", INBOX_ELEMENTS_MAX);
    if (rc < 0)
        return rpc_fail(error, RPC_MALFORMED, "no MessagePack, or nested deeper than %d", SCAN_DEPTH_MAX);
    if (scan_least(&inbox->scan) > inbox->message_max)
        return rpc_fail(error, RPC_TOO_LARGE, "a message is larger than %zu bytes (reclaimd --max-message)",
                        inbox->message_max);
    return rc;
}

int inbox_next(struct inbox *inbox, msgpack_unpacked *message, struct rpc_error *error)
{
    size_t offset = 0;
    const int rc = inbox->size == inbox->taken ? 0 : scan_message(inbox, error);
    if (rc <= 0)
        return rc;
    const char *data = inbox->data + inbox->taken;
    const size_t size = (size_t)inbox->scan.at;
    inbox->taken += size;
    scan_begin(&inbox->scan, INBOX_ELEMENTS_MAX);
    if (msgpack_unpack_next(message, data, size, &offset) !=
        MSGPACK_UNPACK_SUCCESS) /* the scan has checked the bytes */
        return rpc_fail(error, RPC_INTERNAL, "no memory for a message of %zu bytes", size);
    return 1;
}

void inbox_drop(struct inbox *inbox)
{
    inbox->size -= inbox->taken;
    if (inbox->size > 0 && inbox->taken > 0)
        memmove(inbox->data, inbox->data + inbox->taken, inbox->size);
    inbox->taken = 0;
    if (inbox->size > 0)
        return;
    free(inbox->data); /* a client that waits costs no buffer */
    inbox->data = NULL;
    inbox->capacity = 0;
}
