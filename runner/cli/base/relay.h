/* relay.h - passes a command's output to a sink and counts it: for --output-limit. */
#ifndef RELAY_H
#define RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes a piece of output. Negative errno: it wants no more. */
typedef int (*relay_sink_fn)(void *context, const char *data, size_t size);

struct relay {
    int from;        /* reading end; -1: the output has ended */
    int for_command; /* writing end; -1: handed over */
    int64_t left;    /* bytes until the limit */
    int64_t passed;  /* bytes so far */
    bool over;       /* the command wrote more than the limit */
    relay_sink_fn sink;
    void *context;
};

#define RELAY_NO_LIMIT INT64_MAX

/* Negative errno. */
int relay_open(struct relay *relay, int64_t limit, relay_sink_fn sink, void *context);

/* Once the command has the writing end: closes ours, so that the output can end. */
void relay_handed_over(struct relay *relay);

/* Passes on the output that has arrived; drops it above the limit. */
void relay_pass(struct relay *relay);

/* For a command that is gone: passes on the rest. */
void relay_finish(struct relay *relay);
void relay_close(struct relay *relay);

#endif
