/* payload.h - large payloads in memfds, and payloads in parts. Source: memfd_create(2), fcntl(2), writev(2). */
#ifndef PAYLOAD_H
#define PAYLOAD_H

#include <reclaim/pool.h>
#include <stdbool.h>
#include <stddef.h>

/* A new memfd, close-on-exec, sealable, empty. Negative errno. */
int payload_create(const char *name);

/* A sealed memfd that holds a copy of data: a descriptor or a negative errno (-ENOMEM, -ENOSPC, -EMFILE, ...). */
int payload_copy(const char *name, const void *data, size_t size);

/* The same of the parts one after the other. */
int payload_copy_parts(const char *name, const pool_bytes_t *parts, size_t count);

/* Appends all of data at the descriptor's offset. */
int payload_write(int fd, const void *data, size_t size);
int payload_write_parts(int fd, const pool_bytes_t *parts, size_t count);

/* The bytes of all parts together. -EINVAL: a part has a size and no data, or a file cannot be that large. */
int payload_measure(const pool_bytes_t *parts, size_t count, size_t *size);

/* Copies the parts one after the other. */
void payload_gather(void *to, const pool_bytes_t *parts, size_t count);

/* Sets every seal: size and contents are final. -EBUSY: a process has it mapped for writing. */
int payload_seal(int fd);

/* 0 if fd is a memfd of exactly size bytes, and with sealed has every seal; else -EBADMSG. */
int payload_check(int fd, size_t size, bool sealed);

/* Maps size bytes read-only; populate fills the page tables at once. NULL and errno. */
void *payload_map(int fd, size_t size, bool populate);

/* A private copy of size bytes, read with pread(2), which unlike a mapping cannot fault when the file shrinks. NULL and
 * errno; EBADMSG: there are fewer bytes. */
void *payload_read(int fd, size_t size);

/* Of payload_map and payload_read. data may be NULL. */
void payload_unmap(void *data, size_t size);

#endif
