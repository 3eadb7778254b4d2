#include "pages.h"

#include "jobview.h"
#include "say.h"

#include <string.h>

#define PAGE 500

static void pack_states(msgpack_packer *packer, const char *states)
{
    size_t count = 1;
    for (const char *at = states; *at != '\0'; at++)
        count += *at == ',';
    msgpack_pack_array(packer, count);
    for (; count > 0; count--) {
        const size_t size = strcspn(states, ",");
        msgpack_pack_str_with_body(packer, states, size);
        states += size + 1;
    }
}

/* after 0: the first page. */
static void build(pool_fields_t *request, const struct pages *pages, uint64_t after, uint64_t limit)
{
    pool_fields_begin(request);
    if (pages->states != NULL)
        pack_states(pool_fields_packer(request, "state"), pages->states);
    if (pages->group != NULL)
        pool_fields_text(request, "group", pages->group);
    if (pages->name != NULL)
        pool_fields_text(request, "name", pages->name);
    pool_fields_uint(request, "limit", limit);
    if (pages->newest > 0)
        pool_fields_bool(request, "newest", true);
    if (after > 0)
        pool_fields_uint(request, "after", after);
}

int pages_each(struct remote *remote, const struct pages *pages, int (*each)(void *user, msgpack_object_array jobs),
               void *user)
{
    uint64_t left = pages->newest > 0 ? pages->newest : UINT64_MAX, next = 0;
    int rc = 0;
    do {
        pool_fields_t request;
        msgpack_unpacked answer;
        build(&request, pages, next, left < PAGE ? left : PAGE);
        rc = remote_call(remote, "list", &request, &answer);
        const msgpack_object_array jobs = pool_field_array(&answer.data, "jobs");
        next = pool_field_uint(&answer.data, "next");
        left -= jobs.size < left ? jobs.size : left;
        if (rc == 0)
            rc = each(user, jobs);
        msgpack_unpacked_destroy(&answer);
    } while (rc == 0 && next != 0 && left > 0);
    return rc;
}

struct show {
    struct remote *remote;
    struct grid *grid;
    bool in_pages;
};

static int show_page(void *user, msgpack_object_array jobs)
{
    const struct show *show = user;
    for (uint32_t i = 0; i < jobs.size; i++)
        if (!remote_options.json)
            jobview_add(show->grid, &jobs.ptr[i]);
        else if (remote_print_json(show->remote, &jobs.ptr[i]) < 0)
            return -1;
    if (show->in_pages && !remote_options.json && grid_print(show->grid, stdout) < 0)
        return say(show->remote->verb, "no memory for a page of jobs");
    return 0;
}

int pages_show(struct remote *remote, const struct pages *pages, struct grid *grid, bool in_pages)
{
    return pages_each(remote, pages, show_page, &(struct show){remote, grid, in_pages});
}
