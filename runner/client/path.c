/* path.c - where reclaimd listens. */
#include <reclaim/client.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int pool_client_path(char *path, size_t size)
{
    const char *named = getenv("RECLAIM_SOCKET"), *runtime = getenv("XDG_RUNTIME_DIR");
    int length;
    if (named != NULL && named[0] != '\0')
        length = snprintf(path, size, "%s", named);
    else if (geteuid() != 0 && runtime != NULL && runtime[0] == '/')
        length = snprintf(path, size, "%s/reclaim/reclaimd.sock", runtime);
    else
        length = snprintf(path, size, "/run/reclaim/reclaimd.sock");
    return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}
