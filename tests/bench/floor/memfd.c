/* The floor of a large result: a memfd of that size, filled in place, and the same by write() from a buffer that is
 * there already. Each is done twice and the second told: on a virtual machine the first may be the one for whom the
 * host finds the pages.
 *
 *     memfd [bytes] */
#include "../round.h"

#include <sys/mman.h>
#include <unistd.h>

static int create(void)
{
    const int fd = memfd_create("floor", MFD_CLOEXEC);
    if (fd < 0)
        round_die("memfd_create");
    return fd;
}

/* A result is handed over unmapped: the munmap belongs to it. */
static double fill(size_t size)
{
    const double begin = round_now();
    const int fd = create();
    if (ftruncate(fd, (off_t)size) < 0)
        round_die("ftruncate");
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED)
        round_die("mmap");
    memset(data, 1, size);
    munmap(data, size);
    const double seconds = round_now() - begin;
    close(fd);
    return seconds;
}

static double copy(const char *data, size_t size)
{
    const double begin = round_now();
    const int fd = create();
    for (size_t done = 0; done < size;) {
        const ssize_t wrote = write(fd, data + done, size - done);
        if (wrote <= 0)
            round_die("write");
        done += (size_t)wrote;
    }
    const double seconds = round_now() - begin;
    close(fd);
    return seconds;
}

int main(int argc, char **argv)
{
    const size_t size = round_number(argc, argv, 1, 1024 * MIB);
    fill(size);
    round_tell("memfd_fill", fill(size));
    char *data = malloc(size);
    if (data == NULL)
        round_die("malloc");
    memset(data, 1, size);
    copy(data, size);
    round_tell("memfd_write", copy(data, size));
    free(data);
    return 0;
}
