/* launch.h - a reclaimd in the background: of a session of its own, its log in its state directory. */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <sys/types.h>

/* Starts the reclaimd that lies beside this program, else the one in PATH, and waits until it answers. state NULL:
 * where it usually is; options: further ones of reclaimd, ended by NULL. 0, or -1 after it has said why not. */
int launch_daemon(const char *state, char **options, pid_t *pid);

#endif
