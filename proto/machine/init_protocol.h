#pragma once
/* What jackdaw-host asks of the machine's first process over /run/jackdaw/init.sock: one SEQPACKET
 * message each way per request, host byte order, root only. Plain C. The same spawn request is what
 * a guard finds in its descriptor 3. Receivers trust nothing that jackdaw_init_request_valid() has
 * not looked at. */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/machine/guard_protocol.h"

#ifdef __cplusplus
extern "C" {
#endif

#define JACKDAW_INIT_SOCKET "/run/jackdaw/init.sock"
#define JACKDAW_INIT_MAGIC UINT32_C(0x44494a01) /* "\1JID" */
#define JACKDAW_INIT_VERSION 1
#define JACKDAW_LOG_FOLDER "/var/log/jackdaw/"

enum {
    JACKDAW_SPAWN_STRINGS_SIZE = 24576,
    JACKDAW_SPAWN_STOP_STEPS = 4,
    JACKDAW_SPAWN_STOP_SECONDS = 86400, /* of one step, at most */
    JACKDAW_SPAWN_ARGUMENTS = 256,
    JACKDAW_SPAWN_ENVIRONMENT = 128,
    JACKDAW_SPAWN_EXTRA_FDS = 8,
    JACKDAW_SPAWN_LOG_SIZE = 160,
    JACKDAW_INIT_GUARDS = 64, /* alive at once */
};

enum jackdaw_init_type {
    JACKDAW_INIT_PING = 1,  /* jackdaw_init_query -> jackdaw_init_reply */
    JACKDAW_INIT_SPAWN = 2, /* jackdaw_spawn_request -> jackdaw_init_reply */
    JACKDAW_INIT_LIST = 3,  /* jackdaw_init_query -> jackdaw_init_list */
    JACKDAW_INIT_REPLY = 65,
    JACKDAW_INIT_LIST_REPLY = 66,
};

enum jackdaw_spawn_kind {
    JACKDAW_SPAWN_DATABASE = 1, /* at power-off it has its stop steps' time */
    JACKDAW_SPAWN_JOB = 2,      /* at power-off it is ended at once */
};

enum jackdaw_spawn_flags {
    JACKDAW_SPAWN_HAS_CONTROL =
        1 << 0, /* the first descriptor is a SEQPACKET end: the guard's first client */
};

enum jackdaw_init_reason {
    JACKDAW_INIT_OK = 0,
    JACKDAW_INIT_INVALID = 1, /* EINVAL: the request, or its descriptors, are not valid */
    JACKDAW_INIT_NAME_TAKEN =
        2, /* EEXIST: a guard of that name lives, or its processes are being killed */
    JACKDAW_INIT_POWERING_OFF = 3, /* ESHUTDOWN */
    JACKDAW_INIT_TOO_MANY = 4,     /* EAGAIN: JACKDAW_INIT_GUARDS are alive */
    JACKDAW_INIT_FAILED = 5,       /* the errno of what init could not do */
};

struct jackdaw_init_header {
    uint32_t magic;
    uint16_t version;
    uint16_t type;     /* jackdaw_init_type */
    uint32_t sequence; /* the reply carries the request's */
    uint32_t size;     /* of the whole message, this header included */
};
static_assert(sizeof(struct jackdaw_init_header) == 16, "kept for ever");

struct jackdaw_init_query {
    struct jackdaw_init_header header;
    uint32_t reserved[4];
};
static_assert(sizeof(struct jackdaw_init_query) == 32, "kept for ever");

struct jackdaw_stop_step {
    int32_t signal;   /* 1..64 */
    uint32_t seconds; /* to wait after it */
};

/* Always sent whole. Descriptors in the message's SCM_RIGHTS, in this order: the control end if the
 * flag says so (its other end gets a STATUS_EVENT as soon as the child runs, failed, or was
 * refused), then `extra_fds` which the child finds as 10, 11, …. Whatever is not used is zero. */
struct jackdaw_spawn_request {
    struct jackdaw_init_header header;
    uint32_t kind;                /* jackdaw_spawn_kind */
    uint32_t flags;               /* jackdaw_spawn_flags */
    char name[JACKDAW_NAME_SIZE]; /* [A-Za-z0-9_-] then also '.', zero-padded, at least one NUL */
    uint32_t uid; /* of the child, all three; no supplementary groups. A database is never root */
    uint32_t gid;
    uint64_t nofile;        /* RLIMIT_NOFILE, 0: leave it; clamped to the hard limit */
    uint64_t memlock_bytes; /* RLIMIT_MEMLOCK, likewise */
    int32_t oom_score_adj;  /* 0..1000, added to what the guard has */
    uint32_t stop_count;    /* 0: a clean stop kills at once */
    struct jackdaw_stop_step stop[JACKDAW_SPAWN_STOP_STEPS];
    uint32_t argc; /* at least 1; argv[0] is an absolute path, and what is executed */
    uint32_t envc; /* each "NAME=value"; nothing else is in the child's environment */
    uint32_t extra_fds;
    uint32_t strings_size; /* bytes of `strings`: the working folder, argv, environment, each with
                              its NUL */
    char log_path[JACKDAW_SPAWN_LOG_SIZE]; /* a plain name below JACKDAW_LOG_FOLDER, or empty */
    uint64_t reserved[4];
    char strings[JACKDAW_SPAWN_STRINGS_SIZE];
};
static_assert(offsetof(struct jackdaw_spawn_request, log_path) == 152, "kept for ever");
static_assert(offsetof(struct jackdaw_spawn_request, strings) == 344, "kept for ever");
static_assert(sizeof(struct jackdaw_spawn_request) == 344 + JACKDAW_SPAWN_STRINGS_SIZE,
              "kept for ever");

struct jackdaw_init_reply {
    struct jackdaw_init_header header;
    int32_t error;     /* 0, or an errno */
    uint32_t reason;   /* jackdaw_init_reason */
    int32_t guard_pid; /* of a spawn; its child may not run yet: the control end says */
    uint32_t reserved;
};
static_assert(sizeof(struct jackdaw_init_reply) == 32, "kept for ever");

struct jackdaw_init_list {
    struct jackdaw_init_header header;
    uint32_t count;
    uint32_t reserved[3];
    char names[JACKDAW_INIT_GUARDS][JACKDAW_NAME_SIZE]; /* the first `count`: guards that live */
};
static_assert(sizeof(struct jackdaw_init_list) == 3104, "kept for ever");

void jackdaw_init_header_set(struct jackdaw_init_header* header, uint16_t type, uint32_t sequence,
                             size_t size);

/* Whether `name` (a field of JACKDAW_NAME_SIZE bytes) is a guard's name: it becomes a file's.
 * Returns 1 or 0. */
int jackdaw_guard_name_valid(const char* name);

/* Whether these bytes are one whole, in every field acceptable spawn request. Pure; any alignment.
 * 1 or 0. */
int jackdaw_spawn_request_valid(const void* bytes, size_t size);

/* The jackdaw_init_type of a valid request of any kind, else 0. */
int jackdaw_init_request_valid(const void* bytes, size_t size);

/* The jackdaw_init_type of a valid reply of either kind, else 0. */
int jackdaw_init_answer_valid(const void* bytes, size_t size);

/* Packs the working folder, argv and environment into a request whose other fields the caller
 * fills; `argc` and `envc` of the request are set. Returns 1, or 0 (request unchanged but for
 * `strings`) when they do not fit. */
int jackdaw_spawn_request_pack(struct jackdaw_spawn_request* request, const char* working_folder,
                               const char* const* argv, size_t argc, const char* const* environment,
                               size_t envc);

/* Points at the strings inside a valid request. `argv` has room for JACKDAW_SPAWN_ARGUMENTS + 1,
 * `environment` for JACKDAW_SPAWN_ENVIRONMENT + 1; both end with NULL. Returns the working folder.
 */
char* jackdaw_spawn_request_unpack(struct jackdaw_spawn_request* request, char** argv,
                                   char** environment);

/* Sum of the stop steps' seconds: the longest that a clean stop waits. */
uint64_t jackdaw_spawn_stop_seconds(const struct jackdaw_spawn_request* request);

#ifdef __cplusplus
}
#endif
