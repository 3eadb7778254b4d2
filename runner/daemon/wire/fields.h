/* fields.h - the named fields of a map, read by a table: unknown, missing, of a wrong type, out of range, given twice.
 */
#ifndef FIELDS_H
#define FIELDS_H

#include "rpc.h"

enum field_type {
    FIELD_BOOL = 1, /* bool */
    FIELD_INT,      /* int64_t, least to most; where both are 0: any */
    FIELD_SECONDS,  /* double, 0 to 1e9 (finite); an integer is taken, too */
    FIELD_NUMBER,   /* double, finite, least to most (where both are 0: any) */
    FIELD_TEXT,     /* struct rpc_text: str without NUL bytes, least to most bytes long (most 0: no limit) */
    FIELD_BYTES,    /* struct rpc_text: bin or str */
    FIELD_TEXTS, /* const msgpack_object *: an array of str without NUL bytes, least to most of them (most 0: no limit)
                  */
    FIELD_ARRAY, /* const msgpack_object *: an array, least to most long */
    FIELD_JOB,   /* const msgpack_object *: an id from 1, or text of 1 to 128 bytes: a job reference */
    FIELD_JOBS,  /* const msgpack_object *: an array of job references, least to most long */
    FIELD_INT_OR_NIL, /* struct field_maybe_int */
    FIELD_ANY         /* const msgpack_object * */
};

struct field_maybe_int {
    bool nil;
    int64_t value;
};

struct field {
    const char *name;
    enum field_type type;
    bool required;
    size_t offset; /* in out, of the type above */
    int64_t least, most;
};

/* Reads map (NULL: no fields) into out by a table of at most 64 rows. *given gets a bit for each row whose field was
 * there; out is left alone for the others. Everything is *borrowed* from map. 0, or -1 and error, which names method
 * (or "job"), field, value and what was expected. */
int fields_read(const msgpack_object *map, const char *what, const struct field *table, size_t count, void *out,
                uint64_t *given, struct rpc_error *error);

#endif
