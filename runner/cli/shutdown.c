#include "shutdown.h"

#include "units.h"

int shutdown_set_timeout(void *context, const char *text)
{
    return units_parse_duration(text, context) < 0
               ? table_fail("drain-timeout", text, "not a duration: give seconds, or 30s, 5m, 2h, 1d")
               : 0;
}

int shutdown_order(struct remote *remote, int64_t timeout_ms)
{
    struct request request;
    request_begin(&request);
    if (timeout_ms >= 0)
        msgpack_pack_double(request_field(&request, "drain_timeout"), (double)timeout_ms / 1000);
    return remote_order(remote, "shutdown", &request);
}
