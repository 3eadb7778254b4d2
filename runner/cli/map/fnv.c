#include "fnv.h"

uint64_t fnv_add(uint64_t number, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        number = (number ^ (unsigned char)data[i]) * UINT64_C(1099511628211);
    return number;
}
