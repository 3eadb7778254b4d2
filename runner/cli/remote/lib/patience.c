#include "patience.h"

#include "outcome.h"
#include "say.h"

#include <errno.h>
#include <poll.h>

#define PAUSE_FIRST_MS 50
#define PAUSE_MOST_MS  1000
#define STEADY_MS      5000 /* a connection that is lost sooner belongs to the same outage */

bool patience_is_lost(int code)
{
    return code == -EPIPE || code == -ECONNRESET;
}

int64_t patience_pause_ms(unsigned tries)
{
    if (tries == 0)
        return 0;
    return tries > 5 ? PAUSE_MOST_MS : PAUSE_FIRST_MS << (tries - 1);
}

/* Errors of a daemon that is just restarting, or whose places for clients are all taken again. */
static bool may_pass(int code)
{
    return patience_is_lost(code) || code == -ENOENT || code == -ECONNREFUSED || code == -ESHUTDOWN ||
           code == -EUSERS || code == -ETIMEDOUT || code == -EAGAIN;
}

/* Asks for the number that the daemon has given its jobs on disk; 0: none. */
static int ask_store(struct patience *patience, uint64_t *store)
{
    pool_fields_t request;
    msgpack_unpacked answer;
    pool_fields_begin(&request);
    patience->remote->error = &patience->error;
    const int rc = remote_call(patience->remote, "hello", &request, &answer);
    patience->remote->error = NULL;
    *store = pool_field_uint(&answer.data, "store");
    msgpack_unpacked_destroy(&answer);
    return rc;
}

struct patience patience_begin(struct remote *remote, const char *left)
{
    struct patience patience = {.remote = remote, .left = left, .until_ms = -1, .refused = OUTCOME_OWN_FAILURE};
    ask_store(&patience, &patience.store); /* if it fails now, so will what is asked next */
    return patience;
}

int patience_call(struct patience *patience, const char *method, pool_fields_t *request, msgpack_unpacked *answer)
{
    patience->error = (pool_error_t){0};
    patience->remote->error = &patience->error;
    const int rc = remote_call(patience->remote, method, request, answer);
    patience->remote->error = NULL;
    return rc;
}

/* Prints the error. Returns code. */
static int end(const struct patience *patience, int code)
{
    if (!patience->is_quiet)
        say(patience->remote->verb, "%s", patience->error.message);
    return code;
}

/* The same for a daemon that is gone; whose: "its", or "the first one's" disk. */
static int end_gone(const struct patience *patience, const char *whose)
{
    if (patience->left == NULL)
        return end(patience, PATIENCE_GONE);
    if (!patience->is_quiet)
        say(patience->remote->verb, "%s; %s still on %s disk", patience->error.message, patience->left, whose);
    return PATIENCE_GONE;
}

/* The end after an error that waiting does not cure. */
static int refuse(const struct patience *patience)
{
    if (patience->back_at > 0 && patience->error.code == -ENOENT) /* removed meanwhile: its message says it */
        return end(patience, PATIENCE_GONE);
    return patience->refused == PATIENCE_GONE ? end_gone(patience, "its") : end(patience, patience->refused);
}

static void begin_outage(struct patience *patience)
{
    patience->gone_at = remote_now_ms();
    patience->tries = 0;
    if (!patience->is_quiet)
        say(patience->remote->verb, "%s: waiting for it to come back, a minute at most", patience->error.message);
}

/* 1: connected to a daemon with the same jobs; 0: not yet; -1: the daemon has other jobs, or is not to be trusted. */
static int reopen(struct patience *patience)
{
    uint64_t store = 0;
    struct remote *remote = patience->remote;
    remote_close(remote);
    int rc = pool_client_open(&remote->client, remote_options.socket, &patience->error);
    if (rc == 0 && ask_store(patience, &store) < 0)
        rc = patience->error.code;
    if (rc < 0)
        return may_pass(rc) ? 0 : -1;
    patience->back_at = remote_now_ms();
    if (store == 0 || patience->store == 0 || store == patience->store)
        return 1;
    snprintf(patience->error.message, sizeof patience->error.message,
             "another reclaimd, with other jobs, is in its place");
    return -1;
}

/* Sleeps until the next try. 0; else the exit code: the time is over. */
static int pause_between(struct patience *patience)
{
    const int64_t end_at = patience->gone_at + PATIENCE_MS;
    const bool is_limited = patience->until_ms >= 0 && patience->until_ms < end_at;
    const int64_t left = (is_limited ? patience->until_ms : end_at) - remote_now_ms();
    const int64_t pause = patience_pause_ms(patience->tries++);
    if (left > 0)
        poll(NULL, 0, (int)(pause < left ? pause : left)); /* a signal that is handled makes it shorter, that is all */
    if (left > 0)
        return 0;
    snprintf(patience->error.message, sizeof patience->error.message, "%s",
             is_limited ? "timed out, while reclaimd is gone" : "reclaimd did not come back within a minute");
    return is_limited ? end(patience, PATIENCE_TIMED_OUT) : end_gone(patience, "its");
}

int patience_renew(struct patience *patience)
{
    const int code = patience->error.code;
    if (patience->gives_up || (!patience_is_lost(code) && !(patience->back_at > 0 && code == -EUSERS)))
        return refuse(patience);
    if (patience->gone_at == 0 || remote_now_ms() - patience->back_at > STEADY_MS)
        begin_outage(patience);
    for (;;) {
        const int over = pause_between(patience);
        const int found = over == 0 ? reopen(patience) : 0;
        if (over != 0 || found > 0)
            return over;
        if (found < 0)
            return end_gone(patience, "the first one's");
    }
}
