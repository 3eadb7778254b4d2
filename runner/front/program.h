/* program.h - what command and daemon need as programs: their standard streams, whole writes, places of files. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Puts /dev/null where descriptor 0, 1 or 2 is closed: else the next file or socket would get the number, and output
 * would go into it. Reads and writes there still fail with EBADF. For the first line of main. Negative errno. */
int program_fill_streams(void);

/* Whether the program was started without standard stream fd (0 to 2). */
bool program_lacks_stream(int fd);

/* write(2) until all is written. Negative errno: a part may have been written. */
int write_all(int fd, const char *data, size_t size);

/* The path of a file beside this program; name may have folders in front, an absolute one stays as it is. 0, or a
 * negative errno: it is not at path, or cannot be executed. */
int program_beside(const char *name, char path[PATH_MAX]);

/* Makes a directory, and those above it that are missing. Negative errno. */
int program_make_directory(const char *path, mode_t mode);

/* The default directory of reclaimd's state: $XDG_STATE_HOME/reclaim, for root /var/lib/reclaim, else
 * $HOME/.local/state/reclaim. A variable without an absolute path counts as unset (NULL), as XDG has it. -ENOENT: no
 * variable helps; -ENAMETOOLONG. Pure. */
int program_state_path(uid_t uid, const char *state_home, const char *home, char path[PATH_MAX]);

#endif
