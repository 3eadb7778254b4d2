#include "callback.h"

static _Thread_local bool is_running;

void callback_begin(void)
{
    is_running = true;
}

void callback_end(void)
{
    is_running = false;
}

bool callback_is_running(void)
{
    return is_running;
}
