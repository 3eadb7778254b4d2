#include "message.h"

#include "scan.h"

#include <errno.h>
#include <msgpack.h>
#include <stdbool.h>

enum field_kind { FIELD_NONE = 0, FIELD_UNSIGNED, FIELD_SIGNED, FIELD_SLICE };

struct field {
    enum field_kind kind;
    size_t offset;
};

#define FIELDS_MAX 22

/* clang-format off */
#define U(message, field) {FIELD_UNSIGNED, offsetof(struct message_##message, field)}
#define S(message, field) {FIELD_SIGNED, offsetof(struct message_##message, field)}
#define B(message, field) {FIELD_SLICE, offsetof(struct message_##message, field)}

/* The fields of each message in their order; the last is followed by FIELD_NONE. */
static const struct field layouts[MESSAGE_TYPE_COUNT_][FIELDS_MAX + 1] = {
    [MESSAGE_SERVER] = {U(server, generation), U(server, pid)},
    [MESSAGE_SERVER_LOST] = {U(server_lost, generation), S(server_lost, status)},
    [MESSAGE_HELLO] = {S(hello, code), U(hello, method), U(hello, notes), B(hello, message)},
    [MESSAGE_FORK] = {U(fork, count), U(fork, full)},
    [MESSAGE_KILL] = {U(kill, serial), U(kill, reason), S(kill, grace_ms)},
    [MESSAGE_SIGNAL] = {U(signal, serial), U(signal, signal)},
    [MESSAGE_WATCH] = {U(watch, serial), S(watch, timeout_ms), S(watch, kill_after_ms), S(watch, cpu_ms),
                       S(watch, pids), U(watch, pausable), S(watch, memory_limit), S(watch, every_ms),
                       U(watch, argument)},
    [MESSAGE_BORN] = {U(born, serial), U(born, slot), U(born, secret), U(born, pid), U(born, error)},
    [MESSAGE_MEMORY] = {U(memory, serial), U(memory, bytes), U(memory, most)},
    [MESSAGE_GONE] = {U(gone, serial), S(gone, status), U(gone, reason), U(gone, ready), U(gone, begun),
                      U(gone, replacement), U(gone, replacement_slot), U(gone, replacement_secret), U(gone, user_us),
                      U(gone, system_us), U(gone, minor_faults), U(gone, major_faults), U(gone, method), U(gone, peak),
                      U(gone, bound), U(gone, oom), U(gone, processes), U(gone, killed), U(gone, unkillable),
                      U(gone, seen), B(gone, crash), B(gone, frame)},
    [MESSAGE_COMMAND] = {B(command, argv), B(command, envp), B(command, cwd), S(command, group), B(command, numbers)},
    [MESSAGE_PROGRESS] = {U(progress, done), U(progress, total)},
    [MESSAGE_PIECE] = {U(piece, value), U(piece, left), B(piece, data)},
    [MESSAGE_PARTIAL] = {U(partial, payload), U(partial, size), B(partial, data)},
    [MESSAGE_HALTED] = {U(halted, signal)},
    [MESSAGE_RESULT] = {S(result, code), U(result, payload), U(result, size), B(result, data), U(result, sealed),
                        B(result, text), U(result, command), U(result, start), U(result, signal), U(result, peak),
                        U(result, processes)},
};
/* clang-format on */

static size_t field_count(const struct field *fields)
{
    size_t count = 0;
    while (fields[count].kind != FIELD_NONE)
        count++;
    return count;
}

static int pack_field(msgpack_packer *packer, const struct field *field, const void *message)
{
    const void *at = (const char *)message + field->offset;
    const struct message_slice *slice;
    switch (field->kind) {
    case FIELD_NONE:
        break;
    case FIELD_UNSIGNED:
        return msgpack_pack_uint64(packer, *(const uint64_t *)at);
    case FIELD_SIGNED:
        return msgpack_pack_int64(packer, *(const int64_t *)at);
    case FIELD_SLICE:
        slice = at;
        if (slice->size > INT32_MAX || msgpack_pack_bin(packer, slice->size) != 0)
            return -1;
        return slice->size == 0 ? 0 : msgpack_pack_bin_body(packer, slice->data, slice->size);
    }
    return -1;
}

ssize_t message_pack(void *storage, size_t capacity, enum message_type type, const void *message)
{
    struct frame_buffer frame;
    msgpack_packer packer;
    frame_buffer_init(&frame, storage, capacity);
    msgpack_packer_init(&packer, &frame, frame_buffer_write);
    if (msgpack_pack_array(&packer, field_count(layouts[type])) != 0)
        return -EMSGSIZE;
    for (const struct field *field = layouts[type]; field->kind != FIELD_NONE; field++)
        if (pack_field(&packer, field, message) != 0)
            return -EMSGSIZE;
    frame_buffer_finish(&frame, (uint16_t)type);
    return (ssize_t)frame.size;
}

static bool unpack_field(const msgpack_object *object, const struct field *field, void *message)
{
    void *at = (char *)message + field->offset;
    switch (field->kind) {
    case FIELD_NONE:
        break;
    case FIELD_UNSIGNED:
        if (object->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
            return false;
        *(uint64_t *)at = object->via.u64;
        return true;
    case FIELD_SIGNED:
        if (object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
            *(int64_t *)at = object->via.i64;
        else if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER && object->via.u64 <= INT64_MAX)
            *(int64_t *)at = (int64_t)object->via.u64;
        else
            return false;
        return true;
    case FIELD_SLICE:
        if (object->type != MSGPACK_OBJECT_BIN)
            return false;
        *(struct message_slice *)at = (struct message_slice){object->via.bin.ptr, object->via.bin.size};
        return true;
    }
    return false;
}

static int unpack_fields(const struct field *fields, const void *body, size_t size, msgpack_zone *zone, void *message)
{
    msgpack_object object;
    size_t offset = 0;
    const msgpack_unpack_return got = msgpack_unpack(body, size, &offset, zone, &object);
    if (got == MSGPACK_UNPACK_NOMEM_ERROR)
        return -ENOMEM;
    if (got != MSGPACK_UNPACK_SUCCESS || object.type != MSGPACK_OBJECT_ARRAY ||
        object.via.array.size != field_count(fields))
        return -EBADMSG;
    for (size_t i = 0; fields[i].kind != FIELD_NONE; i++)
        if (!unpack_field(&object.via.array.ptr[i], &fields[i], message))
            return -EBADMSG;
    return 0;
}

int message_unpack(enum message_type type, const void *body, size_t size, void *message)
{
    /* A zone on the stack: unpacking a message allocates nothing, but if it has more fields than ours. */
    _Alignas(msgpack_object) char memory[32 * sizeof(msgpack_object)];
    msgpack_zone zone = {.chunk_list = {.free = sizeof memory, .ptr = memory}, .chunk_size = sizeof memory};
    const int rc = scan_object(body, size) < 0 ? -EBADMSG : unpack_fields(layouts[type], body, size, &zone, message);
    if (zone.chunk_list.head != NULL)
        msgpack_zone_destroy(&zone);
    return rc;
}
