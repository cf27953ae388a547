// Arbitrary bytes at every validator of proto/machine; what passes must hold what its readers rely
// on.

#include <cstdint>
#include <cstring>
#include <vector>

#include "proto/machine/guard_protocol.h"
#include "proto/machine/init_protocol.h"
#include "tests/fuzz/require.h"

using jackdaw::fuzz::require;

namespace {

void read_like_a_guard(const std::uint8_t* bytes) {
    static jackdaw_spawn_request request;
    static char* argv[JACKDAW_SPAWN_ARGUMENTS + 1];
    static char* environment[JACKDAW_SPAWN_ENVIRONMENT + 1];
    std::memcpy(&request, bytes, sizeof request);
    const char* end = request.strings + request.strings_size;
    const char* folder = jackdaw_spawn_request_unpack(&request, argv, environment);
    require(folder[0] == '/' && argv[0][0] == '/');
    for (std::uint32_t i = 0; i < request.argc; ++i) {
        require(argv[i] + std::strlen(argv[i]) < end);
    }
    for (std::uint32_t i = 0; i < request.envc; ++i) {
        require(environment[i] + std::strlen(environment[i]) < end &&
                std::strchr(environment[i], '=') != nullptr);
    }
    require(std::strlen(request.name) < sizeof request.name &&
            std::strchr(request.name, '/') == nullptr);
    require(jackdaw_spawn_stop_seconds(&request) <=
            JACKDAW_SPAWN_STOP_STEPS * std::uint64_t{JACKDAW_SPAWN_STOP_SECONDS});
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::vector<std::uint8_t> exact(
        data, data + size); // so that a sanitizer sees the first byte too many
    const std::uint8_t* bytes = exact.data();
    jackdaw_guard_request_valid(bytes, size);
    if (jackdaw_guard_answer_valid(bytes, size) == JACKDAW_GUARD_OUTPUT_REPLY) {
        require(size <= sizeof(jackdaw_guard_output));
    }
    jackdaw_init_answer_valid(bytes, size);
    if (jackdaw_init_request_valid(bytes, size) == JACKDAW_INIT_SPAWN) {
        read_like_a_guard(bytes);
    }
    return 0;
}
