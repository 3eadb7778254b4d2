/* failure.h - pool_message(): this thread's last failed call in words. */
#ifndef FAILURE_H
#define FAILURE_H

/* Keeps the sentence and returns code, a negative errno: `return failure(-EINVAL, "workers is %d: ...", n);` */
int failure(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
