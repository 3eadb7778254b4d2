/* callback.h - whether this thread is inside one of the caller's callbacks: nothing may block there, because the pool
 * thread would wait for itself. */
#ifndef CALLBACK_H
#define CALLBACK_H

#include <stdbool.h>

/* Around each call of the caller's code. They do not nest. */
void callback_begin(void);
void callback_end(void);

/* Any thread, of itself. */
bool callback_is_running(void);

#endif
