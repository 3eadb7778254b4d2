/* command.h - a job that is a program: the worker starts it as its only child, is its subreaper, and waits for it. */
#ifndef COMMAND_H
#define COMMAND_H

#include "channel.h"
#include "message.h"
#include "process.h"

#define COMMAND_CLOSED (-2)

/* streams: for 0, 1 and 2; -1: the worker's, COMMAND_CLOSED: none. All is *borrowed*. */
struct command {
    struct message_command spec;
    int streams[3];
    const int *fds; /* for spec.numbers, or 3, 4, ... */
    size_t fd_count;
    int cwd;                    /* directory to start in, where spec.cwd is empty; -1 */
    int64_t data_limit, nofile; /* bytes, RLIMIT_DATA; RLIMIT_NOFILE; -1: unchanged */
    pid_t server;               /* the fork server, whose signals are for the command */
    const struct process_origin *origin;
    struct page *page;
    struct channel *events; /* for the message that it was stopped; NULL: none is wanted */
};

/* Runs it to its end and fills in the result. The fork server sweeps what it leaves behind. Passes on signals from the
 * fork server, and drops others: those that are sent to the whole tree reach the command anyway. While the terminal has
 * stopped the command, the page says so. */
void command_run(const struct command *command, struct message_result *result);

#endif
