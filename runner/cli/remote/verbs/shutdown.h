/* shutdown.h - the order that ends reclaimd. */
#ifndef SHUTDOWN_H
#define SHUTDOWN_H

#include "remote.h"

/* timeout_ms: how long running jobs may go on; below 0: as long as reclaimd was told. 0, or -1 after it has said why
 * not. */
int shutdown_order(struct remote *remote, int64_t timeout_ms);

#endif
