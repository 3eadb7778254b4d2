/* failure.h - what goes wrong, in words: for the thread that called, and for the operator. */
#ifndef FAILURE_H
#define FAILURE_H

/* Keeps the sentence for pool_message() of this thread and returns code, a negative errno:
 * `return failure(-EINVAL, "workers is %d: ...", n);` */
int failure(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The caller's log hook: one line for each thing that an operator should know. */
struct log_hook {
    void (*log)(const char *line, void *user); /* NULL: none */
    void *user;
};

/* Formats a line of at most 511 bytes and hands it to the hook. On the thread that owns the loop. */
void log_hook_say(const struct log_hook *hook, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
