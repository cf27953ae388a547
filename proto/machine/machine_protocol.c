#include <string.h>

#include "proto/machine/guard_protocol.h"
#include "proto/machine/init_protocol.h"

static void set_common(void* header, uint32_t magic, uint16_t version, uint16_t type,
                       uint32_t sequence, size_t size) {
    struct jackdaw_guard_header value = {magic, version, type, sequence, (uint32_t)size};
    memcpy(header, &value, sizeof value);
}
static_assert(sizeof(struct jackdaw_guard_header) == sizeof(struct jackdaw_init_header),
              "one layout for both");

void jackdaw_guard_header_set(struct jackdaw_guard_header* header, uint16_t type, uint32_t sequence,
                              size_t size) {
    set_common(header, JACKDAW_GUARD_MAGIC, JACKDAW_GUARD_VERSION, type, sequence, size);
}

void jackdaw_init_header_set(struct jackdaw_init_header* header, uint16_t type, uint32_t sequence,
                             size_t size) {
    set_common(header, JACKDAW_INIT_MAGIC, JACKDAW_INIT_VERSION, type, sequence, size);
}

/* The type of a message whose header is right and whose size is what the header says, else 0. */
static int type_of(const void* bytes, size_t size, uint32_t magic, uint16_t version) {
    struct jackdaw_guard_header header;
    if (size < sizeof header) {
        return 0;
    }
    memcpy(&header, bytes, sizeof header);
    if (header.magic != magic || header.version != version || header.size != size) {
        return 0;
    }
    return header.type;
}

int jackdaw_guard_request_valid(const void* bytes, size_t size) {
    return size == sizeof(struct jackdaw_guard_request) &&
           type_of(bytes, size, JACKDAW_GUARD_MAGIC, JACKDAW_GUARD_VERSION) != 0;
}

static int status_valid(const void* bytes) {
    struct jackdaw_guard_status status;
    memcpy(&status, bytes, sizeof status);
    return status.phase >= JACKDAW_GUARD_RUNNING && status.phase <= JACKDAW_GUARD_FAILED_TO_START &&
           status.exit_status >= -1 && status.exit_status <= 255 && status.signal >= 0 &&
           status.signal <= 127 && jackdaw_guard_name_valid(status.name);
}

static int output_valid(const void* bytes, size_t size) {
    uint32_t length = 0;
    if (size < offsetof(struct jackdaw_guard_output, data)) {
        return 0;
    }
    memcpy(&length, (const char*)bytes + offsetof(struct jackdaw_guard_output, length),
           sizeof length);
    return length <= JACKDAW_GUARD_OUTPUT_SIZE &&
           size == offsetof(struct jackdaw_guard_output, data) + length;
}

int jackdaw_guard_answer_valid(const void* bytes, size_t size) {
    const int type = type_of(bytes, size, JACKDAW_GUARD_MAGIC, JACKDAW_GUARD_VERSION);
    switch (type) {
    case JACKDAW_GUARD_STATUS_REPLY:
    case JACKDAW_GUARD_STATUS_EVENT:
        return size == sizeof(struct jackdaw_guard_status) && status_valid(bytes) ? type : 0;
    case JACKDAW_GUARD_OUTPUT_REPLY: return output_valid(bytes, size) ? type : 0;
    case JACKDAW_GUARD_ACK: return size == sizeof(struct jackdaw_guard_ack) ? type : 0;
    default: return 0;
    }
}

static int plain(char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || letter == '_' || letter == '-';
}

/* A file name in a field of `size` bytes: no leading dot, no slash, ended and padded by NULs. */
static int file_name_valid(const char* field, size_t size) {
    size_t length = 0;
    while (length < size && (plain(field[length]) || (length > 0 && field[length] == '.'))) {
        ++length;
    }
    if (length == 0 || length == size) {
        return 0;
    }
    for (size_t i = length; i < size; ++i) {
        if (field[i] != '\0') {
            return 0;
        }
    }
    return 1;
}

int jackdaw_guard_name_valid(const char* name) {
    return file_name_valid(name, JACKDAW_NAME_SIZE);
}

static int all_zero(const void* bytes, size_t size) {
    const unsigned char* at = (const unsigned char*)bytes;
    for (size_t i = 0; i < size; ++i) {
        if (at[i] != 0) {
            return 0;
        }
    }
    return 1;
}

/* The blob holds exactly 1 + argc + envc strings, each ended, and nothing after them. */
static int strings_valid(const struct jackdaw_spawn_request* request) {
    const uint32_t expected = 1 + request->argc + request->envc;
    const uint32_t size = request->strings_size;
    uint32_t at = 0;
    for (uint32_t index = 0; index < expected; ++index) {
        if (at >= size) {
            return 0;
        }
        const char* text = request->strings + at;
        const char* end = (const char*)memchr(text, '\0', size - at);
        if (end == NULL) {
            return 0;
        }
        const int is_path = index <= 1; /* the working folder and the program */
        if (is_path && text[0] != '/') {
            return 0;
        }
        const int is_environment = index > request->argc;
        if (is_environment && (text[0] == '=' || strchr(text, '=') == NULL)) {
            return 0;
        }
        at += (uint32_t)(end - text) + 1;
    }
    return at == size && all_zero(request->strings + size, JACKDAW_SPAWN_STRINGS_SIZE - size);
}

static int stop_valid(const struct jackdaw_spawn_request* request) {
    if (request->stop_count > JACKDAW_SPAWN_STOP_STEPS) {
        return 0;
    }
    for (uint32_t i = 0; i < request->stop_count; ++i) {
        const struct jackdaw_stop_step* step = &request->stop[i];
        if (step->signal < 1 || step->signal > 64 || step->seconds > JACKDAW_SPAWN_STOP_SECONDS) {
            return 0;
        }
    }
    return 1;
}

static int log_path_valid(const char* path) {
    const size_t prefix = sizeof(JACKDAW_LOG_FOLDER) - 1;
    if (path[0] == '\0') {
        return all_zero(path, JACKDAW_SPAWN_LOG_SIZE);
    }
    return memcmp(path, JACKDAW_LOG_FOLDER, prefix) == 0 &&
           file_name_valid(path + prefix, JACKDAW_SPAWN_LOG_SIZE - prefix);
}

static int aligned_spawn_request_valid(const struct jackdaw_spawn_request* request) {
    const int is_database = request->kind == JACKDAW_SPAWN_DATABASE;
    if (!is_database && request->kind != JACKDAW_SPAWN_JOB) {
        return 0;
    }
    if (is_database && (request->uid == 0 || request->gid == 0)) {
        return 0;
    }
    if (request->uid == UINT32_MAX || request->gid == UINT32_MAX) { /* setresuid(2): "leave it" */
        return 0;
    }
    return (request->flags & ~(uint32_t)JACKDAW_SPAWN_HAS_CONTROL) == 0 &&
           jackdaw_guard_name_valid(request->name) && request->oom_score_adj >= 0 &&
           request->oom_score_adj <= 1000 && request->argc >= 1 &&
           request->argc <= JACKDAW_SPAWN_ARGUMENTS && request->envc <= JACKDAW_SPAWN_ENVIRONMENT &&
           request->extra_fds <= JACKDAW_SPAWN_EXTRA_FDS &&
           request->strings_size <= JACKDAW_SPAWN_STRINGS_SIZE &&
           all_zero(request->reserved, sizeof request->reserved) && stop_valid(request) &&
           log_path_valid(request->log_path) && strings_valid(request);
}

int jackdaw_spawn_request_valid(const void* bytes, size_t size) {
    if (size != sizeof(struct jackdaw_spawn_request) ||
        type_of(bytes, size, JACKDAW_INIT_MAGIC, JACKDAW_INIT_VERSION) != JACKDAW_INIT_SPAWN) {
        return 0;
    }
    struct jackdaw_spawn_request request;
    memcpy(&request, bytes, sizeof request);
    return aligned_spawn_request_valid(&request);
}

int jackdaw_init_request_valid(const void* bytes, size_t size) {
    const int type = type_of(bytes, size, JACKDAW_INIT_MAGIC, JACKDAW_INIT_VERSION);
    switch (type) {
    case JACKDAW_INIT_PING:
    case JACKDAW_INIT_LIST: return size == sizeof(struct jackdaw_init_query) ? type : 0;
    case JACKDAW_INIT_SPAWN: return jackdaw_spawn_request_valid(bytes, size) ? type : 0;
    default: return 0;
    }
}

static int list_valid(const void* bytes) {
    struct jackdaw_init_list list;
    memcpy(&list, bytes, sizeof list);
    if (list.count > JACKDAW_INIT_GUARDS) {
        return 0;
    }
    for (uint32_t i = 0; i < list.count; ++i) {
        if (!jackdaw_guard_name_valid(list.names[i])) {
            return 0;
        }
    }
    return 1;
}

int jackdaw_init_answer_valid(const void* bytes, size_t size) {
    const int type = type_of(bytes, size, JACKDAW_INIT_MAGIC, JACKDAW_INIT_VERSION);
    switch (type) {
    case JACKDAW_INIT_REPLY: return size == sizeof(struct jackdaw_init_reply) ? type : 0;
    case JACKDAW_INIT_LIST_REPLY:
        return size == sizeof(struct jackdaw_init_list) && list_valid(bytes) ? type : 0;
    default: return 0;
    }
}

static int append(struct jackdaw_spawn_request* request, size_t* at, const char* text) {
    const size_t size = strlen(text) + 1;
    if (size > JACKDAW_SPAWN_STRINGS_SIZE - *at) {
        return 0;
    }
    memcpy(request->strings + *at, text, size);
    *at += size;
    return 1;
}

int jackdaw_spawn_request_pack(struct jackdaw_spawn_request* request, const char* working_folder,
                               const char* const* argv, size_t argc, const char* const* environment,
                               size_t envc) {
    size_t at = 0;
    memset(request->strings, 0, sizeof request->strings);
    if (argc < 1 || argc > JACKDAW_SPAWN_ARGUMENTS || envc > JACKDAW_SPAWN_ENVIRONMENT ||
        !append(request, &at, working_folder)) {
        return 0;
    }
    for (size_t i = 0; i < argc; ++i) {
        if (!append(request, &at, argv[i])) {
            return 0;
        }
    }
    for (size_t i = 0; i < envc; ++i) {
        if (!append(request, &at, environment[i])) {
            return 0;
        }
    }
    request->argc = (uint32_t)argc;
    request->envc = (uint32_t)envc;
    request->strings_size = (uint32_t)at;
    return 1;
}

char* jackdaw_spawn_request_unpack(struct jackdaw_spawn_request* request, char** argv,
                                   char** environment) {
    char* at = request->strings + strlen(request->strings) + 1;
    for (uint32_t i = 0; i < request->argc; ++i) {
        argv[i] = at;
        at += strlen(at) + 1;
    }
    argv[request->argc] = NULL;
    for (uint32_t i = 0; i < request->envc; ++i) {
        environment[i] = at;
        at += strlen(at) + 1;
    }
    environment[request->envc] = NULL;
    return request->strings;
}

uint64_t jackdaw_spawn_stop_seconds(const struct jackdaw_spawn_request* request) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < request->stop_count && i < JACKDAW_SPAWN_STOP_STEPS; ++i) {
        sum += request->stop[i].seconds;
    }
    return sum;
}
