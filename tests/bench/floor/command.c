/* What a command costs, from a small process that starts one after the other and waits for each: seconds, the median.
 *
 *     command TIMES PROGRAM [ARGUMENT...] */
#include "../round.h"

#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

static double run(char **argv)
{
    pid_t pid;
    int status;
    const double begin = round_now();
    errno = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
    if (errno != 0)
        round_die(argv[0]);
    if (waitpid(pid, &status, 0) != pid)
        round_die("waitpid");
    const double seconds = round_now() - begin;
    if (status != 0) {
        fprintf(stderr, "command: %s ended with wait status %#x\n", argv[0], (unsigned)status);
        exit(1);
    }
    return seconds;
}

int main(int argc, char **argv)
{
    const size_t count = round_number(argc, argv, 1, 0);
    if (argc < 3) {
        fprintf(stderr, "usage: command TIMES PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    double *times = round_times(count);
    for (size_t i = 0; i < count; i++)
        times[i] = run(argv + 2);
    round_tell_latency("command", times, count);
    return 0;
}
