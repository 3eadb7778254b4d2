/* remote_verb.h - a verb of the daemon as a struct, and the steps of all verbs: options, words, connect, run, end. */
#ifndef REMOTE_VERB_H
#define REMOTE_VERB_H

#include "jobrefs.h"

/* What a verb takes beside options. */
enum remote_words {
    REMOTE_NO_WORDS,
    REMOTE_JOBS_OR_NONE,
    REMOTE_JOBS, /* at least one */
    REMOTE_ONE_JOB,
    REMOTE_GROUP_OR_NONE, /* the name of one */
};

struct remote_given {
    struct jobrefs jobs;
    const char *group; /* NULL: none. *Borrowed* from argv */
};

struct remote_verb {
    const char *usage, *intro, *more; /* as struct table has them */
    const struct table_option *rows;  /* its own options; NULL: none */
    enum remote_words words;
    void *context; /* where the rows store: a struct of the verb's file */

    /* Before the connection: returns a sentence if options and words contradict each other, else NULL. May be NULL. */
    const char *(*check)(const struct remote_given *given);

    /* Returns the exit code, or a negative number after a message. */
    int (*run)(struct remote *remote, const struct remote_given *given);
};

/* Runs a verb; argv[0] is its name. Returns the exit code. */
int remote_verb_main(const struct remote_verb *verb, int argc, char **argv);

#endif
