/* call_value.h - a job's value on its way up: set once, sent before the result that announces it. */
#ifndef CALL_VALUE_H
#define CALL_VALUE_H

#include "call_state.h"

/* What a function has set, or left to be the value when it ends well: 0, or the error of the value that it tried to
 * return and could not. */
int call_value_settle(struct pool_call *call);

/* Sends the value's descriptor and describes the value in result. early: seals it now, if that works. The caller holds
 * the lock. Negative errno. */
int call_value_send(struct pool_call *call, bool early, struct message_result *result);

#endif
