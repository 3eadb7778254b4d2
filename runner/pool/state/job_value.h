/* job_value.h - a job's value in the host: where its bytes are, and how a caller gets them as a map or a descriptor.
 *
 * A large one is its memfd, sealed, and a map of it. The descriptor is kept for pool_job_value_fd and _map, while there
 * are descriptors to spare: without it they copy. */
#ifndef JOB_VALUE_H
#define JOB_VALUE_H

#include "machine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct job_value {
    void *data;    /* NULL: none */
    size_t mapped; /* bytes of the mapping that data is; 0: data is from malloc */
    int fd;        /* its sealed memfd; -1: not kept */
};

void job_value_init(struct job_value *value);

/* Maps the value in a worker's memfd (*taken*, also on failure) if no process can change it any more, else copies it.
 * What that takes of this process's own memory, for a copy or for holes when they are read, has to be available on the
 * machine. -EBADMSG: it is no memfd of this size; -ENOMEM and others: there is no room for it here. */
int job_value_receive(struct job_value *value, int fd, size_t size, const struct machine *machine);

/* Whether this process can have so much more memory: the kernel would give it, and end the process for it later. */
bool job_value_is_available(uint64_t bytes, const struct machine *machine);

/* Frees it, and what it holds. */
void job_value_drop(struct job_value *value);

#endif
