#include "file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char file_path[] = "/tmp/reclaim-file-XXXXXX";

int file_begin(void **state)
{
    strcpy(file_path + sizeof file_path - 7, "XXXXXX");
    const int fd = mkstemp(file_path);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? -1 : support_begin(state);
}

int file_end(void **state)
{
    unlink(file_path);
    return support_end(state);
}

void file_write(const void *data, size_t size)
{
    FILE *file = fopen(file_path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    fclose(file);
}
