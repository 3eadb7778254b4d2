/* jobrefs.h - jobs as people name them: 7, 1,2, 3-7, or the key that they were submitted with. */
#ifndef JOBREFS_H
#define JOBREFS_H

#include "remote.h"

#define JOBREFS_MOST 10000 /* as many as a request may have */

struct jobref {
    uint64_t id;     /* 0: the key names the job */
    const char *key; /* *borrowed* */
};

struct jobrefs {
    struct jobref *items;
    size_t count, capacity;
};

/* Adds the jobs of a word: ids if it has digits, commas and hyphens only, else a key (*borrows*). -EINVAL: not a range;
 * -E2BIG: more than JOBREFS_MOST; -ENOMEM. */
int jobrefs_add(struct jobrefs *refs, const char *word);

void jobrefs_pack(pool_fields_t *fields, const struct jobrefs *refs); /* "ids" */

/* Asks for all about a job. As remote_call. */
int jobrefs_status(struct remote *remote, const struct jobref *ref, msgpack_unpacked *answer);

/* The id of a job; asks the daemon if ref is a key. 0, or -1 after a message. */
int jobrefs_resolve(struct remote *remote, const struct jobref *ref, uint64_t *id);

void jobrefs_deinit(struct jobrefs *refs);

#endif
