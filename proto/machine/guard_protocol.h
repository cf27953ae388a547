#pragma once
/* What a client (jackdaw-host for the agent, `doctor`) and a guard say to each other over NAME.sock
 * or over the control descriptor that came with the spawn request: one SEQPACKET message each, host
 * byte order (both ends are in one machine), no pointers, no padding. Plain C.
 *
 * Guards outlive agents by years, so version 1 is kept for ever: a field is never moved or given
 * another meaning; new ones take from `reserved`, which senders set to zero and receivers ignore.
 *
 * A request is answered by exactly one message that carries its sequence: STATUS by a status,
 * OUTPUT by an output, STOP and RELEASE by an ack. A type that this guard does not know is answered
 * by an ack with ENOSYS; a message that is no request at all ends the connection. Without being
 * asked a guard sends STATUS_EVENT (sequence 0) to every client: once when it has connected, and at
 * each change of phase. A client that does not read loses messages, never the guard's time: after
 * an overflow ask for the status. */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define JACKDAW_GUARD_FOLDER "/run/jackdaw/guards" /* NAME.sock, NAME.own, NAME.lock */
#define JACKDAW_GUARD_MAGIC UINT32_C(0x44474a01)   /* "\1JGD" */
#define JACKDAW_GUARD_VERSION 1

enum {
    JACKDAW_NAME_SIZE = 48,            /* of a guard's name, with its NUL; zero-padded */
    JACKDAW_GUARD_OUTPUT_SIZE = 32768, /* of the tail that OUTPUT answers */
    JACKDAW_GUARD_CLIENTS = 8, /* at once, with the control descriptor; more are closed at once */
    JACKDAW_AGENT_UID = 47412, /* beside root the only one the socket serves */
    JACKDAW_AGENT_GID = 47412,
    JACKDAW_GUARD_EXIT_REFUSED = 75, /* EX_TEMPFAIL: another guard or its processes have the name */
    JACKDAW_GUARD_LOCK_FD = 200,     /* NAME.lock in the child */
    JACKDAW_GUARD_FIRST_EXTRA_FD = 10, /* the spawn request's further descriptors in the child */
};

enum jackdaw_guard_type {
    /* client -> guard: jackdaw_guard_request */
    JACKDAW_GUARD_STATUS = 1, /* -> STATUS_REPLY */
    JACKDAW_GUARD_STOP =
        2, /* argument: jackdaw_guard_stop -> ACK at once; the end shows as an event */
    JACKDAW_GUARD_OUTPUT = 3,  /* -> OUTPUT_REPLY */
    JACKDAW_GUARD_RELEASE = 4, /* -> ACK, EBUSY before the end; else the guard exits */
    /* guard -> client */
    JACKDAW_GUARD_STATUS_REPLY = 65, /* jackdaw_guard_status */
    JACKDAW_GUARD_STATUS_EVENT = 66, /* jackdaw_guard_status, sequence 0 */
    JACKDAW_GUARD_OUTPUT_REPLY = 67, /* jackdaw_guard_output */
    JACKDAW_GUARD_ACK = 68,          /* jackdaw_guard_ack */
};

enum jackdaw_guard_stop {
    JACKDAW_GUARD_STOP_CLEAN =
        1, /* the spawn request's signals and times; repeating it changes nothing */
    JACKDAW_GUARD_STOP_KILL = 2, /* at once; also in the middle of a clean stop */
};

enum jackdaw_guard_phase {
    JACKDAW_GUARD_RUNNING = 1,
    JACKDAW_GUARD_STOPPING = 2,
    JACKDAW_GUARD_ENDED = 3, /* the child and every process it left are reaped */
    JACKDAW_GUARD_FAILED_TO_START =
        4, /* `error` and `reason` say why; nothing of it runs. An end, too */
};

/* Why a guard never had a running child. */
enum jackdaw_guard_reason {
    JACKDAW_GUARD_REASON_NONE = 0,
    JACKDAW_GUARD_REASON_LOCKED = 1, /* another guard of that name, or what it left, holds a lock */
    JACKDAW_GUARD_REASON_NOT_EMPTY = 2,      /* processes are left in its cgroup */
    JACKDAW_GUARD_REASON_SPEC = 3,           /* the spawn request is not valid */
    JACKDAW_GUARD_REASON_SETUP = 4,          /* the guard's own socket, pipe, log or locks */
    JACKDAW_GUARD_REASON_CHILD = 5,          /* user, groups, limits or descriptors of the child */
    JACKDAW_GUARD_REASON_WORKING_FOLDER = 6, /* chdir(2) */
    JACKDAW_GUARD_REASON_EXECUTE = 7,        /* execve(2) */
};

struct jackdaw_guard_header {
    uint32_t magic;
    uint16_t version;
    uint16_t type;     /* jackdaw_guard_type */
    uint32_t sequence; /* of the request; 0 in events */
    uint32_t size;     /* of the whole message, this header included */
};
static_assert(sizeof(struct jackdaw_guard_header) == 16, "kept for ever");

struct jackdaw_guard_request {
    struct jackdaw_guard_header header;
    uint32_t argument; /* jackdaw_guard_stop, else 0 */
    uint32_t reserved[3];
};
static_assert(sizeof(struct jackdaw_guard_request) == 32, "kept for ever");

struct jackdaw_guard_status {
    struct jackdaw_guard_header header;
    uint32_t phase;      /* jackdaw_guard_phase */
    uint32_t reason;     /* jackdaw_guard_reason; only with FAILED_TO_START */
    int32_t error;       /* errno, only with FAILED_TO_START */
    int32_t exit_status; /* 0..255 when it exited by itself, else -1 */
    int32_t signal;      /* that ended it, else 0 */
    int32_t child_pid;   /* inside the machine; 0 when there never was one */
    int32_t guard_pid;
    uint32_t reserved_word;
    int64_t started_boottime_ns; /* CLOCK_BOOTTIME at the fork */
    int64_t ended_boottime_ns;   /* when the last process was reaped; 0 until then */
    int64_t cpu_us;              /* user + system of all that was reaped; 0 until the end */
    uint64_t output_bytes;       /* read from the child since the start */
    uint64_t log_lost_bytes;     /* of them, not written to the log file (full disk) */
    char name[JACKDAW_NAME_SIZE];
    uint64_t reserved[4];
};
static_assert(sizeof(struct jackdaw_guard_status) == 168, "kept for ever");

/* Sent cut after `length` bytes of data; header.size says the same. */
struct jackdaw_guard_output {
    struct jackdaw_guard_header header;
    uint64_t
        total; /* bytes read from the child since the start; data is the last `length` of them */
    uint32_t length; /* at most JACKDAW_GUARD_OUTPUT_SIZE */
    uint32_t reserved;
    char data[JACKDAW_GUARD_OUTPUT_SIZE];
};
static_assert(offsetof(struct jackdaw_guard_output, data) == 32, "kept for ever");
static_assert(sizeof(struct jackdaw_guard_output) == 32 + JACKDAW_GUARD_OUTPUT_SIZE,
              "kept for ever");

struct jackdaw_guard_ack {
    struct jackdaw_guard_header header;
    int32_t error; /* 0, or an errno: EBUSY (release before the end), EINVAL (argument), ENOSYS
                      (type) */
    uint32_t reserved[3];
};
static_assert(sizeof(struct jackdaw_guard_ack) == 32, "kept for ever");

/* Fills the header of a message of `size` bytes. */
void jackdaw_guard_header_set(struct jackdaw_guard_header* header, uint16_t type, uint32_t sequence,
                              size_t size);

/* Whether these bytes are a whole request (magic, version, size; any type, any argument): what a
 * guard asks of what came. Alignment does not matter. Returns 1 or 0. */
int jackdaw_guard_request_valid(const void* bytes, size_t size);

/* Whether these bytes are a whole answer of one of the four kinds, its length and ranges included:
 * what a client asks of what came. Returns its jackdaw_guard_type, or 0. */
int jackdaw_guard_answer_valid(const void* bytes, size_t size);

#ifdef __cplusplus
}
#endif
