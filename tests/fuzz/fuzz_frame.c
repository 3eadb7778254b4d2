/* fuzz_frame.c - what a hostile worker may put into its pipe: bytes in pieces, frames, messages.
 *
 * The first byte is the size of the pieces, the rest is the stream. */
#include "frame.h"
#include "message.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

union message {
    struct message_progress progress;
    struct message_piece piece;
    struct message_partial partial;
    struct message_result result;
    struct message_gone gone;
};

/* A slice is bytes of the body, or nothing. */
static void check_slice(const struct message_slice *slice, const uint8_t *body, size_t size)
{
    const uint8_t *data = slice->data;
    if (slice->size > 0)
        FUZZ_REQUIRE(data >= body && slice->size <= size && data + slice->size <= body + size);
}

/* What has been understood can be said again, and is understood the same way. */
static void check_again(enum message_type type, const union message *message)
{
    static uint8_t storage[2][FRAME_HEADER_SIZE + FRAME_BODY_MAX];
    union message again;
    memset(&again, 0, sizeof again);
    const ssize_t size = message_pack(storage[0], sizeof storage[0], type, message);
    if (size < 0)
        return; /* ours is no shorter than theirs: it may have been just below the most */
    FUZZ_REQUIRE(message_unpack(type, storage[0] + FRAME_HEADER_SIZE, (size_t)size - FRAME_HEADER_SIZE, &again) == 0);
    FUZZ_REQUIRE(message_pack(storage[1], sizeof storage[1], type, &again) == size);
    FUZZ_REQUIRE(memcmp(storage[0], storage[1], (size_t)size) == 0);
}

static void check_message(enum message_type type, const uint8_t *body, size_t size)
{
    union message message;
    memset(&message, 0, sizeof message);
    if (message_unpack(type, body, size, &message) < 0)
        return;
    if (type == MESSAGE_PIECE)
        check_slice(&message.piece.data, body, size);
    if (type == MESSAGE_PARTIAL)
        check_slice(&message.partial.data, body, size);
    if (type == MESSAGE_RESULT) {
        check_slice(&message.result.data, body, size);
        check_slice(&message.result.text, body, size);
    }
    check_again(type, &message);
}

/* Takes the frames that are whole: a negative errno ends the channel. */
static int take_frames(struct frame_reader *reader)
{
    struct frame_header header;
    const uint8_t *body;
    int rc;
    while ((rc = frame_reader_next(reader, &header, &body)) == 1) {
        FUZZ_REQUIRE(header.length <= FRAME_BODY_MAX);
        if (header.type == 0 || header.type >= MESSAGE_TYPE_COUNT_)
            continue;
        uint8_t *exact = fuzz_copy(body, header.length);
        check_message(header.type, exact, header.length);
        free(exact);
    }
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame_reader reader;
    frame_reader_init(&reader);
    for (size_t at = 1; at < size;) {
        size_t room, piece = (size_t)data[0] + 1;
        void *space = frame_reader_space(&reader, &room);
        FUZZ_REQUIRE(space != NULL && room > 0);
        piece = piece < room ? piece : room;
        piece = piece < size - at ? piece : size - at;
        memcpy(space, data + at, piece);
        frame_reader_filled(&reader, piece);
        at += piece;
        if (take_frames(&reader) < 0)
            break;
    }
    FUZZ_REQUIRE(reader.capacity <= (size < 256 ? 1024 : 4 * size));
    frame_reader_deinit(&reader);
    return 0;
}
