#include "coordinator/commands/ring_holders.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "coordinator/commands/account_lists.h"
#include "coordinator/commands/changes.h"
#include "coordinator/commands/instance_text.h"
#include "coordinator/profile/profile.h"

namespace jackdaw::cli {

Result<std::vector<Holder>> holders_of(Reach& reach) {
    JACKDAW_TRY(const auto machines, reach.machines());
    std::vector<Holder> all;
    for (const auto& machine : machines) {
        if (machine.state == cloud::MachineState::on) {
            all.push_back({machine.label, reach.of_machine(machine), false});
        }
    }
    return all;
}

Result<HeldKeys> held_by(Session& session, Holder& holder) {
    if (!holder.client) {
        return holder.client.error().clone();
    }
    JACKDAW_TRY(const auto gossip, get(**holder.client, "/v1/gossip", session.in(answer_limit)));
    return held_keys_of(gossip);
}

Handed hand_out(Session& session, std::vector<Holder>& holders, const proto::GossipRing& ring,
                RingUse use) {
    Handed handed;
    auto& outcome = handed.outcome;
    const auto text = proto::gossip_ring_text(ring);
    for (auto& holder : holders) {
        if (holder.is_gone) {
            continue;
        }
        Result<void> given;
        if (holder.client) {
            Json body{{"ring", text.reveal()}};
            if (use.use_now) {
                body["use_now"] = true;
            }
            if (use.keep_own) { // an agent of before refuses words that it does not know
                body["keep_own"] = true;
            }
            auto taken = change(**holder.client,
                                ApiRequest{"POST", "/v1/gossip/ring", std::move(body),
                                           new_uuid(session.clock, session.entropy)},
                                session.in(answer_limit));
            given = taken ? ok() : Result<void>{std::move(taken).error()};
        } else {
            given = holder.client.error().clone();
        }
        handed.count += given ? 1U : 0U;
        if (!given) {
            session.terminal.err(fmt::format("warning: '{}' was not given the ring: {}\n",
                                             printable(holder.name),
                                             printable(given.error().message())));
            if (outcome) {
                outcome = Error{given.error().id(), "not every agent was given the ring"}.with_hint(
                    "`jackdaw key rotate` hands it to those that missed it, once they answer; "
                    "`jackdaw doctor` says what mends them");
            }
        }
    }
    return handed;
}

std::string some_of(const std::vector<std::string>& names) {
    constexpr std::size_t shown = 8;
    std::string text;
    for (std::size_t i = 0; i < names.size() && i < shown; ++i) {
        text += (i == 0 ? "" : ", ") + printable(names[i]);
    }
    return names.size() > shown ? fmt::format("{} and {} more", text, names.size() - shown) : text;
}

std::string who_is_not_on(const std::vector<cloud::Machine>& machines, std::string_view then) {
    std::map<cloud::MachineState, std::size_t> counts;
    for (const auto& machine : machines) {
        if (machine.state != cloud::MachineState::on) {
            ++counts[machine.state];
        }
    }
    std::string text;
    for (const auto& [state, count] : counts) {
        text += fmt::format("{} {}: {}", text.empty() ? "; machines that are" : ",",
                            cloud::to_string(state), count);
    }
    return text.empty() ? text : fmt::format("{}, {} once they are on", text, then);
}

namespace {

/// The names of the members that this agent hears; none when it hears of no fleet.
std::optional<std::set<std::string>> heard_by(Session& session, ApiClient& client,
                                              const Json& gossip) {
    const auto state = proto::string_at(gossip, "state", "").value_or("");
    const auto list = get(client, "/v1/members", session.in(answer_limit));
    const auto items = list ? items_of(*list) : Result<Json>{list.error().clone()};
    if (state == "left" || state == "twin" || !items) {
        return std::nullopt;
    }
    std::set<std::string> heard;
    for (const auto& item : *items) {
        if (const auto one = proto::member_from(item);
            one && (one->status == "alive" || one->status == "suspect")) {
            heard.insert(one->name);
        }
    }
    return heard;
}

/// Who says that it holds a key of a far later version lies, or there would be no later ones.
constexpr std::uint32_t ahead_max = 1U << 16U;

void note_keys(const HeldKeys& held, const proto::KeyIds& ours, Survey& found) {
    for (const auto& [version, id] : held.ids) {
        if (version - ours.rbegin()->first <= ahead_max || version < ours.rbegin()->first) {
            found.newest = std::max(found.newest, version);
        }
        const auto own = ours.find(version);
        if (own != ours.end()) {
            const bool is_same = id.empty() || id == own->second;
            (is_same ? found.held : found.clashing).insert(version);
        }
        if (version == held.sealing) {
            found.sealing.emplace(version, id);
        }
    }
}

/// By what gossip last heard of it: it has an older one, or another of that version. nullopt: not
/// known, its agent is too old to tell, or has a newer one.
std::optional<bool> misses_newest(const proto::MemberShape& member, const proto::GossipRing& ring) {
    const auto newest = ring.newest();
    if (member.ring == 0 || member.ring > newest) {
        return std::nullopt;
    }
    return member.ring < newest || (member.ring == newest && !member.key_id.empty() &&
                                    member.key_id != ids_of(ring).at(newest));
}

} // namespace

Survey survey(Session& session, std::vector<Holder>& holders, const proto::GossipRing& ring,
              bool asks_others) {
    Survey found;
    const auto ours = ids_of(ring);
    std::vector<std::pair<ApiClient*, Json>> answering;
    std::vector<Holder*> silent;
    for (auto& holder : holders) {
        auto gossip = holder.client ? get(**holder.client, "/v1/gossip", session.in(answer_limit))
                                    : Result<Json>{holder.client.error().clone()};
        if (!gossip) {
            silent.push_back(&holder);
            continue;
        }
        const auto held = held_keys_of(*gossip);
        found.all_have =
            found.all_have && !held.ids.empty() && held.ids.rbegin()->first >= ring.newest();
        note_keys(held, ours, found);
        answering.emplace_back(holder.client->get(), *std::move(gossip));
    }
    if (silent.empty() || !asks_others) {
        return found;
    }
    std::set<std::string> heard;
    for (const auto& [client, gossip] : answering) {
        if (auto names = heard_by(session, *client, gossip)) {
            found.one_tells = true;
            heard.merge(*names);
        }
    }
    for (auto* const holder : silent) {
        holder->is_gone = found.one_tells && !heard.contains(holder->name);
        (holder->is_gone ? found.gone : found.unjudged).push_back(holder->name);
    }
    return found;
}

std::string told_apart(const Survey& found, const proto::GossipRing& ring) {
    std::string text;
    if (!found.clashing.empty()) {
        text = fmt::format("in place of {} {}, of which another copy of the fleet's profile made "
                           "{}",
                           found.clashing.size() == 1 ? "key" : "keys",
                           fmt::join(found.clashing, ", "),
                           found.clashing.size() == 1 ? "one, too" : "others");
    }
    if (found.newest > ring.newest()) {
        text += fmt::format("{}newer than key {}, which another copy of the fleet's profile made",
                            text.empty() ? "" : "; ", found.newest);
    }
    return text;
}

Result<RingUse> outgrow(const Survey& found, proto::GossipRing& ring) {
    const auto next = std::max(found.newest, ring.newest()) + 1;
    ring.drop([&](std::uint32_t version) {
        return found.clashing.contains(version) || !found.held.contains(version);
    });
    while (ring.keys().size() > proto::SealRing::keys_max - 2) { // the next, and one that seals
        auto oldest = ring.newest();
        for (const auto& [version, key] : ring.keys()) {
            oldest = std::min(oldest, version);
        }
        ring.drop([&](std::uint32_t version) { return version == oldest; });
    }
    const auto left = ids_of(ring);
    JACKDAW_CHECK(add_gossip_key(ring, next));
    RingUse use;
    use.keep_own = std::ranges::any_of(found.sealing, [&](const auto& one) {
        const auto own = left.find(one.first);
        return own == left.end() || (!one.second.empty() && own->second != one.second);
    });
    return use;
}

Error silent_here(const Survey& found, std::string_view what, std::string_view then) {
    const bool is_one = found.unjudged.size() == 1;
    return Error{Errc::unavailable,
                 fmt::format("{}: {} {} not answer here, and {} {}", what, some_of(found.unjudged),
                             is_one ? "does" : "do",
                             found.one_tells ? "other agents still hear"
                                             : "no agent answers that could tell of",
                             is_one ? "it" : "them")}
        .with_hint(fmt::format("`jackdaw doctor {}` says what mends it; {} once it answers, its "
                               "machine is off, or `jackdaw member list` shows it down",
                               found.unjudged.front(), then));
}

std::vector<std::string> late_members(const std::vector<proto::MemberShape>& members,
                                      const std::vector<Holder>& holders,
                                      const proto::GossipRing& ring) {
    std::vector<std::string> late;
    for (const auto& one : members) {
        const bool is_asked = std::ranges::any_of(holders, [&](const Holder& holder) {
            return !holder.is_gone && holder.name == one.name;
        });
        if (!is_asked && misses_newest(one, ring).value_or(false)) {
            late.push_back(one.name);
        }
    }
    return late;
}

std::vector<std::string> without_newest(std::vector<std::string> names,
                                        const std::vector<proto::MemberShape>& members,
                                        const proto::GossipRing& ring) {
    std::erase_if(names, [&](const std::string& name) {
        const auto is_it = [&](const proto::MemberShape& one) { return one.name == name; };
        return std::ranges::any_of(members, is_it) &&
               std::ranges::none_of(members, [&](const proto::MemberShape& one) {
                   return is_it(one) && misses_newest(one, ring).value_or(true);
               });
    });
    return names;
}

void tell_gone(Session& session, const Invocation& invocation, const std::vector<std::string>& gone,
               std::string_view what, std::string_view then) {
    if (!gone.empty()) {
        session.terminal.err(of_same_fleet(
            fmt::format("note: {} {}, down for the others, too: {} once it answers again\n", what,
                        some_of(gone), then),
            invocation));
    }
}

} // namespace jackdaw::cli
