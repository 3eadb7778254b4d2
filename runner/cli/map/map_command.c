/* map_command.c - a job's command with its inputs put in: for the log, and for execution. */
#include "map_job.h"
#include "quote.h"
#include "replace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGUMENTS_SPARE 4096 /* left of ARG_MAX for the kernel and a shell: xargs leaves 2048 */

/* ---- as it is logged --------------------------------------------------------------------------------------------- */

/* A command line for sh, unchanged if it has no control characters. */
static void describe_line(const struct map_options *options, const struct replace_input *input, struct text *command)
{
    replace_line(options->words, options->replaces, input, command);
    if (command->failed || !quote_has_control(command->data, command->size))
        return;
    struct text quoted = {0};
    text_puts(&quoted, "sh -c ");
    quote_line(&quoted, command->data, command->size);
    text_deinit(command);
    *command = quoted;
}

static void describe_words(const struct map_options *options, const struct replace_input *input, struct text *command)
{
    struct text words = {0};
    const size_t count = replace_words(options->words, options->replaces, input, &words);
    const char **argv = words.failed ? NULL : text_list(&words, count);
    if (argv != NULL)
        quote_command(command, argv);
    else
        command->failed = true;
    free(argv);
    text_deinit(&words);
}

void map_job_describe(struct map_job *job, const struct map_options *options)
{
    const struct replace_input input = {.values = job->values, .count = job->input_count, .unnumbered = true};
    (options->shell ? describe_line : describe_words)(options, &input, &job->command);
    if (!options->shows_inputs) { /* then they follow as a comment: a resume tells jobs apart by the logged command */
        text_puts(&job->command, " # ");
        quote_command(&job->command, job->values);
    }
}

/* ---- as it is executed ------------------------------------------------------------------------------------------- */

static size_t environment_size(void)
{
    size_t size = 0;
    for (char **at = environ; *at != NULL; at++)
        size += strlen(*at) + 1 + sizeof *at;
    return size;
}

/* Refuses a command that the kernel would refuse, and one with an unfit input. */
static void check_words(struct map_job *job)
{
    const size_t most = (size_t)sysconf(_SC_ARG_MAX), room = sizeof job->message;
    const unsigned long long seq = job->seq;
    char *message = job->message;
    size_t size = environment_size() + ARGUMENTS_SPARE, longest = 0;
    for (const char *const *argv = job->argv; *argv != NULL; argv++) {
        const size_t length = strlen(*argv);
        longest = length > longest ? length : longest;
        size += length + 1 + sizeof *argv;
    }
    job->refused = true;
    if (job->unfit == UNFIT_NUL)
        snprintf(message, room,
                 "input %llu has a NUL in its line, as no argument can: inputs that end in a NUL need --null", seq);
    else if (job->unfit == UNFIT_LONG)
        snprintf(message, room, "input %llu is longer than an argument may be (%d bytes)", seq, UNFIT_SIZE_MOST);
    else if (longest > UNFIT_SIZE_MOST)
        snprintf(message, room, "input %llu makes an argument of %zu bytes: the system takes no more than %d", seq,
                 longest, UNFIT_SIZE_MOST);
    else if (size > most)
        snprintf(message, room,
                 "input %llu makes a command of %zu bytes with its environment: the system takes no more than %zu", seq,
                 size, most);
    else
        job->refused = false;
}

int map_job_place(struct map_job *job, const struct map_options *options, uint32_t slot)
{
    static const char shell[] = "sh\0-c";
    const struct replace_input input = {
        .values = job->values, .count = job->input_count, .seq = job->seq, .slot = slot};
    size_t count;
    job->slot = slot;
    if (options->shell) {
        text_put(&job->words, shell, sizeof shell);
        replace_line(options->words, options->replaces, &input, &job->words);
        count = 3;
    } else
        count = replace_words(options->words, options->replaces, &input, &job->words);
    job->argv = job->words.failed ? NULL : text_list(&job->words, count);
    if (job->argv == NULL)
        return -ENOMEM;
    check_words(job);
    return 0;
}
