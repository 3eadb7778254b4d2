#include "run_output.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define CHUNK  ((size_t)64 * 1024)
#define CHUNKS 4

static void drop(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int run_output_open(struct run_output *output, struct outputs *outputs, uint64_t id, enum output_kind kind,
                    uint64_t most)
{
    int ends[2];
    *output = (struct run_output){.outputs = outputs, .id = id, .kind = kind, .most = most, .file = -1};
    output->from = output->for_job = -1;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    output->from = ends[0];
    output->for_job = ends[1];
    fcntl(output->from, F_SETFL, O_NONBLOCK);
    return 0;
}

void run_output_handed_over(struct run_output *output)
{
    drop(&output->for_job);
}

/* A job that fills the disk must not keep the store from writing that it has ended. */
static void give_room(const struct run_output *output)
{
    const off_t end = lseek(output->file, 0, SEEK_CUR);
    const off_t kept = end > (off_t)OUTPUTS_ROOM ? end - (off_t)OUTPUTS_ROOM : 0;
    if (end > 0 && ftruncate(output->file, kept) == 0)
        lseek(output->file, kept, SEEK_SET);
}

/* After an error the file holds the beginning, and nothing from behind a gap. */
static void keep(struct run_output *output, const char *data, size_t size)
{
    if (size > output->most - output->size) {
        size = (size_t)(output->most - output->size);
        output->over = true;
    }
    if (size == 0 || output->error < 0)
        return;
    if (output->file < 0)
        output->file = outputs_create(output->outputs, output->id, output->kind);
    output->error = output->file < 0 ? output->file : write_all(output->file, data, size);
    if (output->file >= 0 && (output->error == -ENOSPC || output->error == -EDQUOT))
        give_room(output);
    const off_t end = output->file < 0 ? 0 : lseek(output->file, 0, SEEK_CUR);
    output->size = end > 0 ? (uint64_t)end : 0;
}

/* Reads once. Whether there may be more. */
static bool pass(struct run_output *output, bool is_kept)
{
    char data[CHUNK];
    const ssize_t got = read(output->from, data, sizeof data);
    if (got < 0 && errno == EINTR)
        return true;
    if (got <= 0) {
        output->ended = got == 0 || errno != EAGAIN;
        return false;
    }
    if (is_kept)
        keep(output, data, (size_t)got);
    return true;
}

void run_output_read(struct run_output *output)
{
    for (int i = 0; i < CHUNKS && pass(output, true); i++)
        ;
}

void run_output_finish(struct run_output *output)
{
    drop(&output->for_job);
    while (pass(output, true))
        ;
}

void run_output_forget(struct run_output *output)
{
    while (pass(output, false))
        ;
    output->size = 0;
    output->over = false;
    output->error = 0;
    if (output->file >= 0 && (ftruncate(output->file, 0) < 0 || lseek(output->file, 0, SEEK_SET) < 0))
        output->error = -errno;
}

void run_output_close(struct run_output *output)
{
    drop(&output->from);
    drop(&output->for_job);
    drop(&output->file);
}
