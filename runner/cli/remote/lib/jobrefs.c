#include "jobrefs.h"

#include "units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add(struct jobrefs *refs, struct jobref ref)
{
    if (refs->count == JOBREFS_MOST)
        return -E2BIG;
    if (refs->count == refs->capacity) {
        const size_t capacity = refs->capacity == 0 ? 16 : 2 * refs->capacity;
        struct jobref *items = realloc(refs->items, capacity * sizeof *items);
        if (items == NULL)
            return -ENOMEM;
        refs->items = items;
        refs->capacity = capacity;
    }
    refs->items[refs->count++] = ref;
    return 0;
}

/* "7" or "3-7" */
static int add_range(struct jobrefs *refs, const char *word, size_t size)
{
    char text[64];
    int64_t first, last;
    if (size >= sizeof text)
        return -EINVAL;
    memcpy(text, word, size);
    text[size] = '\0';
    char *hyphen = strchr(text, '-');
    if (hyphen != NULL)
        *hyphen = '\0';
    if (units_parse_number(text, 1, INT64_MAX - 1, &first) < 0 ||
        units_parse_number(hyphen != NULL ? hyphen + 1 : text, first, INT64_MAX - 1, &last) < 0)
        return -EINVAL;
    int rc = last - first >= JOBREFS_MOST ? -E2BIG : 0;
    for (int64_t id = first; rc == 0 && id <= last; id++)
        rc = add(refs, (struct jobref){.id = (uint64_t)id});
    return rc;
}

int jobrefs_add(struct jobrefs *refs, const char *word)
{
    if (word[0] == '\0')
        return -EINVAL;
    if (word[strspn(word, "0123456789,-")] != '\0')
        return add(refs, (struct jobref){.key = word});
    for (;; word++) {
        const size_t size = strcspn(word, ",");
        const int rc = add_range(refs, word, size);
        word += size;
        if (rc < 0 || *word == '\0')
            return rc;
    }
}

static void pack(msgpack_packer *packer, const struct jobref *ref)
{
    if (ref->id != 0)
        msgpack_pack_uint64(packer, ref->id);
    else
        msgpack_pack_str_with_body(packer, ref->key, strlen(ref->key));
}

void jobrefs_pack(pool_fields_t *fields, const struct jobrefs *refs)
{
    msgpack_packer *packer = pool_fields_packer(fields, "ids");
    msgpack_pack_array(packer, refs->count);
    for (size_t i = 0; i < refs->count; i++)
        pack(packer, &refs->items[i]);
}

int jobrefs_status(struct remote *remote, const struct jobref *ref, msgpack_unpacked *answer)
{
    pool_fields_t request;
    pool_fields_begin(&request);
    pack(pool_fields_packer(&request, "id"), ref);
    return remote_call(remote, "status", &request, answer);
}

int jobrefs_resolve(struct remote *remote, const struct jobref *ref, uint64_t *id)
{
    msgpack_unpacked answer;
    *id = ref->id;
    if (ref->id != 0)
        return 0;
    const int rc = jobrefs_status(remote, ref, &answer);
    *id = pool_field_uint(&answer.data, "id");
    msgpack_unpacked_destroy(&answer);
    return rc;
}

void jobrefs_deinit(struct jobrefs *refs)
{
    free(refs->items);
    *refs = (struct jobrefs){0};
}
