#include "shutdown.h"

int shutdown_order(struct remote *remote, int64_t timeout_ms)
{
    pool_fields_t request;
    pool_fields_begin(&request);
    if (timeout_ms >= 0)
        pool_fields_double(&request, "drain_timeout", (double)timeout_ms / 1000);
    return remote_order(remote, "shutdown", &request);
}
