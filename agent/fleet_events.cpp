// What gossip tells: one log line of a fixed form each, so that anybody can measure from outside,
// and an entry in the timeline where somebody may want to know of it later.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "agent/fleet_node.h"

namespace jackdaw::agent {
namespace {

std::string name_of(const swim::Event& event) {
    return event.record && event.record->kind == proto::NewsKind::alive
               ? std::string{event.record->name()}
               : id_text(event.id);
}

std::string more_text(std::uint64_t left_out) {
    return left_out == 0
               ? std::string{}
               : fmt::format("; {} times more since the entry before, by the log", left_out);
}

} // namespace

/// The log has each. The timeline is not filled by one that flaps.
void Fleet::on_member(std::string_view word, std::string_view kind, const swim::Event& event) {
    const auto name = name_of(event);
    const auto at = event.record && event.record->kind == proto::NewsKind::alive
                        ? proto::text_of(event.record->address)
                        : std::string{};
    spdlog::info("member {} {}{}{}", word, name, at.empty() ? "" : " at ", at);
    using Kind = swim::Event::Kind;
    const auto id = swim::raw(event.id);
    std::string more;
    if (event.kind == Kind::suspected) {
        const auto left_out = flaps_.suspected(id, runtime::Clock::instant());
        if (!left_out) {
            return;
        }
        more = more_text(*left_out);
    } else if (event.kind == Kind::recovered && !flaps_.recovered(id)) {
        return;
    } else if (event.kind == Kind::down) {
        flaps_.down(id);
    }
    if (parts_.tell) {
        parts_.tell(kind, name, fmt::format("{}{}{}{}", word, at.empty() ? "" : ", at ", at, more));
    }
}

void Fleet::on_refuted(const swim::Event& event) {
    spdlog::info("refuted {}", standing_text(event.state));
    const auto now = runtime::Clock::instant();
    if (event.state != swim::Standing::left) { // which it said itself, in an earlier life
        reach_watch_.taken_for_gone(now);
    }
    const auto left_out = flaps_.suspected(swim::raw(core().id()), now);
    if (left_out && parts_.tell) {
        parts_.tell("gossip.refuted", "",
                    fmt::format("somebody took this agent for {}{}", standing_text(event.state),
                                more_text(*left_out)));
    }
}

/// Others tell an agent that begins of those, too, that left before: its timeline tells of neither.
void Fleet::on_joined(const swim::Event& event) {
    const auto* const entry = core().find(event.id);
    if (entry != nullptr && entry->state == swim::Standing::left) {
        long_left_.insert(event.id);
        spdlog::debug("member known {}, who has left", name_of(event));
    } else {
        on_member("joined", "member.joined", event);
    }
}

void Fleet::on_left(const swim::Event& event) {
    if (event.id == core().id()) {
        is_left_told_ = true;
        for (const auto& waiting : std::exchange(leavers_, {})) {
            waiting->set_value();
        }
    }
    if (long_left_.erase(event.id) == 0) {
        on_member("left", "member.left", event);
    }
}

void Fleet::on_twin() {
    twin_ = true;
    spdlog::error("twin_detected {}: another machine holds this agent's keys; this one is silent "
                  "and uses them no more",
                  core().self().alive->name());
    if (parts_.tell) {
        parts_.tell("gossip.twin", std::string{core().self().alive->name()},
                    "another machine holds this agent's keys; this one stopped using them");
    }
}

void Fleet::watch_reach() {
    const auto again = core().counters().accused_again;
    if (std::exchange(accused_again_, again) < again) {
        reach_watch_.taken_for_gone(runtime::Clock::instant());
    }
}

void Fleet::watch_answers() {
    const auto turn =
        answer_watch_.look(runtime::Clock::instant(), core().unanswered(), core().counters().heard);
    if (turn == AnswerWatch::Turn::none) {
        return;
    }
    const bool is_alone = turn == AnswerWatch::Turn::unanswered;
    const auto asked = core().known_addresses();
    if (is_alone) {
        spdlog::warn("unanswered: none of {} addresses of others answers", asked);
    } else {
        spdlog::info("answered: others are heard");
    }
    if (parts_.tell) {
        parts_.tell(
            is_alone ? "gossip.isolated" : "gossip.reconnected", "",
            is_alone ? fmt::format("none of the {} addresses of others that it asks answers", asked)
                     : "others are heard");
    }
}

void Fleet::on_event(const swim::Event& event) {
    using Kind = swim::Event::Kind;
    const auto tell = [&](std::string_view kind, std::string subject, std::string text) {
        if (parts_.tell) {
            parts_.tell(kind, std::move(subject), std::move(text));
        }
    };
    switch (event.kind) {
    case Kind::joined: on_joined(event); break;
    case Kind::suspected: on_member("suspected", "member.suspected", event); break;
    case Kind::recovered: on_member("recovered", "member.recovered", event); break;
    case Kind::down: on_member("down", "member.down", event); break;
    case Kind::left: on_left(event); break;
    case Kind::forgotten: on_member("forgotten", "member.forgotten", event); break;
    case Kind::updated: spdlog::debug("member updated {}", name_of(event)); break;
    case Kind::refuted: on_refuted(event); break;
    case Kind::isolated:
        spdlog::warn("isolated");
        tell("gossip.isolated", "", "no other agent is heard");
        break;
    case Kind::reconnected:
        spdlog::info("reconnected");
        tell("gossip.reconnected", "", "others are heard again");
        break;
    case Kind::name_conflict:
        spdlog::warn("name_conflict {}", name_of(event));
        tell("gossip.name_conflict", name_of(event), "two agents have this name");
        break;
    case Kind::twin_detected: on_twin(); break;
    case Kind::hint: spdlog::info("hint {} {} {}", event.topic, event.key, event.version); break;
    case Kind::incompatible:
        spdlog::warn("incompatible {:016x}: it speaks gossip's version {}, which is unknown here",
                     swim::raw(event.id), event.version);
        break;
    case Kind::overflow:
        long_left_.clear(); // what was to follow may be among the lost
        spdlog::warn("gossip: more happened than could be told");
        break;
    }
}

} // namespace jackdaw::agent
