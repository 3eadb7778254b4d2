/* main.c - the `reclaim` command: finds its verb. */
#include "outcome.h"
#include "say.h"
#include "suggest.h"
#include "verbs.h"

#include <reclaim/pool.h>
#include <stdio.h>
#include <string.h>

static const struct verb {
    const char *name, *help;
    int (*main)(int argc, char **argv);
} verbs[] = {
    {"run", "run one command, limited and reported", run_main},
    {"map", "run a command for each of many inputs, in parallel", map_main},
};

#define VERBS (sizeof verbs / sizeof verbs[0])

static int help(void)
{
    puts("Usage: reclaim VERB [OPTION...]\n"
         "Runs memory-heavy commands, each with all its processes: nothing is left behind.\n");
    for (size_t i = 0; i < VERBS; i++)
        printf("  %-8s %s\n", verbs[i].name, verbs[i].help);
    puts("\n  reclaim VERB --help      a verb's options\n  reclaim --version        the version");
    return 0;
}

static int say_unknown(const char *word)
{
    const char *names[VERBS + 3] = {[VERBS] = "--help", "--version", NULL};
    for (size_t i = 0; i < VERBS; i++)
        names[i] = verbs[i].name;
    const char *near = suggest_word(word, names);
    if (near != NULL)
        say(NULL, "there is no verb %s; did you mean %s?", word, near);
    else
        say(NULL, "there is no verb %s; reclaim --help lists them", word);
    return OUTCOME_OWN_FAILURE;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        say(NULL, "there is no verb; reclaim --help lists them");
        return OUTCOME_OWN_FAILURE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return help();
    if (strcmp(argv[1], "--version") == 0) {
        printf("reclaim %s\n", pool_version());
        return 0;
    }
    for (size_t i = 0; i < VERBS; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].main(argc - 1, argv + 1);
    return say_unknown(argv[1]);
}
