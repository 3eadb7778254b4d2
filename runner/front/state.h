/* state.h - where reclaimd keeps its jobs. */
#ifndef STATE_H
#define STATE_H

#include <limits.h>
#include <sys/types.h>

/* Where the state is unless it is said: $XDG_STATE_HOME/reclaim, for root /var/lib/reclaim, else
 * $HOME/.local/state/reclaim. A variable that is no absolute path is as good as none (NULL), as XDG has it. -ENOENT:
 * nothing says where; -ENAMETOOLONG. Pure. */
int state_path(uid_t uid, const char *state_home, const char *home, char path[PATH_MAX]);

#endif
