/* reports.h - what the fork server tells the host: hello, born, memory, gone. */
#ifndef REPORTS_H
#define REPORTS_H

#include "forkserver_state.h"

/* The fork server is ready, or error->code is not 0 and it is about to end. */
void report_hello(struct server *server, const pool_error_t *error);

/* No slot is free for a worker that the host has asked for. */
void report_no_slot(struct server *server);

/* Sends all reports that are due, for each slot in order: born, memory, gone. False: some are still to be sent, because
 * the socket took no more, or because looking at memory, which is due, goes before preparing more replacements. */
bool report_all(struct server *server);

#endif
