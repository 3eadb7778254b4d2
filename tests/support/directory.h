/* directory.h - a directory for a test: empty before, gone after with all that is in it. */
#ifndef DIRECTORY_H
#define DIRECTORY_H

#include "support.h"

extern char directory_path[];

int directory_begin(void **state);
int directory_end(void **state);

/* Empties it. */
void directory_clear(void);

/* directory_path/name; static, the last four stay. */
const char *directory_file(const char *name);

/* A test with that fixture, and support's. */
#define DIRECTORY_TEST(function) cmocka_unit_test_setup_teardown(function, directory_begin, directory_end)

#endif
