/* store_pages.h - a checksum in every page of the database: a VFS below SQLite (https://sqlite.org/vfs.html).
 *
 * SQLite checks the form of a database, not its content: a flipped bit in a blob is none of its business. Here the last
 * 8 bytes of each page are the sum of the others, written with the page and compared whenever it is read: in the way of
 * SQLite's own checksum VFS (https://sqlite.org/cksumvfs.html), which Debian's library does not have. The log has
 * SQLite's checksums; a database that the sqlite3 shell wrote to has pages with wrong ones, and is refused.
 * It has no shared memory: WAL works in exclusive locking mode only (https://sqlite.org/wal.html#noshm). */
#ifndef STORE_PAGES_H
#define STORE_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_PAGES_VFS     "reclaimd-pages" /* for sqlite3_open_v2 */
#define STORE_PAGE_SIZE     4096
#define STORE_PAGE_RESERVED 8 /* SQLITE_FCNTL_RESERVE_BYTES, before the database is made */

/* Registers the VFS above the default one of this moment. 0 or -EIO. */
int store_pages_register(void);

bool store_page_is_whole(const uint8_t page[STORE_PAGE_SIZE]);

/* Four bytes as a number. */
uint32_t store_number_at(const uint8_t *data, bool big_endian);

/* SQLite's sum, of pages and of the log (https://sqlite.org/fileformat2.html#checksum_algorithm): goes on from sums.
 * size: a multiple of 8. */
void store_checksum(uint32_t sums[2], const uint8_t *data, size_t size, bool big_endian);

#endif
