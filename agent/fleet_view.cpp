// Members and instances as gossip tells them.
#include <algorithm>

#include <fmt/format.h>

#include "agent/fleet_node.h"
#include "agent/gossip_figures.h"
#include "proto/base/ids.h"

namespace jackdaw::agent {
namespace {

using proto::Json;

constexpr std::size_t told_of_each = 8; ///< in one finding

template <class Each>
void each_entry(const swim::View& view, Each each) {
    for (std::size_t i = 0; i < view.live(); ++i) {
        each(view.live_at(i));
    }
    for (std::size_t i = 0; i < view.dead(); ++i) {
        each(view.dead_at(i));
    }
}

std::string host_of(const proto::NetAddress& address) {
    const auto text = proto::text_of(address);
    auto host = text.substr(0, text.rfind(':'));
    return host.starts_with('[') ? host.substr(1, host.size() - 2)
                                 : host; // as its own agent has it
}

/// Two alive with one name: both are shown, told apart (ARCHITECTURE.md, Names).
void tell_apart(std::vector<proto::Instance>& sorted) {
    for (std::size_t i = 0; i < sorted.size();) {
        const auto name = sorted[i].name;
        std::size_t end = i;
        while (end < sorted.size() && sorted[end].name == name) {
            ++end;
        }
        for (auto j = i; end - i > 1 && j < end; ++j) {
            const auto& id = sorted[j].id;
            sorted[j].name += "~" + id.substr(id.size() > 4 ? id.size() - 4 : 0);
        }
        i = end;
    }
}

std::string_view cause_text(swim::Cause cause) {
    switch (cause) {
    case swim::Cause::probe: return "probe";
    case swim::Cause::heard: return "heard";
    case swim::Cause::sync: return "sync";
    case swim::Cause::timer: return "timer";
    case swim::Cause::itself: return "itself";
    case swim::Cause::operator_: return "operator";
    case swim::Cause::withdrawn: return "withdrawn";
    }
    return "?";
}

double ms_of(Duration time) {
    return std::chrono::duration<double, std::milli>(time).count();
}

} // namespace

Instant Fleet::look_at_clocks() {
    const auto now = runtime::Clock::instant();
    wall_.look(now, parts_.clock.wall_ms());
    return now;
}

std::vector<proto::MemberShape> Fleet::member_shapes() {
    std::vector<proto::MemberShape> all;
    if (node_ == nullptr) {
        return all;
    }
    const auto& core = node_->core;
    const auto now = look_at_clocks();
    each_entry(core.view(), [&](const swim::Entry& entry) {
        const auto status = status_of(entry);
        auto& shape = all.emplace_back();
        shape.name = entry.alive->name();
        shape.id = id_text(entry.id());
        shape.address = proto::text_of(entry.alive->address);
        const bool is_me = &entry == &core.self();
        shape.status = standing_text(is_me && left_ ? swim::Standing::left : entry.state);
        shape.incarnation = entry.incarnation;
        if (const auto trip = core.round_trip(now, entry); trip && !is_me) {
            shape.rtt_ms = ms_of(*trip);
        }
        shape.version = status.agent_version;
        shape.instance = status.instance_id;
        shape.since = rfc3339(wall_.ms_at(entry.since));
        shape.ring = entry.alive->ring;
        shape.sealing = entry.alive->sealing;
        if (status.key_version != 0 && status.key_version == shape.ring) {
            shape.key_id = proto::key_id_text(status.key_id);
        }
    });
    std::ranges::sort(all, [](const auto& a, const auto& b) {
        return a.name != b.name ? a.name < b.name : a.id < b.id;
    });
    return all;
}

std::vector<proto::Instance> Fleet::instance_shapes() {
    std::vector<proto::Instance> all;
    if (auto own = parts_.instance()) {
        all.push_back(*std::move(own));
    }
    if (node_ == nullptr) { // before the hand-over: what this machine itself has
        return all;
    }
    look_at_clocks();
    each_entry(node_->core.view(), [&](const swim::Entry& entry) {
        const auto status = status_of(entry);
        if (&entry == &node_->core.self() || status.datastore.empty() ||
            entry.state == swim::Standing::left) {
            return;
        }
        auto& instance = all.emplace_back();
        instance.name = entry.alive->name();
        instance.id = status.instance_id;
        instance.fleet = membership_.fleet;
        instance.datastore = status.datastore;
        instance.version = status.db_version;
        instance.machine_id = status.instance_id;
        const bool down = entry.state == swim::Standing::down;
        const bool is_known = status.db_state != "unknown";
        instance.machine_state = down ? "unknown" : "on";
        instance.status = down ? "unreachable" : is_known ? status.db_state : "degraded";
        if (down) {
            instance.reason =
                fmt::format("its agent is down since {}", rfc3339(wall_.ms_at(entry.since)));
        } else if (!is_known) {
            instance.reason = "its agent tells a state that this version does not know";
        }
        instance.address = host_of(status.address);
        instance.port = status.address.port;
        instance.agent_version = status.agent_version;
        instance.volume_filled_min = std::min<unsigned>(status.disk_class, 7) / 8.0;
        instance.is_upkeep_told = !down && status.tells_upkeep;
        instance.needs_restart = instance.is_upkeep_told && status.needs_restart;
        if (instance.is_upkeep_told && status.maintenance_until_s != 0) {
            instance.maintenance_until =
                rfc3339(static_cast<std::int64_t>(status.maintenance_until_s) * 1000);
        }
        for (std::size_t i = 0; !down && i < proto::warning_kinds.size(); ++i) {
            if ((status.alerts >> i & 1U) != 0) {
                instance.warnings.push_back({proto::warning_kinds[i], "", "", ""});
            }
        }
    });
    std::ranges::stable_sort(all, {}, &proto::Instance::name);
    tell_apart(all);
    return all;
}

/// Whose others have all left or were forgotten has none to hear.
bool Fleet::hears_nobody() const {
    const auto& view = node_->core.view();
    bool has_others = view.live() > 1;
    for (std::size_t i = 0; i < view.dead() && !has_others; ++i) {
        has_others = view.dead_at(i).state == swim::Standing::down;
    }
    return (node_->core.is_isolated() && has_others) || key_watch_.is_shut_out() ||
           answer_watch_.is_unanswered();
}

std::string_view Fleet::own_state() const {
    return twin_ ? "twin" : left_ ? "left" : hears_nobody() ? "isolated" : "member";
}

GossipHealth Fleet::health_facts() {
    const auto& core = node_->core;
    const auto now = look_at_clocks();
    GossipHealth health;
    health.state = own_state();
    health.address = proto::text_of(core.self().alive->address);
    if (reach_watch_.is_unreached(now)) {
        health.refuted_times = reach_watch_.times();
        health.refuted_since = rfc3339(wall_.ms_at(reach_watch_.since()));
    }
    health.name = core.self().alive->name();
    for (std::size_t i = 0; i < core.view().live(); ++i) {
        const auto& entry = core.view().live_at(i);
        if (&entry != &core.self() && entry.alive->name() == core.self().alive->name() &&
            health.namesakes.size() < told_of_each) {
            health.namesakes.push_back(id_text(entry.id()));
        }
    }
    if (key_watch_.is_shut_out()) {
        health.shut_out_since = rfc3339(wall_.ms_at(key_watch_.since()));
        health.shut_out_datagrams = key_watch_.missed();
    }
    if (key_watch_.sees_foreign()) {
        health.foreign_since = rfc3339(wall_.ms_at(key_watch_.foreign_since()));
        health.foreign_datagrams = key_watch_.foreign();
    }
    if (answer_watch_.is_unanswered()) {
        health.unanswered_addresses = core.known_addresses();
        health.unanswered_since = rfc3339(wall_.ms_at(answer_watch_.since()));
    }
    for (const auto& [id, heard_at] : core.incompatible()) {
        if (health.incompatible.size() < told_of_each) {
            health.incompatible.push_back(id_text(id));
        }
    }
    if (core.counters().members_refused != 0 && core.view().live() >= core.limits().members) {
        health.full_at = core.view().live();
    }
    for (std::size_t i = 0; node_->pass.counters().no_socket != 0 && i < core.view().live() &&
                            health.other_family.size() < told_of_each;
         ++i) {
        const auto& alive = *core.view().live_at(i).alive;
        if (!node_->pass.has_socket(alive.address)) {
            health.other_family.emplace_back(alive.name());
        }
    }
    for (const auto& one : core.detours()) {
        const auto* const entry = core.find(one.id);
        if (entry != nullptr && health.detours.size() < told_of_each) {
            health.detours.push_back(
                {std::string{entry->alive->name()}, one.times, rfc3339(wall_.ms_at(one.since))});
        }
    }
    return health;
}

Json Fleet::gossip_shape() const {
    const auto& core = node_->core;
    const auto& self = *core.self().alive;
    auto versions = Json::array(), ids = Json::array();
    for (const auto& [version, key] : ring_.keys()) {
        versions.push_back(version);
        ids.push_back(proto::key_id_text(proto::key_id(key)));
    }
    const auto figures =
        gossip_figures(core, node_->pass, hears_nobody(), runtime::Clock::instant());
    return {{"apiVersion", proto::api_version},
            {"kind", "Gossip"},
            {"state", own_state()},
            {"id", id_text(core.id())},
            {"name", self.name()},
            {"address", proto::text_of(self.address)},
            {"incarnation", core.self().incarnation},
            {"boot", self.boot},
            {"profile", label_.profile},
            {"fleet_id", fmt::format("{:016x}", static_cast<std::uint64_t>(ring_.fleet))},
            {"status",
             {{"load_class", told_ ? told_->load_class : 0},
              {"disk_class", told_ ? told_->disk_class : 0}}},
            {"members", core.view().live()},
            {"dead", core.view().dead()},
            {"ring",
             {{"versions", std::move(versions)},
              {"sealing", ring_.keys().front().first},
              {"ids", std::move(ids)}}},
            {"figures", figures_json(figures)}};
}

Json Fleet::why_shape(swim::NodeId id) {
    const auto& core = node_->core;
    look_at_clocks();
    const auto at = [&](Instant then) { return rfc3339(wall_.ms_at(then)); };
    const auto name_of = [&](swim::NodeId who) {
        const auto* const entry = core.find(who);
        return entry != nullptr ? std::string{entry->alive->name()} : id_text(who);
    };
    auto all = Json::array();
    for (const auto& change : core.why(id)) {
        auto accusers = Json::array();
        for (std::size_t i = 0; i < change.accusers_count; ++i) {
            accusers.push_back({{"name", name_of(change.accusers[i].id)},
                                {"since", at(change.accusers[i].since)}});
        }
        const bool has_who = change.who != swim::NodeId{};
        all.push_back(
            {{"at", at(change.when)},
             {"from", change.from ? Json(standing_text(*change.from)) : Json(nullptr)},
             {"to", standing_text(change.to)},
             {"incarnation", change.incarnation},
             {"cause", cause_text(change.cause)},
             {"who", has_who ? Json(name_of(change.who)) : Json(nullptr)},
             {"accusers", std::move(accusers)},
             {"pings", change.pings},
             {"helpers", change.helpers},
             {"nacks", change.nacks},
             {"health", change.health},
             {"rto_ms", change.rto == Duration{} ? Json(nullptr) : Json(ms_of(change.rto))}});
    }
    return all;
}

} // namespace jackdaw::agent
