#include "store_pages.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>

struct pages_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this struct */
};

static sqlite3_vfs *below;

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

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct pages_file *)file)->real;
}

static int pages_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

/* Shorter reads are of the header, before its page is read whole. */
static int pages_read(sqlite3_file *file, void *buffer, int size, sqlite3_int64 offset)
{
    const int rc = real_of(file)->pMethods->xRead(real_of(file), buffer, size, offset);
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
    return real_of(file)->pMethods->xWrite(real_of(file), buffer, size, offset);
}

static int pages_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int pages_sync(sqlite3_file *file, int flags)
{
    return real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int pages_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int pages_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int pages_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int pages_check_lock(sqlite3_file *file, int *reserved)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), reserved);
}

static int pages_control(sqlite3_file *file, int what, void *argument)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), what, argument);
}

static int pages_sector(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int pages_characteristics(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

/* Version 1: without shared memory and without mmap, which would go round the sums. */
static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = pages_close,
    .xRead = pages_read,
    .xWrite = pages_write,
    .xTruncate = pages_truncate,
    .xSync = pages_sync,
    .xFileSize = pages_size,
    .xLock = pages_lock,
    .xUnlock = pages_unlock,
    .xCheckReservedLock = pages_check_lock,
    .xFileControl = pages_control,
    .xSectorSize = pages_sector,
    .xDeviceCharacteristics = pages_characteristics,
};

/* ---- the file system --------------------------------------------------------------------------------------------- */

static int pages_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out_flags)
{
    (void)vfs;
    if ((flags & SQLITE_OPEN_MAIN_DB) == 0) /* journals and logs have sums of their own */
        return below->xOpen(below, name, file, flags, out_flags);
    struct pages_file *pages = (struct pages_file *)file;
    *pages = (struct pages_file){.real = (sqlite3_file *)(pages + 1)};
    const int rc = below->xOpen(below, name, pages->real, flags, out_flags);
    pages->base.pMethods = pages->real->pMethods != NULL ? &methods : NULL;
    return rc;
}

static int pages_delete(sqlite3_vfs *vfs, const char *name, int sync_directory)
{
    (void)vfs;
    return below->xDelete(below, name, sync_directory);
}

static int pages_access(sqlite3_vfs *vfs, const char *name, int flags, int *result)
{
    (void)vfs;
    return below->xAccess(below, name, flags, result);
}

static int pages_full_path(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
    (void)vfs;
    return below->xFullPathname(below, name, size, out);
}

static int pages_randomness(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    return below->xRandomness(below, size, out);
}

static int pages_sleep(sqlite3_vfs *vfs, int microseconds)
{
    (void)vfs;
    return below->xSleep(below, microseconds);
}

static int pages_time(sqlite3_vfs *vfs, double *days)
{
    (void)vfs;
    return below->xCurrentTime(below, days);
}

static int pages_last_error(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    return below->xGetLastError(below, size, out);
}

static sqlite3_vfs pages = {
    .iVersion = 1,
    .zName = STORE_PAGES_VFS,
    .xOpen = pages_open,
    .xDelete = pages_delete,
    .xAccess = pages_access,
    .xFullPathname = pages_full_path,
    .xRandomness = pages_randomness,
    .xSleep = pages_sleep,
    .xCurrentTime = pages_time,
    .xGetLastError = pages_last_error,
};

int store_pages_register(void)
{
    below = sqlite3_vfs_find(NULL);
    if (below == NULL)
        return -EIO;
    pages.szOsFile = (int)sizeof(struct pages_file) + below->szOsFile;
    pages.mxPathname = below->mxPathname;
    return sqlite3_vfs_register(&pages, 0) == SQLITE_OK ? 0 : -EIO;
}
