#include "agent/core/concerns.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace jackdaw::agent {
namespace {

struct Words {
    std::string_view kind, begins, ends;
};
/// The gravest first. The volume's own events are told by who reads its fill, those of the packet
/// filter and that the scheduler is switched off by who does it.
constexpr std::array all_words{
    Words{"access", "access.lost", "access.regained"},
    Words{"connections", "connections.pressure", "connections.relief"},
    Words{"volume", "", ""},
    Words{"memory", "memory.pressure", "memory.relief"},
    Words{"sessions", "session.hunted", "session.calm"},
    Words{"accounts", "accounts.doubtful", "accounts.clear"},
    Words{"scheduler", "", "scheduler.settled"},
    Words{"sight", "sight.lost", "sight.regained"},
    Words{"filter", "", ""},
};

/// Of the machine's memory, by the files of one folder: more than anybody has a use for. It ends as
/// much below as `end_percent` is below `begin_percent`.
constexpr std::uint64_t folder_percent = 20;

std::string joined(const std::vector<std::string>& all) {
    std::string text;
    for (const auto& one : all) {
        text += (text.empty() ? "" : ", ") + one;
    }
    return text;
}

/// Drivers do not know what the instance is called.
std::string with_name(std::string mend, const std::string& instance) {
    constexpr std::string_view place = "INSTANCE";
    for (auto at = mend.find(place); at != std::string::npos;
         at = mend.find(place, at + instance.size())) {
        mend.replace(at, place.size(), instance);
    }
    return mend;
}

} // namespace

std::string lower_memory(const std::string& instance) {
    return fmt::format("lower what `jackdaw config parameters {0} memory` shows (`jackdaw config "
                       "set {0} NAME=VALUE`)",
                       instance);
}

Concerns::Seen Concerns::access(const std::string& instance, const Figures& figures) const {
    if (figures.refused) { // no way in: what a start does is all that is left
        return Finding{"the database does not let the agent in: " + *figures.refused,
                       "jackdaw instance restart " + instance};
    }
    if (figures.inside && figures.inside->access && !figures.inside->access->empty()) {
        return Finding{*figures.inside->access, "jackdaw instance repair " + instance};
    }
    return std::nullopt;
}

Concerns::Seen Concerns::accounts(const std::string& instance, const Figures& figures) const {
    if (!figures.inside || !figures.inside->look_alikes || figures.inside->look_alikes->empty()) {
        return std::nullopt;
    }
    return Finding{
        "accounts that could be taken for the agent's: " + joined(*figures.inside->look_alikes),
        fmt::format("`jackdaw instance repair {}`; what that leaves, an account with all "
                    "rights drops (DROP USER)",
                    instance)};
}

Concerns::Seen Concerns::sight(const std::string& instance, const Figures& figures) {
    if (!figures.inside) {
        return std::nullopt;
    }
    const auto& unseen = figures.inside->unseen;
    unseen_ = unseen.empty() ? 0 : std::min(unseen_ + 1, limits_.unseen_in_a_row);
    if (unseen.empty() || (unseen_ < limits_.unseen_in_a_row && !is_on("sight"))) {
        return std::nullopt;
    }
    std::string text;
    std::string mend;
    for (const auto& one : unseen) {
        text += fmt::format("{}{}: {}", text.empty() ? "cannot look at " : "; nor at ", one.what,
                            one.why);
        if (mend.empty()) {
            mend = one.mend;
        }
    }
    return Finding{std::move(text),
                   with_name(mend.empty() ? "jackdaw log tail INSTANCE error" : mend, instance)};
}

Concerns::Seen Concerns::scheduler(const std::string& instance, const Figures& figures) {
    if (!figures.inside || !figures.inside->switched_off) {
        return std::nullopt;
    }
    const auto& one = *figures.inside->switched_off;
    return Finding{one.text,
                   fmt::format("jackdaw config set {} {}={}", instance, one.parameter, one.value)};
}

Concerns::Seen Concerns::sessions(std::int64_t now_ms, const Figures& figures) {
    if (!figures.asked) {
        return std::nullopt;
    }
    const auto before = std::exchange(sessions_ended_, figures.sessions_ended);
    const auto news = figures.sessions_ended -
                      std::min(before.value_or(figures.sessions_ended), figures.sessions_ended);
    for (auto n = std::min<std::uint64_t>(news, limits_.losses); n > 0; --n) {
        losses_.push_back(now_ms);
    }
    while (!losses_.empty() && (losses_.size() > limits_.losses ||
                                losses_.front() + limits_.losses_within_ms < now_ms)) {
        losses_.pop_front();
    }
    if (losses_.size() < limits_.losses) {
        return std::nullopt;
    }
    return Finding{"somebody ends the agent's own session again and again",
                   "take CONNECTION ADMIN and SUPER from the account that does it"};
}

Concerns::Seen Concerns::connections(const std::string& instance, const Figures& figures) {
    const auto mend = fmt::format("`jackdaw session list {0}`, `jackdaw session kill {0} ID`; or "
                                  "`jackdaw config set {0}` with a higher limit",
                                  instance);
    if (figures.crowded_out) {
        return Finding{"all connections are taken, the agent's own, too: " + *figures.crowded_out,
                       "jackdaw instance restart " + instance};
    }
    if (!figures.inside || !figures.inside->connections) {
        return std::nullopt;
    }
    const auto& seen = *figures.inside->connections;
    const auto before = std::exchange(connections_refused_, seen.refused);
    if (!seen.closed.empty()) {
        return Finding{seen.closed, with_name(seen.mend, instance)};
    }
    if (seen.max == 0) {
        return std::nullopt;
    }
    const auto refused = before && *before < seen.refused;
    const auto mark = is_on("connections") ? limits_.end_percent : limits_.begin_percent;
    if (!refused && seen.now * 100 < seen.max * mark) {
        return std::nullopt;
    }
    return Finding{fmt::format("{} of {} connections are taken{}", seen.now, seen.max,
                               refused ? "; others were refused" : ""),
                   mend};
}

Concerns::Seen Concerns::memory(const std::string& instance, const Figures& figures) const {
    const auto mark = is_on("memory") ? limits_.end_percent : limits_.begin_percent;
    if (!figures.memory_bytes) {
        return std::nullopt;
    }
    const auto beyond = [](std::uint64_t part, std::uint64_t whole, std::uint64_t percent) {
        return whole != 0 && part / 100 >= whole / 100 * percent / 100;
    };
    const auto share = folder_percent * mark / limits_.begin_percent;
    std::uint64_t in_files = 0;
    std::vector<std::string> filled;
    std::string paths;
    for (const auto& one : figures.memory_folders) {
        in_files += one.used_bytes;
        if (beyond(one.used_bytes, one.size_bytes, mark) ||
            beyond(one.used_bytes, figures.memory_bytes_max, share)) {
            filled.push_back(fmt::format("{} {} MiB", one.path, one.used_bytes >> 20U));
            paths += " " + one.path;
        }
    }
    const auto held = *figures.memory_bytes + in_files;
    const bool tight = beyond(held, figures.memory_bytes_max, mark);
    if (!tight && filled.empty()) {
        return std::nullopt;
    }
    const auto words = fmt::format("the database{} {} of the machine's {} MiB of memory",
                                   in_files >> 20U == 0 ? " holds" : " and files in memory hold",
                                   held >> 20U, figures.memory_bytes_max >> 20U);
    if (filled.empty()) {
        return Finding{words, fmt::format("{}; `jackdaw session list {}` tells who uses it",
                                          lower_memory(instance), instance)};
    }
    return Finding{
        fmt::format("{}; such files: {}", words, joined(filled)),
        fmt::format("`jackdaw machine shell {0} -- ls -la{1}`, and remove what lies there; "
                    "`jackdaw instance restart {0}` ends a log that was led there",
                    instance, paths)};
}

std::vector<Concerns::Change> Concerns::look(std::int64_t now_ms, const std::string& since,
                                             const std::string& instance, const Figures& figures) {
    const auto volume = [&]() -> Seen {
        if (!figures.volume_full && figures.volume_percent == 0) {
            return std::nullopt;
        }
        return Finding{figures.volume_full ? "the volume is full"
                                           : fmt::format("the volume is filled beyond {} %",
                                                         figures.volume_percent),
                       fmt::format("jackdaw instance resize {} --volume SIZE", instance)};
    };
    const auto filter = [&]() -> Seen {
        if (figures.filter_stale.empty()) {
            return std::nullopt;
        }
        return Finding{
            "the machine's packet filter may be that of earlier settings, and it is tried again "
            "and again: " +
                figures.filter_stale,
            fmt::format("`jackdaw machine shell {} -- nft list ruleset` shows what is in force",
                        instance)};
    };
    const auto& inside = figures.inside;
    const bool shut_out = figures.refused || figures.crowded_out;
    struct Look {
        Seen seen;
        bool known; ///< false: nobody could look
    };
    const std::array looks{
        Look{access(instance, figures), figures.refused || (inside && inside->access)},
        Look{connections(instance, figures),
             figures.crowded_out || (inside && inside->connections)},
        Look{volume(), true},
        Look{memory(instance, figures), figures.memory_bytes.has_value()},
        Look{sessions(now_ms, figures), figures.asked && !shut_out},
        Look{accounts(instance, figures), inside && inside->look_alikes},
        Look{scheduler(instance, figures), inside && inside->switches_known},
        Look{sight(instance, figures), inside.has_value()},
        Look{filter(), true},
    };
    static_assert(looks.size() == all_words.size());
    std::vector<Change> changes;
    for (std::size_t i = 0; i < looks.size(); ++i) {
        const auto& words = all_words[i];
        const auto at = present_.find(words.kind);
        if (const auto& seen = looks[i].seen) {
            const bool begins = at == present_.end();
            auto& state = begins ? present_[std::string{words.kind}] : at->second;
            state.well_since_ms.reset();
            if (begins) {
                state.warning.kind = words.kind;
                state.warning.since = since;
                if (!words.begins.empty()) {
                    changes.push_back({std::string{words.begins}, seen->text});
                }
            }
            state.warning.text = seen->text;
            state.warning.mend = seen->mend;
        } else if (at != present_.end() && looks[i].known) {
            auto& since_ms = at->second.well_since_ms;
            since_ms = since_ms.value_or(now_ms);
            if (!words.ends.empty() && now_ms - *since_ms < limits_.calm_ms) {
                continue;
            }
            if (!words.ends.empty()) {
                changes.push_back(
                    {std::string{words.ends}, "no longer: " + at->second.warning.text});
            }
            present_.erase(at);
        }
    }
    return changes;
}

std::vector<Concerns::Change> Concerns::forget() {
    std::vector<Change> changes;
    for (const auto& words : all_words) {
        const auto at = present_.find(words.kind);
        if (at == present_.end() || words.kind == "volume" || words.kind == "filter") {
            continue;
        }
        if (!words.ends.empty()) {
            changes.push_back(
                {std::string{words.ends}, "the database has ended: " + at->second.warning.text});
        }
        present_.erase(at);
    }
    losses_.clear();
    sessions_ended_.reset();
    connections_refused_.reset();
    unseen_ = 0;
    return changes;
}

std::vector<proto::Warning> Concerns::warnings() const {
    std::vector<proto::Warning> all;
    for (const auto& words : all_words) {
        if (const auto at = present_.find(words.kind); at != present_.end()) {
            all.push_back(at->second.warning);
        }
    }
    return all;
}

} // namespace jackdaw::agent
