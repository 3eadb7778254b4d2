#include "store_pages.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>

/* What we add to each file, behind the one of the VFS below. */
struct addition {
    const sqlite3_io_methods *below;
    sqlite3_io_methods own; /* the same, with our xRead and xWrite */
};

static sqlite3_vfs *below;
static size_t addition_at; /* from the beginning of a file */

uint32_t store_number_at(const uint8_t *data, bool big_endian)
{
    if (big_endian)
        return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
    return (uint32_t)data[3] << 24 | (uint32_t)data[2] << 16 | (uint32_t)data[1] << 8 | data[0];
}

void store_checksum(uint32_t sums[2], const uint8_t *data, size_t size, bool big_endian)
{
    uint32_t first = sums[0], second = sums[1];
    for (size_t at = 0; at < size; at += 8) {
        first += store_number_at(data + at, big_endian) + second;
        second += store_number_at(data + at + 4, big_endian) + first;
    }
    sums[0] = first;
    sums[1] = second;
}

#define SUMMED (STORE_PAGE_SIZE - STORE_PAGE_RESERVED)

bool store_page_is_whole(const uint8_t page[STORE_PAGE_SIZE])
{
    uint32_t sums[2] = {0, 0};
    store_checksum(sums, page, SUMMED, false);
    return sums[0] == store_number_at(page + SUMMED, false) && sums[1] == store_number_at(page + SUMMED + 4, false);
}

static void page_sum(uint8_t page[STORE_PAGE_SIZE])
{
    uint32_t sums[2] = {0, 0};
    store_checksum(sums, page, SUMMED, false);
    for (size_t i = 0; i < STORE_PAGE_RESERVED; i++)
        page[SUMMED + i] = (uint8_t)(sums[i / 4] >> (8 * (i % 4)));
}

/* ---- the VFS: the one below, but for reads and writes of the database -------------------------------------------- */

static struct addition *addition_of(sqlite3_file *file)
{
    return (void *)((char *)file + addition_at);
}

/* Shorter reads are of the header, before its page is read whole. */
static int pages_read(sqlite3_file *file, void *buffer, int size, sqlite3_int64 offset)
{
    const int rc = addition_of(file)->below->xRead(file, buffer, size, offset);
    if (rc != SQLITE_OK || size < 512)
        return rc;
    return size == STORE_PAGE_SIZE && store_page_is_whole(buffer) ? SQLITE_OK : SQLITE_IOERR_DATA;
}

static int pages_write(sqlite3_file *file, const void *buffer, int size, sqlite3_int64 offset)
{
    uint8_t page[STORE_PAGE_SIZE];
    if (size == STORE_PAGE_SIZE) {
        memcpy(page, buffer, sizeof page);
        page_sum(page);
        buffer = page;
    }
    return addition_of(file)->below->xWrite(file, buffer, size, offset);
}

static int pages_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out_flags)
{
    (void)vfs;
    const int rc = below->xOpen(below, name, file, flags, out_flags);
    if (file->pMethods == NULL || (flags & SQLITE_OPEN_MAIN_DB) == 0) /* journals and logs have sums of their own */
        return rc;
    struct addition *addition = addition_of(file);
    *addition = (struct addition){.below = file->pMethods, .own = *file->pMethods};
    addition->own.iVersion = 1; /* without shared memory and without mmap, which would go round the sums */
    addition->own.xRead = pages_read;
    addition->own.xWrite = pages_write;
    file->pMethods = &addition->own;
    return rc;
}

int store_pages_register(void)
{
    static sqlite3_vfs pages;
    below = sqlite3_vfs_find(NULL);
    if (below == NULL)
        return -EIO;
    addition_at = ((size_t)below->szOsFile + _Alignof(struct addition) - 1) & ~(_Alignof(struct addition) - 1);
    sqlite3_vfs_unregister(&pages); /* before it is written to: it may be in SQLite's list already */
    pages = *below;
    pages.iVersion = 1;
    pages.szOsFile = (int)(addition_at + sizeof(struct addition));
    pages.zName = STORE_PAGES_VFS;
    pages.xOpen = pages_open;
    return sqlite3_vfs_register(&pages, 0) == SQLITE_OK ? 0 : -EIO;
}
