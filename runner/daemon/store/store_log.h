/* store_log.h - whether damage of the write-ahead log has lost acknowledged work.
 *
 * SQLite silently takes the first frame with a wrong checksum for the end of the log. That is right for a torn tail,
 * which was never acknowledged, and wrong for a flipped bit in an older frame. The two differ: a transaction is
 * appended only after the one before was synced, and the checksum of its first frame continues that one's. So a frame
 * that continues a commit, behind a wrong frame, means that acknowledged work is lost. Two kinds of damage look like a
 * torn tail: in the last transaction, and in the commit mark of the last but one.
 * https://sqlite.org/fileformat2.html#walformat */
#ifndef STORE_LOG_H
#define STORE_LOG_H

/* Only reads. 0: fine, or there is no log. -EUCLEAN: damaged. -EIO, -ENOMEM: it cannot be read. */
int store_log_check(const char *path);

/* Before SQLite recovers the log of a dead daemon: writes all of it again and syncs it. A sync alone would leave out
 * the pages that the kernel has in its cache, but gave up to write after a sync that failed. 0; -EIO, -ENOMEM. */
int store_log_settle(const char *path);

#endif
