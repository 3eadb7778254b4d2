/* reclaim.c - the `reclaim` command: finds its verb. */
#include "outcome.h"
#include "program.h"
#include "remote_verb.h"
#include "say.h"
#include "suggest.h"
#include "verbs.h"

#include <errno.h>
#include <malloc.h>
#include <reclaim/pool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct verb {
    const char *name, *help;
    int (*main)(int argc, char **argv); /* or */
    const struct remote_verb *remote;
} verbs[] = {
    {"run", "run one command, limited and reported", .main = run_main},
    {"map", "run a command for each of many inputs, in parallel", .main = map_main},
    {"submit", "queue a command or a task for reclaimd", .main = submit_main},
    {"status", "show reclaimd and its running jobs, or all about one job", .remote = &status_verb},
    {"list", "list jobs", .remote = &list_verb},
    {"wait", "wait for the end of jobs; exit with their code", .remote = &wait_verb},
    {"result", "print the value of a task", .remote = &result_verb},
    {"logs", "print the output of a job", .remote = &logs_verb},
    {"events", "print a line for each change of a job", .remote = &events_verb},
    {"cancel", "end jobs", .remote = &cancel_verb},
    {"retry", "run jobs again", .remote = &retry_verb},
    {"remove", "delete ended jobs and their output", .remote = &remove_verb},
    {"set", "change jobs that have not started", .remote = &set_verb},
    {"group", "list groups; limit how many jobs of a group run at once", .remote = &group_verb},
    {"pause", "start no more jobs", .remote = &pause_verb},
    {"resume", "start jobs again", .remote = &resume_verb},
    {"stats", "show the daemon's load", .remote = &stats_verb},
    {"drain", "refuse new jobs", .remote = &drain_verb},
    {"shutdown", "end reclaimd", .remote = &shutdown_verb},
    {"daemon", "start, stop or find a reclaimd", .main = daemon_main},
};

/* pueue's words. */
static const struct alias {
    const char *name, *verb, *option; /* option NULL: none */
} aliases[] = {
    {"add", "submit", NULL},  {"log", "logs", NULL},          {"follow", "logs", "--follow"},
    {"kill", "cancel", NULL}, {"restart", "retry", NULL},     {"start", "resume", NULL},
    {"edit", "set", NULL},    {"clean", "remove", "--ended"},
};

#define VERBS       (sizeof verbs / sizeof verbs[0])
#define ALIASES     (sizeof aliases / sizeof aliases[0])
#define ALIAS_WORDS 2 /* the verb, and its option */

static int help(void)
{
    puts("Usage: reclaim VERB [OPTION...]\n"
         "Runs memory-heavy commands, each with all its processes: nothing is left behind.\n");
    for (size_t i = 0; i < VERBS; i++)
        printf("  %-8s  %s\n", verbs[i].name, verbs[i].help);
    puts("\nAll verbs except run and map talk to the daemon, reclaimd(8). These words of\n"
         "pueue work, too: add log follow kill restart start edit clean.");
    puts("\n  reclaim VERB --help      a verb's options\n  reclaim --version        the version");
    return 0;
}

static int say_unknown(const char *word)
{
    const char *names[VERBS + ALIASES + 3] = {[VERBS + ALIASES] = "--help", "--version", NULL};
    for (size_t i = 0; i < VERBS; i++)
        names[i] = verbs[i].name;
    for (size_t i = 0; i < ALIASES; i++)
        names[VERBS + i] = aliases[i].name;
    const char *near = suggest_word(word, names);
    if (near != NULL)
        say(NULL, "there is no verb %s; did you mean %s?", word, near);
    else
        say(NULL, "there is no verb %s; reclaim --help lists them", word);
    return OUTCOME_OWN_FAILURE;
}

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < VERBS; i++)
        if (strcmp(name, verbs[i].name) == 0)
            return &verbs[i];
    return NULL;
}

static int run_verb(const struct verb *verb, int argc, char **argv)
{
    return verb->main != NULL ? verb->main(argc, argv) : remote_verb_main(verb->remote, argc, argv);
}

/* An alias as its verb and its option, and then the words that followed it. */
static int run_alias(const struct alias *alias, int argc, char **argv)
{
    char *words[ALIAS_WORDS] = {(char *)alias->verb, (char *)alias->option}; /* getopt_long(3) moves them, no more */
    const int first = alias->option != NULL ? ALIAS_WORDS : ALIAS_WORDS - 1;
    char **all = calloc((size_t)argc + ALIAS_WORDS, sizeof *all);
    if (all == NULL) {
        say(NULL, "%s", strerror(ENOMEM));
        return OUTCOME_OWN_FAILURE;
    }
    memcpy(all, words, (size_t)first * sizeof *all);
    memcpy(all + first, argv + 1, (size_t)(argc - 1) * sizeof *all);
    const int code = run_verb(find_verb(alias->verb), argc - 1 + first, all);
    free(all);
    return code;
}

int main(int argc, char **argv)
{
#ifdef M_ARENA_MAX
    mallopt(M_ARENA_MAX, 1); /* the pool's thread is to make none of its own, which takes the kernel four calls */
#endif
    if (program_fill_streams() < 0)
        return OUTCOME_OWN_FAILURE; /* and nowhere to say so */
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
    const struct verb *verb = find_verb(argv[1]);
    if (verb != NULL)
        return run_verb(verb, argc - 1, argv + 1);
    for (size_t i = 0; i < ALIASES; i++)
        if (strcmp(argv[1], aliases[i].name) == 0)
            return run_alias(&aliases[i], argc - 1, argv + 1);
    if (strcmp(argv[1], "reset") != 0)
        return say_unknown(argv[1]);
    say(NULL, "reset does not exist, because it would end the jobs of every client: cancel them (reclaim cancel), then "
              "delete them (reclaim remove --ended)");
    return OUTCOME_OWN_FAILURE;
}
