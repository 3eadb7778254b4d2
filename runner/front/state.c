#include "state.h"

#include <errno.h>
#include <stdio.h>

int state_path(uid_t uid, const char *state_home, const char *home, char path[PATH_MAX])
{
    const char *base = "/var/lib", *below = "/reclaim";
    if (state_home != NULL && state_home[0] == '/')
        base = state_home;
    else if (uid != 0) {
        base = home;
        below = "/.local/state/reclaim";
    }
    if (base == NULL || base[0] != '/')
        return -ENOENT;
    return snprintf(path, PATH_MAX, "%s%s", base, below) < PATH_MAX ? 0 : -ENAMETOOLONG;
}
