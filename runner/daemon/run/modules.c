#include "modules.h"

#include <dlfcn.h>
#include <errno.h>
#include <reclaim/module.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ALIGNMENT ((size_t)16) /* as pool_call_arg promises */
#define NAME_MOST 255

/* In the fork server, and from there in each worker; empty in the daemon. */
static struct {
    const pool_task_t **all;
    size_t count;
} tasks;

static const pool_task_t *find(const char *name, size_t size)
{
    for (size_t i = 0; i < tasks.count; i++)
        if (strlen(tasks.all[i]->name) == size && memcmp(tasks.all[i]->name, name, size) == 0)
            return tasks.all[i];
    return NULL;
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

/* The end of a long path says more than its beginning, and the reason has to fit behind it. */
__attribute__((format(printf, 3, 4))) static int refuse(pool_error_t *error, const char *path, const char *format, ...)
{
    const size_t size = strlen(path), most = sizeof error->message / 2;
    va_list args;
    va_start(args, format);
    const int length = snprintf(error->message, sizeof error->message, "module %s%s: ", size > most ? "..." : "",
                                size > most ? path + size - most : path);
    vsnprintf(error->message + length, sizeof error->message - (size_t)length, format, args);
    va_end(args);
    return -EINVAL;
}

static int add_task(const char *path, const pool_task_t *task, pool_error_t *error)
{
    const size_t size = strlen(task->name);
    if (size == 0 || size > NAME_MOST || task->fn == NULL)
        return refuse(error, path, "task \"%.60s\" has no function, or its name has not 1 to %d bytes", task->name,
                      NAME_MOST);
    if (find(task->name, size) != NULL)
        return refuse(error, path, "there is a task \"%.60s\" already: rename one, or load one module only",
                      task->name);
    const pool_task_t **all = realloc(tasks.all, (tasks.count + 1) * sizeof(*all));
    if (all == NULL)
        return refuse(error, path, "%s", strerror(ENOMEM));
    tasks.all = all;
    tasks.all[tasks.count++] = task;
    return 0;
}

static int check_module(const char *path, const pool_module_t *module, pool_error_t *error)
{
    static const pool_module_t cleared;
    if (module->abi != POOL_MODULE_ABI)
        return refuse(error, path, "built for version %u of reclaim/module.h, this daemon has %d: build it again",
                      module->abi, POOL_MODULE_ABI);
    if (module->size != sizeof *module || memcmp(module->reserved, cleared.reserved, sizeof cleared.reserved) != 0)
        return refuse(error, path,
                      "its pool_module has size %u and not %zu, or reserved fields are set: use "
                      "POOL_MODULE, and build it again",
                      module->size, sizeof *module);
    if (module->name == NULL || module->tasks == NULL || module->tasks[0].name == NULL)
        return refuse(error, path, "it has no name, or no tasks");
    return 0;
}

static int load(const char *path, pool_error_t *error)
{
    pool_error_t why = {0};
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (object == NULL)
        return refuse(error, path, "cannot be loaded: %s", dlerror());
    const pool_module_t *module = dlsym(object, "pool_module");
    if (module == NULL)
        return refuse(error, path, "has no symbol pool_module: define it with POOL_MODULE of reclaim/module.h");
    int rc = check_module(path, module, error);
    for (const pool_task_t *task = module->tasks; rc == 0 && task->name != NULL; task++)
        rc = add_task(path, task, error);
    if (rc == 0 && module->on_load != NULL && module->on_load(&why) != 0)
        return refuse(error, path, "its on_load failed: %s", why.message[0] == '\0' ? "no reason given" : why.message);
    return rc;
}

int modules_load(void *arg, pool_error_t *error)
{
    const struct modules *modules = arg;
    int rc = 0;
    for (size_t i = 0; rc == 0 && modules->paths != NULL && modules->paths[i] != NULL; i++) {
        *modules->loading = (int)i + 1;
        rc = load(modules->paths[i], error);
    }
    return rc;
}

/* ---- in workers -------------------------------------------------------------------------------------------------- */

int modules_list(pool_call_t *call)
{
    char *names = NULL;
    size_t size = 0;
    FILE *list = open_memstream(&names, &size);
    if (list == NULL)
        return pool_call_fail(call, 1, "%s", strerror(errno));
    for (size_t i = 0; i < tasks.count; i++)
        fwrite(tasks.all[i]->name, 1, strlen(tasks.all[i]->name) + 1, list);
    const int rc = fclose(list) == 0 ? pool_call_return(call, names, size) : -errno;
    free(names);
    return rc == 0 ? 0 : pool_call_fail(call, 1, "%s", strerror(-rc));
}

static size_t padded(size_t size)
{
    return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* The argument of modules_run: this, the name, padding to 16, and the task's argument. */
struct head {
    uint64_t job;
    uint32_t attempt, name_size;
};

int modules_pack(uint64_t job, uint32_t attempt, const struct spec *spec, msgpack_sbuffer *buffer)
{
    static const char padding[ALIGNMENT];
    const struct head start = {job, attempt, (uint32_t)spec->task.size};
    const size_t head = sizeof start + spec->task.size;
    msgpack_packer packer;
    msgpack_sbuffer_clear(buffer);
    if (msgpack_sbuffer_write(buffer, (const char *)&start, sizeof start) < 0 ||
        msgpack_sbuffer_write(buffer, spec->task.data, spec->task.size) < 0 ||
        msgpack_sbuffer_write(buffer, padding, padded(head) - head) < 0)
        return -ENOMEM;
    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    return spec->argument == NULL || msgpack_pack_object(&packer, *spec->argument) == 0 ? 0 : -ENOMEM;
}

/* As a command finds them. */
static void set_environment(const struct head *head)
{
    char number[24];
    snprintf(number, sizeof number, "%llu", (unsigned long long)head->job);
    setenv("RECLAIM_JOB_ID", number, 1);
    snprintf(number, sizeof number, "%u", head->attempt);
    setenv("RECLAIM_ATTEMPT", number, 1);
}

int modules_run(pool_call_t *call)
{
    size_t whole;
    const struct head *start = pool_call_arg(call, &whole);
    const char *data = (const char *)start, *name = data + sizeof *start;
    const uint32_t size = start->name_size;
    const size_t head = padded(sizeof *start + size);
    const pool_task_t *task = find(name, size);
    if (task == NULL) /* the file is another one since the daemon has started */
        return pool_call_fail(call, 1, "no module has a task \"%.*s\" any more", (int)size, name);
    for (int i = 0; i < 2; i++) {
        if (dup2(pool_call_fd(call, (size_t)i), STDOUT_FILENO + i) < 0)
            return pool_call_fail(call, 1, "its output cannot be set up: %s", strerror(errno));
        close(pool_call_fd(call, (size_t)i));
    }
    set_environment(start);
    pool_call_set_arg(call, data + head, whole - head);
    return task->fn(call);
}
