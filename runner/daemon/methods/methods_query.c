/* methods_query.c - questions about jobs: status, list, wait, result, output. Nothing here writes. */
#include "daemon_client.h"
#include "live.h"
#include "methods.h"
#include "turn.h"
#include "view.h"
#include "watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LIST_DEFAULT  100
#define IDS_MAX       10000
#define LIST_MAX      1000
#define PIECE_DEFAULT (INT64_C(1024) * 1024)
#define LOOKED_AT_MAX 10000 /* rows for one page: one that finds little must not hold up others */

int methods_status(struct call *call, struct rpc_error *error)
{
    static const struct field table[] = {{"id", FIELD_JOB, .required = true}};
    const msgpack_object *reference = NULL;
    struct record record;
    uint64_t given;
    if (fields_read(call->params, "status", table, 1, &reference, &given, error) < 0 ||
        call_find_job(call, reference, &record, error) < 0)
        return -1;
    msgpack_packer *packer = call_packer(call);
    if (packer != NULL)
        view_job(call->daemon, packer, &record, true);
    return 0;
}

/* ---- list */

struct list {
    const msgpack_object *states, *ids;
    struct rpc_text group, name;
    int64_t after, limit;
    bool newest;
};

static const struct field list_fields[] = {
    {"state", FIELD_TEXTS, .offset = offsetof(struct list, states), .most = 16},
    {"group", FIELD_TEXT, .offset = offsetof(struct list, group), .least = 1, .most = RECORD_GROUP_MAX},
    {"name", FIELD_TEXT, .offset = offsetof(struct list, name), .least = 1, .most = 255},
    {"ids", FIELD_JOBS, .offset = offsetof(struct list, ids), .most = LIST_MAX},
    {"after", FIELD_INT, .offset = offsetof(struct list, after), .least = 1, .most = INT64_MAX},
    {"limit", FIELD_INT, .offset = offsetof(struct list, limit), .least = 1, .most = LIST_MAX},
    {"newest", FIELD_BOOL, .offset = offsetof(struct list, newest)},
};

/* On disk waiting and queued are one state: bits of `wanted` tell them apart. */
enum { WANT_WAITING = 1, WANT_QUEUED = 2 };

static int read_states(const msgpack_object *states, uint32_t *bits, unsigned *wanted, struct rpc_error *error)
{
    static const struct {
        const char *name;
        enum record_state state;
        unsigned wanted;
    } names[] = {{"waiting", RECORD_WAITING, WANT_WAITING},
                 {"queued", RECORD_WAITING, WANT_QUEUED},
                 {"running", RECORD_RUNNING, 0},
                 {"done", RECORD_DONE, 0},
                 {"failed", RECORD_FAILED, 0},
                 {"cancelled", RECORD_CANCELLED, 0}};
    const size_t count = sizeof names / sizeof *names;
    char quoted[256];
    for (uint32_t i = 0; states != NULL && i < states->via.array.size; i++) {
        const msgpack_object_str *text = &states->via.array.ptr[i].via.str;
        size_t n = 0;
        while (n < count && (text->size != strlen(names[n].name) || memcmp(text->ptr, names[n].name, text->size) != 0))
            n++;
        if (n == count)
            return rpc_fail(error, RPC_INVALID_VALUE,
                            "list: state: %s is none of waiting, queued, running, done, failed, cancelled",
                            rpc_quote(text->ptr, text->size, quoted));
        *bits |= UINT32_C(1) << names[n].state;
        *wanted |= names[n].wanted;
    }
    return 0;
}

struct page {
    struct daemon *daemon;
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    unsigned wanted;
    uint32_t count, limit, looked_at;
    uint64_t last; /* the last id that was looked at */
    bool more;
};

static bool is_wanted(const struct page *page, const struct record *record)
{
    if (record->state != RECORD_WAITING || page->wanted == (WANT_WAITING | WANT_QUEUED) || page->wanted == 0)
        return true;
    const struct job *job = live_find(page->daemon, record->id);
    const bool queued = job != NULL && job->schedule.state == SCHEDULE_READY;
    return queued == (page->wanted == WANT_QUEUED);
}

static int add_to_page(void *user, const struct record *record)
{
    struct page *page = user;
    if (page->count == page->limit || page->looked_at == LOOKED_AT_MAX) {
        page->more = true;
        return 1;
    }
    page->last = record->id;
    page->looked_at++;
    if (!is_wanted(page, record))
        return 0;
    view_job(page->daemon, &page->packer, record, false);
    page->count++;
    return 0;
}

static int read_list(struct call *call, const struct list *list, struct page *page, struct rpc_error *error)
{
    struct daemon *daemon = call->daemon;
    struct store_filter filter = {.group = {list->group.data, list->group.size},
                                  .name = {list->name.data, list->name.size},
                                  .after = (uint64_t)list->after,
                                  .newest = list->newest,
                                  .limit = LOOKED_AT_MAX + 1};
    uint64_t *ids = NULL;
    if (read_states(list->states, &filter.states, &page->wanted, error) < 0 ||
        (list->ids != NULL && call_find_jobs(call, list->ids, &ids, &filter.id_count, error) < 0))
        return -1;
    filter.ids = ids;
    const int failed = store_job_list(daemon->store, &filter, add_to_page, page);
    free(ids);
    return failed < 0 ? rpc_fail(error, RPC_STORAGE, "jobs cannot be read: %s", store_message(daemon->store)) : 0;
}

int methods_list(struct call *call, struct rpc_error *error)
{
    struct list list = {.limit = LIST_DEFAULT};
    struct page page = {.daemon = call->daemon};
    uint64_t given;
    if (fields_read(call->params, "list", list_fields, sizeof list_fields / sizeof *list_fields, &list, &given, error) <
        0)
        return -1;
    page.limit = (uint32_t)list.limit;
    msgpack_sbuffer_init(&page.buffer);
    msgpack_packer_init(&page.packer, &page.buffer, msgpack_sbuffer_write);
    int failed = read_list(call, &list, &page, error);
    if (failed == 0) {
        pool_fields_t answer;
        pool_fields_begin(&answer);
        rpc_pack_array(&answer, "jobs", page.count, &page.buffer);
        if (page.more)
            pool_fields_uint(&answer, "next", page.last);
        else
            pool_fields_nil(&answer, "next");
        failed = call_answer(call, &answer);
    }
    msgpack_sbuffer_destroy(&page.buffer);
    return failed;
}

/* ---- wait, output */

static int later(int failed, struct rpc_error *error)
{
    if (failed == -EUSERS)
        return call_cannot_stay(error);
    if (failed == -E2BIG)
        return rpc_fail(error, RPC_TOO_MANY_REQUESTS, "more than %d ids are waited for on this connection",
                        WATCH_IDS_MAX);
    return failed < 0 ? rpc_fail(error, RPC_INTERNAL, "no memory for a request that waits") : 0;
}

int methods_wait(struct call *call, struct rpc_error *error)
{
    struct {
        const msgpack_object *ids;
        bool any;
        double timeout;
    } wanted = {.timeout = -1};
    const struct field table[] = {
        {"ids", FIELD_JOBS, .required = true, .least = 1, .most = IDS_MAX},
        {"any", FIELD_BOOL, .offset = offsetof(__typeof__(wanted), any)},
        {"timeout", FIELD_SECONDS, .offset = offsetof(__typeof__(wanted), timeout)},
    };
    struct watch watch = {.client = call->client, .request = call->request, .until = -1};
    uint64_t given;
    if (fields_read(call->params, "wait", table, 3, &wanted, &given, error) < 0 ||
        call_find_jobs(call, wanted.ids, &watch.ids, &watch.count, error) < 0)
        return -1;
    uint64_t *fitting =
        realloc(watch.ids, watch.count * sizeof *fitting); /* the limit counts ids, so no more are held */
    if (fitting != NULL)
        watch.ids = fitting;
    watch.any = wanted.any;
    if (wanted.timeout >= 0)
        watch.until = (int64_t)uv_now(call->daemon->loop) + (int64_t)(wanted.timeout * 1000);
    return later(watch_add(call->daemon, &watch), error);
}

struct piece {
    const msgpack_object *id;
    int stream; /* enum output_kind */
    int64_t offset, limit, attempt;
    bool follow;
};

static const char *const stream_words[] = {[OUTPUT_STDOUT] = "stdout", [OUTPUT_STDERR] = "stderr"};

static const struct field piece_fields[] = {
    {"id", FIELD_JOB, .required = true, .offset = offsetof(struct piece, id)},
    {"offset", FIELD_INT, .offset = offsetof(struct piece, offset), .most = INT64_MAX},
    {"limit", FIELD_INT, .offset = offsetof(struct piece, limit), .least = 1, .most = INT64_MAX},
    {"stream", FIELD_WORD, .offset = offsetof(struct piece, stream), .words = stream_words},
    {"follow", FIELD_BOOL, .offset = offsetof(struct piece, follow)},
    {"attempt", FIELD_INT, .offset = offsetof(struct piece, attempt), .most = UINT32_MAX},
};
enum { RESULT_FIELDS = 3, OUTPUT_FIELDS = 6 };

int methods_output(struct call *call, struct rpc_error *error)
{
    struct piece piece = {.limit = PIECE_DEFAULT};
    struct watch watch = {.client = call->client, .request = call->request, .count = 1, .until = -1};
    struct record record;
    uint64_t given;
    if (fields_read(call->params, "output", piece_fields, OUTPUT_FIELDS, &piece, &given, error) < 0 ||
        call_find_job(call, piece.id, &record, error) < 0)
        return -1;
    watch.output = (struct output_wanted){.id = record.id,
                                          .kind = (enum output_kind)piece.stream,
                                          .offset = (uint64_t)piece.offset,
                                          .limit = (uint64_t)piece.limit,
                                          .attempt = (uint32_t)piece.attempt};
    if (!piece.follow) {
        watch_answer_output(call->daemon, &watch);
        return 0;
    }
    watch.follow = true;
    watch.ids = malloc(sizeof *watch.ids);
    if (watch.ids == NULL)
        return later(-ENOMEM, error);
    *watch.ids = record.id;
    return later(watch_add(call->daemon, &watch), error);
}

/* ---- result */

static int read_value(struct daemon *daemon, const struct record *record, uint64_t offset, void *buffer, size_t *size)
{
    const uint64_t expected = record->end.result_size;
    uint64_t total = 0;
    if (expected <= STORE_INLINE_MAX)
        return store_result_read(daemon->store, record->id, offset, buffer, size);
    const int error = outputs_read(&daemon->outputs, record->id, OUTPUT_VALUE, offset, buffer, size, &total);
    return error == 0 && total != expected ? -ENOENT : error;
}

static int answer_value(struct call *call, const struct record *record, uint64_t offset, const void *data, size_t size)
{
    const uint64_t total = record->end.result_size;
    pool_fields_t answer;
    pool_fields_begin(&answer);
    view_job(call->daemon, pool_fields_packer(&answer, "job"), record, false);
    if (total == 0)
        pool_fields_nil(&answer, "value");
    else
        pool_fields_bin(&answer, "value", data, size);
    pool_fields_uint(&answer, "offset", offset);
    pool_fields_uint(&answer, "size", total);
    return call_answer(call, &answer);
}

int methods_result(struct call *call, struct rpc_error *error)
{
    struct piece piece = {.limit = PIECE_DEFAULT};
    struct daemon *daemon = call->daemon;
    struct record record;
    char quoted[256];
    uint64_t given;
    if (fields_read(call->params, "result", piece_fields, RESULT_FIELDS, &piece, &given, error) < 0 ||
        call_find_job(call, piece.id, &record, error) < 0)
        return -1;
    if (!record_has_ended(record.state))
        return rpc_fail(error, RPC_NOT_ENDED, "job %s has not ended: wait for it first",
                        call_quote_job(piece.id, quoted));
    size_t size = piece.limit < PIECE_DEFAULT ? (size_t)piece.limit : (size_t)PIECE_DEFAULT;
    void *data = malloc(size);
    if (data == NULL)
        return rpc_fail(error, RPC_INTERNAL, "no memory for %zu bytes of a result", size);
    int result = 0;
    if (record.end.result_size > 0)
        result = read_value(daemon, &record, (uint64_t)piece.offset, data, &size);
    if (result == 0)
        result = answer_value(call, &record, (uint64_t)piece.offset, data, size);
    else
        result = rpc_fail(error, RPC_STORAGE, "the value of job %s cannot be read: %s",
                          call_quote_job(piece.id, quoted), strerror(-result));
    free(data);
    return result;
}
