#include "agent/hand_over.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>
#include <system_error>

#include <fmt/format.h>

#include "proto/base/ids.h"
#include "proto/base/unique_fd.h"
#include "proto/wire/gossip_ring.h"
#include "proto/wire/statement.h"

namespace jackdaw::agent {
namespace {

std::string trimmed(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
        text.pop_back();
    }
    return text;
}

} // namespace

Result<std::optional<HandOver>> read_hand_over(Host& host, const Identity& identity) {
    JACKDAW_TRY(const auto statement, host.read_fleet_file(FleetFile::statement));
    JACKDAW_TRY(const auto operator_key, host.read_fleet_file(FleetFile::operator_key));
    JACKDAW_TRY(auto ring, host.read_fleet_file(FleetFile::gossip_ring));
    JACKDAW_TRY(const auto seeds, host.read_fleet_file(FleetFile::seeds));
    if (!statement || !operator_key || !ring) {
        return std::optional<HandOver>{};
    }
    HandOver hand_over;
    JACKDAW_TRY(const auto key, from_hex(trimmed(*operator_key)));
    auto& anchor = hand_over.keys.anchor;
    if (key.size() != anchor.operator_key.size()) {
        return Error{Code::bad_peer, "the operator's key in the fleet files has the wrong size"};
    }
    std::memcpy(anchor.operator_key.data(), key.data(), key.size());
    JACKDAW_TRY(hand_over.statement, proto::open_statement(*statement, anchor.operator_key));
    anchor.fleet = hand_over.statement.fleet;
    JACKDAW_TRY(const auto own, proto::judge_peer(*statement, identity.noise.open, anchor));
    if (own.statement.sign_key != identity.sign_key) {
        return Error{Code::bad_peer,
                     "the statement in the fleet files is about another agent's keys"};
    }
    hand_over.keys.own = identity.noise;
    hand_over.keys.statement = *statement;
    hand_over.ring = Secret{*std::move(ring)};
    std::istringstream lines{seeds.value_or("")};
    for (std::string line; std::getline(lines, line);) {
        if (line = trimmed(line); !line.empty() && hand_over.seeds.size() < 64) {
            hand_over.seeds.push_back(line);
        }
    }
    return std::optional<HandOver>{std::move(hand_over)};
}

Result<Secret> read_ring_file(const std::string& path) {
    constexpr const auto* mend = "it is a file that the agent's user can read, with a line \"fleet "
                                 "HEX16\" and one to four lines \"VERSION HEX64\"";
    const UniqueFd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    std::string text(proto::ring_text_bytes_max + 1, '\0');
    const auto size = file ? ::read(file.get(), text.data(), text.size()) : -1;
    if (size < 0) {
        return Error{Errc::invalid, fmt::format("read the gossip ring {}", path),
                     std::error_code{errno, std::system_category()}}
            .with_hint(mend);
    }
    text.resize(static_cast<std::size_t>(size));
    Secret ring{std::move(text)};
    if (const auto parsed = proto::parse_gossip_ring(ring.reveal(), {}); !parsed) {
        return Error{Errc::invalid, fmt::format("{}: {}", path, parsed.error().message())}
            .with_hint(mend);
    }
    return ring;
}

} // namespace jackdaw::agent
