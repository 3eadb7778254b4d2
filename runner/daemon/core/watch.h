/* watch.h - requests that are answered later: wait, and output that is followed. */
#ifndef WATCH_H
#define WATCH_H

#include "daemon.h"

/* A request that is answered later, on a job's end, on output, or in time. */
struct watch {
    struct client *client;
    uint32_t request;
    bool follow;         /* output; else wait */
    bool held_back;      /* follow: there is something to tell, and too much waits for the client already */
    bool any;            /* wait: for one of ids */
    bool stderr_too;     /* follow: of standard error */
    uint64_t *ids;       /* sorted */
    size_t count, ended; /* ended: of ids */
    uint64_t offset, limit;
    uint32_t attempt; /* the run that offset is of; 0: not given */
    int64_t until;    /* uv_now; -1: for ever */
    TAILQ_ENTRY(watch) entry;
};

#define WATCH_IDS_MAX 100000 /* of one client, in all its waits */

/* Answers now or later. *Takes* wanted->ids (of a wait: from ids_sort), also on failure. -ENOMEM, -E2BIG
 * (WATCH_IDS_MAX), -EUSERS (it would have to wait on a reserved connection): not answered. */
int watch_wait(struct daemon *daemon, const struct watch *wanted);
int watch_follow(struct daemon *daemon, const struct watch *wanted);

/* Output that a client could not take yet: is it time? Once a turn. */
void watch_held_back(struct daemon *daemon);
void watch_job_ended(struct daemon *daemon, uint64_t id);
void watch_output(struct daemon *daemon, uint64_t id);
void watch_timeouts(struct daemon *daemon);
int64_t watch_next(const struct daemon *daemon); /* uv_now of the next timeout; -1: none */
void watch_forget_client(struct daemon *daemon, const struct client *client);

/* ---- output.c */
/* Is there anything beyond offset, or of another run, or has the job ended (or gone)? */
bool output_is_due(struct daemon *daemon, const struct watch *wanted);
/* Packs the answer to `output`, or its error. */
void output_pack(struct daemon *daemon, const struct watch *wanted);

#endif
