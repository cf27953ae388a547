#include "agent/fleet.h"

#include <algorithm>
#include <cstring>
#include <sstream>

#include <fmt/format.h>
#include <sodium.h>
#include <spdlog/spdlog.h>

#include "proto/base/ids.h"
#include "proto/base/secret.h"
#include "proto/wire/blob.h"
#include "proto/wire/seal.h"
#include "proto/wire/statement.h"

namespace jackdaw::agent {
namespace {

constexpr std::string_view incarnation_key = "incarnation";

/// What happened, and whether somebody who reads the log of a quiet fleet wants to know.
/// In the timeline; empty: not worth an entry.
std::string_view kind_of(gossip::Event::Kind kind) {
    using Kind = gossip::Event::Kind;
    switch (kind) {
    case Kind::joined: return "member.joined";
    case Kind::suspected: return "member.suspected";
    case Kind::recovered: return "member.recovered";
    case Kind::went_down: return "member.down";
    case Kind::left: return "member.left";
    case Kind::changed:
    case Kind::forgotten: break;
    }
    return {};
}

std::pair<std::string_view, spdlog::level::level_enum> words_of(gossip::Event::Kind kind) {
    using Kind = gossip::Event::Kind;
    switch (kind) {
    case Kind::joined: return {"is known now", spdlog::level::info};
    case Kind::suspected: return {"is suspected: it does not answer", spdlog::level::info};
    case Kind::recovered: return {"is alive again", spdlog::level::info};
    case Kind::went_down: return {"is down", spdlog::level::info};
    case Kind::left: return {"has left", spdlog::level::info};
    case Kind::changed: return {"has news of itself", spdlog::level::debug};
    case Kind::forgotten: return {"is shown no more", spdlog::level::debug};
    }
    return {"?", spdlog::level::debug};
}

std::string_view status_text(proto::Standing standing) {
    switch (standing) {
    case proto::Standing::alive: return "alive";
    case proto::Standing::suspect: return "suspect";
    case proto::Standing::down: return "down";
    case proto::Standing::left: return "left";
    }
    return "?";
}

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
    hand_over.ring = *std::move(ring);
    std::istringstream lines{seeds.value_or("")};
    for (std::string line; std::getline(lines, line);) {
        if (line = trimmed(line); !line.empty() && hand_over.seeds.size() < 64) {
            hand_over.seeds.push_back(line);
        }
    }
    return std::optional<HandOver>{std::move(hand_over)};
}

Fleet::Fleet(Parts parts, std::string name, std::string address, std::uint16_t port)
    : parts_{std::move(parts)}, name_{std::move(name)}, address_{std::move(address)}, port_{port} {}

Result<void> Fleet::open(boost::asio::ip::udp::socket socket, const std::string& fleet,
                         const std::string& ring, std::string instance_id) {
    JACKDAW_TRY(auto keys, proto::parse_ring(ring));
    JACKDAW_TRY(const auto kept, parts_.store.get(Table::gossip, incarnation_key));
    std::uint64_t incarnation = 1;
    if (kept && kept->size() == sizeof incarnation) {
        std::memcpy(&incarnation, kept->data(), sizeof incarnation);
        ++incarnation; // what was said under the old one may still be on its way
    }
    const auto persist = [this](proto::Incarnation next) -> Result<void> {
        const auto raw = static_cast<std::uint64_t>(next);
        std::string bytes(sizeof raw, '\0');
        std::memcpy(bytes.data(), &raw, sizeof raw);
        return parts_.store.commit(
            {Change{Table::gossip, std::string{incarnation_key}, std::move(bytes)}});
    };
    JACKDAW_CHECK(persist(proto::Incarnation{incarnation}));
    fleet_ = fleet;
    instance_id_ = std::move(instance_id);
    proto::Member self;
    self.id = proto::NodeId{parts_.identity.gossip_id()};
    self.address = fmt::format("{}:{}", address_, port_);
    self.incarnation = proto::Incarnation{incarnation};
    last_blob_ = own_blob();
    self.blob = last_blob_;
    std::uint64_t seed = 0;
    randombytes_buf(&seed, sizeof seed);
    gossip::GossipService::Hooks hooks;
    hooks.on_event = [this](const gossip::Event& event) {
        const auto blob = proto::decode_blob(event.member.blob);
        const auto [words, level] = words_of(event.kind);
        spdlog::log(level, "gossip: {} ({}) {}", blob ? blob->name : "?", event.member.address,
                    words);
        if (const auto kind = kind_of(event.kind); parts_.tell && !kind.empty()) {
            parts_.tell(kind, blob ? blob->name : event.member.address,
                        fmt::format("{} at {}", words, event.member.address));
        }
        refresh();
    };
    hooks.on_persist = persist;
    service_ = std::make_unique<gossip::GossipService>(std::move(socket), gossip::Config{},
                                                       std::move(self), seed, std::move(keys),
                                                       fleet, std::move(hooks));
    refresh();
    return ok();
}

std::string Fleet::own_blob() const {
    proto::MemberBlob blob;
    blob.name = name_;
    blob.instance_id = instance_id_;
    blob.agent_version = parts_.version;
    blob.address = address_;
    if (const auto instance = parts_.instance()) {
        blob.name = instance->name;
        blob.datastore = instance->datastore;
        blob.version = instance->version;
        blob.status = instance->status;
        blob.address = instance->address.empty() ? address_ : instance->address;
        blob.port = instance->port;
        for (const auto& warning : instance->warnings) {
            const auto at = std::ranges::find(proto::warning_kinds, warning.kind);
            blob.warnings |= static_cast<std::uint8_t>(1U << (at - proto::warning_kinds.begin()));
        }
    }
    return proto::encode_blob(blob);
}

void Fleet::refresh() {
    if (service_ == nullptr) {
        return;
    }
    const bool has_left = service_->swim().self().standing == proto::Standing::left;
    const bool deleted = parts_.deleted();
    if (deleted) {
        if (!has_left) { // the machine goes next: nobody shall take its silence for a death
            spdlog::info("gossip: leaving the fleet; the instance was deleted");
            service_->leave();
        }
    } else if (has_left) {
        service_->come_back(); // another create in the same machine
    }
    if (auto blob = own_blob(); blob != last_blob_ && !deleted) {
        last_blob_ = blob;
        service_->set_blob(std::move(blob));
    }
    std::vector<proto::MemberShape> members;
    std::vector<proto::Instance> instances;
    const auto now = runtime::Clock::instant();
    const auto wall_ms = parts_.clock.wall_ms();
    for (const auto& view : service_->snapshot()) {
        const auto& member = view.member;
        auto blob = proto::decode_blob(member.blob);
        if (!blob) {
            blob = proto::MemberBlob{}; // a later version's: its standing is shown, its instance is
                                        // not
        }
        proto::MemberShape shape;
        shape.name = blob->name;
        shape.id = fmt::format("{:016x}", static_cast<std::uint64_t>(member.id));
        shape.address = member.address;
        shape.status = status_text(member.standing);
        shape.incarnation = static_cast<std::uint64_t>(member.incarnation);
        shape.rtt_ms = view.rtt_ms;
        shape.version = blob->agent_version;
        shape.instance = blob->instance_id;
        shape.since = rfc3339(
            wall_ms -
            std::chrono::duration_cast<std::chrono::milliseconds>(now - view.since).count());
        members.push_back(shape);
        if (blob->datastore.empty() || member.standing == proto::Standing::left) {
            continue;
        }
        const bool own = static_cast<std::uint64_t>(member.id) == parts_.identity.gossip_id();
        if (own) {
            if (auto instance = parts_.instance()) {
                instances.push_back(*std::move(instance));
            }
            continue;
        }
        proto::Instance instance;
        instance.name = blob->name;
        instance.id = blob->instance_id;
        instance.fleet = fleet_;
        instance.datastore = blob->datastore;
        instance.version = blob->version;
        instance.machine_id = blob->instance_id;
        const bool down = member.standing == proto::Standing::down;
        instance.machine_state = down ? "unknown" : "on";
        instance.status = down ? "unreachable" : blob->status;
        instance.reason =
            down ? fmt::format("its agent is {} since {}", shape.status, shape.since) : "";
        instance.address = blob->address;
        instance.port = blob->port;
        instance.agent_version = blob->agent_version;
        for (std::size_t i = 0; !down && i < proto::warning_kinds.size(); ++i) {
            if ((static_cast<unsigned>(blob->warnings) >> i & 1U) != 0) {
                instance.warnings.push_back({proto::warning_kinds[i], "", "", ""});
            }
        }
        instances.push_back(std::move(instance));
    }
    const auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
    std::ranges::stable_sort(members, by_name);
    std::ranges::stable_sort(instances, by_name);
    // Two alive with one name: both are shown, told apart (ARCHITECTURE.md, Names).
    for (std::size_t i = 0; i < instances.size();) {
        const auto name = instances[i].name;
        std::size_t end = i;
        while (end < instances.size() && instances[end].name == name) {
            ++end;
        }
        for (auto j = i; end - i > 1 && j < end; ++j) {
            const auto& id = instances[j].id;
            instances[j].name += "~" + id.substr(id.size() > 4 ? id.size() - 4 : 0);
        }
        i = end;
    }
    const std::lock_guard lock{mutex_};
    members_ = std::move(members);
    instances_ = std::move(instances);
}

std::vector<proto::MemberShape> Fleet::members() const {
    const std::lock_guard lock{mutex_};
    return members_;
}

std::vector<proto::Instance> Fleet::instances() const {
    const std::lock_guard lock{mutex_};
    if (instances_.empty()) { // before the hand-over: what this machine itself has
        if (auto own = parts_.instance()) {
            return {*std::move(own)};
        }
    }
    return instances_;
}

} // namespace jackdaw::agent
