#include "remote_verb.h"

#include "outcome.h"
#include "say.h"

#include <errno.h>

static int read_jobs(struct jobrefs *jobs, const char *verb, int count, char **words)
{
    for (int i = 0; i < count; i++) {
        const int rc = jobrefs_add(jobs, words[i]);
        if (rc == 0)
            continue;
        return say(verb,
                   rc == -EINVAL  ? "%s: not a job: give an id, a range such as 3-7, a list such as 1,2, or a key"
                   : rc == -E2BIG ? "%s: more than 10000 jobs at once: name them in several calls"
                                  : "%s: no memory",
                   words[i]);
    }
    return 0;
}

static int read_words(const struct remote_verb *verb, const char *name, int count, char **words,
                      struct remote_given *given)
{
    const bool takes_jobs = verb->words != REMOTE_NO_WORDS && verb->words != REMOTE_GROUP_OR_NONE;
    const char *wrong = NULL;
    if (verb->words == REMOTE_NO_WORDS && count > 0)
        return say(name, "%s: not expected: give options only", words[0]);
    if (verb->words == REMOTE_GROUP_OR_NONE && count > 1)
        wrong = "give one group at a time, or none for all";
    else if ((verb->words == REMOTE_JOBS || verb->words == REMOTE_ONE_JOB) && count == 0)
        wrong = "which job? Give an id, a range 3-7, a list 1,2, or a key";
    else if (takes_jobs && read_jobs(&given->jobs, name, count, words) < 0)
        return -1;
    else if (verb->words == REMOTE_ONE_JOB && given->jobs.count != 1)
        wrong = "give one job at a time";
    given->group = verb->words == REMOTE_GROUP_OR_NONE && count == 1 ? words[0] : NULL;
    if (wrong == NULL && verb->check != NULL)
        wrong = verb->check(given);
    return wrong != NULL ? say(name, "%s", wrong) : 0;
}

int remote_verb_main(const struct remote_verb *verb, int argc, char **argv)
{
    const struct table_option *const groups[] = {verb->rows != NULL ? verb->rows : remote_table,
                                                 verb->rows != NULL ? remote_table : NULL, NULL};
    const struct table table = {.verb = argv[0],
                                .usage = verb->usage,
                                .intro = verb->intro,
                                .groups = groups,
                                .more = verb->more,
                                .anywhere = true};
    struct remote_given given = {0};
    struct remote remote;
    int code;
    if (remote_read(&table, &argc, &argv, verb->context, &code) < 0)
        return code;
    code = OUTCOME_OWN_FAILURE;
    if (read_words(verb, table.verb, argc, argv, &given) == 0 && remote_open(&remote, table.verb) == 0)
        code = remote_finish(&remote, verb->run(&remote, &given));
    jobrefs_deinit(&given.jobs);
    return code;
}
