/* verbs.h - the words that may follow "reclaim". */
#ifndef VERBS_H
#define VERBS_H

/* argv[0] is the verb; returns the exit code. */
int run_main(int argc, char **argv);
int map_main(int argc, char **argv);
int submit_main(int argc, char **argv);
int daemon_main(int argc, char **argv);

/* See remote_verb.h. */
struct remote_verb;
extern const struct remote_verb status_verb, list_verb, wait_verb, result_verb, logs_verb, events_verb, cancel_verb,
    retry_verb, remove_verb, set_verb, group_verb, pause_verb, resume_verb, stats_verb, drain_verb, shutdown_verb;

#endif
