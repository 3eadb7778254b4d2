/* write_all.h - write(2) until all of it is written. */
#ifndef WRITE_ALL_H
#define WRITE_ALL_H

#include <stddef.h>

/* Negative errno: some of it may have been written. */
int write_all(int fd, const char *data, size_t size);

#endif
