/* The floor of a settled job: a byte to a child that was forked before and waits, its byte back, its exit, waitpid; one
 * every 2 ms. The next child is forked outside of what is timed.
 *
 *     prefork [times] */
#include "../round.h"

#include <sys/wait.h>
#include <unistd.h>

struct child {
    pid_t pid;
    int down, up;
};

static struct child start(void)
{
    int down[2], up[2];
    char byte;
    if (pipe(down) < 0 || pipe(up) < 0)
        round_die("pipe");
    const pid_t pid = fork();
    if (pid < 0)
        round_die("fork");
    if (pid == 0)
        _exit(read(down[0], &byte, 1) == 1 && write(up[1], &byte, 1) == 1 ? 0 : 1);
    close(down[0]);
    close(up[1]);
    return (struct child){pid, down[1], up[0]};
}

static double run(const struct child *child)
{
    char byte = 'x';
    int status;
    const double begin = round_now();
    if (write(child->down, &byte, 1) != 1 || read(child->up, &byte, 1) != 1)
        round_die("child");
    if (waitpid(child->pid, &status, 0) != child->pid || status != 0)
        round_die("waitpid");
    return round_now() - begin;
}

int main(int argc, char **argv)
{
    const size_t count = round_number(argc, argv, 1, 1000);
    double *times = round_times(count);
    for (size_t i = 0; i < count; i++) {
        const struct child child = start();
        round_rest();
        times[i] = run(&child);
        close(child.down);
        close(child.up);
    }
    round_tell_latency("prefork", times, count);
    return 0;
}
