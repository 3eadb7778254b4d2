#include "jobrefs.h"

#include "say.h"
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

int jobrefs_read(struct jobrefs *refs, const char *verb, int count, char **words, const char *needs)
{
    if (count == 0 && needs != NULL) {
        say(verb, "%s", needs);
        return -1;
    }
    for (int i = 0; i < count; i++) {
        const int rc = jobrefs_add(refs, words[i]);
        if (rc == 0)
            continue;
        say(verb,
            rc == -EINVAL  ? "%s: not a job: give an id, a range such as 3-7, a list such as 1,2, or a key"
            : rc == -E2BIG ? "%s: more than 10000 jobs at once: name them in several calls"
                           : "%s: no memory",
            words[i]);
        return -1;
    }
    return 0;
}

void jobrefs_pack_one(msgpack_packer *packer, const struct jobref *ref)
{
    if (ref->id != 0)
        msgpack_pack_uint64(packer, ref->id);
    else
        msgpack_pack_str_with_body(packer, ref->key, strlen(ref->key));
}

void jobrefs_pack(msgpack_packer *packer, const struct jobrefs *refs)
{
    msgpack_pack_array(packer, refs->count);
    for (size_t i = 0; i < refs->count; i++)
        jobrefs_pack_one(packer, &refs->items[i]);
}

int jobrefs_resolve(struct remote *remote, const struct jobref *ref, uint64_t *id)
{
    pool_fields_t request;
    msgpack_unpacked answer;
    *id = ref->id;
    if (ref->id != 0)
        return 0;
    pool_fields_begin(&request);
    jobrefs_pack_one(pool_fields_packer(&request, "id"), ref);
    const int rc = remote_call(remote, "status", &request, &answer);
    *id = pool_field_uint(&answer.data, "id");
    msgpack_unpacked_destroy(&answer);
    return rc;
}

void jobrefs_deinit(struct jobrefs *refs)
{
    free(refs->items);
    *refs = (struct jobrefs){0};
}
