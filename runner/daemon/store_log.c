#include "store_log.h"

#include "store_pages.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HEADER_SIZE 32
#define FRAME_SIZE  24
#define MAGIC       0x377f0682U /* the lowest bit: sums of big-endian words */

struct log {
    FILE *file;
    bool big_endian;
    bool broken;        /* what SQLite will use ended before */
    bool commit;        /* the frame before was a commit */
    uint8_t salts[8];   /* of the frames that belong to this log, and not to an older one in the same file */
    uint32_t stored[2]; /* the sums of the frame before, as it has them */
    uint32_t summed[2]; /* and as they should be */
};

static uint32_t number_at(const uint8_t *data)
{
    return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

static bool is_big_endian(void)
{
    return *(const uint8_t *)&(const uint16_t){1} == 0;
}

/* A header that is damaged makes SQLite leave out the whole log; what it was is then guessed from the first frame. */
static void read_header(struct log *log, const uint8_t header[HEADER_SIZE], const uint8_t frame[FRAME_SIZE])
{
    const uint32_t magic = number_at(header);
    uint32_t sums[2] = {0, 0};
    log->big_endian = (magic & 1) != 0;
    store_checksum(sums, header, 24, log->big_endian);
    log->stored[0] = number_at(header + 24);
    log->stored[1] = number_at(header + 28);
    memcpy(log->summed, sums, sizeof sums);
    memcpy(log->salts, header + 16, sizeof log->salts);
    if ((magic & ~1U) == MAGIC && memcmp(sums, log->stored, sizeof sums) == 0 &&
        number_at(header + 8) == STORE_PAGE_SIZE)
        return;
    log->broken = true;
    log->big_endian = is_big_endian();
    memcpy(log->salts, frame + 8, sizeof log->salts);
}

static bool goes_on_from(const struct log *log, const uint32_t before[2], const uint8_t *frame, uint32_t sums[2])
{
    const uint32_t own[2] = {number_at(frame + 16), number_at(frame + 20)};
    memcpy(sums, before, sizeof own);
    store_checksum(sums, frame, 8, log->big_endian);
    store_checksum(sums, frame + FRAME_SIZE, STORE_PAGE_SIZE, log->big_endian);
    return memcmp(frame + 8, log->salts, sizeof log->salts) == 0 && memcmp(sums, own, sizeof own) == 0;
}

/* Whether acknowledged work is found behind damage. */
static bool frame_tells_loss(struct log *log, const uint8_t *frame)
{
    uint32_t ignored[2], summed[2];
    const bool goes_on = goes_on_from(log, log->stored, frame, summed);
    const bool loss = log->broken && log->commit && (goes_on || goes_on_from(log, log->summed, frame, ignored));
    log->stored[0] = number_at(frame + 16);
    log->stored[1] = number_at(frame + 20);
    memcpy(log->summed, summed, sizeof summed);
    log->broken = log->broken || !goes_on;
    log->commit = number_at(frame + 4) != 0;
    return loss;
}

static int check(struct log *log)
{
    uint8_t header[HEADER_SIZE], frame[FRAME_SIZE + STORE_PAGE_SIZE];
    bool loss = false;
    if (fread(header, sizeof header, 1, log->file) == 1 && fread(frame, sizeof frame, 1, log->file) == 1) {
        read_header(log, header, frame);
        do
            loss = frame_tells_loss(log, frame);
        while (!loss && fread(frame, sizeof frame, 1, log->file) == 1);
    }
    if (loss)
        return -EUCLEAN;
    return ferror(log->file) != 0 ? -EIO : 0;
}

int store_log_check(const char *path)
{
    struct log log = {.file = fopen(path, "re")};
    if (log.file == NULL)
        return errno == ENOENT ? 0 : -errno;
    const int r = check(&log);
    fclose(log.file);
    return r;
}
