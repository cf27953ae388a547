#include "tests/sim/fleet_checks.h"

#include <algorithm>

#include <fmt/format.h>

namespace jackdaw::sim {
namespace {

using swim::NewsClass;

constexpr std::size_t sent_max = 16;   ///< by one datagram: 8 pages, an ack, a sync, relays, clears
constexpr std::size_t pages_max = 8;   ///< and that answer a join or page_ask
constexpr std::size_t answers_max = 4; ///< any other
constexpr double idle_bytes_max = 260;

} // namespace

Checks::Checks(FleetSim& fleet) : fleet_{fleet}, seen_(fleet.size()) {
    fleet_.after_step = [this](const Step& step) { look(step); };
}

void Checks::require(bool holds, std::size_t node, const std::string& what) {
    if (!holds && breach_.empty()) {
        const auto at = fleet_.now().time_since_epoch() - std::chrono::seconds{1000};
        breach_ = fmt::format("at {:.6f} s, member {}: {}",
                              std::chrono::duration<double>(at).count(), node, what);
    }
}

void Checks::look(const Step& step) {
    if (!breach_.empty()) {
        return;
    }
    auto& seen = seen_[step.node];
    if (seen.life != fleet_.life(step.node)) {
        require(!fleet_.kept_disk(step.node) || seen.life == 0 ||
                    (fleet_.core(step.node).own().incarnation() > seen.incarnation &&
                     fleet_.core(step.node).own().boot() > seen.boot),
                step.node, "it began with what an earlier life had said");
        seen = Seen{};
        seen.life = fleet_.life(step.node);
        seen.claims.resize(fleet_.size());
        seen.held.resize(fleet_.size());
    }
    look_at_own(step.node, step, seen);
    if (!fleet_.core(step.node).is_silent()) {
        look_at_claims(step.node, seen);
        look_at_verdicts(step.node, seen);
        look_at_limits(step.node, step);
    }
    seen.heard_nobody = fleet_.core(step.node).hears_nobody(fleet_.now());
}

void Checks::look_at_own(std::size_t node, const Step& step, Seen& seen) {
    const auto& core = fleet_.core(node);
    const auto& own = core.own();
    require(own.incarnation() >= seen.incarnation, node, "its incarnation went back");
    require(own.boot() >= seen.boot, node, "its boot went back");
    if (step.sent != 0) {
        require(own.incarnation() <= fleet_.disk(node).incarnation_reserved, node,
                "it sent an incarnation above the durable one");
        require(own.boot() == fleet_.disk(node).boot, node, "it sent a boot that is not durable");
    }
    require(core.self().state == Standing::alive, node, "it believes in its own death");
    require(core.self().incarnation <= own.incarnation(), node,
            "it holds more of itself than it said");
    seen.incarnation = own.incarnation();
    seen.boot = own.boot();
}

void Checks::look_at_claims(std::size_t node, Seen& seen) {
    const auto& core = fleet_.core(node);
    std::uint64_t digest = 0;
    swim::View::TreeDigests tree{};
    std::size_t live = 0;
    std::size_t suspects = 0;
    for (std::size_t other = 0; other < fleet_.size(); ++other) {
        const auto* const entry = core.find(fleet_.id_of(other));
        if (entry == nullptr) {
            continue; // what it was stays remembered: it must come back above that
        }
        const auto claim = entry->claim();
        if (other != node && fleet_.id_of(other) != fleet_.id_of(node)) {
            const swim::Claim withdrawn{claim.incarnation, Standing::suspect};
            require(!seen.held[other] || claim >= seen.claims[other] ||
                        (seen.heard_nobody && claim.state == Standing::alive &&
                         seen.claims[other] == withdrawn),
                    node, fmt::format("what it holds of {} went back", other));
        }
        seen.claims[other] = claim;
        seen.held[other] = true;
        if (swim::is_live(entry->state)) {
            const auto one = core.view().digest_of(*entry);
            digest ^= one;
            tree[entry->place() >> 56U] ^= swim::digest_on_wire(one);
            ++live;
            suspects += entry->state == Standing::suspect ? 1U : 0U;
        }
        const bool has_timer = core.suspicions().of(entry->id()) != nullptr;
        require(has_timer == (entry->state == Standing::suspect), node,
                fmt::format("a suspicion of {} without its timer, or the reverse", other));
    }
    require(digest == core.view().digest() && tree == core.view().tree_digests(), node,
            "its digests are not those of its members");
    require(live == core.view().live() && suspects == core.view().suspects(), node,
            "its counts of members are wrong");
}

void Checks::look_at_verdicts(std::size_t node, Seen& seen) {
    const auto& core = fleet_.core(node);
    const auto downs = core.counters().downs;
    if (downs == seen.downs) {
        return;
    }
    seen.downs = downs;
    require(!core.is_deaf(fleet_.now()), node, "it judged while it was deaf");
    for (std::size_t i = 0; i < core.view().dead(); ++i) {
        const auto& entry = core.view().dead_at(i);
        const auto why = core.why(entry.id());
        if (entry.since != fleet_.now() || why.size() < 2 ||
            why.back().cause != swim::Cause::timer) {
            continue;
        }
        const auto min = fleet_.options().config.suspicion_min;
        const auto lasted = why.back().when - why[why.size() - 2].when;
        require(lasted >= min / 2, node, "a suspicion ended before its accused could answer");
        const bool could_confirm =
            core.view().live() - core.view().suspects() >= 4 && core.doubts().size() == 0;
        require(why.back().accusers_count > 1 || !could_confirm || lasted > 3 * min, node,
                "a verdict from one accuser");
    }
}

void Checks::look_at_limits(std::size_t node, const Step& step) {
    const auto& core = fleet_.core(node);
    const auto& limits = core.limits();
    const auto& queue = core.news();
    require(queue.size(NewsClass::members) <= limits.news_members &&
                queue.size(NewsClass::statuses) <= limits.news_statuses &&
                queue.size(NewsClass::hints) <= limits.news_hints,
            node, "more news than its limit");
    // Fewer members need fewer sends: an item may be beyond them until it is sent once more.
    require(queue.sends_most() <= swim::sends_of(NewsClass::hints, 16384), node,
            "an item was sent more often than it may be");
    require(core.view().live() <= limits.members && core.view().dead() <= limits.dead &&
                core.view().graves().size() <= limits.tombstones &&
                core.doubts().size() <= limits.doubts && core.unverified() <= limits.unverified,
            node, "more members, dead, doubts or unverified news than the limit");
    require(step.is_tick || step.sent <= sent_max, node,
            fmt::format("{} datagrams for one", step.sent));
    if (step.answers > answers_max) {
        proto::Datagram asked;
        const bool reads = proto::decode_gossip(step.received, asked) == proto::Decoded::ok;
        const bool is_join = reads && asked.body.known &&
                             (asked.body.kind == proto::DatagramKind::join ||
                              asked.body.kind == proto::DatagramKind::page_ask);
        require(is_join && step.answers <= pages_max, node,
                fmt::format("{} datagrams answered one", step.answers));
    }
    require(!step.is_tick || core.next_wakeup() > fleet_.now(), node,
            "it wants a tick for what was due before this one");
}

std::string Checks::table() const {
    std::string text;
    for (std::size_t viewer = 0; viewer < fleet_.size(); ++viewer) {
        if (!fleet_.is_up(viewer)) {
            continue;
        }
        const auto& core = fleet_.core(viewer);
        text +=
            fmt::format("{}: own {} boot {}, syncs {}, stale {}:", viewer, core.own().incarnation(),
                        core.own().boot(), core.counters().syncs, core.counters().dropped_boot);
        for (std::size_t subject = 0; subject < fleet_.size(); ++subject) {
            if (const auto* const held = core.find(fleet_.id_of(subject)); held != nullptr) {
                text += fmt::format(" {}/{:x}", held->incarnation, held->status_version());
            }
        }
        text += '\n';
    }
    return text;
}

std::string Checks::at_rest() {
    if (!breach_.empty()) {
        return breach_;
    }
    std::size_t up = 0;
    std::uint64_t digest = 0;
    bool has_dead = false;
    bool has_fresh = false; ///< called down within two minutes
    for (std::size_t node = 0; node < fleet_.size(); ++node) {
        if (!fleet_.is_up(node) || fleet_.core(node).is_silent()) {
            continue;
        }
        const auto& core = fleet_.core(node);
        if (core.doubts().size() != 0 || core.suspicions().size() != 0 ||
            (core.view().live() > 1 && !core.news().empty()) || core.unverified() != 0) {
            return fmt::format("member {} is not at rest: {} doubts, {} suspicions, news: {}", node,
                               core.doubts().size(), core.suspicions().size(),
                               !core.news().empty());
        }
        if (up++ != 0 && core.view().digest() != digest) {
            return fmt::format("member {} has another digest\n{}{}", node, table(),
                               fleet_.picture());
        }
        digest = core.view().digest();
        has_dead = has_dead || core.view().dead() != 0;
        for (std::size_t i = 0; i < core.view().dead(); ++i) {
            const auto& entry = core.view().dead_at(i);
            has_fresh = has_fresh || (entry.state == Standing::down &&
                                      fleet_.now() - entry.since <= std::chrono::minutes{2});
        }
    }
    if (!fleet_.all_see_all()) {
        return "not all see all\n" + fleet_.picture();
    }
    const auto bytes = fleet_.ip_bytes();
    fleet_.run_for(std::chrono::seconds{10});
    const auto each = static_cast<double>(fleet_.ip_bytes() - bytes) / 10 / static_cast<double>(up);
    // So many pings a period of the whole fleet to the dead, but one of each member at most, and
    // with the sender's proof; by chance somewhat more in ten seconds.
    const auto pings = std::min(has_fresh ? 6.0 : 2.0, static_cast<double>(up));
    const auto healing = has_dead ? pings * 330 * 1.5 / static_cast<double>(up) : 0;
    const std::chrono::duration<double> period = fleet_.options().config.probe_period;
    // Ten seconds have one period more than usual if the first is late and the last early.
    const auto periods = 10 / period.count() + 1;
    if (up > 1 && each > (idle_bytes_max + healing) * periods / 10) {
        return fmt::format("{:.0f} bytes/s of each member at rest\n{}{}", each, table(),
                           fleet_.picture());
    }
    return breach_;
}

} // namespace jackdaw::sim
