#include "pieces.h"

#include "amount.h"
#include "job_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BELIEVED ((uint64_t)1 << 20) /* bytes of what is said to follow; beyond, room is made as pieces come */

static int make_room(struct pieces *pieces, size_t size, uint64_t left, const struct machine *machine)
{
    if (size <= pieces->room)
        return 0;
    const size_t room = amount_larger(size + amount_smaller(left, BELIEVED), 2 * pieces->room);
    void *grown = job_value_is_available(room - pieces->room, machine) ? realloc(pieces->data, room) : NULL;
    if (grown == NULL)
        return -ENOMEM;
    pieces->data = grown;
    pieces->room = room;
    return 0;
}

int pieces_add(struct pieces *pieces, const void *data, size_t size, uint64_t left, const struct machine *machine)
{
    if (make_room(pieces, pieces->size + size, left, machine) < 0) {
        pieces_drop(pieces);
        return -ENOMEM;
    }
    memcpy((uint8_t *)pieces->data + pieces->size, data, size);
    pieces->size += size;
    return 0;
}

void pieces_drop(struct pieces *pieces)
{
    free(pieces->data);
    *pieces = (struct pieces){0};
}
