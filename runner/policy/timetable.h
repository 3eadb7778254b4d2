/* timetable.h - entries by the time when they are due: the earliest is found at once. A binary heap; knows nothing of a
 * job but its entry. Pure; the caller locks.
 *
 * Room is reserved ahead, so that adding cannot fail. */
#ifndef TIMETABLE_H
#define TIMETABLE_H

#include <stddef.h>
#include <stdint.h>

/* Embedded in a job, zero-initialised. */
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

/* Adds an entry for which room was reserved. */
void timetable_add(struct timetable *timetable, struct timetable_entry *entry, int64_t at);

/* Nothing, if the entry is in no timetable. */
void timetable_remove(struct timetable *timetable, struct timetable_entry *entry);

/* The earliest; NULL: empty. */
struct timetable_entry *timetable_first(const struct timetable *timetable);

#endif
