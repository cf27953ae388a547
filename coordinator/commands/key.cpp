// jackdaw key list | rotate | remove
//
// The fleet's ring stands in its profile, which the next hand-over takes it from, and with each
// agent. Agents are given the whole ring and use it by themselves, when all of them have it.

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "coordinator/commands/changes.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/instance_text.h"
#include "coordinator/commands/reach.h"

namespace jackdaw::cli {
namespace {

using namespace std::chrono_literals;

/// Gossip tells all within a second; beyond it agents are missing.
constexpr auto most_limit = 20'000ms;
constexpr auto most_step = 250ms;

/// Newest version of its ring; 0 when it does not say.
std::uint32_t newest_of(const Json& gossip) {
    std::uint32_t newest = 0;
    const auto ring = gossip.find("ring");
    const auto versions = ring == gossip.end() || !ring->is_object()
                              ? Json::array()
                              : ring->value("versions", Json::array());
    for (const auto& one : versions) {
        newest = one.is_number_unsigned() ? std::max(newest, one.get<std::uint32_t>()) : newest;
    }
    return newest;
}

/// Every machine that is on, with its agent or why that does not answer.
struct Holder {
    std::string name;
    Result<ClientPtr> client;
};
Result<std::vector<Holder>> holders_of(Reach& reach) {
    JACKDAW_TRY(const auto machines, reach.machines());
    std::vector<Holder> all;
    for (const auto& machine : machines) {
        if (machine.state == cloud::MachineState::on) {
            all.push_back({machine.label, reach.of_machine(machine)});
        }
    }
    return all;
}

bool has_newest(Session& session, Holder& holder, std::uint32_t newest) {
    if (!holder.client) {
        return false;
    }
    const auto gossip = get(**holder.client, "/v1/gossip", session.in(answer_limit));
    return gossip && newest_of(*gossip) >= newest;
}

/// To all; the first failure comes back once each was tried, and each is told.
Result<void> hand_out(Session& session, std::vector<Holder>& holders, const proto::GossipRing& ring,
                      bool use_now = false) {
    Result<void> outcome;
    const auto text = proto::gossip_ring_text(ring);
    for (auto& holder : holders) {
        Result<void> given;
        if (holder.client) {
            Json body{{"ring", text.reveal()}};
            if (use_now) {
                body["use_now"] = true;
            }
            auto taken = change(**holder.client,
                                ApiRequest{"POST", "/v1/gossip/ring", std::move(body),
                                           new_uuid(session.clock, session.entropy)},
                                session.in(answer_limit));
            given = taken ? ok() : Result<void>{std::move(taken).error()};
        } else {
            given = holder.client.error().clone();
        }
        if (!given) {
            session.terminal.err(fmt::format("warning: '{}' was not given the ring: {}\n",
                                             printable(holder.name),
                                             printable(given.error().message())));
            if (outcome) {
                outcome = Error{given.error().id(), "not every agent was given the ring"}.with_hint(
                    "`jackdaw key rotate` hands it to those that missed it");
            }
        }
    }
    return outcome;
}

/// How many members that did not leave have this key or a later one, of how many; those that are
/// down count, for they may come back and then hear nobody.
Result<std::pair<std::size_t, std::size_t>> having(Session& session, ApiClient& client,
                                                   std::uint32_t version) {
    JACKDAW_TRY(const auto list, get(client, "/v1/members", session.in(answer_limit)));
    JACKDAW_TRY(const auto items, items_of(list));
    std::size_t have = 0, all = 0;
    for (const auto& item : items) {
        JACKDAW_TRY(const auto one, proto::member_from(item));
        all += one.status != "left" ? 1U : 0U;
        have += one.status != "left" && one.ring >= version ? 1U : 0U;
    }
    return std::pair{have, all};
}

/// The same as the first agent sees it that tells of others: one that left the fleet does not.
Result<std::pair<std::size_t, std::size_t>>
having(Session& session, const std::vector<Holder>& holders, std::uint32_t version) {
    auto last = Error{Errc::unavailable, "no agent was asked"};
    for (const auto& holder : holders) {
        if (!holder.client) {
            last = holder.client.error().clone();
            continue;
        }
        auto seen = having(session, **holder.client, version);
        if (seen) {
            return seen;
        }
        last = std::move(seen).error();
    }
    return last;
}

/// "key 1", "keys 1, 2": all but the newest.
std::string older_keys(const proto::GossipRing& ring) {
    std::vector<std::uint32_t> older;
    for (const auto& [version, key] : ring.keys()) {
        if (version != ring.newest()) {
            older.push_back(version);
        }
    }
    std::ranges::sort(older);
    return fmt::format("{} {}", older.size() == 1 ? "key" : "keys", fmt::join(older, ", "));
}

/// Until most members have the newest key.
Result<void> wait_for_most(Session& session, const std::vector<Holder>& holders,
                           std::uint32_t newest) {
    if (holders.empty()) {
        return ok();
    }
    const auto until = session.in(most_limit);
    for (;;) { // until most have it, or the limit
        JACKDAW_TRY(const auto seen, having(session, holders, newest));
        if (2 * seen.first > seen.second) {
            return ok();
        }
        if (session.clock.now() >= until) {
            return Error{Errc::conflict,
                         fmt::format("{} of {} members have key {}: the others stay in use",
                                     seen.first, seen.second, newest)}
                .with_hint("`jackdaw key rotate --leak` again, when more agents answer, goes on "
                           "with it");
        }
        session.clock.sleep(most_step);
    }
}

/// Use at once, remove as soon as most have it; the rest get the ring when they are back.
Result<void> end_leak(Session& session, std::vector<Holder>& holders, const std::string& fleet,
                      proto::GossipRing& ring) {
    const auto newest = ring.newest();
    auto given = hand_out(session, holders, ring, true);
    JACKDAW_CHECK(wait_for_most(session, holders, newest)
                      .while_doing(fmt::format("take away what members hold beside key {} ({})",
                                               newest, older_keys(ring))));
    ring.drop([&](std::uint32_t one) { return one != newest; });
    JACKDAW_CHECK(save_gossip_ring(session.folders, fleet, ring));
    auto taken = hand_out(session, holders, ring, true);
    return given ? std::move(taken) : std::move(given);
}

struct Held {
    std::size_t held = 0;             ///< members whose newest key is this or a later one
    std::vector<std::string> missing; ///< names of the others
    std::vector<std::string> sealing; ///< names of those that seal with it
};

/// "db2, db3", or a few of them and how many more.
std::string some_of(const std::vector<std::string>& names) {
    constexpr std::size_t shown = 8;
    std::string text;
    for (std::size_t i = 0; i < names.size() && i < shown; ++i) {
        text += (i == 0 ? "" : ", ") + printable(names[i]);
    }
    return names.size() > shown ? fmt::format("{} and {} more", text, names.size() - shown) : text;
}

/// By version, of the members that did not leave: who is down may come back, and is counted by what
/// it last said.
Result<std::map<std::uint32_t, Held>> held_by_members(Session& session, ApiClient& client,
                                                      std::size_t& members) {
    JACKDAW_TRY(const auto list, get(client, "/v1/members", session.in(answer_limit)));
    JACKDAW_TRY(const auto items, items_of(list));
    note_untold_in(session, items, proto::to_json(proto::MemberShape{}));
    std::map<std::uint32_t, Held> all;
    std::vector<proto::MemberShape> counted;
    for (const auto& item : items) {
        JACKDAW_TRY(auto one, proto::member_from(item));
        if (one.status != "left") {
            all[one.sealing].sealing.push_back(one.name);
            all.try_emplace(one.ring);
            counted.push_back(std::move(one));
        }
    }
    for (auto& [version, held] : all) {
        for (const auto& one : counted) {
            if (one.ring >= version) {
                ++held.held;
            } else {
                held.missing.push_back(one.name);
            }
        }
    }
    members = counted.size();
    return all;
}

} // namespace

Result<int> key_list(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    JACKDAW_TRY(auto client, reach.any_member());
    std::size_t members = 0;
    JACKDAW_TRY(auto keys, held_by_members(session, *client, members));
    if (!reach.local()) {
        JACKDAW_TRY(const auto ring, read_gossip_ring(session.folders, reach.profile().name));
        for (const auto& [version, key] : ring.keys()) {
            keys.try_emplace(version);
        }
    }
    Table table{{{"VERSION", false, true}, {"HELD BY"}, {"SEALS FOR"}, {"MISSED BY"}}, {}};
    Json items = Json::array();
    for (const auto& [version, held] : keys) {
        table.rows.push_back({{std::to_string(version)},
                              {fmt::format("{} of {}", held.held, members)},
                              {fmt::format("{} of {}", held.sealing.size(), members)},
                              {some_of(held.missing)}});
        items.push_back(Json{{"version", version},
                             {"held", held.held},
                             {"sealing", held.sealing.size()},
                             {"members", members},
                             {"missing", held.missing}});
    }
    session.terminal.page(render_list(proto::list_json("Key", std::move(items), session.now_text()),
                                      table, invocation.format, session.terminal.colour_out(),
                                      "version"));
    return 0;
}

Result<int> key_rotate(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto reach, Reach::find_fleet(session, invocation));
    const auto& fleet = reach.profile().name;
    JACKDAW_TRY(const auto lock, lock_fleet(session.folders, fleet));
    JACKDAW_TRY(auto ring, read_gossip_ring(session.folders, fleet));
    JACKDAW_TRY(auto holders, holders_of(reach));
    const bool leak = invocation.has("--leak");
    const bool begun = ring.keys().size() > 1 && ring.keys().front().first == ring.newest();
    // A leak's ring has its newest key first until the others are gone; the key of before it is not
    // the next one, whoever misses it.
    const bool is_new = leak ? !begun : std::ranges::all_of(holders, [&](Holder& one) {
        return has_newest(session, one, ring.newest());
    });
    if (is_new) {
        JACKDAW_CHECK(add_gossip_key(ring));
    }
    const auto newest = ring.newest();
    if (invocation.dry_run) {
        return would(
            session, invocation,
            {fmt::format("{} key {} to {} agents{}", is_new ? "make and hand" : "hand", newest,
                         holders.size(), leak ? ", and take the others from them" : "")});
    }
    if (leak) {
        (void)ring.seal_with(newest);
    }
    const auto rotate = [&]() -> Result<void> {
        if (is_new || leak) { // here first: what an agent has, the next hand-over must have, too
            JACKDAW_CHECK(save_gossip_ring(session.folders, fleet, ring));
        }
        return leak ? end_leak(session, holders, fleet, ring) : hand_out(session, holders, ring);
    };
    JACKDAW_TRY(const auto machines, reach.machines());
    auto said =
        leak ? fmt::format("key {} is the fleet's only one", newest)
        : holders.empty()
            ? fmt::format("key {} is the fleet's newest; no machine is on to be given it", newest)
            : fmt::format("key {} is with every agent that is on ({}); each seals with it "
                          "once all have it",
                          newest, holders.size());
    if ((leak || !holders.empty()) && machines.size() > holders.size()) {
        said += fmt::format("; machines that are off: {}, `jackdaw key rotate` again once they "
                            "are on",
                            machines.size() - holders.size());
    }
    return at_once(session, invocation, "key.rotate", fleet, said, rotate);
}

Result<int> key_remove(Session& session, const Invocation& invocation) {
    const auto text = invocation.text("VERSION");
    std::uint32_t version = 0;
    const auto* const end = text.data() + text.size();
    if (const auto [at, ec] = std::from_chars(text.data(), end, version);
        ec != std::errc{} || at != end || version == 0) {
        return Error{Errc::invalid, "a key's version is a number above 0"}.with_hint(
            "`jackdaw key list` shows them");
    }
    JACKDAW_TRY(auto reach, Reach::find_fleet(session, invocation));
    const auto& fleet = reach.profile().name;
    JACKDAW_TRY(const auto lock, lock_fleet(session.folders, fleet));
    JACKDAW_TRY(auto ring, read_gossip_ring(session.folders, fleet));
    if (version >= ring.newest()) {
        return Error{Errc::conflict,
                     fmt::format("key {} is not older than the newest of the fleet", version)}
            .with_hint("`jackdaw key rotate` first");
    }
    JACKDAW_TRY(auto holders, holders_of(reach));
    if (!invocation.has("--force") && !holders.empty()) {
        JACKDAW_TRY(auto client, reach.any_member());
        std::size_t members = 0;
        JACKDAW_TRY(const auto held, held_by_members(session, *client, members));
        const auto used = held.find(version);
        if (used != held.end() && !used->second.sealing.empty()) {
            const auto& sealing = used->second.sealing;
            return Error{Errc::conflict,
                         fmt::format("{} of {} members seal with key {}: {}", sealing.size(),
                                     members, version, some_of(sealing))}
                .with_hint("wait until `jackdaw key list` shows none; power on who is down, or "
                           "`jackdaw member forget` it; or --force");
        }
    }
    if (invocation.dry_run) {
        return would(session, invocation,
                     {fmt::format("take key {} from {} agents", version, holders.size())});
    }
    ring.drop([&](std::uint32_t one) { return one == version; });
    const auto remove = [&]() -> Result<void> {
        JACKDAW_CHECK(save_gossip_ring(session.folders, fleet, ring));
        return hand_out(session, holders, ring);
    };
    JACKDAW_TRY(const auto machines, reach.machines());
    const auto off = machines.size() - std::min(machines.size(), holders.size());
    auto said = off == 0 ? fmt::format("no agent has key {} any more", version)
                         : fmt::format("no agent that is on has key {} any more; machines that are "
                                       "off: {}, `jackdaw key rotate` once they are on",
                                       version, off);
    return at_once(session, invocation, "key.remove", fleet, std::move(said), remove);
}

} // namespace jackdaw::cli
