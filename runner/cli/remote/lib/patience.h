/* patience.h - requests that survive a restart of the daemon: a verb that waits reconnects, and asks again. */
#ifndef PATIENCE_H
#define PATIENCE_H

#include "remote.h"

#define PATIENCE_MS        60000
#define PATIENCE_GONE      75 /* exit code: the daemon did not come back; its jobs are still on its disk. EX_TEMPFAIL */
#define PATIENCE_TIMED_OUT 124 /* exit code: until_ms passed; as timeout(1) has it */

struct patience {
    struct remote *remote; /* its connection is replaced */
    const char *left;      /* *borrowed*: "job 7 is", for the message "... still on its disk"; NULL: none */
    int64_t until_ms;      /* remote_now_ms: the caller waits until then; -1: no limit */
    int refused;           /* exit code if the daemon refuses a request */
    bool gives_up;         /* a lost connection is an error like any other */
    bool is_quiet;         /* prints nothing: errors stay in `error` */
    pool_error_t error;    /* of the last call; code 0: success */
    /* private */
    uint64_t store;  /* the daemon's number for its jobs, from `hello`; 0: not known */
    int64_t gone_at; /* remote_now_ms: start of the last outage; 0: none so far */
    int64_t back_at; /* remote_now_ms: time of the last reconnect; 0: still the first connection */
    unsigned tries;  /* in this outage */
};

/* For an open connection. No time limit; `refused` is OUTCOME_OWN_FAILURE. */
struct patience patience_begin(struct remote *remote, const char *left);

/* remote_call, but errors go to patience->error. */
int patience_call(struct patience *patience, const char *method, pool_fields_t *request, msgpack_unpacked *answer);

/* After a failed call. 0: the daemon is back, ask again. Else the exit code, after a message: `refused`;
 * PATIENCE_TIMED_OUT: until_ms passed; PATIENCE_GONE: the daemon did not come back within PATIENCE_MS, another one is
 * in its place, or it came back without the jobs. */
int patience_renew(struct patience *patience);

/* Whether the error means a lost connection: the daemon may have carried out the request. */
bool patience_is_lost(int code);

/* How long to wait before try number `tries`, from 0. Pure. */
int64_t patience_pause_ms(unsigned tries);

#endif
