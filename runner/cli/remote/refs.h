/* refs.h - jobs as people name them: 7, 1,2, 3-7, or the key that they were submitted with. */
#ifndef REFS_H
#define REFS_H

#include <msgpack.h>
#include <stddef.h>
#include <stdint.h>

#define REFS_MOST 10000 /* as many as a request may have */

struct ref {
    uint64_t id;     /* 0: it is named by its key */
    const char *key; /* *borrowed* */
};

struct refs {
    struct ref *items;
    size_t count, capacity;
};

/* Adds what a word names. Digits, commas and hyphens are ids; anything else is a key. -EINVAL: not a range; -E2BIG:
 * above REFS_MOST; -ENOMEM. */
int refs_add(struct refs *refs, const char *word);

/* Adds all words. 0, or -1 after it has said what is wrong; none at all is wrong when `needs` says what is missing. */
int refs_read(struct refs *refs, const char *verb, int count, char **words, const char *needs);

void refs_pack_one(msgpack_packer *packer, const struct ref *ref);
void refs_pack(msgpack_packer *packer, const struct refs *refs); /* an array */
void refs_deinit(struct refs *refs);

#endif
