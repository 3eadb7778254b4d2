/* timetable.h - who is due when: the earliest is found at once, whoever else there is. A binary heap; knows nothing of
 * a job but its entry. Pure; the caller locks.
 *
 * Room is asked for ahead, so that nobody who has it is refused later. */
#ifndef TIMETABLE_H
#define TIMETABLE_H

#include <stddef.h>
#include <stdint.h>

/* Embedded in what is due, zero-initialised. */
struct timetable_entry {
    int64_t at;
    size_t place; /* 1 for the earliest; 0: not in a timetable */
};

struct timetable {
    struct timetable_entry **entries; /* each not later than the two at twice its place */
    size_t count, reserved, capacity;
};

void timetable_deinit(struct timetable *timetable);

/* Room for so many more, until timetable_unreserve. -ENOMEM. */
int timetable_reserve(struct timetable *timetable, size_t count);
void timetable_unreserve(struct timetable *timetable, size_t count);

/* Adds one for whom room was reserved. */
void timetable_add(struct timetable *timetable, struct timetable_entry *entry, int64_t at);

/* Nothing, for one that is not in it. */
void timetable_remove(struct timetable *timetable, struct timetable_entry *entry);

/* The earliest; NULL: empty. */
struct timetable_entry *timetable_first(const struct timetable *timetable);

#endif
