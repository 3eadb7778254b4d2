/* child.h - a part of a test in a process of its own: with another uid, other limits, or another end. */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <stdio.h>

/* A part of a test: 0, or 1 after CHILD_CHECK has said what is wrong. cmocka's assertions are for the test's own
 * process only. */
typedef int (*child_fn)(void *arg);

#define CHILD_CHECK(condition)                                                                    \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            fprintf(stderr, "%s:%d: %s: not so: %s\n", __FILE__, __LINE__, __func__, #condition); \
            return 1;                                                                             \
        }                                                                                         \
    } while (0)

/* Runs body in a forked process and asserts that it ends well. unprivileged: as nobody, where we are root. */
void child_run(bool unprivileged, child_fn body, void *arg);

/* In such a process: become nobody where we are root. False: it did not work. */
bool child_drop_privileges(void);

#endif
