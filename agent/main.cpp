// jackdawd. Order matters here: the host process is forked before anything else exists (no thread,
// no descriptor, no memory worth having), then rights are dropped for good, then the agent is put
// together.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include <fmt/format.h>
#include <sodium.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "agent/agent.h"
#include "agent/hand_over.h"
#include "agent/host/host_process.h"
#include "agent/life/steps.h"
#include "agent/settings.h"
#include "agent/state/store.h"

namespace {

using namespace jackdaw;
using namespace jackdaw::agent;

int report(const Error& error) {
    const auto& row = row_of(error.id());
    const auto doing = error.doing();
    fmt::print(stderr, "error: {} ({})\ncause: {}\nhint: {}\n",
               doing.empty() ? std::string{row.text} : doing, row.name,
               error.cause() ? fmt::format("{}: {}", error.message(), error.cause().message())
                             : error.message(),
               error.hint());
    return row.exit_status;
}

int print_plans() {
    for (const auto action : all_actions()) {
        for (const auto& step : *plan_of(action)) {
            fmt::print("{} {}\n", action, step.name);
        }
    }
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    auto line = parse_command_line(argc, argv);
    if (!line) {
        return report(
            std::move(line).error().while_doing("read the command line and the settings"));
    }
    switch (line->task) {
    case Task::help: fmt::print("{}", settings_help()); return 0;
    case Task::sample: fmt::print("{}", settings_sample()); return 0;
    case Task::document: fmt::print("{}", settings_document()); return 0;
    case Task::version: fmt::print("jackdawd {}\n", agent_version); return 0;
    case Task::plans: return print_plans();
    case Task::check: {
        const auto& ring_file = line->settings.ring_file;
        if (const auto ring =
                ring_file.empty() ? Result<Secret>{Secret{}} : read_ring_file(ring_file);
            !ring) {
            return report(ring.error());
        }
        fmt::print("the settings are good\n");
        return 0;
    }
    case Task::restore_state: {
        if (::geteuid() == 0) { // what it makes is the agent's, or the agent could not open it
            if (const auto dropped = drop_rights(); !dropped) {
                return report(dropped.error());
            }
        }
        const auto restored = restore_state(line->settings.state_folder);
        if (!restored) {
            return report(restored.error());
        }
        fmt::print("the last good copy is in place; the damaged file is kept beside it\n");
        return 0;
    }
    case Task::run: break;
    }

    UniqueFd host;
    if (::geteuid() == 0) {
        auto forked = fork_host(ports_to_open(line->settings));
        if (!forked) {
            return report(forked.error());
        }
        host = std::move(forked->socket);
        if (const auto dropped = drop_rights(); !dropped) {
            return report(dropped.error());
        }
    }
    if (sodium_init() < 0) {
        return report(Error{Errc::internal, "libsodium cannot start"});
    }
    ::signal(SIGPIPE, SIG_IGN);
    auto logger =
        std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %L %v", spdlog::pattern_time_type::utc);
    logger->set_level(spdlog::level::from_str(
        line->settings.log_level == "warn" ? "warning" : line->settings.log_level));
    logger->flush_on(spdlog::level::info);
    spdlog::set_default_logger(std::move(logger));

    const auto ended = run_agent(line->settings, std::move(host));
    if (!ended) {
        spdlog::error("agent: {}", ended.error().to_string());
        return report(ended.error());
    }
    return 0;
}
