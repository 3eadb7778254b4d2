/* message.h - the messages: plain structs, and the two functions that pack and unpack all of them.
 *
 * A message, but for a task, is a MessagePack array of its fields in the order of the table in message.c, which serves
 * writer and reader alike. A *full* worker has a socket to the host beside its pipe, a plain one has not. Slices are
 * *borrowed*: from the sender's memory when packed, from the frame's body when unpacked.
 *
 *     keeper  → host          server, server_lost                 SOCK_SEQPACKET
 *     host    → fork server   fork, kill, signal, watch           SOCK_SEQPACKET, the control socket
 *     fork server → host      hello, born, memory, gone           the same
 *     host    → worker        a task in the worker's area, and a ring: area.h; its descriptors on the worker's socket
 *     worker  → host          progress, piece, partial, halted, result   the worker's pipe; descriptors on its socket
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "frame.h"

#include <reclaim/pool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

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
    MESSAGE_COMMAND,
    MESSAGE_PROGRESS,
    MESSAGE_PIECE,
    MESSAGE_PARTIAL,
    MESSAGE_HALTED,
    MESSAGE_RESULT,
    MESSAGE_TYPE_COUNT_
};

/* Exit statuses of a worker. */
#define WORKER_EXIT_CHANNEL 121 /* the job took its descriptors, and the result could not be sent */
#define WORKER_EXIT_BIRTH   122 /* it could not begin */

struct message_slice {
    const void *data;
    uint64_t size;
};

/* A fork server was forked. With it comes the host's end of its control socket. */
struct message_server {
    uint64_t generation;
    uint64_t pid;
};

/* A fork server died, and what it left has been swept. */
struct message_server_lost {
    uint64_t generation;
    int64_t status; /* as wait(2); negative errno: it could not be forked */
};

/* Defects of a fork server that is ready, for the log hook. */
enum message_note {
    NOTE_NO_PIDS = 1 << 0, /* cgroups have no pids controller: processes are counted instead */
    NOTE_NO_CPU = 1 << 1,  /* cgroups have no cpu controller: cpu_weight does nothing */
    NOTE_NO_MSEAL = 1 << 2 /* this kernel cannot keep jobs to their own slot of the area */
};

/* The fork server is ready, and with this come the two memfds of its area; or (code is not 0) it cannot start, and
 * message says why. */
struct message_hello {
    int64_t code;
    uint64_t method; /* pool_memory_method_t: how jobs are measured and limited */
    uint64_t notes;  /* NOTE_ bits */
    struct message_slice message;
};

/* Asks for count workers. */
struct message_fork {
    uint64_t count;
    uint64_t full; /* with a socket */
};

/* Why a fork server kills a job: the first reason stays. */
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
    KILL_EVICTED, /* other jobs need its memory */
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

/* Sent before a task with limits, or when a task without has run for some milliseconds. -1: none. */
struct message_watch {
    uint64_t serial;
    int64_t timeout_ms, kill_after_ms, cpu_ms, pids;
    uint64_t pausable;    /* a command: its time does not run while it is stopped */
    int64_t memory_limit; /* bytes */
    int64_t every_ms;     /* between two memory messages, at most */
    uint64_t argument;    /* bytes of its argument, mapped as shared memory */
};

/* A worker was forked, and with this come the host's ends of its pipe and, of a full one, its socket; or error is the
 * errno. */
struct message_born {
    uint64_t serial;
    uint64_t slot;   /* of the area */
    uint64_t secret; /* what the area says until its job begins */
    uint64_t pid;
    uint64_t error;
};

/* What a job uses now: sent when it has grown by a good part since the last one, and every every_ms. */
struct message_memory {
    uint64_t serial;
    uint64_t bytes;
    uint64_t most; /* the highest so far */
};

/* Which limit an OOM kill enforced, by the kernel's counters. */
enum message_oom {
    OOM_NONE = 0,
    OOM_LIMIT,   /* the job's own limit */
    OOM_MACHINE, /* any other */
    OOM_BELOW    /* unknown: it hit a cgroup that the job has made; Linux before 5.17 */
};

/* A worker and all that it left are reaped. */
struct message_gone {
    uint64_t serial;
    int64_t status; /* as wait(2) */
    uint64_t reason;
    uint64_t ready;       /* it had begun to wait for a task */
    uint64_t begun;       /* its job had begun */
    uint64_t replacement; /* serial of the next worker, whose ends come with this; 0: none */
    uint64_t replacement_slot, replacement_secret;
    uint64_t user_us, system_us, minor_faults, major_faults;
    uint64_t method;      /* pool_memory_method_t: how peak was measured */
    uint64_t peak, bound; /* bytes */
    uint64_t oom;         /* enum message_oom */
    uint64_t processes, killed, unkillable;
    uint64_t seen;              /* processes that were seen while it ran, the worker included; 0: none was looked for */
    struct message_slice crash; /* text */
    struct message_slice frame; /* the worker's last frame, where the job had broken its pipe */
};

enum message_payload {
    PAYLOAD_NONE = 0,
    PAYLOAD_INLINE,
    PAYLOAD_MEMFD,
    PAYLOAD_PIECES /* of a plain worker: the pieces that came before */
};

/* Which descriptors travel with a task, in this order: a memfd payload, one for each bit, then `fds` of the job's. */
enum { TASK_STDIN = 1, TASK_STDOUT = 2, TASK_STDERR = 4, TASK_CWD = 64 };

/* A stream's bit shifted by this: the command gets no such stream, and no descriptor travels. */
enum { TASK_CLOSED_SHIFT = 3 };

/* No frame and no MessagePack: it lies in the worker's area as it is (area.h). Host and worker are of one image, and
 * the worker trusts its host. To unpack a task would cost each worker five page faults. */
struct message_task {
    uint64_t function; /* 0: the payload is a command message */
    uint64_t attempt;
    uint64_t payload;           /* enum message_payload */
    uint64_t size;              /* of the payload */
    uint64_t streams;           /* TASK_ bits */
    uint64_t descriptors;       /* how many come by the socket, with one byte */
    int64_t memory_limit;       /* of this attempt, bytes; -1: none */
    pool_job_options_t options; /* full ones */
};

/* argv and envp: strings, each with its NUL, one after the other. */
struct message_command {
    struct message_slice argv, envp, cwd; /* cwd: size 0: a descriptor, TASK_CWD */
    int64_t group;                        /* process group to join; 0: one of its own */
    struct message_slice numbers;         /* of the job's descriptors, int32_t each; size 0: 3, 4, ... */
};

struct message_progress {
    uint64_t done, total;
};

/* A part of a value, or of the partial result that follows. */
struct message_piece {
    uint64_t value; /* of the value */
    uint64_t left;  /* bytes that follow after this piece */
    struct message_slice data;
};

struct message_partial {
    uint64_t payload, size; /* PAYLOAD_MEMFD: the descriptor is on the socket, sealed */
    struct message_slice data;
};

/* A command was stopped by a signal, or (0) continued. */
struct message_halted {
    uint64_t signal;
};

/* Why a command could not be started. */
enum message_start { START_OK = 0, START_NOT_FOUND, START_NOT_EXECUTABLE, START_NO_PROCESS };

struct message_result {
    int64_t code; /* the function's, or a command's exit code */
    uint64_t payload, size;
    struct message_slice data;
    uint64_t sealed;           /* the worker has sealed the memfd */
    struct message_slice text; /* why it failed */
    uint64_t command;          /* it is a command's: the rest has a meaning */
    uint64_t start;            /* enum message_start */
    uint64_t signal;           /* that the command died of */
    uint64_t peak;             /* bytes, the command's own high-water mark */
    uint64_t processes;        /* seen by the worker beside itself */
};

/* Packs a message into storage as a whole frame: the frame's size, or -EMSGSIZE: it does not fit. */
ssize_t message_pack(void *storage, size_t capacity, enum message_type type, const void *message);

/* Scans and unpacks the body of a frame whose type may come now. -EBADMSG: not what the table says; -ENOMEM. */
int message_unpack(enum message_type type, const void *body, size_t size, void *message);

#endif
