#include "cgroup.h"

#include <stdio.h>
#include <string.h>

bool cgroup_parse_own(const char *text, char *path, size_t size)
{
    const char *line = strstr(text, "0::/");
    const char *at = line == text || (line != NULL && line[-1] == '\n') ? line + 3 : NULL;
    const size_t length = at == NULL ? 0 : strcspn(at, "\n");
    if (length == 0 || length >= size)
        return false;
    memcpy(path, at, length);
    path[length] = '\0';
    return true;
}
