/* The floor of a value in hand: a byte to a process that waits, and one back, over two pipes; one every 2 ms.
 *
 *     echo [times] */
#include "../round.h"

#include <sys/wait.h>
#include <unistd.h>

static void answer(int in, int out)
{
    char byte;
    while (read(in, &byte, 1) == 1)
        if (write(out, &byte, 1) != 1)
            break;
    _exit(0);
}

int main(int argc, char **argv)
{
    const size_t count = round_number(argc, argv, 1, 1000);
    double *times = round_times(count);
    int down[2], up[2];
    char byte = 'x';
    if (pipe(down) < 0 || pipe(up) < 0)
        round_die("pipe");
    const pid_t pid = fork();
    if (pid < 0)
        round_die("fork");
    if (pid == 0) {
        close(down[1]);
        answer(down[0], up[1]);
    }
    close(up[1]);
    for (size_t i = 0; i < count; i++) {
        round_rest();
        const double begin = round_now();
        if (write(down[1], &byte, 1) != 1 || read(up[0], &byte, 1) != 1)
            round_die("echo");
        times[i] = round_now() - begin;
    }
    close(down[1]);
    waitpid(pid, NULL, 0);
    round_tell_latency("echo", times, count);
    return 0;
}
