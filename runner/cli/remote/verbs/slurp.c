#include "slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int slurp(int fd, size_t most, struct text *text)
{
    char piece[65536];
    for (;;) {
        const ssize_t got = read(fd, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : 0;
        if (text->size + (size_t)got > most)
            return -EFBIG;
        text_put(text, piece, (size_t)got);
        if (text->failed)
            return -ENOMEM;
    }
}

int slurp_file(const char *path, size_t most, struct text *text)
{
    if (strcmp(path, "-") == 0)
        return slurp(STDIN_FILENO, most, text);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    const int rc = slurp(fd, most, text);
    close(fd);
    return rc;
}
