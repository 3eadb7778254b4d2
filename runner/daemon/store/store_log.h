/* store_log.h - is the write-ahead log damaged where it must not be?
 *
 * SQLite takes the first frame with a wrong checksum for the end of the log, silently. That is right for a torn tail,
 * which nobody was told of, and wrong for a bit that was flipped in what is older. The difference shows: a transaction
 * is only ever appended to one whose sync was seen to succeed, and its first frame's checksum goes on from that one's.
 * So where behind a wrong frame one is found that goes on from a commit, acknowledged work is lost. What
 * cannot be told from a torn tail is damage in the last transaction alone, or, in the last but one, that of the very
 * mark of its commit. https://sqlite.org/fileformat2.html#walformat */
#ifndef STORE_LOG_H
#define STORE_LOG_H

/* 0: fine, or there is none. -EUCLEAN: damaged. -EIO, -ENOMEM: it cannot be read. Only reads. */
int store_log_check(const char *path);

/* Makes the disk have what the kernel's cache has of it, of a daemon that died: also what a sync that failed under that
 * one left out, which a sync alone would not write. Before SQLite recovers what it finds. 0; -EIO, -ENOMEM. */
int store_log_settle(const char *path);

#endif
