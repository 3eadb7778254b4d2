#include "unfit.h"

#include <string.h>

#define SHOWN 64

void unfit_add(struct unfit *unfit, const char *data, size_t size)
{
    if (unfit->size == 0)
        unfit->number = TEXT_FNV_START;
    unfit->number = text_fnv(unfit->number, data, size);
    unfit->size += size;
    const size_t whole = strnlen(data, size), room = SHOWN - unfit->text.size;
    if (!unfit->has_nul)
        text_put(&unfit->text, data, whole < room ? whole : room);
    unfit->has_nul = unfit->has_nul || whole < size;
}

const char *unfit_end(struct unfit *unfit)
{
    text_printf(&unfit->text, "...(%llu bytes, %016llx)", (unsigned long long)unfit->size,
                (unsigned long long)unfit->number);
    return unfit->text.failed ? NULL : unfit->text.data;
}

void unfit_clear(struct unfit *unfit)
{
    text_clear(&unfit->text);
    *unfit = (struct unfit){.text = unfit->text};
}

void unfit_deinit(struct unfit *unfit)
{
    text_deinit(&unfit->text);
    *unfit = (struct unfit){0};
}
