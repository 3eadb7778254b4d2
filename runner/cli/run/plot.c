#include "plot.h"
#include "program.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_BEFORE 3 /* program, format, limit */

enum plot_format plot_format(const char *path)
{
    const char *dot = strrchr(path, '.');
    if (dot == NULL)
        return PLOT_UNKNOWN;
    return strcmp(dot, ".svg") == 0 ? PLOT_SVG : strcmp(dot, ".png") == 0 ? PLOT_PNG : PLOT_UNKNOWN;
}

/* Beside the command, as it was built, or in PLOT_DIRECTORY, as it was installed: relative to the command, so that all
 * of it may be moved. */
int plot_find(char path[PATH_MAX])
{
    return program_beside(PLOT_PROGRAM, path) == 0 ? 0 : program_beside(PLOT_DIRECTORY "/" PLOT_PROGRAM, path);
}

/* A descriptor from which the points can be read, or a negative errno. */
static int give_points(const struct curve *curve)
{
    const int fd = memfd_create("points", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = write_all(fd, (const char *)curve->points, curve->count * sizeof *curve->points);
    if (rc == 0 && lseek(fd, 0, SEEK_SET) < 0)
        rc = -errno;
    if (rc < 0)
        close(fd);
    return rc < 0 ? rc : fd;
}

/* What became of it: 0, or a negative errno. */
static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

/* With nothing blocked: reclaim has blocked the signals that it takes. */
static int start(const char *program, char *const *words, int points, int picture)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    pid_t pid;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&attributes, &none);
    int error = posix_spawn_file_actions_adddup2(&actions, points, STDIN_FILENO);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&actions, picture, STDOUT_FILENO);
    if (error == 0)
        error = posix_spawn(&pid, program, &actions, &attributes, words, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error != 0 ? -error : wait_for(pid);
}

int plot_draw(const char *program, const struct curve *curve, FILE *file, enum plot_format format,
              const char *const *argv, uint64_t limit)
{
    char bytes[32];
    size_t count = 0;
    while (argv[count] != NULL)
        count++;
    const char **words = calloc(count + WORDS_BEFORE + 1, sizeof *words);
    if (words == NULL)
        return -ENOMEM;
    snprintf(bytes, sizeof bytes, "%" PRIu64, limit);
    words[0] = PLOT_PROGRAM;
    words[1] = format == PLOT_SVG ? "svg" : "png";
    words[2] = bytes;
    memcpy(words + WORDS_BEFORE, argv, count * sizeof *words);
    const int points = give_points(curve);
    int rc = points < 0 ? points : start(program, (char *const *)(uintptr_t)words, points, fileno(file));
    if (points >= 0)
        close(points);
    free(words);
    return rc;
}
