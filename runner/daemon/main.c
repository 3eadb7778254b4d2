/* main.c - reclaimd: the worker pool daemon. */
#include "explain.h"
#include "notify.h"
#include "program.h"
#include "reclaimd.h"

#include <stdio.h>

/* At most one socket can be handed over. */
static int take_listener(char message[512])
{
    const int count = notify_listeners(message);
    if (count <= 1)
        return count;
    return explain(message, -1, "systemd has handed over %d sockets: one is what reclaimd listens on", count);
}

static int run(const struct daemon_options *options)
{
    char message[512];
    struct log *log;
    const int listeners = take_listener(message);
    if (listeners < 0 ||
        log_open(&log, options->log_file[0] != '\0' ? options->log_file : NULL, options->log_level, message) < 0) {
        fprintf(stderr, "reclaimd: %s\n", message);
        return 1;
    }
    const int code = reclaimd_run(options, log, listeners > 0 ? NOTIFY_LISTEN_FIRST : -1);
    log_close(log);
    return code;
}

int main(int argc, char **argv)
{
    struct daemon_options options;
    if (program_fill_streams() < 0)
        return 1; /* and nowhere to say so */
    const int read = daemon_options_read(&options, argc, argv);
    const int code = read == 0 ? run(&options) : read == -2 ? 0 : 2;
    daemon_options_deinit(&options);
    return code;
}
