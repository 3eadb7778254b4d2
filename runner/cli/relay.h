/* relay.h - output on its way from a command to where reclaim's own goes, counted: for --output-limit. */
#ifndef RELAY_H
#define RELAY_H

#include <stdbool.h>
#include <stdint.h>

struct relay {
    int from; /* reading end, -1: ended */
    int to;
    int for_command; /* writing end, until the command has it; -1 */
    int64_t left;    /* bytes that may still pass */
    bool over;
};

/* Negative errno. */
int relay_open(struct relay *relay, int to, int64_t limit);

/* Passes on what is there. What is over the limit is dropped. */
void relay_pass(struct relay *relay);

/* The command is gone: passes on the rest. */
void relay_finish(struct relay *relay);
void relay_close(struct relay *relay);

#endif
