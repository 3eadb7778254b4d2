/* signals.h - signals read from a descriptor. */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <stddef.h>

/* Blocks these signals and gives a signalfd for them, not blocking; what is ignored already (nohup) stays so. SIGPIPE
 * and SIGXFSZ are ignored from now on, for write(2) tells the same. To be called once the pool is open: commands get
 * the mask and the dispositions of that moment. Negative errno. */
int signals_take(const int *numbers, size_t count);

#endif
