#include "learned.h"

#include "hash.h"

#include <stdlib.h>
#include <string.h>

#define LEARNED_PEAK_MAX (UINT64_C(1) << 56) /* so that sums of such numbers are numbers, too */

struct learned_name {
    UT_hash_handle hh;
    TAILQ_ENTRY(learned_name) recent;
    struct learned_window window;
    bool insert_failed;
    char name[];
};

static void sort_peaks(const struct learned_window *window, uint64_t *sorted)
{
    for (uint32_t i = 0; i < window->count; i++) {
        uint32_t at = i;
        for (; at > 0 && sorted[at - 1] > window->peaks[i]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = window->peaks[i];
    }
}

/* The highest of n is exceeded by the next with a chance of 1 in n + 1, and peaks far apart may lie further apart. */
static struct learned_guess guess_next(const struct learned_window *window)
{
    uint64_t sorted[LEARNED_WINDOW];
    sort_peaks(window, sorted);
    const uint64_t high = sorted[(window->count * 95 + 99) / 100 - 1], middle = sorted[(window->count - 1) / 2];
    return (struct learned_guess){.center =
                                      middle + high / ((uint64_t)4 * window->count) + 1, /* not 0: something is known */
                                  .spread = high - middle + (high - middle) / 2};
}

void learned_window_note(struct learned_window *window, uint64_t peak)
{
    window->peaks[window->next] = peak < LEARNED_PEAK_MAX ? peak : LEARNED_PEAK_MAX;
    window->next = (window->next + 1) % LEARNED_WINDOW;
    if (window->count < LEARNED_WINDOW)
        window->count++;
    window->guess = guess_next(window);
}

void learned_init(struct learned *learned, size_t names_max)
{
    *learned = (struct learned){.most = names_max};
    TAILQ_INIT(&learned->recent);
}

void learned_deinit(struct learned *learned)
{
    struct learned_name *entry = TAILQ_FIRST(&learned->recent);
    HASH_CLEAR(hh, learned->names);
    while (entry != NULL) {
        struct learned_name *next = TAILQ_NEXT(entry, recent);
        free(entry);
        entry = next;
    }
}

static struct learned_name *find(const struct learned *learned, const char *name)
{
    struct learned_name *entry;
    HASH_FIND_STR(learned->names, name, entry);
    return entry;
}

static struct learned_name *add(struct learned *learned, const char *name)
{
    const size_t length = strlen(name);
    struct learned_name *entry = calloc(1, sizeof *entry + length + 1);
    if (entry == NULL)
        return NULL;
    memcpy(entry->name, name, length + 1);
    if (HASH_COUNT(learned->names) >= learned->most) {
        struct learned_name *last = TAILQ_LAST(&learned->recent, learned_names);
        HASH_DEL(learned->names, last);
        TAILQ_REMOVE(&learned->recent, last, recent);
        free(last);
    }
    HASH_ADD_STR(learned->names, name, entry);
    if (entry->insert_failed) {
        free(entry);
        return NULL;
    }
    TAILQ_INSERT_HEAD(&learned->recent, entry, recent);
    return entry;
}

bool learned_note(struct learned *learned, const char *name, uint64_t peak)
{
    struct learned_name *entry = find(learned, name);
    if (entry == NULL) {
        learned_window_note(&learned->newcomers, peak);
        entry = add(learned, name);
        if (entry == NULL)
            return false;
    } else if (entry != TAILQ_FIRST(&learned->recent)) {
        TAILQ_REMOVE(&learned->recent, entry, recent);
        TAILQ_INSERT_HEAD(&learned->recent, entry, recent);
    }
    learned_window_note(&entry->window, peak);
    return true;
}

bool learned_expect(const struct learned *learned, const char *name, struct learned_guess *guess)
{
    const struct learned_name *entry = find(learned, name);
    if (entry != NULL)
        *guess = entry->window.guess;
    return entry != NULL;
}

uint64_t learned_expect_newcomer(const struct learned *learned)
{
    const struct learned_guess *next = &learned->newcomers.guess;
    return learned->newcomers.count >= LEARNED_NEWCOMERS_MIN ? next->center + next->spread : 0;
}
