// The key ring (GOSSIP.md, section 11): the one place where a ring comes in, and where each agent
// by itself takes the next step of a rotation. What is used is durable first.
#include <algorithm>
#include <numeric>
#include <span>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include "agent/fleet_node.h"
#include "proto/runtime/offload.h"

namespace jackdaw::agent {

namespace {

proto::GossipRing copy_of(const proto::GossipRing& ring) {
    proto::GossipRing copy;
    copy.fleet = ring.fleet;
    for (const auto& [version, key] : ring.keys()) {
        (void)copy.add(version, key); // they were different where they come from
    }
    return copy;
}

constexpr std::string_view another_copy =
    "another copy of the fleet's profile made it; `jackdaw key rotate` makes a key that is newer";

/// What is held and not in `given`, while there is room: the key that seals, then the newest.
void keep_own(const proto::GossipRing& held, proto::GossipRing& given) {
    std::vector<std::size_t> order(held.keys().size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(std::span{order}.subspan(1), std::ranges::greater{},
                      [&](std::size_t at) { return held.keys()[at].first; });
    for (const auto at : order) {
        const auto& [version, key] = held.keys()[at];
        const auto id = proto::key_id(key);
        const bool has_id = std::ranges::any_of(
            given.keys(), [&](const auto& one) { return proto::key_id(one.second) == id; });
        if (!has_id && !given.add(version, key)) {
            return; // it is full: no version is twice, the caller has looked
        }
    }
}

} // namespace

/// The hand-over's files stand where they were made; what was given since is newer, or sorted anew.
Result<void> Fleet::take_kept_ring() {
    JACKDAW_TRY(const auto text, load_ring(parts_.store));
    if (text) {
        JACKDAW_TRY(auto kept, proto::parse_gossip_ring(text->reveal(), {}));
        if (kept.fleet == ring_.fleet && kept.newest() >= ring_.newest()) {
            ring_ = std::move(kept);
        }
    }
    return ok();
}

/// On the loop.
Result<std::optional<proto::GossipRing>> Fleet::merged_ring(proto::GossipRing given, RingUse use) {
    JACKDAW_CHECK(may_speak());
    if (given.fleet != ring_.fleet) {
        return Error{Errc::invalid, "the ring is another fleet's"};
    }
    if (given.newest() < ring_.newest()) {
        return Error{Errc::conflict,
                     fmt::format("this agent has key {} already, which is newer", ring_.newest())}
            .with_hint(std::string{another_copy});
    }
    for (const auto& [version, key] : given.keys()) {
        const auto held =
            std::ranges::find(ring_.keys(), version, &proto::GossipRing::Keys::value_type::first);
        if (held != ring_.keys().end() && held->second != key) {
            return Error{Errc::conflict,
                         fmt::format("this agent has another key as version {}", version)}
                .with_hint(std::string{another_copy});
        }
    }
    if (use.keep_own) {
        keep_own(ring_, given);
    }
    if (!use.use_now) { // gone from it: the first one given seals
        (void)given.seal_with(ring_.keys().front().first);
    }
    const bool same = given.keys() == ring_.keys();
    return same ? std::nullopt : std::optional{std::move(given)};
}

/// On the loop. Whose status has not come yet is waited for: each look decodes them again. Who uses
/// the newest already may not read this agent, and then its `alive` is all that comes of it: that,
/// and what it sealed, which opens.
bool Fleet::all_have_newest() const {
    const auto& link = node_->pass.link();
    const auto& ring = link.ring();
    const bool is_used = link.counters().opened_newest != 0;
    const auto& view = node_->core.view();
    for (std::size_t i = 0; i < view.live(); ++i) {
        const auto& entry = view.live_at(i);
        if (&entry == &node_->core.self()) {
            continue;
        }
        if (entry.alive->ring != ring.newest()) {
            return false;
        }
        const auto status = status_of(entry);
        const bool is_told = status.key_version == ring.newest();
        const bool is_seen = is_used && entry.alive->sealing == ring.newest();
        if (is_told ? status.key_id != ring.newest_id() : !is_seen) {
            return false;
        }
    }
    return true;
}

/// On the loop: what a rotation asks of this agent now, by its own view.
Result<std::optional<proto::GossipRing>> Fleet::next_ring() {
    std::optional<proto::GossipRing> next;
    const auto& view = core().view();
    const auto& link = node_->pass.link().ring();
    proto::RingSeen seen{~0U, link.sealing() != link.newest() && all_have_newest()};
    for (std::size_t i = 0; i < view.live(); ++i) {
        seen.sealing_min = std::min(seen.sealing_min, view.live_at(i).alive->sealing);
    }
    const auto now_s = std::chrono::duration_cast<std::chrono::seconds>(
                           runtime::Clock::instant().time_since_epoch())
                           .count();
    const auto since_s = all_seal_.look(link, seen, static_cast<std::uint64_t>(now_s));
    switch (proto::next_ring_step(link, seen, since_s)) {
    case proto::RingStep::nothing: break;
    case proto::RingStep::use:
        next = copy_of(ring_);
        (void)next->seal_with(next->newest());
        break;
    case proto::RingStep::remove:
        next = copy_of(ring_);
        next->drop([&](std::uint32_t version) { return version < link.sealing(); });
        break;
    }
    return next;
}

/// On a worker: makes the next ring on the loop, keeps it, then uses it. No next one: nothing to
/// do.
Result<void> Fleet::change_ring(std::function<Result<std::optional<proto::GossipRing>>()> make) {
    const std::lock_guard lock{ring_changes_};
    JACKDAW_TRY(auto next, on_loop(std::move(make)));
    if (!next) {
        return ok();
    }
    JACKDAW_CHECK(parts_.store.commit({keep_ring(proto::gossip_ring_text(*next))}));
    auto ring = std::make_shared<proto::GossipRing>(*std::move(next));
    return on_loop([this, ring]() -> Result<void> {
        if (node_ == nullptr) { // this life ended meanwhile, and no other could begin
            return not_handed_over();
        }
        JACKDAW_TRY(auto sealing, proto::SealRing::make(ring->fleet, ring->keys()));
        spdlog::info("gossip: key ring with {} keys, newest {}, sealing with {}",
                     ring->keys().size(), sealing.newest(), sealing.sealing());
        if (parts_.tell) {
            std::vector<std::uint32_t> versions;
            for (const auto& [version, key] : ring->keys()) {
                versions.push_back(version);
            }
            std::ranges::sort(versions);
            parts_.tell("key.changed", "",
                        fmt::format("this agent holds {} {} and seals with {}",
                                    versions.size() == 1 ? "key" : "keys",
                                    fmt::join(versions, ", "), sealing.sealing()));
        }
        const auto newest = sealing.newest();
        const auto used = sealing.sealing();
        ring_ = std::move(*ring);
        node_->pass.set_ring(std::move(sealing));
        core().set_ring(runtime::Clock::instant(), newest, used);
        changed();
        refresh(); // the others wait for what the status says of it
        return ok();
    });
}

Result<void> Fleet::set_ring(Secret text, RingUse use) {
    auto given = std::make_shared<Secret>(std::move(text));
    return change_ring([this, given, use]() -> Result<std::optional<proto::GossipRing>> {
        auto ring = proto::parse_gossip_ring(given->reveal(), membership_.fleet);
        if (!ring) { // nothing of this agent's is damaged
            return Error{Errc::invalid, ring.error().message()}.with_hint(
                "'ring' is the text of a ring: a line \"fleet HEX16\", then \"VERSION HEX64\" "
                "each");
        }
        return merged_ring(*std::move(ring), use);
    });
}

/// Who was off during a rotation cannot be told of it in words that it could open.
void Fleet::watch_keys() {
    const auto& counted = node_->pass.link().counters();
    const auto turn =
        key_watch_.look(runtime::Clock::instant(), counted.unknown_key, core().counters().heard);
    if (turn != KeyWatch::Turn::none) {
        node_->core.set_shut_out(key_watch_.is_shut_out());
    }
    if (turn == KeyWatch::Turn::shut_out) {
        spdlog::warn(
            "keys_missed: what comes in is sealed with keys that this agent does not have; "
            "its newest is {}",
            ring_.newest());
    } else if (turn == KeyWatch::Turn::let_in) {
        spdlog::info("keys_given: others are heard again");
    } else if (turn == KeyWatch::Turn::over) {
        spdlog::info("gossip: nothing comes any more that does not open; nobody was heard since");
    }
    if (turn != KeyWatch::Turn::none && parts_.tell) {
        const bool is_out = turn == KeyWatch::Turn::shut_out;
        const char* const more =
            is_out ? "; `jackdaw key rotate` hands the fleet's to who missed them"
            : turn == KeyWatch::Turn::over
                ? "; nothing comes any more that it does not open, and nobody was heard since"
                : "";
        parts_.tell(is_out ? "gossip.keys_missed" : "gossip.keys_given", "",
                    fmt::format("its newest is {}{}", ring_.newest(), more));
    }
}

asio::awaitable<Result<void>> Fleet::rotate() {
    if (ring_.keys().size() < 2) {
        co_return ok();
    }
    auto work = [this] { return change_ring([this] { return next_ring(); }); };
    co_return co_await runtime::offload(parts_.pool, std::move(work));
}

} // namespace jackdaw::agent
