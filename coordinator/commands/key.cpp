// jackdaw key list | rotate | remove
//
// The fleet's ring stands in its profile, which the next hand-over takes it from, and with each
// agent. Agents are given the whole ring and use it by themselves, when all of them have it.

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "coordinator/commands/changes.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/instance_text.h"
#include "coordinator/commands/reach.h"
#include "coordinator/commands/ring_holders.h"

namespace jackdaw::cli {
namespace {

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

/// Use at once, remove as soon as most machines' agents have it; the rest get the ring when they
/// are back. What gossip tells counts for nothing here: who has the key that leaked can tell of as
/// many members as it likes.
Result<void> end_leak(Session& session, std::vector<Holder>& holders, std::size_t machines,
                      const std::string& fleet, proto::GossipRing& ring, RingUse use) {
    const auto newest = ring.newest();
    use.use_now = true;
    auto given = hand_out(session, holders, ring, use);
    if (!holders.empty() && 2 * given.count <= machines) {
        const auto older = ring.keys().size() == 1 ? "what the others hold" : older_keys(ring);
        return Error{Errc::conflict,
                     fmt::format("{} of {} machines' agents have key {}: {} {} in use beside it",
                                 given.count, machines, newest, older,
                                 ring.keys().size() <= 2 ? "stays" : "stay")}
            .with_hint("`jackdaw key rotate --leak` again, when more agents answer, goes on with "
                       "it; `jackdaw key remove VERSION --force` waits for nobody");
    }
    ring.drop([&](std::uint32_t one) { return one != newest; });
    JACKDAW_CHECK(save_gossip_ring(session.folders, fleet, ring));
    auto taken = hand_out(session, holders, ring, {.use_now = true});
    return given.outcome ? std::move(taken.outcome) : std::move(given.outcome);
}

struct Held {
    std::vector<std::string> holders; ///< names of those that hold it
    std::vector<std::string> missing; ///< of those that do not
    std::vector<std::string> unknown; ///< of those that were not asked, and may have it from before
    std::vector<std::string> sealing; ///< of those that seal with it
    proto::HoldersById ids;           ///< of the holders whose key's id is known
};

/// By version, of the members that did not leave: who is down may come back, and is counted by what
/// it last said. Of each only its newest key is known, and that it seals with: what of before it
/// holds is not told by gossip.
Result<std::map<std::uint32_t, Held>> held_by_members(Session& session, ApiClient& client,
                                                      std::vector<proto::MemberShape>& members) {
    JACKDAW_TRY(const auto list, get(client, "/v1/members", session.in(answer_limit)));
    JACKDAW_TRY(const auto items, items_of(list));
    note_untold_in(session, items, proto::to_json(proto::MemberShape{}));
    std::map<std::uint32_t, Held> all;
    for (const auto& item : items) {
        JACKDAW_TRY(auto one, proto::member_from(item));
        if (one.status != "left") {
            all[one.sealing].sealing.push_back(one.name);
            all.try_emplace(one.ring);
            members.push_back(std::move(one));
        }
    }
    return all;
}

/// What each holds: as its agent says where it answers, else as far as gossip knows.
Result<std::vector<std::string>> add_holders(Session& session, Reach& reach, ApiClient& client,
                                             const std::vector<proto::MemberShape>& members,
                                             std::map<std::uint32_t, Held>& keys) {
    std::map<std::string, proto::KeyIds> said;
    if (reach.local()) {
        JACKDAW_TRY(const auto gossip, get(client, "/v1/gossip", session.in(answer_limit)));
        said[gossip.value("name", "")] = held_keys_of(gossip).ids;
    } else {
        JACKDAW_TRY(auto holders, holders_of(reach));
        for (auto& holder : holders) {
            if (auto held = held_by(session, holder)) {
                said[holder.name] = std::move(held->ids);
            }
        }
    }
    for (const auto& [name, ids] : said) {
        for (const auto& [version, id] : ids) {
            keys.try_emplace(version); // also one that was taken from the others
        }
    }
    std::vector<std::string> unasked;
    for (const auto& member : members) {
        const auto at = said.find(member.name);
        if (at == said.end()) {
            unasked.push_back(member.name);
        }
        for (auto& [version, held] : keys) {
            const bool is_asked = at != said.end();
            const bool has = is_asked ? at->second.contains(version)
                                      : member.ring == version || member.sealing == version;
            const bool may_have = !is_asked && version < member.ring;
            auto& names = has ? held.holders : may_have ? held.unknown : held.missing;
            names.push_back(member.name);
            const auto id = !has                     ? std::string{}
                            : is_asked               ? at->second.at(version)
                            : member.ring == version ? member.key_id
                                                     : std::string{};
            if (!id.empty()) {
                held.ids[id].push_back(member.name);
            }
        }
    }
    return unasked;
}

/// A newer key than two of one version is what mends it. Of older ones than the profile's newest
/// that it does not have, none is used any more, or not for long.
void warn_of_clashes(Session& session, const std::map<std::uint32_t, Held>& keys,
                     const proto::KeyIds& profile) {
    proto::KeyHolders holders;
    std::set<std::uint32_t> sealing;
    const auto newest = !profile.empty() ? profile.rbegin()->first
                        : !keys.empty()  ? keys.rbegin()->first
                                         : 0U;
    for (const auto& [version, held] : keys) {
        if (!held.sealing.empty()) {
            sealing.insert(version);
        }
        const auto own = profile.find(version);
        if (own != profile.end()) {
            holders[version] = held.ids;
            holders[version][own->second].emplace_back(proto::holder_profile);
        } else if (version >= newest) {
            holders[version] = held.ids;
        }
    }
    if (const auto clashes = proto::key_clashes(holders, sealing); !clashes.empty()) {
        session.terminal.err(fmt::format("warning: {}; `jackdaw key rotate` makes one that takes "
                                         "their place\n",
                                         printable(clashes)));
    }
}

} // namespace

Result<int> key_list(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    JACKDAW_TRY(auto client, reach.any_member());
    std::vector<proto::MemberShape> members;
    JACKDAW_TRY(auto keys, held_by_members(session, *client, members));
    proto::KeyIds profile;
    if (!reach.local()) {
        JACKDAW_TRY(const auto ring, read_gossip_ring(session.folders, reach.profile().name));
        profile = ids_of(ring);
        for (const auto& [version, id] : profile) {
            keys.try_emplace(version);
        }
    }
    JACKDAW_TRY(const auto unasked, add_holders(session, reach, *client, members, keys));
    Table table{{{"VERSION", false, true}, {"HELD BY"}, {"SEALS FOR"}, {"MISSED BY"}}, {}};
    Json items = Json::array();
    for (const auto& [version, held] : keys) {
        table.rows.push_back({{std::to_string(version)},
                              {fmt::format("{} of {}", held.holders.size(), members.size())},
                              {fmt::format("{} of {}", held.sealing.size(), members.size())},
                              {some_of(held.missing)}});
        items.push_back(Json{{"version", version},
                             {"held", held.holders.size()},
                             {"holders", held.holders},
                             {"ids", held.ids},
                             {"sealing", held.sealing.size()},
                             {"members", members.size()},
                             {"missing", held.missing},
                             {"unknown", held.unknown},
                             {"unasked", unasked}});
    }
    session.terminal.page(render_list(proto::list_json("Key", std::move(items), session.now_text()),
                                      table, invocation.format, session.terminal.colour_out(),
                                      "version"));
    warn_of_clashes(session, keys, profile);
    if (!unasked.empty()) {
        session.terminal.err(fmt::format(
            "note: {} {} not asked: of {} only the newest key and the one in use are known, from "
            "gossip; older ones count as neither held nor missed\n",
            some_of(unasked), unasked.size() == 1 ? "was" : "were",
            unasked.size() == 1 ? "it" : "them"));
    }
    return 0;
}

/// A full ring gets room for the next key: the oldest goes, which nobody seals with any more.
/// Agents drop it by themselves a day after the last did.
Result<void> make_room(Session& session, Reach& reach, proto::GossipRing& ring, bool leak) {
    while (ring.keys().size() >= proto::SealRing::keys_max) { // one less each time
        auto oldest = ring.newest();
        for (const auto& [version, key] : ring.keys()) {
            oldest = std::min(oldest, version);
        }
        if (!leak) { // else all but the next one go anyway
            JACKDAW_TRY(auto client, reach.any_member());
            std::vector<proto::MemberShape> members;
            JACKDAW_TRY(const auto held, held_by_members(session, *client, members));
            if (const auto used = held.find(oldest);
                used != held.end() && !used->second.sealing.empty()) {
                return Error{Errc::exhausted,
                             fmt::format("the ring is full, and key {} of it still seals for {}",
                                         oldest, some_of(used->second.sealing))}
                    .with_hint(fmt::format(
                        "power on who is down, or `jackdaw member forget` it; then again; or "
                        "`jackdaw key remove {} --force`: who seals with it hears nobody then",
                        oldest));
            }
        }
        ring.drop([&](std::uint32_t one) { return one == oldest; });
    }
    return ok();
}

/// None when no member tells.
std::vector<proto::MemberShape> told_members(Session& session, Reach& reach) {
    std::vector<proto::MemberShape> members;
    auto client = reach.any_member();
    if (!client || !held_by_members(session, **client, members)) {
        members.clear();
    }
    return members;
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
    const auto found = survey(session, holders, ring, !leak);
    const auto apart = told_apart(found, ring); // two keys of one version wait for nobody
    if (found.all_have && apart.empty() && !found.unjudged.empty()) {
        return silent_here(found, "no new key was made", "`jackdaw key rotate` again");
    }
    const bool asks = !leak && apart.empty() && (found.all_have || !found.gone.empty());
    const auto members = asks ? told_members(session, reach) : std::vector<proto::MemberShape>{};
    // Another key for each look at it would fill the ring with keys that one member never had.
    const auto late =
        found.all_have ? late_members(members, holders, ring) : std::vector<std::string>{};
    const bool is_new = !apart.empty() || (leak ? !begun : found.all_have && late.empty());
    RingUse use;
    if (!apart.empty()) {
        JACKDAW_TRY(use, outgrow(found, ring));
    } else if (is_new) {
        JACKDAW_CHECK(make_room(session, reach, ring, leak));
        JACKDAW_CHECK(add_gossip_key(ring, ring.newest() + 1));
    }
    const auto newest = ring.newest();
    const auto more = // to what is said
        !apart.empty() ? "; " + apart
        : late.empty()
            ? std::string{}
            : fmt::format("; no newer one is made until {} {} it, or {} forgotten", some_of(late),
                          late.size() == 1 ? "has" : "have", late.size() == 1 ? "is" : "are");
    if (invocation.dry_run) {
        return would(session, invocation,
                     {fmt::format("{} key {} to {} agents{}{}", is_new ? "make and hand" : "hand",
                                  newest, holders.size() - found.gone.size(),
                                  leak ? ", and take the others from them" : "", more)});
    }
    if (leak) {
        (void)ring.seal_with(newest);
    }
    JACKDAW_TRY(const auto machines, reach.machines());
    const auto rotate = [&]() -> Result<void> {
        if (is_new || leak) { // here first: what an agent has, the next hand-over must have, too
            JACKDAW_CHECK(save_gossip_ring(session.folders, fleet, ring));
        }
        return leak ? end_leak(session, holders, machines.size(), fleet, ring, use)
                    : hand_out(session, holders, ring, use).outcome;
    };
    auto said =
        leak ? fmt::format("key {} is the fleet's only one", newest)
        : holders.empty()
            ? fmt::format("key {} is the fleet's newest; no machine is on to be given it", newest)
            : fmt::format("key {} is with every agent that {} ({}); each seals with it "
                          "once all have it",
                          newest, found.gone.empty() ? "is on" : "answers",
                          holders.size() - found.gone.size());
    if (leak || !holders.empty()) {
        said += who_is_not_on(machines, "`jackdaw key rotate` again");
    }
    said += more;
    JACKDAW_TRY(const int end,
                at_once(session, invocation, "key.rotate", fleet, std::move(said), rotate));
    if (end == 0) {
        const auto missed_by = is_new ? found.gone : without_newest(found.gone, members, ring);
        tell_gone(session, invocation, missed_by, fmt::format("key {} was missed by", newest),
                  "`jackdaw key rotate` hands it over");
    }
    return end;
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
    const auto found = survey(session, holders, ring);
    if (!invocation.has("--force") && !found.unjudged.empty()) {
        return silent_here(
            found, fmt::format("key {} was not removed", version),
            fmt::format("--force takes it from the others, `jackdaw key remove {}` again",
                        version));
    }
    if (!invocation.has("--force") && !holders.empty()) {
        JACKDAW_TRY(auto client, reach.any_member());
        std::vector<proto::MemberShape> members;
        JACKDAW_TRY(const auto held, held_by_members(session, *client, members));
        const auto used = held.find(version);
        if (used != held.end() && !used->second.sealing.empty()) {
            const auto& sealing = used->second.sealing;
            return Error{Errc::conflict,
                         fmt::format("{} of {} members seal with key {}: {}", sealing.size(),
                                     members.size(), version, some_of(sealing))}
                .with_hint("wait until `jackdaw key list` shows none; power on who is down, or "
                           "`jackdaw member forget` it; or --force");
        }
    }
    if (invocation.dry_run) {
        return would(session, invocation,
                     {fmt::format("take key {} from {} agents", version,
                                  holders.size() - found.gone.size())});
    }
    ring.drop([&](std::uint32_t one) { return one == version; });
    const auto remove = [&]() -> Result<void> {
        JACKDAW_CHECK(save_gossip_ring(session.folders, fleet, ring));
        return hand_out(session, holders, ring).outcome;
    };
    JACKDAW_TRY(const auto machines, reach.machines());
    const auto* const who = !found.gone.empty()                 ? " that answers"
                            : machines.size() <= holders.size() ? ""
                                                                : " that is on";
    auto said = fmt::format("no agent{} has key {} any more", who, version);
    said += who_is_not_on(machines, fmt::format("`jackdaw key remove {}` again", version));
    JACKDAW_TRY(const int status,
                at_once(session, invocation, "key.remove", fleet, std::move(said), remove));
    if (status == 0) {
        tell_gone(session, invocation, found.gone,
                  fmt::format("key {} was not taken from", version),
                  fmt::format("`jackdaw key remove {}` does that", version));
    }
    return status;
}

} // namespace jackdaw::cli
