/* verbs.h - what follows "reclaim". */
#ifndef VERBS_H
#define VERBS_H

/* argv[0] is the verb; returns the exit code. */
int run_main(int argc, char **argv);
int map_main(int argc, char **argv);
int submit_main(int argc, char **argv);
int status_main(int argc, char **argv);
int list_main(int argc, char **argv);
int wait_main(int argc, char **argv);
int result_main(int argc, char **argv);
int logs_main(int argc, char **argv);
int events_main(int argc, char **argv);
int cancel_main(int argc, char **argv);
int retry_main(int argc, char **argv);
int remove_main(int argc, char **argv);
int set_main(int argc, char **argv);
int group_main(int argc, char **argv);
int pause_main(int argc, char **argv);
int resume_main(int argc, char **argv);
int stats_main(int argc, char **argv);
int drain_main(int argc, char **argv);
int shutdown_main(int argc, char **argv);
int daemon_main(int argc, char **argv);

#endif
