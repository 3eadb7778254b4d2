#include "crash.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#define STACK_SIZE    ((size_t)64 * 1024)
#define HURRY_SECONDS 2 /* a backtrace takes a millisecond */

static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};

static struct page *crash_page;
static pid_t crash_pid;

/* Where the signal struck. */
#if defined(__x86_64__)
#define STRUCK_AT(context) ((uintptr_t)((const ucontext_t *)(context))->uc_mcontext.gregs[REG_RIP])
#elif defined(__aarch64__)
#define STRUCK_AT(context) ((uintptr_t)((const ucontext_t *)(context))->uc_mcontext.pc)
#else
#define STRUCK_AT(context) ((void)(context), (uintptr_t)0)
#endif

/* Keeps the trace from where the signal struck: the frames before are the handler's own. */
static void keep_trace(struct page *page, void *const *trace, int size, uintptr_t struck)
{
    int first = 0;
    for (int i = 0; i < size; i++)
        if ((uintptr_t)trace[i] == struck)
            first = i;
    for (int i = first; i < size; i++)
        page->trace[i - first] = (uint64_t)(uintptr_t)trace[i];
    page->trace_size = size > first ? (uint32_t)(size - first) : 0;
}

struct trace {
    void *addresses[PAGE_TRACE_MAX];
    int size;
};

static _Unwind_Reason_Code add_frame(struct _Unwind_Context *context, void *data)
{
    struct trace *trace = data;
    if (trace->size == PAGE_TRACE_MAX)
        return _URC_END_OF_STACK;
    trace->addresses[trace->size++] = (void *)_Unwind_GetIP(context);
    return _URC_NO_REASON;
}

static void unblock(int signal)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void crash_hurry(int unused)
{
    (void)unused;
    raise((int)crash_page->crash_signal);
    unblock((int)crash_page->crash_signal);
}

/* If the unwinder waits for a lock that is never released, the job dies without its backtrace. */
static void hurry_later(void)
{
    signal(SIGALRM, crash_hurry);
    unblock(SIGALRM);
    alarm(HURRY_SECONDS);
}

/* The default disposition is back already (SA_RESETHAND): a fault in here kills the process. */
static void crash_handle(int signal, siginfo_t *info, void *context)
{
    if (crash_page != NULL && getpid() == crash_pid) {
        struct trace trace = {.size = 0};
        crash_page->crash_code = info->si_code;
        crash_page->crash_address = info->si_code > 0 ? (uint64_t)(uintptr_t)info->si_addr : 0;
        crash_page->crash_signal = (uint32_t)signal;
        hurry_later();
        _Unwind_Backtrace(add_frame, &trace);
        alarm(0);
        keep_trace(crash_page, trace.addresses, trace.size, STRUCK_AT(context));
    }
    raise(signal);
}

/* Not backtrace(3), which loads libgcc_s: five more mappings to copy for each worker. */
void crash_prepare(void)
{
    struct trace first = {.size = 0};
    _Unwind_Backtrace(add_frame, &first);
}

void crash_install(void)
{
    const stack_t stack = {.ss_sp = malloc(STACK_SIZE), .ss_size = STACK_SIZE};
    struct sigaction action = {.sa_flags = SA_SIGINFO | (stack.ss_sp != NULL ? SA_ONSTACK : 0) | (int)SA_RESETHAND};
    action.sa_sigaction = crash_handle;
    sigemptyset(&action.sa_mask);
    if (stack.ss_sp != NULL)
        sigaltstack(&stack, NULL);
    for (size_t i = 0; i < sizeof crash_signals / sizeof crash_signals[0]; i++)
        sigaction(crash_signals[i], &action, NULL);
}

void crash_note_in(struct page *page, pid_t pid)
{
    crash_page = page;
    crash_pid = pid;
}

struct text {
    char *at;
    size_t left;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(text->at, text->left, format, args);
    va_end(args);
    if (length < 0)
        return;
    const size_t used = (size_t)length < text->left ? (size_t)length : text->left - 1;
    text->at += used;
    text->left -= used;
}

static void put_frame(struct text *text, unsigned number, uint64_t address)
{
    Dl_info info;
    /* All but the first are return addresses, which may lie behind their function if its last call never returns. */
    void *pointer = (void *)(uintptr_t)(number > 0 ? address - 1 : address);
    if (dladdr(pointer, &info) == 0 || info.dli_fname == NULL) {
        put(text, "\n  #%u 0x%llx", number, (unsigned long long)address);
        return;
    }
    const char *object = basename(info.dli_fname);
    const uint64_t offset = address - (uint64_t)(uintptr_t)info.dli_fbase;
    if (info.dli_sname == NULL)
        put(text, "\n  #%u %s+0x%llx", number, object, (unsigned long long)offset);
    else
        put(text, "\n  #%u %s+0x%llx (%s+0x%llx)", number, object, (unsigned long long)offset, info.dli_sname,
            (unsigned long long)(address - (uint64_t)(uintptr_t)info.dli_saddr));
}

size_t crash_describe(const struct page *page, char *text, size_t size)
{
    struct text t = {text, size};
    text[0] = '\0';
    const uint32_t signal = page->crash_signal;
    if (signal == 0 || signal >= NSIG)
        return 0;
    const char *name = sigdescr_np((int)signal); /* strsignal(3) may lock: see process_error */
    put(&t, "signal %u (%s)", signal, name != NULL ? name : "a real-time signal");
    if (page->crash_code > 0 && (signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL))
        put(&t, " at address 0x%llx", (unsigned long long)page->crash_address);
    const uint32_t said = page->trace_size;
    const uint32_t frames = said < PAGE_TRACE_MAX ? said : PAGE_TRACE_MAX;
    for (uint32_t i = 0; i < frames; i++)
        put_frame(&t, i, page->trace[i]);
    return (size_t)(t.at - text);
}
