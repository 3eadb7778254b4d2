#include "resume.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* An input that has to run again, or may have to. */
struct unfinished {
    uint32_t attempt;
    bool failed; /* else it was cancelled or lost */
};

struct resume_entry {
    uint64_t succeeded;
    struct unfinished *unfinished;
    size_t unfinished_count;
    UT_hash_handle hh;
    size_t size;
    char command[];
};

static struct resume_entry *find(const struct resume *resume, const char *command, size_t size)
{
    struct resume_entry *entry;
    HASH_FIND(hh, resume->entries, command, size, entry);
    return entry;
}

static struct resume_entry *add(struct resume *resume, const char *command, size_t size)
{
    struct resume_entry *entry = calloc(1, sizeof *entry + size + 1);
    if (entry == NULL)
        return NULL;
    entry->size = size;
    memcpy(entry->command, command, size);
    HASH_ADD_KEYPTR(hh, resume->entries, entry->command, entry->size, entry);
    return entry;
}

static struct unfinished drop(struct resume_entry *entry, size_t index)
{
    const struct unfinished dropped = entry->unfinished[index];
    entry->unfinished[index] = entry->unfinished[--entry->unfinished_count];
    return dropped;
}

/* Drops the earlier row of the same input: of several the one with the most runs. */
static void supersede(struct resume_entry *entry, uint32_t attempt)
{
    size_t best = entry->unfinished_count;
    for (size_t i = 0; i < entry->unfinished_count; i++)
        if (entry->unfinished[i].attempt < attempt &&
            (best == entry->unfinished_count || entry->unfinished[i].attempt > entry->unfinished[best].attempt))
            best = i;
    if (best < entry->unfinished_count)
        drop(entry, best);
}

static bool is_outcome(const struct joblog_row *row, const char *word)
{
    return row->outcome_size == strlen(word) && memcmp(row->outcome, word, row->outcome_size) == 0;
}

int resume_add(struct resume *resume, const struct joblog_row *row)
{
    struct resume_entry *entry = find(resume, row->command, row->command_size);
    if (entry == NULL && (entry = add(resume, row->command, row->command_size)) == NULL)
        return -ENOMEM;
    if (row->attempt > 1)
        supersede(entry, row->attempt);
    const bool ended = is_outcome(row, "exited") || is_outcome(row, "unkillable");
    if (ended && row->exit_value == 0 && row->signal == 0) {
        entry->succeeded++;
        return 0;
    }
    struct unfinished *list = realloc(entry->unfinished, (entry->unfinished_count + 1) * sizeof *list);
    if (list == NULL)
        return -ENOMEM;
    entry->unfinished = list;
    const bool failed = !is_outcome(row, "cancelled") && !is_outcome(row, "lost");
    list[entry->unfinished_count++] = (struct unfinished){row->attempt, failed};
    return 0;
}

/* The index of the first, or the count. */
static size_t find_unfinished(const struct resume_entry *entry, bool failed)
{
    size_t i = 0;
    while (i < entry->unfinished_count && entry->unfinished[i].failed != failed)
        i++;
    return i;
}

bool resume_take(struct resume *resume, const char *command, size_t size, bool failed_too, uint32_t *attempts)
{
    struct resume_entry *entry = find(resume, command, size);
    *attempts = 0;
    if (entry == NULL)
        return false;
    if (entry->succeeded > 0) {
        entry->succeeded--;
        return true;
    }
    size_t index = find_unfinished(entry, true);
    if (index < entry->unfinished_count && !failed_too) {
        drop(entry, index);
        return true;
    }
    if (index == entry->unfinished_count)
        index = find_unfinished(entry, false);
    if (index < entry->unfinished_count)
        *attempts = drop(entry, index).attempt;
    return false;
}

void resume_deinit(struct resume *resume)
{
    struct resume_entry *entry = resume->entries;
    HASH_CLEAR(hh, resume->entries); /* the table; the entries are still chained */
    while (entry != NULL) {
        struct resume_entry *next = entry->hh.next;
        free(entry->unfinished);
        free(entry);
        entry = next;
    }
}
