#include "agent/guard/guard_output.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/machine/process.h"

namespace jackdaw::guard {
namespace {

constexpr size_t chunk_size = 4096;
constexpr int chunks_per_call = 32; // more than a pipe holds by default: 16 pages (pipe(7))

void reopen_log(Output& output) {
    if (output.log_fd >= 0) {
        close(output.log_fd);
    }
    output.log_fd =
        jackdaw_open_log(output.log_folder_fd, output.log_name, log_limit_bytes, log_files);
    struct stat status;
    output.log_size = output.log_fd >= 0 && fstat(output.log_fd, &status) == 0 ? status.st_size : 0;
}

void keep_in_ring(Output& output, const char* data, size_t size) {
    size_t at = output.total % sizeof output.ring; // a chunk is smaller than the ring
    const size_t to_edge = sizeof output.ring - at;
    const size_t first = size < to_edge ? size : to_edge;
    memcpy(output.ring + at, data, first);
    memcpy(output.ring, data + first, size - first);
    output.total += size;
}

void append_to_log(Output& output, const char* data, size_t size) {
    if (output.log_name == nullptr) {
        return;
    }
    if (output.log_fd < 0 || output.log_size >= log_limit_bytes) {
        reopen_log(output);
    }
    const ssize_t wrote = output.log_fd >= 0 ? write(output.log_fd, data, size) : -1;
    const size_t kept = wrote > 0 ? static_cast<size_t>(wrote) : 0;
    output.log_size += static_cast<int64_t>(kept);
    output.log_lost += size - kept; // a full disk: the child must not wait for it
}

} // namespace

void open_log(State& state) {
    const auto& path = state.spec.log_path;
    if (path[0] == '\0') {
        return;
    }
    state.output.log_name = path + sizeof JACKDAW_LOG_FOLDER - 1;
    state.output.log_folder_fd = jackdaw_open_root_folder(JACKDAW_LOG_FOLDER);
    if (state.output.log_folder_fd < 0) {
        jackdaw_say(program_name, "no log is written: cannot use " JACKDAW_LOG_FOLDER, nullptr,
                    errno);
        return;
    }
    reopen_log(state.output);
}

void drain_output(Output& output) {
    char chunk[chunk_size];
    for (int i = 0; i < chunks_per_call && output.pipe_fd >= 0; ++i) {
        const ssize_t got = read(output.pipe_fd, chunk, sizeof chunk);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (got <= 0) {
            close(output.pipe_fd);
            output.pipe_fd = -1;
            return;
        }
        keep_in_ring(output, chunk, static_cast<size_t>(got));
        append_to_log(output, chunk, static_cast<size_t>(got));
    }
}

Tail tail(const Output& output) {
    const size_t size = sizeof output.ring;
    if (output.total <= size) {
        return {output.ring, static_cast<size_t>(output.total), output.ring, 0};
    }
    const size_t start = output.total % size;
    return {output.ring + start, size - start, output.ring, start};
}

} // namespace jackdaw::guard
