#include "agent/core/health.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/core/error_line.h"
#include "agent/core/health_report.h"
#include "agent/core/request_words.h"
#include "proto/base/ids.h"
#include "proto/base/size.h"

namespace jackdaw::agent {
namespace {

using proto::FindingShape;

constexpr unsigned fill_warning_percent = 80, fill_error_percent = 95;
constexpr unsigned connections_warning_percent = 80, connections_error_percent = 95;
/// The state file is preallocated; the daily copy beside it and the log are not.
constexpr std::uint64_t state_free_min = std::uint64_t{128} << 20U;
constexpr std::size_t agent_deaths_told = 3; ///< within a day
constexpr std::int64_t day_ms = 86'400'000;
constexpr std::int64_t copy_age_max_ms = 2 * day_ms; ///< one is made each day
constexpr std::int64_t copy_due_ms = 3 * 3'600'000;  ///< looked at each hour

unsigned percent(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0
                      : static_cast<unsigned>(static_cast<double>(part) * 100 /
                                              static_cast<double>(whole));
}

/// Its message is the sentence of its code; what happened stands in the cause.
std::string why(const proto::ErrorShape& error) {
    const auto* const row = find_code(error.code);
    const bool general = row != nullptr && error.message == row->text && !error.cause.empty();
    return general ? error.cause : error.message;
}

/// A size as an option takes it: whole GiB or MiB, half as much again.
std::string half_more(std::uint64_t bytes) {
    const auto wanted_mib = (bytes + bytes / 2) >> 20U;
    return wanted_mib >= 10'240 ? fmt::format("{}G", (wanted_mib + 1023) / 1024)
                                : fmt::format("{}M", wanted_mib + 1);
}

void look_at_state(Report& report) {
    const auto& facts = report.facts();
    if (facts.state_folder.empty()) {
        return;
    }
    report.of_agent("state folder",
                    facts.state_free_bytes >= state_free_min
                        ? ""
                        : fmt::format("{} has {} free: the daily copy of the agent's state and its "
                                      "log need some",
                                      facts.state_folder, format_size(facts.state_free_bytes)),
                    "warning", "free some of the machine's root disk: du -xh -d 2 / | sort -h");
    const bool stale =
        facts.state_copy_ms && facts.wall_ms - *facts.state_copy_ms > copy_age_max_ms;
    const bool missing = !facts.state_copy_ms && facts.instance &&
                         facts.instance->agent_since < rfc3339(facts.wall_ms - copy_due_ms);
    report.of_agent("state copy",
                    missing ? "there is no copy of the agent's state"
                    : stale ? fmt::format("the last copy of the agent's state is of {}",
                                          rfc3339(*facts.state_copy_ms))
                            : "",
                    "warning", "tail -n 50 /var/log/jackdaw/agent.log says why none could be made");
    std::string open;
    for (const auto& one : facts.secrets) {
        if ((one.mode & 077U) != 0 || !one.is_ours) {
            open += fmt::format("{}{} has mode {:04o}{}", open.empty() ? "" : ", ", one.path,
                                one.mode, one.is_ours ? "" : " and another owner");
        }
    }
    std::string paths;
    for (const auto& one : facts.secrets) {
        paths += " " + one.path;
    }
    report.of_agent("secret files", open, "error",
                    fmt::format("chown jackdawd:{0} && chmod go={0}", paths));
}

/// It is not well for want of room, by its own words or by those of the start that failed.
bool is_full(const HealthFacts& facts) {
    const auto& reason = facts.instance->reason;
    return reason.find("volume is full") != std::string::npos ||
           std::ranges::any_of(facts.operations, [&](const proto::Operation& one) {
               return one.error && one.error->code == row_of(Code::volume_full).name &&
                      line_of(*one.error) == reason;
           });
}

/// An operation starts it, as after a power-on, and has its time: what overruns that has failed.
bool is_starting(const HealthFacts& facts) {
    return facts.instance->status == "degraded" &&
           std::ranges::any_of(facts.operations, [](const proto::Operation& one) {
               return (one.status == "queued" || one.status == "running") &&
                      (one.action == "instance.start" || one.action == "instance.restart");
           });
}

std::string mend_of_database(const Report& report) {
    const auto& view = *report.facts().instance;
    if (view.status == "stopped") {
        return report.command("jackdaw instance start {}");
    }
    if (is_full(report.facts())) {
        return report.command("jackdaw instance resize {} --volume {}",
                              half_more(view.volume_size_bytes));
    }
    if (view.status == "failed") {
        return report.command("jackdaw instance start {}");
    }
    if (!view.maintenance_until.empty() && view.database_pid == 0) { // then nobody starts it
        return report.command("`jackdaw instance start {0}`, or `jackdaw instance resume {0}`: "
                              "maintenance starts nothing by itself");
    }
    return report.command("jackdaw log tail {} error");
}

void look_at_status(Report& report) {
    const auto& view = *report.facts().instance;
    const bool bad = view.status == "failed" || view.status == "degraded";
    if (is_starting(report.facts())) {
        report.of_instance("database", "it is starting", "warning",
                           report.command("jackdaw instance show {}"));
    } else {
        report.of_instance("database",
                           bad                        ? view.status + ": " + view.reason
                           : view.status == "stopped" ? "it is stopped, by an operator's order"
                                                      : "",
                           bad ? "error" : "info", mend_of_database(report));
    }
    const bool reverted = view.status == "running" && !view.reason.empty();
    report.of_instance(
        "configuration", reverted ? view.reason : "", "warning",
        report.command("`jackdaw config show {0}`, then `jackdaw config unset {0} NAME` "
                       "of what the log refuses: `jackdaw log tail {0} error`"));
    report.of_instance("waiting parameters",
                       view.pending_restart.empty()
                           ? ""
                           : fmt::format("{} {} for {}", fmt::join(view.pending_restart, ", "),
                                         view.pending_restart.size() == 1 ? "waits" : "wait",
                                         view.status == "stopped" ? "the next start" : "a restart"),
                       "info",
                       view.status == "stopped" ? report.command("jackdaw instance start {}")
                                                : report.command("jackdaw instance restart {}"));
    report.of_instance("maintenance",
                       view.maintenance_until.empty()
                           ? ""
                           : fmt::format("until {}, by {}: nothing is restarted by itself",
                                         view.maintenance_until, view.maintenance_by),
                       "info", report.command("jackdaw instance resume {}"));
}

void look_at_volume(Report& report) {
    const auto& view = *report.facts().instance;
    const auto filled = percent(view.volume_used_bytes, view.volume_size_bytes);
    const auto* const warned = report.warning("volume"); // the database may find no room before
    const auto text = warned != nullptr ? warned->text : "";
    report.of_instance("volume",
                       filled < fill_warning_percent
                           ? text
                           : fmt::format("it is filled to {} % ({} of {})", filled,
                                         format_size(view.volume_used_bytes),
                                         format_size(view.volume_size_bytes)),
                       filled >= fill_error_percent ? "error" : "warning",
                       report.command("jackdaw instance resize {} --volume {}",
                                      half_more(view.volume_size_bytes)));
}

/// What the agent itself goes on watching. Of access, connections and the volume more is known, and
/// they have findings of their own.
void look_at_warnings(Report& report) {
    constexpr std::array<std::string_view, 3> elsewhere{"access", "connections", "volume"};
    for (const std::string_view kind : proto::warning_kinds) {
        if (std::ranges::find(elsewhere, kind) != elsewhere.end()) {
            continue;
        }
        if (const auto* const warned = report.warning(kind)) {
            report.of_warning(std::string{kind}, *warned);
        } else {
            report.of_instance(std::string{kind}, "", "warning", "");
        }
    }
}

/// Of the timeline's events of one kind within the last day: how many, and when the last was.
struct Happened {
    std::size_t times = 0;
    std::string last;
};
Happened within_a_day(const HealthFacts& facts, std::string_view kind) {
    const auto since = rfc3339(facts.wall_ms - day_ms); // the texts sort as the times do
    Happened happened;
    for (const auto& event : facts.events) {
        if (event.kind == kind && event.at >= since) {
            ++happened.times;
            happened.last = std::max(happened.last, event.at);
        }
    }
    return happened;
}

void look_at_crashes(Report& report) {
    const auto [deaths, last] = within_a_day(report.facts(), "database.ended");
    report.of_instance(
        "crashes",
        deaths == 0 ? ""
                    : fmt::format("it ended {} by itself within a day, last at {}",
                                  deaths == 1 ? "once" : fmt::format("{} times", deaths), last),
        "warning", report.command("jackdaw log tail {} error"));
}

/// An agent that dies is started again, and serves; one that does it again and again is ill.
void look_at_agent_deaths(Report& report) {
    const auto [deaths, last] = within_a_day(report.facts(), "agent.died");
    report.of_agent(
        "restarts",
        deaths < agent_deaths_told
            ? ""
            : fmt::format("the agent died {} times within a day, last before {}", deaths, last),
        "warning",
        (report.facts().instance ? report.command("jackdaw machine shell {} -- ") : std::string{}) +
            "tail -n 50 /var/log/jackdaw/agent.log");
}

/// The newest operation, when it failed: what came before it has been made good or left behind.
void look_at_operations(Report& report) {
    const auto& operations = report.facts().operations;
    const auto ended = std::ranges::find_if(operations, [](const auto& one) {
        return (one.status == "done" || one.status == "failed" || one.status == "undone") &&
               !(one.status == "failed" && one.error && is_refusal(*one.error));
    });
    const bool failed = ended != operations.end() && ended->status == "failed";
    report.of_instance(
        "last operation",
        failed ? fmt::format("{} failed: {}", ended->action,
                             ended->error ? line_of(*ended->error) : "for no reason that was kept")
               : "",
        "warning",
        failed ? fmt::format("`jackdaw op resume {0}` (or `jackdaw op abort {0}`)", ended->id)
               : "");
}

void look_inside(Report& report) {
    const auto& facts = report.facts();
    if (facts.shut_out) {
        report.of_instance("agent's account", why(*facts.shut_out) + "; a restart gives it back",
                           "error", report.command("jackdaw instance restart {}"));
    } else if (!facts.account_changed.empty()) {
        report.of_instance("agent's account", facts.account_changed, "error",
                           report.command("jackdaw instance repair {}"));
    } else if (const auto* const access = report.warning("access")) {
        report.of_warning("agent's account", *access);
    } else if (facts.unasked) {
        report.unknown("agent's account", why(*facts.unasked),
                       report.command("jackdaw instance show {}"));
    } else {
        report.of_instance("agent's account", "", "error", "");
    }
    const auto& load = facts.load;
    const bool counted = load && load->connections && load->connections_max;
    const auto used = counted ? percent(*load->connections, *load->connections_max) : 0;
    const auto* const crowd = report.warning("connections");
    if (crowd != nullptr && used < connections_warning_percent) { // or some were refused
        report.of_warning("connections", *crowd);
    } else if (counted) {
        report.of_instance(
            "connections",
            used < connections_warning_percent
                ? ""
                : fmt::format("{} of {} are in use", *load->connections, *load->connections_max),
            used >= connections_error_percent ? "error" : "warning",
            report.command("jackdaw session list {}"));
    } else if (facts.unasked) {
        report.unknown("connections", why(*facts.unasked),
                       report.command("jackdaw instance show {}"));
    }
    if (!facts.root_level.empty()) {
        report.of_instance("root",
                           facts.root_level == "superuser"
                               ? "root has everything: it can lock the agent out and read all "
                                 "verifiers"
                               : "",
                           "warning", report.command("jackdaw root disable {}"));
    }
}

} // namespace

std::vector<FindingShape> examine_agent(const HealthFacts& facts) {
    Report report{facts};
    look_at_state(report);
    look_at_fleet(report);
    look_at_agent_deaths(report);
    if (facts.instance) {
        look_at_status(report);
        look_at_volume(report);
        look_at_warnings(report);
        look_at_crashes(report);
        look_at_operations(report);
        look_inside(report);
    }
    return report.take();
}

} // namespace jackdaw::agent
