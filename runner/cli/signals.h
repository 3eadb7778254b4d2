/* signals.h - signals read from a descriptor. */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <stddef.h>

/* Blocks these signals and gives a signalfd for them, not blocking; what is ignored already (nohup) stays so. SIGPIPE
 * is ignored from now on. To be called once the pool is open: commands get the mask and the dispositions of that
 * moment. Negative errno. */
int signals_take(const int *numbers, size_t count);

#endif
