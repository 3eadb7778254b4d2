#include "plot.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

enum plot_format plot_format(const char *path)
{
    const char *dot = strrchr(path, '.');
    if (dot == NULL)
        return PLOT_UNKNOWN;
    return strcmp(dot, ".svg") == 0 ? PLOT_SVG : strcmp(dot, ".png") == 0 ? PLOT_PNG : PLOT_UNKNOWN;
}

/* Found by the run path of the command: CMakeLists.txt. */
plot_draw_fn *plot_load(const char **why)
{
    static char text[512];
    void *module = dlopen(PLOT_MODULE, RTLD_NOW | RTLD_LOCAL);
    void *symbol = module == NULL ? NULL : dlsym(module, PLOT_SYMBOL);
    if (symbol == NULL) {
        snprintf(text, sizeof text, "reclaim cannot draw, install all of it: %s", dlerror());
        *why = text;
    }
    return (plot_draw_fn *)symbol;
}
