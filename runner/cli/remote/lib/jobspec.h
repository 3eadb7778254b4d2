/* jobspec.h - what a job was submitted with: limits, retries, and the like. */
#ifndef JOBSPEC_H
#define JOBSPEC_H

#include <msgpack.h>
#include <stdio.h>

/* A line for each that reclaimd tells of, as the other lines of `reclaim status JOB`. */
void jobspec_print(FILE *file, const msgpack_object *job);

#endif
