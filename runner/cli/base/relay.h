/* relay.h - output on its way from a command to whoever takes it, counted: for --output-limit. */
#ifndef RELAY_H
#define RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes what has passed. Negative errno: it wants no more. */
typedef int (*relay_sink_fn)(void *context, const char *data, size_t size);

struct relay {
    int from;        /* reading end, -1: ended */
    int for_command; /* writing end, until the command has it; -1 */
    int64_t left;    /* bytes that may still pass */
    int64_t passed;  /* bytes that have */
    bool over;
    relay_sink_fn sink;
    void *context;
};

#define RELAY_NO_LIMIT INT64_MAX

/* Negative errno. */
int relay_open(struct relay *relay, int64_t limit, relay_sink_fn sink, void *context);

/* The command has the writing end: lets go of ours, so that its end is seen. */
void relay_handed_over(struct relay *relay);

/* Passes on what is there. What is over the limit is dropped. */
void relay_pass(struct relay *relay);

/* The command is gone: passes on the rest. */
void relay_finish(struct relay *relay);
void relay_close(struct relay *relay);

#endif
