#include "agent/life/steps.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cassert>
#include <csignal>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "agent/core/concerns.h"
#include "proto/base/size.h"

namespace jackdaw::agent {
namespace {

constexpr std::chrono::seconds starting_stop_limit{30}; ///< of one that has never answered
constexpr std::chrono::seconds kill_wait{10}; ///< a killed guard's tree is gone in milliseconds

constexpr std::size_t tail_bytes_max = 2000;
constexpr std::string_view line_mark = " | "; ///< a cause is one line, wherever it is shown

/// Kills what the guard holds and forgets it. `deadline` when it will not die (a frozen machine).
Result<void> end_guard(GuardLink& link) {
    const auto before = link.status();
    if (before && before->phase != GuardPhase::ended) {
        if (const auto asked = link.request_stop(StopKind::kill); !asked) {
            return ok(); // the guard died meanwhile; the first process ends what it held
        }
        const auto ended = link.wait_end(kill_wait, -1);
        if (!ended && ended.error().code() != Errc::unavailable) {
            return ended.error().clone().while_doing("end a helper program that was left");
        }
    }
    (void)link.release(); // a dead guard cannot be released, and need not be
    return ok();
}

} // namespace

StopSignal::StopSignal() : event_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
    assert(event_);
}

void StopSignal::raise() noexcept {
    flag_ = true;
    const std::uint64_t one = 1;
    (void)!::write(event_.get(), &one, sizeof one);
}

void StopSignal::clear() noexcept {
    flag_ = false;
    std::uint64_t count = 0;
    (void)!::read(event_.get(), &count, sizeof count);
}

plugins::Call StepContext::call(std::chrono::milliseconds limit) const {
    return plugins::Call{std::chrono::steady_clock::now() + limit, &stop.flag()};
}

std::string StepContext::job_guard() const {
    return "op-" + record->shape.id;
}

std::string tail_of(std::string_view output, std::size_t lines_max) {
    while (!output.empty() && std::string_view{"\r\n\t "}.find(output.back()) != output.npos) {
        output.remove_suffix(1);
    }
    std::size_t from = output.size();
    for (std::size_t lines = 0; from > 0; --from) {
        if (output[from - 1] == '\n' && ++lines == lines_max) {
            break;
        }
    }
    std::string text;
    for (const char c :
         output.substr(std::max(from, output.size() - std::min(output.size(), tail_bytes_max)))) {
        if (c == '\n') {
            text += text.empty() || text.ends_with(line_mark) ? std::string_view{} : line_mark;
        } else { // the engine's words are hostile: no control characters reach a terminal
            text += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
        }
    }
    return text;
}

std::string complaint_of(std::string_view output, const plugins::Datastore* driver) {
    std::string errors;
    for (std::size_t from = 0; from < output.size();) {
        const auto end = std::min(output.find('\n', from), output.size());
        const auto line = output.substr(from, end - from);
        if (driver != nullptr && driver->complains(line)) {
            errors.append(line).push_back('\n');
        }
        from = end + 1;
    }
    return tail_of(errors.empty() ? output : std::string_view{errors});
}

bool tells_of_a_kill(std::string_view output) {
    for (std::size_t from = 0; from < output.size();) {
        const auto end = std::min(output.find('\n', from), output.size());
        const auto line = output.substr(from, end - from);
        if (line == "Killed" || (line.find(": line ") != std::string_view::npos &&
                                 line.find(" Killed ") != std::string_view::npos)) {
            return true;
        }
        from = end + 1;
    }
    return false;
}

Result<JobEnd> run_job(StepContext& context, std::string_view step, const JobRun& run,
                       bool any_status) {
    const auto guard = context.job_guard();
    JACKDAW_TRY(auto link, context.host.connect_guard(guard));
    if (link != nullptr) {
        const auto left = link->status();
        const auto job = context.arguments().find("job");
        const bool same = job != context.arguments().end() && job->is_string() &&
                          job->get_ref<const std::string&>() == step;
        if (left && left->succeeded() && same && !context.stop.raised()) {
            JACKDAW_TRY(auto output, link->output());
            JACKDAW_CHECK(link->release());
            return JobEnd{0, std::move(output)};
        }
        JACKDAW_CHECK(end_guard(*link));
        link.reset();
    }
    if (context.stop.raised()) {
        return Error{Errc::cancelled, "stopped before a helper program was started"};
    }
    if (run.prepare) {
        JACKDAW_CHECK(run.prepare());
    }
    JACKDAW_CHECK(context.set_argument("job", std::string{step}));
    JACKDAW_TRY(link, run.spawn());
    auto end = link->wait_end(run.limit, context.stop.fd());
    if (!end) {
        JACKDAW_CHECK(end_guard(*link));
        return std::move(end).error();
    }
    if (run.engine) {
        context.engine_us += (end->ended_boottime_ns - end->started_boottime_ns) / 1000;
    }
    JACKDAW_TRY(auto output, link->output());
    JACKDAW_CHECK(link->release());
    const auto exit_status = end->exit_status;
    if (!exit_status || (*exit_status != 0 && !any_status)) {
        // SIGKILL is somebody else's: this agent ends a job by its guard, and then it is not here.
        const bool killed = exit_status ? tells_of_a_kill(output) : end->signal == SIGKILL;
        return Error{killed ? Code::killed : Code::job_failed,
                     fmt::format("it ended with {}: {}",
                                 how_it_ended(*end, context.slot.place.machine.memory_bytes),
                                 complaint_of(output, context.slot.driver.get()))};
    }
    return JobEnd{*exit_status, std::move(output)};
}

Result<void> end_job(StepContext& context) {
    if (!context.arguments().contains("job")) {
        return ok();
    }
    JACKDAW_TRY(const auto link, context.host.connect_guard(context.job_guard()));
    return link != nullptr ? end_guard(*link) : ok();
}

std::string how_it_ended(const GuardStatus& status, std::uint64_t memory_bytes) {
    if (status.exit_status) {
        return fmt::format("status {}", *status.exit_status);
    }
    const bool tells_memory = status.signal == SIGKILL && memory_bytes != 0;
    return fmt::format("signal {}{}", status.signal,
                       tells_memory ? fmt::format(", as when memory ends (the machine has {})",
                                                  format_size(memory_bytes))
                                    : "");
}

std::string mend_of_short_memory(const std::string& instance) {
    return fmt::format("if it was memory: {}; a new instance may have a larger --flavor",
                       lower_memory(instance));
}

std::string mend_of_kill(const StepContext& context) {
    return fmt::format("{}; `jackdaw op resume {}` does it again",
                       mend_of_short_memory(context.spec().name), context.record->shape.id);
}

Result<void> note_answer(InstanceState& state, const DatabaseProcess& database) {
    auto facts = state.facts();
    if (facts.answered_start_ns == database.status.started_boottime_ns) {
        return ok();
    }
    facts.answered_start_ns = database.status.started_boottime_ns;
    facts.answered_since = database.since;
    return state.set_facts(std::move(facts));
}

Result<void> stop_database(StepContext& context, StopKind kind) {
    auto& database = context.database;
    if (database.link == nullptr) {
        JACKDAW_TRY(database.link, context.host.connect_guard(std::string{database_guard}));
    }
    if (database.link == nullptr) {
        return ok();
    }
    {
        const std::lock_guard speech{context.slot.speech};
        if (context.slot.driver != nullptr) {
            context.slot.driver->release();
        }
    }
    const auto present = database.link->status();
    if (present && present->phase != GuardPhase::ended) {
        const auto began = runtime::Clock::boottime_ns();
        JACKDAW_CHECK(database.link->request_stop(kind));
        // The budget is the guard's own: it kills when the LaunchSpec's times are over. No deadline
        // of an operation cuts a database's shutdown short, so neither does an abort. But one that
        // has never answered since its start has nothing to shut down, and may not even hear:
        // MariaDB 10.11 that gets a SIGTERM while it starts may wait for itself for ever.
        const bool answered =
            context.state.facts().answered_start_ns == present->started_boottime_ns;
        auto ended = database.link->wait_end(
            answered ? std::chrono::milliseconds{std::chrono::hours{24}} : starting_stop_limit, -1);
        if (!ended && ended.error().code() == Errc::deadline && !answered) {
            spdlog::warn("life: the database did not end within {} s of its start; it is killed",
                         std::chrono::seconds{starting_stop_limit}.count());
            JACKDAW_CHECK(database.link->request_stop(StopKind::kill));
            ended = database.link->wait_end(kill_wait, -1);
        }
        if (!ended && ended.error().code() != Errc::unavailable) {
            return ended.error().clone().while_doing("stop the database");
        }
        context.engine_us += (runtime::Clock::boottime_ns() - began) / 1000;
    }
    (void)database.link->release(); // the guard may have died with its database; both are gone then
    database = DatabaseProcess{};
    return ok();
}

namespace steps {

Result<void> nothing(StepContext&) {
    return ok();
}

Result<void> unless_begun(StepContext& context) {
    return context.arguments().contains("begun") ? cannot_bring_back(context) : ok();
}

Result<void> cannot_bring_back(StepContext& context) {
    return Error{Errc::conflict,
                 fmt::format("what {} did cannot be undone", context.record->shape.action)};
}

} // namespace steps

} // namespace jackdaw::agent
