/* capture.h - one captured stream: the reading end of a pipe and the bytes that came, up to a limit. */
#ifndef CAPTURE_H
#define CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes in a mapping of their own, so that giving them up gives them back to the system. */
struct capture_bytes {
    uint8_t *data; /* NULL: none. A NUL follows the last */
    size_t size, capacity;
};

struct capture {
    int fd; /* -1: not open */
    bool truncated;
    bool no_memory; /* it is truncated for that, below the limit */
    int64_t limit;
    struct capture_bytes bytes;
};

void capture_init(struct capture *capture);

/* Makes the pipe: *write_end is the caller's. Negative errno. */
int capture_open(struct capture *capture, int64_t limit, int *write_end);

enum capture_state { CAPTURE_OPEN = 0, CAPTURE_ENDED, CAPTURE_OVER_LIMIT };

/* Reads what is there now, however fast more comes. Beyond the limit it is dropped; OVER_LIMIT says so each time, also
 * where there is no memory for more. */
enum capture_state capture_read(struct capture *capture);

/* Closes the pipe; the bytes stay. */
void capture_close(struct capture *capture);
void capture_bytes_free(struct capture_bytes *bytes);

#endif
