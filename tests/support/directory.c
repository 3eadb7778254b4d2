#include "directory.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char directory_path[] = "/tmp/reclaim-directory-XXXXXX";

int directory_begin(void **state)
{
    strcpy(directory_path + sizeof directory_path - 7, "XXXXXX");
    return mkdtemp(directory_path) == NULL ? -1 : support_begin(state);
}

static int remove_entry(const char *path, const struct stat *stat_buffer, int kind, struct FTW *walk)
{
    (void)stat_buffer;
    (void)kind;
    return walk->level > 0 ? remove(path) : 0;
}

void directory_clear(void)
{
    nftw(directory_path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

int directory_end(void **state)
{
    directory_clear();
    rmdir(directory_path);
    return support_end(state);
}

const char *directory_file(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", directory_path, name);
    return path;
}
