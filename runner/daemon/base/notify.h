/* notify.h - reports to systemd, and sockets from it: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3).
 *
 * The protocol is a datagram of NAME=value lines to a socket and five environment variables, and stays as it is:
 * systemd's manual pages say so, and invite programs to speak it by themselves. libsystemd would bring some 800 KB and
 * a dozen libraries into a daemon that is to be small.
 *
 * Variables are unset once they are read, so that jobs do not inherit them: call before there are threads. */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NOTIFY_LISTEN_FIRST 3 /* descriptors that were handed over start here */

struct notify {
    int fd; /* -1: nobody listens */
    struct sockaddr_un address;
    socklen_t address_size;
    int64_t watchdog_ms; /* how often to tell WATCHDOG=1: half of what systemd waits; 0: never */
};

/* From NOTIFY_SOCKET (a path, or @name), WATCHDOG_USEC, WATCHDOG_PID. 0, or negative errno and a sentence in message;
 * notify is usable all the same, and reports to nobody. */
int notify_open(struct notify *notify, char message[512]);
void notify_close(struct notify *notify);

/* As sd_notify(3): "READY=1", "STOPPING=1", "WATCHDOG=1". 0, also where nobody listens; else negative errno, for the
 * log: nothing depends on it. So do the next two. */
int notify_tell(const struct notify *notify, const char *text);
int notify_reloading(const struct notify *notify); /* then READY=1 */
/* One line for `systemctl status`; control characters become ?, and at most 500 bytes are sent. */
int notify_status(const struct notify *notify, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* How many sockets systemd has handed over (LISTEN_PID, LISTEN_FDS), from descriptor NOTIFY_LISTEN_FIRST on; each is
 * close-on-exec now. -EINVAL, -EBADF and a sentence: the variables are wrong. Call once, before anything is opened. */
int notify_listeners(char message[512]);

#endif
