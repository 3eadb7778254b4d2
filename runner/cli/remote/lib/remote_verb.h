/* remote_verb.h - what is the same in all verbs of the daemon: read options and words, connect, run, disconnect. */
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
    void *context; /* where the rows store */

    /* Before it connects: a sentence if options and words do not go together; NULL: they do. NULL: it never complains. */
    const char *(*check)(const struct remote_given *given, const void *context);

    /* Returns the exit code, or a negative number after it has said what is wrong. */
    int (*run)(struct remote *remote, const struct remote_given *given, void *context);
};

/* Runs a verb; argv[0] is its name. Returns the exit code. */
int remote_verb_main(const struct remote_verb *verb, int argc, char **argv);

#endif
