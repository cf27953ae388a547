// Arbitrary bytes at everything that jackdaw-host reads: its protocol, and, as text, the machine
// file, the config drive, the list of programs, networks and stamps. What passes must hold what its
// readers rely on.

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "agent/host/host_firewall.h"
#include "agent/host/host_protocol.h"
#include "agent/host/host_spawn.h"
#include "agent/host/host_volume.h"
#include "agent/host/machine_file.h"
#include "tests/fuzz/require.h"

using jackdaw::fuzz::require;

namespace {

using namespace jackdaw::agent;

void read_like_the_host(const std::uint8_t* bytes, std::size_t size) {
    if (size == sizeof(host::Request)) {
        const auto request = std::make_unique<host::Request>();
        std::memcpy(request.get(), bytes, size);
        require(request->count <= host::allow_max && request->port <= 65535);
        require(host::text_of(request->serial).size() < sizeof request->serial);
        require(request->log_owner <= 1 && request->keep <= host::log_keep_limit);
        if (const auto name = host::text_of(request->log); host::is_log_name(name)) {
            require(name.size() <= host::log_name_max && name.find('/') == std::string::npos &&
                    name.front() != '.');
        }
    } else {
        require(size == sizeof(host::SpawnRequest));
        const auto request = std::make_unique<host::SpawnRequest>();
        std::memcpy(request.get(), bytes, size);
        require(request->spawn.argc >= 1);
    }
}

/// Whatever was understood must be understood again from what we write.
void read_texts(std::string_view text) {
    if (const auto file = host::parse_machine_file(text)) {
        require(static_cast<bool>(host::parse_machine_file(host::format_machine_file(*file))));
    }
    if (const auto file = host::parse_config_drive("{}", text)) {
        require(static_cast<bool>(host::parse_machine_file(host::format_machine_file(*file))));
    }
    (void)host::parse_config_drive(text, "{}");
    (void)host::ProgramList::parse(text);
    if (const auto network = host::canonical_network(text)) {
        require(*host::canonical_network(*network) == *network);
        require(network->find_first_not_of("0123456789abcdef.:/") == std::string::npos);
    }
    if (const auto stamp = host::parse_stamp(text)) {
        require(host::format_stamp(*stamp) == text);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::vector<std::uint8_t> exact(data, data + size);
    if (host::request_valid(exact.data(), size)) {
        read_like_the_host(exact.data(), size);
    }
    if (host::reply_valid(exact.data(), size)) {
        host::Reply reply;
        std::memcpy(&reply, exact.data(), sizeof reply);
        (void)host::error_of(reply);
    }
    read_texts({reinterpret_cast<const char*>(exact.data()), size});
    return 0;
}
