/* file.h - a file for a test: empty before, gone after. */
#ifndef FILE_H
#define FILE_H

#include "support.h"

extern char file_path[];

int file_begin(void **state);
int file_end(void **state);
void file_write(const void *data, size_t size);

/* A test with that fixture, and support's. */
#define FILE_TEST(function) cmocka_unit_test_setup_teardown(function, file_begin, file_end)

#endif
