#include "page.h"

#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

enum guard { GUARD_ABSENT = 0, GUARD_AWAITED, GUARD_PRESENT };

void page_guard_await(struct page *page)
{
    uint32_t absent = GUARD_ABSENT;
    atomic_compare_exchange_strong(&page->guard, &absent, GUARD_AWAITED);
    while (atomic_load(&page->guard) != GUARD_PRESENT)
        syscall(SYS_futex, &page->guard, FUTEX_WAIT, GUARD_AWAITED, NULL);
}

void page_guard_take(struct page *page)
{
    if (atomic_exchange(&page->guard, GUARD_PRESENT) == GUARD_AWAITED)
        syscall(SYS_futex, &page->guard, FUTEX_WAKE, INT_MAX);
}
