#include "timetable.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define CAPACITY_FIRST 64

void timetable_deinit(struct timetable *timetable)
{
    free(timetable->entries);
    *timetable = (struct timetable){0};
}

int timetable_reserve(struct timetable *timetable, size_t count)
{
    const size_t needed = timetable->reserved + count;
    size_t capacity = timetable->capacity > 0 ? timetable->capacity : CAPACITY_FIRST;
    while (capacity < needed)
        capacity *= 2;
    if (count > 0 && capacity > timetable->capacity) {
        struct timetable_entry **entries = realloc(timetable->entries, capacity * sizeof(struct timetable_entry *));
        if (entries == NULL)
            return -ENOMEM;
        timetable->entries = entries;
        timetable->capacity = capacity;
    }
    timetable->reserved = needed;
    return 0;
}

void timetable_unreserve(struct timetable *timetable, size_t count)
{
    timetable->reserved -= count;
}

static struct timetable_entry **at_place(const struct timetable *timetable, size_t place)
{
    return &timetable->entries[place - 1];
}

static void put(struct timetable *timetable, size_t place, struct timetable_entry *entry)
{
    *at_place(timetable, place) = entry;
    entry->place = place;
}

/* The place from here upwards where an entry belongs; the later ones on the way are moved down. */
static size_t rise(struct timetable *timetable, size_t place, int64_t at)
{
    for (; place > 1; place /= 2) {
        struct timetable_entry *above = *at_place(timetable, place / 2);
        if (above->at <= at)
            break;
        put(timetable, place, above);
    }
    return place;
}

/* The same downwards; the earlier ones are moved up. */
static size_t sink(struct timetable *timetable, size_t place, int64_t at)
{
    for (size_t below; (below = place * 2) <= timetable->count; place = below) {
        if (below < timetable->count && (*at_place(timetable, below + 1))->at < (*at_place(timetable, below))->at)
            below++;
        if ((*at_place(timetable, below))->at >= at)
            break;
        put(timetable, place, *at_place(timetable, below));
    }
    return place;
}

void timetable_add(struct timetable *timetable, struct timetable_entry *entry, int64_t at)
{
    assert(entry->place == 0 && timetable->count < timetable->reserved);
    entry->at = at;
    timetable->count++;
    put(timetable, rise(timetable, timetable->count, at), entry);
}

void timetable_remove(struct timetable *timetable, struct timetable_entry *entry)
{
    size_t place = entry->place;
    if (place == 0)
        return;
    struct timetable_entry *last = *at_place(timetable, timetable->count);
    timetable->count--;
    entry->place = 0;
    if (last == entry)
        return;
    place = rise(timetable, place, last->at);
    put(timetable, sink(timetable, place, last->at), last);
}

struct timetable_entry *timetable_first(const struct timetable *timetable)
{
    return timetable->count > 0 ? timetable->entries[0] : NULL;
}
