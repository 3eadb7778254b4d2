/* pieces.h - bytes that come in pieces: a large value, or partial result, of a plain worker. */
#ifndef PIECES_H
#define PIECES_H

#include "machine.h"

#include <stddef.h>
#include <stdint.h>

struct pieces {
    void *data; /* from malloc; NULL: none */
    size_t size, room;
};

/* Appends a piece (*copies*). left: bytes that are said to follow, a hint. -ENOMEM: then nothing is kept. */
int pieces_add(struct pieces *pieces, const void *data, size_t size, uint64_t left, const struct machine *machine);

/* Frees them. */
void pieces_drop(struct pieces *pieces);

#endif
