/* patience.h - what outlives the daemon: a request that waits, and may be asked again, where the daemon is gone
 * meanwhile. It is said, once, and tried again until it is back. */
#ifndef PATIENCE_H
#define PATIENCE_H

#include "remote.h"

#define PATIENCE_MS 60000
#define PATIENCE_GONE \
    75 /* EX_TEMPFAIL of sysexits.h: the daemon did not come back; what it has to do is still there \
        */

struct patience {
    struct remote *remote; /* whose connection is opened anew */
    const char *left;      /* *borrowed*: "job 7 is", for "... still on its disk", where it does not come back; NULL */
    int64_t until_ms;      /* remote_now_ms: how long the caller waits; -1: for ever */
    int refused;           /* the exit code where the daemon refuses */
    bool gives_up;         /* a connection that is lost is an error as others are */
    bool is_quiet;         /* nothing is said: errors are left in `error` */
    pool_error_t error;    /* of the last call; code 0: it went well */
    /* its own */
    uint64_t store;  /* whose jobs they are; 0: not told */
    int64_t gone_at; /* remote_now_ms: since when it is, or was last, gone; 0: never */
    int64_t back_at; /* remote_now_ms: of the last connection; 0: it is the first one */
    unsigned tries;  /* since gone_at */
};

/* Over an open connection, without a limit of time, refused as OUTCOME_OWN_FAILURE. */
struct patience patience_begin(struct remote *remote, const char *left);

/* remote_call, but an error is not said. */
int patience_call(struct patience *patience, const char *method, pool_fields_t *request, msgpack_unpacked *answer);

/* After a call that has failed. 0: the daemon was gone, and is back: ask again. Else the exit code to end with, after
 * it has said why: `refused`; AWAIT_TIMED_OUT, where until_ms came first; PATIENCE_GONE, where the daemon is not back
 * within PATIENCE_MS, where another one is in its place, or where it is back and does not know the jobs. */
int patience_renew(struct patience *patience);

/* Whether this error says that the connection is lost: what was asked may have been heard, and done. */
bool patience_is_lost(int code);

/* How long to wait before a further try, the first of which is 0. Pure. */
int64_t patience_pause_ms(unsigned tries);

#endif
