/* message.h - the messages: plain structs, and the pair that packs and unpacks each of them.
 *
 * Every message is a MessagePack array of its fields in the order of the table in message.c; the table serves writer
 * and reader alike. Slices are *borrowed*: from the sender's memory when packed, from the frame's body when unpacked.
 *
 *     keeper  → host          server, server_lost                 SOCK_SEQPACKET
 *     host    → fork server   fork, kill, signal, started         SOCK_SEQPACKET, the control socket
 *     fork server → host      hello, born, memory, gone           the same
 *     host    → worker        task                                task socket (stream)
 *     worker  → host          progress, partial, halted, result   result pipe; descriptors on the task socket
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "frame.h"

#include <stddef.h>
#include <stdint.h>

enum message_type {
    MESSAGE_SERVER = 1,
    MESSAGE_SERVER_LOST,
    MESSAGE_HELLO,
    MESSAGE_FORK,
    MESSAGE_KILL,
    MESSAGE_SIGNAL,
    MESSAGE_WATCH,
    MESSAGE_BORN,
    MESSAGE_MEMORY,
    MESSAGE_GONE,
    MESSAGE_TASK,
    MESSAGE_COMMAND,
    MESSAGE_PROGRESS,
    MESSAGE_PARTIAL,
    MESSAGE_HALTED,
    MESSAGE_RESULT,
    MESSAGE_TYPE_COUNT_
};

/* Exit statuses of a worker that could not say more: it had no way left for its result, for the job took its
 * descriptors; it could not begin. */
#define WORKER_EXIT_CHANNEL 121
#define WORKER_EXIT_BIRTH   122

struct message_slice {
    const void *data;
    uint64_t size;
};

/* A fork server was forked. With it: the host's end of its control socket. */
struct message_server {
    uint64_t generation;
    uint64_t pid;
};

/* A fork server died, and what it left has been swept. */
struct message_server_lost {
    uint64_t generation;
    int64_t status; /* as wait(2); negative: it could not be forked at all, and why (errno) */
};

/* What is not as it should be in a fork server that is ready, a bit each: for the log hook. */
enum message_note {
    NOTE_RANDOM_HELD = 1 << 0, /* a thread of the host held the lock of random(3) when the pool was opened */
    NOTE_EXIT_HELD = 1 << 1,   /* the same of exit(3) */
    NOTE_NO_PIDS = 1 << 2,     /* there are cgroups without a pids controller: processes are counted instead */
    NOTE_NO_CPU = 1 << 3       /* the same of the cpu controller: there is no cpu_weight */
};

/* The fork server is ready, or on_start failed: code is not 0, and message says why. */
struct message_hello {
    int64_t code;
    uint64_t method; /* pool_memory_method_t: how jobs are measured and limited */
    uint64_t notes;  /* NOTE_ bits */
    struct message_slice message;
};

/* Please fork count workers. */
struct message_fork {
    uint64_t count;
};

/* Why a fork server kills, decided by whoever asked first. */
enum message_kill_reason {
    KILL_NONE = 0,
    KILL_CANCELLED,
    KILL_TIMEOUT,
    KILL_CPU_LIMIT,
    KILL_OUTPUT_LIMIT,
    KILL_PROCESS_LIMIT,
    KILL_PROTOCOL,
    KILL_BIRTH, /* not ready within its deadline */
    KILL_MEMORY_LIMIT,
    KILL_EVICTED, /* its memory is needed by others */
    KILL_COUNT_
};

struct message_kill {
    uint64_t serial;
    uint64_t reason;
    int64_t grace_ms; /* between SIGTERM and SIGKILL; 0: SIGKILL at once */
};

/* A signal for a job: for its command, or the process of its function. */
struct message_signal {
    uint64_t serial;
    uint64_t signal;
};

/* A task with limits is on its way to the worker, or one without has run for some milliseconds. -1: none. */
struct message_watch {
    uint64_t serial;
    int64_t timeout_ms, kill_after_ms, cpu_ms, pids;
    uint64_t pausable;    /* a command: its time does not run while it is stopped */
    int64_t memory_limit; /* bytes */
    int64_t every_ms;     /* memory is told at least so often */
    uint64_t argument;    /* bytes of shared memory that it has mapped as its argument */
};

/* A worker was forked (with it: the host's ends of task socket and result pipe), or error is its errno. */
struct message_born {
    uint64_t serial;
    uint64_t pid;
    uint64_t error;
};

/* What a job uses now: told when it has grown by a good part since it was last told, and as often as was asked for. */
struct message_memory {
    uint64_t serial;
    uint64_t bytes;
    uint64_t most; /* the highest so far */
};

/* Who ran out of memory, by the kernel's own counters. */
enum message_oom {
    OOM_NONE = 0,
    OOM_LIMIT,   /* the job's own limit */
    OOM_MACHINE, /* any other */
    OOM_BELOW    /* in a cgroup that the job has made: for a limit there, or for any other; Linux before 5.17 */
};

/* A worker and all that it left are reaped. */
struct message_gone {
    uint64_t serial;
    int64_t status; /* as wait(2) */
    uint64_t reason;
    uint64_t ready;       /* it had come as far as to wait for a task */
    uint64_t begun;       /* it had read its task */
    uint64_t replacement; /* serial of the worker born in its place, with it that one's ends; 0: none */
    uint64_t user_us, system_us, minor_faults, major_faults;
    uint64_t method;      /* pool_memory_method_t: how peak was measured */
    uint64_t peak, bound; /* bytes */
    uint64_t oom;         /* enum message_oom: a SIGKILL of the kernel's meant this */
    uint64_t processes, killed, unkillable;
    uint64_t met;               /* processes that were seen while it ran, the worker among them; 0: nobody looked */
    struct message_slice crash; /* text */
    struct message_slice frame; /* the worker's last frame, where the job had broken its pipe */
};

enum message_payload { PAYLOAD_NONE = 0, PAYLOAD_INLINE, PAYLOAD_MEMFD };

/* Which descriptors travel with a task, in this order: a memfd payload, one for each bit, then `fds` of the job's. */
enum { TASK_STDIN = 1, TASK_STDOUT = 2, TASK_STDERR = 4, TASK_CWD = 64 };

/* A stream's bit moved by this: the command is to have none, and no descriptor travels. */
enum { TASK_CLOSED_SHIFT = 3 };

struct message_task {
    uint64_t serial;
    uint64_t function; /* 0: the payload is a command message */
    uint64_t attempt;
    uint64_t payload;          /* enum message_payload */
    uint64_t size;             /* of the payload */
    struct message_slice data; /* an inline payload */
    uint64_t streams;          /* TASK_ bits */
    uint64_t fds;
    uint64_t events; /* somebody listens to progress and partial results */
    uint64_t early;
    int64_t cpu_ms, nofile, nice;           /* -1, -1, 0: unchanged */
    int64_t memory_limit, pids, cpu_weight; /* for the worker's cgroup, if it has one; -1: none */
    uint64_t backstop;                      /* memory_limit is RLIMIT_DATA as well */
};

/* A command: argv and envp are strings that each end in NUL, one after the other. */
struct message_command {
    struct message_slice argv, envp, cwd; /* cwd: size 0: a descriptor, TASK_CWD */
    int64_t group;                        /* process group to join; 0: one of its own */
    struct message_slice numbers;         /* int32_t each: where the job's descriptors stand; size 0: 3, 4, ... */
};

struct message_progress {
    uint64_t done, total;
};

struct message_partial {
    uint64_t payload, size; /* PAYLOAD_MEMFD: the descriptor is on the task socket, sealed */
    struct message_slice data;
};

/* A command was stopped by a signal, or (0) continued. */
struct message_halted {
    uint64_t signal;
};

/* How a command could not be started. */
enum message_start { START_OK = 0, START_NOT_FOUND, START_NOT_EXECUTABLE, START_NO_PROCESS };

struct message_result {
    int64_t code; /* the function's, or a command's exit code */
    uint64_t payload, size;
    struct message_slice data;
    uint64_t sealed;           /* a memfd that the worker could seal itself */
    struct message_slice text; /* why it failed */
    uint64_t command;          /* what follows means something */
    uint64_t start;            /* enum message_start */
    uint64_t signal;           /* that the command died of */
    uint64_t peak;             /* bytes, the command's own high-water mark */
    uint64_t processes;        /* seen by the worker beside itself */
};

/* Packs *message of the given type into buffer as a whole frame. -EMSGSIZE: it does not fit. */
int message_pack(struct frame_buffer *buffer, enum message_type type, const void *message);

/* Unpacks a frame's body: the caller has checked that the type is one that may come now. The bytes are scanned first.
 * -EBADMSG: not what the table says; -ENOMEM. */
int message_unpack(enum message_type type, const void *body, size_t size, void *message);

#endif
