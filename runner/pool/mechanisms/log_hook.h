/* log_hook.h - the caller's log hook: one line for each thing that an operator should know. */
#ifndef LOG_HOOK_H
#define LOG_HOOK_H

struct log_hook {
    void (*log)(const char *line, void *user); /* NULL: none */
    void *user;
};

/* Formats a line of at most 511 bytes and hands it to the hook. On the thread that runs the loop. */
void log_hook_say(const struct log_hook *hook, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
