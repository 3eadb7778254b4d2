/* jobref.h - job references of requests, an id or a key, resolved. */
#ifndef JOBREF_H
#define JOBREF_H

#include "daemon.h"

/* Reads the job's row, as store_job_read. 0, or -1 and error: RPC_UNKNOWN_JOB, RPC_STORAGE. */
int jobref_find(struct daemon *daemon, const msgpack_object *reference, struct record *record, struct rpc_error *error);

/* All of an array (checked by fields_read): *ids is the caller's, for free(3). */
int jobref_find_all(struct daemon *daemon, const msgpack_object *references, uint64_t **ids, size_t *count,
                    struct rpc_error *error);

/* "7", or the key quoted. */
const char *jobref_quote(const msgpack_object *reference, char out[256]);

#endif
