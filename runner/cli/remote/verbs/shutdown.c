#include "shutdown.h"

int shutdown_order(struct remote *remote, int64_t timeout_ms)
{
    struct request request;
    request_begin(&request);
    if (timeout_ms >= 0)
        msgpack_pack_double(request_field(&request, "drain_timeout"), (double)timeout_ms / 1000);
    return remote_order(remote, "shutdown", &request);
}
