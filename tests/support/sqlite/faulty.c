#include "faulty.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512

static sqlite3_vfs *real;

static struct {
    unsigned calls;
    int nth, error;
    bool lasting, hit;
} plan;

void faulty_arm(unsigned calls, int nth, int error, bool lasting)
{
    plan.calls = calls;
    plan.nth = nth;
    plan.error = error;
    plan.lasting = lasting;
    plan.hit = false;
}

bool faulty_disarm(void)
{
    plan.calls = 0;
    return plan.hit;
}

static bool fails(enum faulty_call call)
{
    if ((plan.calls & call) == 0)
        return false;
    plan.nth--;
    const bool now = plan.nth == 0 || (plan.nth < 0 && plan.lasting);
    plan.hit = plan.hit || now;
    return now;
}

/* ---- what is on disk --------------------------------------------------------------------------------------------- */

struct range {
    int64_t offset, size;
};

struct disk {
    SLIST_ENTRY(disk) entry;
    char path[512];
    uint8_t *data; /* on disk */
    int64_t size;
    struct range *dirty; /* written since the last sync */
    size_t dirty_count;
};

static SLIST_HEAD(, disk) disks = SLIST_HEAD_INITIALIZER(disks);
static bool powered;

static void disk_resize(struct disk *disk, int64_t size)
{
    uint8_t *data = realloc(disk->data, (size_t)size + 1);
    if (data == NULL)
        abort();
    if (size > disk->size)
        memset(data + disk->size, 0, (size_t)(size - disk->size));
    disk->data = data;
    disk->size = size;
}

/* Takes a part of the file as it is. */
static void disk_take(struct disk *disk, int fd, struct range range)
{
    if (range.offset + range.size > disk->size)
        disk_resize(disk, range.offset + range.size);
    if (pread(fd, disk->data + range.offset, (size_t)range.size, range.offset) < 0)
        abort();
}

static struct disk *disk_of(const char *path)
{
    struct disk *disk;
    struct stat stat_buffer;
    if (!powered || path == NULL)
        return NULL;
    SLIST_FOREACH(disk, &disks, entry)
        if (strcmp(disk->path, path) == 0)
            return disk;
    disk = calloc(1, sizeof *disk);
    if (disk == NULL)
        abort();
    snprintf(disk->path, sizeof disk->path, "%s", path);
    SLIST_INSERT_HEAD(&disks, disk, entry);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &stat_buffer) == 0)
        disk_take(disk, fd, (struct range){0, stat_buffer.st_size});
    if (fd >= 0)
        close(fd);
    return disk;
}

static void disk_written(struct disk *disk, struct range range)
{
    if (disk == NULL)
        return;
    struct range *dirty = realloc(disk->dirty, (disk->dirty_count + 1) * sizeof *dirty);
    if (dirty == NULL)
        abort();
    disk->dirty = dirty;
    disk->dirty[disk->dirty_count++] = range;
}

static void disk_synced(struct disk *disk, sqlite3_file *file, bool well)
{
    sqlite3_int64 size = 0;
    if (disk == NULL)
        return;
    if (well) {
        file->pMethods->xFileSize(file, &size);
        for (size_t i = 0; i < disk->dirty_count; i++) {
            const struct range range = disk->dirty[i];
            if (range.offset + range.size > disk->size)
                disk_resize(disk, range.offset + range.size);
            file->pMethods->xRead(file, disk->data + range.offset, (int)range.size, range.offset);
        }
        disk_resize(disk, size);
    }
    disk->dirty_count = 0;
}

static void disk_free(struct disk *disk)
{
    free(disk->dirty);
    free(disk->data);
    free(disk);
}

void faulty_power_on(void)
{
    powered = true;
}

void faulty_power_forget(void)
{
    powered = false;
    while (!SLIST_EMPTY(&disks)) {
        struct disk *disk = SLIST_FIRST(&disks);
        SLIST_REMOVE_HEAD(&disks, entry);
        disk_free(disk);
    }
}

void faulty_power_loss(void)
{
    struct disk *disk;
    SLIST_FOREACH(disk, &disks, entry) {
        const int fd = open(disk->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || (disk->size > 0 && write(fd, disk->data, (size_t)disk->size) != disk->size))
            abort();
        close(fd);
    }
    faulty_power_forget();
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

struct faulty_file {
    sqlite3_file base;
    sqlite3_file *real;
    struct disk *disk;
};

static struct faulty_file *of(sqlite3_file *file)
{
    return (struct faulty_file *)file;
}

static int faulty_close(sqlite3_file *file)
{
    return of(file)->real->pMethods->xClose(of(file)->real);
}

static int faulty_read(sqlite3_file *file, void *buffer, int size, sqlite3_int64 offset)
{
    if (fails(FAULTY_READ))
        return SQLITE_IOERR_READ;
    return of(file)->real->pMethods->xRead(of(file)->real, buffer, size, offset);
}

/* About half, in whole sectors. */
static int torn(int size, sqlite3_int64 offset)
{
    const sqlite3_int64 end = (offset + size / 2) / SECTOR * SECTOR;
    return end > offset ? (int)(end - offset) : 0;
}

static int faulty_write(sqlite3_file *file, const void *buffer, int size, sqlite3_int64 offset)
{
    const bool failing = fails(FAULTY_WRITE);
    if (failing)
        size = torn(size, offset);
    int rc = SQLITE_OK;
    if (size > 0) {
        rc = of(file)->real->pMethods->xWrite(of(file)->real, buffer, size, offset);
        disk_written(of(file)->disk, (struct range){offset, size});
    }
    if (!failing)
        return rc;
    return plan.error == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int faulty_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    if (fails(FAULTY_TRUNCATE))
        return SQLITE_IOERR_TRUNCATE;
    return of(file)->real->pMethods->xTruncate(of(file)->real, size);
}

static int faulty_sync(sqlite3_file *file, int flags)
{
    const bool failing = fails(FAULTY_SYNC);
    disk_synced(of(file)->disk, of(file)->real, !failing);
    (void)flags; /* no real one: nothing here outlives the machine, and thousands would take minutes */
    return failing ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int faulty_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return of(file)->real->pMethods->xFileSize(of(file)->real, size);
}

static int faulty_lock(sqlite3_file *file, int level)
{
    return of(file)->real->pMethods->xLock(of(file)->real, level);
}

static int faulty_unlock(sqlite3_file *file, int level)
{
    return of(file)->real->pMethods->xUnlock(of(file)->real, level);
}

static int faulty_check_lock(sqlite3_file *file, int *reserved)
{
    return of(file)->real->pMethods->xCheckReservedLock(of(file)->real, reserved);
}

static int faulty_control(sqlite3_file *file, int what, void *argument)
{
    return of(file)->real->pMethods->xFileControl(of(file)->real, what, argument);
}

static int faulty_sector(sqlite3_file *file)
{
    return of(file)->real->pMethods->xSectorSize(of(file)->real);
}

static int faulty_characteristics(sqlite3_file *file)
{
    return of(file)->real->pMethods->xDeviceCharacteristics(of(file)->real);
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = faulty_close,
    .xRead = faulty_read,
    .xWrite = faulty_write,
    .xTruncate = faulty_truncate,
    .xSync = faulty_sync,
    .xFileSize = faulty_size,
    .xLock = faulty_lock,
    .xUnlock = faulty_unlock,
    .xCheckReservedLock = faulty_check_lock,
    .xFileControl = faulty_control,
    .xSectorSize = faulty_sector,
    .xDeviceCharacteristics = faulty_characteristics,
};

/* ---- the file system --------------------------------------------------------------------------------------------- */

static int faulty_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out_flags)
{
    (void)vfs;
    *of(file) = (struct faulty_file){.real = (sqlite3_file *)(of(file) + 1)};
    if (fails(FAULTY_OPEN))
        return SQLITE_CANTOPEN;
    of(file)->disk = disk_of(name);
    const int rc = real->xOpen(real, name, of(file)->real, flags, out_flags);
    file->pMethods = of(file)->real->pMethods != NULL ? &methods : NULL;
    return rc;
}

static int faulty_delete(sqlite3_vfs *vfs, const char *name, int sync_directory)
{
    (void)vfs;
    (void)sync_directory; /* as in faulty_sync */
    if (fails(FAULTY_DELETE))
        return SQLITE_IOERR_DELETE;
    struct disk *disk = disk_of(name);
    if (disk != NULL) {
        SLIST_REMOVE(&disks, disk, disk, entry);
        disk_free(disk);
    }
    return real->xDelete(real, name, 0);
}

static int faulty_access(sqlite3_vfs *vfs, const char *name, int flags, int *result)
{
    (void)vfs;
    return real->xAccess(real, name, flags, result);
}

static int faulty_full_path(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
    (void)vfs;
    return real->xFullPathname(real, name, size, out);
}

static int faulty_randomness(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    return real->xRandomness(real, size, out);
}

static int faulty_sleep(sqlite3_vfs *vfs, int microseconds)
{
    (void)vfs;
    return real->xSleep(real, microseconds);
}

static int faulty_time(sqlite3_vfs *vfs, double *days)
{
    (void)vfs;
    return real->xCurrentTime(real, days);
}

static int faulty_last_error(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    (void)size;
    (void)out;
    return plan.error;
}

static sqlite3_vfs faulty = {
    .iVersion = 1,
    .zName = "faulty",
    .xOpen = faulty_open,
    .xDelete = faulty_delete,
    .xAccess = faulty_access,
    .xFullPathname = faulty_full_path,
    .xRandomness = faulty_randomness,
    .xSleep = faulty_sleep,
    .xCurrentTime = faulty_time,
    .xGetLastError = faulty_last_error,
};

void faulty_install(void)
{
    if (real == NULL)
        real = sqlite3_vfs_find(NULL);
    faulty.szOsFile = (int)sizeof(struct faulty_file) + real->szOsFile;
    faulty.mxPathname = real->mxPathname;
    sqlite3_vfs_register(&faulty, 1);
}

void faulty_remove(void)
{
    sqlite3_vfs_register(real, 1);
    sqlite3_vfs_unregister(&faulty);
}
