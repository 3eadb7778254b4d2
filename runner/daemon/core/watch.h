/* watch.h - requests that are answered later, on a job's end, on output, or in time: wait, and output. */
#ifndef WATCH_H
#define WATCH_H

#include "daemon.h"

struct client;

struct output_wanted {
    uint64_t id;
    enum output_kind kind;
    uint64_t offset, limit; /* bytes */
    uint32_t attempt;       /* the run that offset is of; 0: not given */
};

struct watch {
    struct client *client;
    uint32_t request;
    bool follow;         /* output; else wait */
    bool held_back;      /* follow: there is output, but too much waits for the client already */
    bool any;            /* wait: for one of ids */
    uint64_t *ids;       /* sorted */
    size_t count, ended; /* ended: of ids */
    struct output_wanted output;
    int64_t until; /* uv_now; -1: for ever */
    TAILQ_ENTRY(watch) entry;
};

#define WATCH_IDS_MAX 100000 /* of one client, in all its waits */

/* Answers now or later. *Takes* wanted->ids (sorted, each once), also on failure. -ENOMEM, -E2BIG
 * (WATCH_IDS_MAX), -EUSERS (it would have to wait on a reserved connection): not answered. */
int watch_add(struct daemon *daemon, const struct watch *wanted);
/* Answers now with what output there is: what a job has printed, from an offset on. */
void watch_answer_output(struct daemon *daemon, const struct watch *watch);

/* Once a turn: waits whose time is over, output that a client could not take yet. */
void watch_turn(struct daemon *daemon);
int64_t watch_next(const struct daemon *daemon); /* uv_now of the next timeout; -1: none */

void watch_job_ended(struct daemon *daemon, uint64_t id);
void watch_output(struct daemon *daemon, uint64_t id);
void watch_forget_client(struct daemon *daemon, const struct client *client);

#endif
