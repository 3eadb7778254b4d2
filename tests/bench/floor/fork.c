/* The floor of throughput: a bare loop of fork, _exit and waitpid, and one of fork, a byte through a pipe, _exit and
 * waitpid, each with OUTSTANDING children under way. The second is what the pool's rate is divided by: a job gives
 * something back. `fork` is a static program; `fork_mapped` is the same with libreclaim and its libraries mapped.
 *
 *     fork [jobs] */
#include "../round.h"

#include <sys/wait.h>
#include <unistd.h>

struct child {
    pid_t pid;
    int fd; /* -1: without a pipe */
};

static struct child start(bool piped)
{
    int ends[2] = {-1, -1};
    if (piped && pipe(ends) < 0)
        round_die("pipe");
    const pid_t pid = fork();
    if (pid < 0)
        round_die("fork");
    if (pid == 0)
        _exit(!piped || write(ends[1], "x", 1) == 1 ? 0 : 1);
    if (piped)
        close(ends[1]);
    return (struct child){pid, ends[0]};
}

static void finish(const struct child *child)
{
    char byte;
    int status;
    if (child->fd >= 0 && read(child->fd, &byte, 1) != 1)
        round_die("read");
    if (waitpid(child->pid, &status, 0) != child->pid || status != 0)
        round_die("waitpid");
    if (child->fd >= 0)
        close(child->fd);
}

static double rate(size_t jobs, bool piped)
{
    struct child children[OUTSTANDING];
    const double begin = round_now();
    for (size_t i = 0; i < jobs + OUTSTANDING; i++) {
        struct child *child = &children[i % OUTSTANDING];
        if (i >= OUTSTANDING)
            finish(child);
        if (i < jobs)
            *child = start(piped);
    }
    return (double)jobs / (round_now() - begin);
}

int main(int argc, char **argv)
{
    const size_t jobs = round_number(argc, argv, 1, 5000);
    if (jobs < OUTSTANDING) {
        fprintf(stderr, "fork: at least %d jobs\n", OUTSTANDING);
        return 2;
    }
    round_tell("fork_rate", rate(jobs, false));
    round_tell("pipe_rate", rate(jobs, true));
    return 0;
}
