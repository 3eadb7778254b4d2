/* The floor of a job that fills memory: malloc and memset of that size. Done twice and the second told, as in memfd.c.
 * The benchmark of commands on huge pages runs this very program.
 *
 *     fill [MiB] */
#include "../round.h"

static double fill(size_t size)
{
    const double begin = round_now();
    char *data = malloc(size);
    if (data == NULL)
        round_die("malloc");
    memset(data, 1, size);
    __asm__ volatile("" : : "r"(data) : "memory"); /* or it need not be done at all */
    const double seconds = round_now() - begin;
    free(data);
    return seconds;
}

int main(int argc, char **argv)
{
    const size_t size = round_number(argc, argv, 1, 1024) * MIB;
    fill(size);
    round_tell("fill", fill(size));
    return 0;
}
