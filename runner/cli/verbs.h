/* verbs.h - what follows "reclaim". */
#ifndef VERBS_H
#define VERBS_H

/* argv[0] is the verb; returns the exit code. */
int run_main(int argc, char **argv);
int map_main(int argc, char **argv);

#endif
