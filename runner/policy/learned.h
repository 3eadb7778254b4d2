/* learned.h - what jobs of a name have needed lately, and from that what the next one will need. Pure.
 *
 * Of each name the last LEARNED_WINDOW peaks are kept, of at most so many names; beyond, the name that has not finished
 * a job for longest is forgotten. */
#ifndef LEARNED_H
#define LEARNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define LEARNED_WINDOW        32
#define LEARNED_NAMES_MAX     1024
#define LEARNED_NEWCOMERS_MIN 16 /* names, before they say something about the next one */

/* What one job will need, in bytes: center and spread together are what it will hardly exceed. The spreads of several
 * jobs are chance and seldom fall together (admission.h). */
struct learned_guess {
    uint64_t center, spread;
};

/* The last peaks, and what follows from them. */
struct learned_window {
    uint64_t peaks[LEARNED_WINDOW];
    uint32_t count, next;
    struct learned_guess guess; /* center 0: no peak yet */
};

/* Adds a peak. With high for the 95th percentile of the window (the highest of 20 or fewer), center becomes the median
 * and high / 4n for how little n peaks can tell; spread is what lies between median and high, and half of it again. */
void learned_window_note(struct learned_window *window, uint64_t peak);

struct learned_name;
TAILQ_HEAD(learned_names, learned_name);

struct learned {
    struct learned_name *names;      /* uthash by name */
    struct learned_names recent;     /* the same; the name whose job ended last is first */
    size_t most;                     /* names that are kept */
    struct learned_window newcomers; /* the first peak of each name */
};

void learned_init(struct learned *learned, size_t names_max);
void learned_deinit(struct learned *learned);

/* A job of this name (*copied*) has ended. False: there is no memory to remember it. */
bool learned_note(struct learned *learned, const char *name, uint64_t peak);

/* What a job of this name will need. False: no job of the name has ended. */
bool learned_expect(const struct learned *learned, const char *name, struct learned_guess *guess);

/* What a job of a new name will hardly exceed, by the first jobs of other names; 0: below LEARNED_NEWCOMERS_MIN. */
uint64_t learned_expect_newcomer(const struct learned *learned);

#endif
