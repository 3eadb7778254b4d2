/* command.h - a job that is a program: the worker starts it as its only child, is its subreaper, and waits. */
#ifndef COMMAND_H
#define COMMAND_H

#include "channel.h"
#include "message.h"
#include "process.h"

#define COMMAND_CLOSED (-2)

/* What the child is given: descriptors for 0, 1, 2 (-1: leave alone; COMMAND_CLOSED) and for 3, 4, ... */
struct command {
    struct message_command spec; /* *borrows* */
    int streams[3];
    const int *fds;
    size_t fd_count;
    int64_t data_limit; /* bytes, RLIMIT_DATA; -1: unchanged */
    const struct process_origin *origin;
    struct page *page;
    struct channel *events; /* where to say that it was stopped; NULL: nobody asks */
};

/* Runs it to its end and fills in the result. Whatever it left behind is for the fork server to sweep. Most
 * signals that this process gets go on to the command; while it is stopped the page says so. */
void command_run(const struct command *command, struct message_result *result);

#endif
