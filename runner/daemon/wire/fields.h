/* fields.h - the named fields of a map, read by a table. Unknown, missing, doubled fields, wrong types and values out
 * of range are errors. */
#ifndef FIELDS_H
#define FIELDS_H

#include "rpc.h"

/* What the member of `out` is. Values that are not copied are *borrowed* from the map. */
enum field_type {
    FIELD_BOOL = 1,   /* bool */
    FIELD_INT,        /* int64_t, least to most; where both are 0: any */
    FIELD_COUNT,      /* int32_t, least to most */
    FIELD_SECONDS,    /* double, 0 to 1e9; the value may be a whole number */
    FIELD_NUMBER,     /* double, finite, least to most (where both are 0: any) */
    FIELD_TEXT,       /* struct rpc_text: str without NUL bytes, least to most bytes long (most 0: no limit) */
    FIELD_WORD,       /* int: which one of two words */
    FIELD_BYTES,      /* struct rpc_text: bin or str */
    FIELD_TEXTS,      /* const msgpack_object *: an array of least to most str without NUL bytes (most 0: no limit) */
    FIELD_ARRAY,      /* const msgpack_object *: an array, least to most long */
    FIELD_JOB,        /* const msgpack_object *: an id from 1, or text of 1 to 128 bytes: a job reference */
    FIELD_JOBS,       /* const msgpack_object *: an array of job references, least to most long */
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
    size_t offset; /* of the member */
    int64_t least, most;
    const char *const *words; /* FIELD_WORD's two */
};

/* Reads map (NULL: no fields) into out by a table of at most 64 rows. *given gets a bit for each row whose field the
 * map has; members of the others stay as they are. what: the method, or "job", for error. 0, or -1 and error. */
int fields_read(const msgpack_object *map, const char *what, const struct field *table, size_t count, void *out,
                uint64_t *given, struct rpc_error *error);

#endif
