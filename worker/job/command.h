/* command.h - a job that is a program: the worker starts it as its only child, is its subreaper, and waits. */
#ifndef COMMAND_H
#define COMMAND_H

#include "channel.h"
#include "message.h"
#include "process.h"

#define COMMAND_CLOSED (-2)

/* What the child is given: streams for 0, 1, 2 (-1: leave alone; COMMAND_CLOSED), and other descriptors. */
struct command {
    struct message_command spec; /* *borrows* */
    int streams[3];
    const int *fds; /* for spec.numbers, or 3, 4, ... */
    size_t fd_count;
    int cwd;                    /* directory to start in, where spec.cwd is empty; -1 */
    int64_t data_limit, nofile; /* bytes, RLIMIT_DATA; RLIMIT_NOFILE; -1: unchanged */
    pid_t server;               /* whose signals are for the command */
    const struct process_origin *origin;
    struct page *page;
    struct channel *events; /* where to say that it was stopped; NULL: nobody asks */
};

/* Runs it to its end and fills in the result. Whatever it left behind is for the fork server to sweep. Signals that the
 * fork server sends go on to the command, those of others are for nobody: what is sent to the whole tree reaches the
 * command by itself. While the terminal has stopped the command the page says so. */
void command_run(const struct command *command, struct message_result *result);

#endif
