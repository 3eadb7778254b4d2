#include "plot.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum plot_format plot_format(const char *path)
{
    const char *dot = strrchr(path, '.');
    if (dot == NULL)
        return PLOT_UNKNOWN;
    return strcmp(dot, ".svg") == 0 ? PLOT_SVG : strcmp(dot, ".png") == 0 ? PLOT_PNG : PLOT_UNKNOWN;
}

/* The directory of this program, with its slash. */
static int own_directory(char path[PATH_MAX])
{
    const ssize_t size = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (size < 0)
        return -1;
    path[size] = '\0';
    path[strrchr(path, '/') - path + 1] = '\0';
    return 0;
}

/* Beside the command, as it was built, or in PLOT_MODULES, as it was installed: relative to the command, so that all of
 * it may be moved. */
static void find_module(char *path, size_t size)
{
    char own[PATH_MAX];
    const bool is_relative = PLOT_MODULES[0] != '/';
    const bool has_own = own_directory(own) == 0;
    if (has_own && snprintf(path, size, "%s" PLOT_MODULE, own) < (int)size && access(path, R_OK) == 0)
        return;
    snprintf(path, size, "%s" PLOT_MODULES "/" PLOT_MODULE, has_own && is_relative ? own : "");
}

plot_draw_fn *plot_load(const char **why)
{
    static char text[2 * PATH_MAX];
    char path[2 * PATH_MAX];
    find_module(path, sizeof path);
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol = module == NULL ? NULL : dlsym(module, PLOT_SYMBOL);
    if (symbol == NULL) {
        snprintf(text, sizeof text, "reclaim cannot draw, install all of it: %s", dlerror());
        *why = text;
    }
    return (plot_draw_fn *)symbol;
}
