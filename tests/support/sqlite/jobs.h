/* jobs.h - jobs for tests of the store: what each has follows from its number, so that a damaged one is seen. */
#ifndef JOBS_H
#define JOBS_H

#include "store.h"
#include "support.h"

#define JOBS_MOST 512

struct store *jobs_open(void); /* in directory_path, or fails the test */

/* Inserts job number i, whose key is "key-<i>", with a specification of that many bytes. */
int jobs_insert(struct store *store, int i, size_t spec_size);

/* Which numbers are there, each seen to be whole; and that the counts say the same. Gives how many. */
int jobs_present(struct store *store, bool present[JOBS_MOST]);

/* Asserts that exactly those are there. */
void jobs_expect(struct store *store, const bool wanted[JOBS_MOST]);

#endif
