/* turn.h - what one turn of the loop records: its answers, and the effects that follow its commit.
 *
 * Requests and ends write to the store and record here; commit.c makes one transaction of that, and then carries out
 * the effects, or undoes the turn. */
#ifndef TURN_H
#define TURN_H

#include "daemon.h"

struct client;

enum effect_kind {
    EFFECT_START,        /* hands a job to the pool */
    EFFECT_CANCEL,       /* ends its run */
    EFFECT_ENDED,        /* answers the waits for it */
    EFFECT_REMOVE_FILES, /* its output and its value */
    EFFECT_EVENT         /* sends an event to subscribers */
};

struct effect {
    enum effect_kind kind;
    uint64_t id;
    char *data; /* EVENT: the notification's one value, packed */
    size_t size;
    char *group; /* EVENT: for subscribers of a group */
};

/* 0, if code is not negative. Else the store has failed, or memory, and the turn will be undone: -1, with error filled
 * in (may be NULL). */
int turn_check(struct daemon *daemon, int code, struct rpc_error *error);

/* Records that a request is answered: call before its answer is packed. false: no memory, the session was closed. */
bool turn_answer(struct daemon *daemon, struct client *client, uint32_t request);
void turn_forget_client(struct daemon *daemon, const struct client *client);

/* Records an effect on a job; returns it until the next one. NULL: no memory, after turn_check. Events: turn_event. */
struct effect *turn_effect(struct daemon *daemon, enum effect_kind kind, uint64_t id);
/* Records an event, with the job as its row is now: job, or the row of id. */
void turn_event(struct daemon *daemon, const char *event, const struct record *job);
void turn_event_of(struct daemon *daemon, const char *event, uint64_t id);

/* For the commit: the answers count as given; every answer of the turn becomes an error; effects are dropped. */
void turn_keep_answers(struct daemon *daemon);
void turn_refuse_answers(struct daemon *daemon);
void turn_drop_effects(struct daemon *daemon);

void turn_deinit(struct daemon *daemon);

/* ---- commit.c: the end of a turn */

/* Adds to the turn what the daemon brings by itself (ends of runs, jobs to forget, jobs to start), commits it, carries
 * out its effects and sends its answers; or undoes all of it. Returns whether the next turn should come at once. */
bool commit_turn(struct daemon *daemon);

#endif
