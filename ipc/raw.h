/* raw.h - system calls without libc's functions for them, for a worker's first and last steps.
 *
 * Each page of libc's code that a worker uses costs it a page fault, and libc's functions lie far apart. These calls
 * are in the code around them. They do not touch errno. Source: syscall(2), the section "Architecture calling
 * conventions". */
#ifndef RAW_H
#define RAW_H

#include <errno.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_mseal
#define SYS_mseal 462 /* on every architecture; Linux 6.10 */
#endif

/* The result, or a negative errno. */
static inline long raw_call(long number, long a, long b, long c, long d)
{
#if defined(__clang_analyzer__) /* it does not see what the kernel writes */
    const long result = syscall(number, (void *)a, (void *)b, (void *)c, (void *)d);
    return result < 0 ? -errno : result;
#elif defined(__x86_64__) && !defined(__ILP32__)
    register long r10 __asm__("r10") = d;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
#else
    const long result = syscall(number, a, b, c, d);
    return result < 0 ? -errno : result;
#endif
}

/* fstat(2). libc's asks by newfstatat, with a path of its own. */
static inline int raw_fstat(int fd, struct stat *st)
{
#if !defined(__clang_analyzer__) && (defined(__x86_64__) && !defined(__ILP32__) || defined(__aarch64__))
    return (int)raw_call(SYS_fstat, fd, (long)(intptr_t)st, 0, 0); /* the kernel's struct is libc's */
#else
    return fstat(fd, st) < 0 ? -errno : 0;
#endif
}

static inline long raw_pointer(const void *pointer)
{
    return (long)(intptr_t)pointer;
}

#endif
