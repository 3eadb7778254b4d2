/* store_pages.h - a checksum in every page of the database: a VFS below SQLite (https://sqlite.org/vfs.html).
 *
 * SQLite checks the form of a database, and does not see a flipped bit in a blob. Here the last 8 bytes of each page
 * are the sum of the others, written with the page and compared at each read, as SQLite's own checksum VFS does it
 * (https://sqlite.org/cksumvfs.html), which Debian's library does not have. The log has SQLite's checksums. After the
 * sqlite3 shell has written to a database its pages have wrong sums, and it is refused. The VFS has no shared memory,
 * so WAL works in exclusive locking mode only (https://sqlite.org/wal.html#noshm). */
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

/* The number in four bytes. */
uint32_t store_number_at(const uint8_t *data, bool big_endian);

/* Adds data to SQLite's sums of pages and log (https://sqlite.org/fileformat2.html#checksum_algorithm). size: a
 * multiple of 8. */
void store_checksum(uint32_t sums[2], const uint8_t *data, size_t size, bool big_endian);

#endif
