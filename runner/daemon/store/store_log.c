#include "store_log.h"

#include "store_pages.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER_SIZE 32
#define FRAME_SIZE  24
#define MAGIC       0x377f0682U /* the lowest bit: sums of big-endian words */

struct log {
    bool big_endian;
    bool broken;        /* SQLite will not use this frame: a wrong one came before */
    bool commit;        /* the frame before was a commit */
    uint8_t salts[8];   /* frames with others belong to an older log in the same file */
    uint32_t stored[2]; /* the sums that the frame before has */
    uint32_t summed[2]; /* the sums that it should have */
};

/* SQLite leaves out a log with a damaged header; then the first frame tells which salts the log had. */
static void read_header(struct log *log, const uint8_t header[HEADER_SIZE], const uint8_t frame[FRAME_SIZE])
{
    const uint32_t magic = store_number_at(header, true);
    uint32_t sums[2] = {0, 0};
    log->big_endian = (magic & 1) != 0;
    store_checksum(sums, header, 24, log->big_endian);
    log->stored[0] = store_number_at(header + 24, true);
    log->stored[1] = store_number_at(header + 28, true);
    memcpy(log->summed, sums, sizeof sums);
    memcpy(log->salts, header + 16, sizeof log->salts);
    if ((magic & ~1U) == MAGIC && memcmp(sums, log->stored, sizeof sums) == 0 &&
        store_number_at(header + 8, true) == STORE_PAGE_SIZE)
        return;
    log->broken = true;
    log->big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
    memcpy(log->salts, frame + 8, sizeof log->salts);
}

static bool goes_on_from(const struct log *log, const uint32_t before[2], const uint8_t *frame, uint32_t sums[2])
{
    const uint32_t own[2] = {store_number_at(frame + 16, true), store_number_at(frame + 20, true)};
    memcpy(sums, before, sizeof own);
    store_checksum(sums, frame, 8, log->big_endian);
    store_checksum(sums, frame + FRAME_SIZE, STORE_PAGE_SIZE, log->big_endian);
    return memcmp(frame + 8, log->salts, sizeof log->salts) == 0 && memcmp(sums, own, sizeof own) == 0;
}

/* Whether this frame is acknowledged work behind damage. */
static bool frame_tells_loss(struct log *log, const uint8_t *frame)
{
    uint32_t ignored[2], summed[2];
    const bool goes_on = goes_on_from(log, log->stored, frame, summed);
    const bool loss = log->broken && log->commit && (goes_on || goes_on_from(log, log->summed, frame, ignored));
    log->stored[0] = store_number_at(frame + 16, true);
    log->stored[1] = store_number_at(frame + 20, true);
    memcpy(log->summed, summed, sizeof summed);
    log->broken = log->broken || !goes_on;
    log->commit = store_number_at(frame + 4, true) != 0;
    return loss;
}

/* ---- the file: through SQLite's VFS, as SQLite itself sees it ---------------------------------------------------- */

/* *file NULL and 0: there is no log. */
static int log_open(const char *path, sqlite3_file **file)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    int flags;
    *file = NULL;
    if (access(path, F_OK) < 0)
        return errno == ENOENT ? 0 : -EIO;
    *file = vfs != NULL ? calloc(1, (size_t)vfs->szOsFile) : NULL;
    if (*file == NULL)
        return -ENOMEM;
    if (vfs->xOpen(vfs, path, *file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_WAL, &flags) == SQLITE_OK)
        return 0;
    if ((*file)->pMethods != NULL)
        (*file)->pMethods->xClose(*file);
    free(*file);
    *file = NULL;
    return -EIO;
}

/* 1; 0: the file is too short; -EIO. */
static int log_read(sqlite3_file *file, void *buffer, size_t size, sqlite3_int64 offset)
{
    const int rc = file->pMethods->xRead(file, buffer, (int)size, offset);
    return rc == SQLITE_OK ? 1 : rc == SQLITE_IOERR_SHORT_READ ? 0 : -EIO;
}

static int check(sqlite3_file *file)
{
    struct log log = {0};
    uint8_t header[HEADER_SIZE], frame[FRAME_SIZE + STORE_PAGE_SIZE];
    sqlite3_int64 at = HEADER_SIZE;
    int r = log_read(file, header, sizeof header, 0);
    if (r > 0)
        r = log_read(file, frame, sizeof frame, at);
    if (r > 0)
        read_header(&log, header, frame);
    while (r > 0) {
        if (frame_tells_loss(&log, frame))
            return -EUCLEAN;
        at += (sqlite3_int64)sizeof frame;
        r = log_read(file, frame, sizeof frame, at);
    }
    return r;
}

static int settle(sqlite3_file *file)
{
    uint8_t part[STORE_PAGE_SIZE];
    sqlite3_int64 size;
    if (file->pMethods->xFileSize(file, &size) != SQLITE_OK)
        return -EIO;
    for (sqlite3_int64 at = 0; at < size; at += (sqlite3_int64)sizeof part) {
        const int want = size - at < (sqlite3_int64)sizeof part ? (int)(size - at) : (int)sizeof part;
        if (file->pMethods->xRead(file, part, want, at) != SQLITE_OK ||
            file->pMethods->xWrite(file, part, want, at) != SQLITE_OK)
            return -EIO;
    }
    return file->pMethods->xSync(file, SQLITE_SYNC_NORMAL) == SQLITE_OK ? 0 : -EIO;
}

static int with_log(const char *path, int (*act)(sqlite3_file *file))
{
    sqlite3_file *file;
    const int error = log_open(path, &file);
    if (file == NULL)
        return error;
    const int r = act(file);
    file->pMethods->xClose(file);
    free(file);
    return r;
}

int store_log_check(const char *path)
{
    return with_log(path, check);
}

int store_log_settle(const char *path)
{
    return with_log(path, settle);
}
