// The life thread between operations: watches the database, its volume and its logs.
#include <algorithm>
#include <csignal>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "agent/life/life.h"
#include "agent/life/start_room.h"
#include "agent/life/steps.h"
#include "agent/logs.h"
#include "proto/base/ids.h"

namespace jackdaw::agent {
namespace {

constexpr std::chrono::seconds speech_wait{
    5}; ///< a query waits this long for the life thread's own words
constexpr std::uint32_t probes_until_degraded = 3;

/// A server that refuses us lives (Datastore::adopt()): clients are at work, and no restart is due.
Result<plugins::Observation> shut_out(Error error) {
    plugins::Observation seen;
    seen.shut_out = error.code() == Errc::not_allowed ? plugins::ShutOut::account
                    : error.code() == Errc::exhausted ? plugins::ShutOut::crowd
                                                      : plugins::ShutOut::no;
    if (seen.shut_out == plugins::ShutOut::no) {
        return error;
    }
    seen.answers = true;
    seen.detail = error.to_string();
    return seen;
}

} // namespace

void Life::watch() {
    const auto at = runtime::Clock::instant();
    if (forgiven_.exchange(false) || !state_.spec() || !state_.facts().wanted_running) {
        supervisor_.forgive(); // who stops or deletes it wants no start that is due by then
    }
    if (database_.link != nullptr) {
        guard_silent_.clear(); // a step may have reached it
        auto status = database_.link->status();
        if (!status) {
            if (status.error().code() != Errc::deadline) { // a frozen machine is slow, not dead
                spdlog::warn("life: the database's guard has died, and its database with it: {}",
                             status.error().to_string());
                tell("database.ended", "its guard died, and the database with it");
                database_ended("its guard");
            }
        } else {
            database_.status = *std::move(status);
            if (database_.status.phase == GuardPhase::ended) {
                const auto output = database_.link->output();
                const auto said = output ? complaint_of(*output, slot_.driver.get()) : "?";
                const auto how = how_it_ended(database_.status, slot_.place.machine.memory_bytes);
                const auto spec = state_.spec();
                const auto mend = spec && database_.status.signal == SIGKILL
                                      ? mend_of_short_memory(spec->name)
                                      : "";
                spdlog::warn("life: the database has ended by itself ({}); the end of its log: {}",
                             how, said);
                tell("database.ended", fmt::format("by itself, with {}{}{}; the end of its log: {}",
                                                   how, mend.empty() ? "" : "; ", mend, said));
                (void)
                    database_.link->release(); // it is known now; a guard that died is gone anyway
                database_ended(how);
            }
        }
    } else if (!guard_silent_.empty()) {
        if (at >= next_adoption_) {
            if (const auto adopted = adopt_database(); !adopted) {
                spdlog::warn("life: adopt the database: {}", adopted.error().to_string());
                next_adoption_ = runtime::Clock::instant() + settings_.adoption_period;
            }
            publish();
        }
    } else if (state_.spec() && state_.facts().created && state_.facts().wanted_running &&
               !hands_off() && supervisor_.next_wakeup() == never && !supervisor_.gave_up() &&
               !last_failure_) {
        SubmitRequest request; // nothing runs and nothing is due: the machine has been powered on
        request.action = "instance.start";
        request.target = state_.spec()->name;
        request.cause = "boot";
        request.caller = "agent";
        const std::lock_guard lock{core_mutex_};
        if (is_to_end()) {
            return;
        }
        if (auto submitted = submit_locked(std::move(request)); !submitted) {
            spdlog::error("life: start after boot: {}", submitted.error().to_string());
            last_failure_ = proto::shape_of(submitted.error());
        }
        return;
    }
    if (hands_off()) {
        supervisor_.forgive(); // what dies meanwhile counts for nothing
    } else if (supervisor_.start_due(at)) {
        SubmitRequest request;
        request.action = "instance.start";
        request.target = state_.spec()->name;
        request.cause = "supervisor";
        request.caller = "agent";
        const std::lock_guard lock{core_mutex_};
        if (is_to_end()) {
            return;
        }
        supervisor_.start_taken();
        auto facts = state_.facts();
        ++facts.restarts;
        if (const auto kept = state_.set_facts(facts); !kept) {
            spdlog::warn("life: count a restart: {}", kept.error().to_string());
        }
        if (auto submitted = submit_locked(std::move(request)); !submitted) {
            spdlog::error("life: restart the database: {}", submitted.error().to_string());
        }
        return;
    }
    if (database_.link != nullptr && at >= next_probe_) {
        next_probe_ = at + settings_.probe_period;
        probe();
    }
    if (at >= next_usage_) {
        next_usage_ = at + settings_.usage_period;
        if (!filter_stale_.empty() && state_.spec()) {
            if (at >= next_renewal_) {
                renew_firewall();
            }
            if (database_.link == nullptr) {
                weigh(nullptr); // no probe comes by that would
            }
        }
        read_usage();
        turn_logs();
    }
}

bool Life::is_to_end() const {
    return operations_.unfinished("instance.stop") != nullptr ||
           operations_.unfinished("instance.delete") != nullptr;
}

bool Life::hands_off() {
    const auto until = state_.facts().maintenance_until_ms;
    if (until == 0) {
        return false;
    }
    if (parts_.clock.wall_ms() < until) {
        return true;
    }
    SubmitRequest request;
    request.action = "instance.resume";
    request.target = state_.spec() ? state_.spec()->name : "";
    request.cause = "timer";
    request.caller = "agent";
    const std::lock_guard lock{core_mutex_};
    if (operations_.unfinished("instance.resume") == nullptr) {
        if (auto submitted = submit_locked(std::move(request)); !submitted) {
            spdlog::error("life: end the maintenance: {}", submitted.error().to_string());
        }
    }
    return true; // until the operation has ended it
}

void Life::database_ended(std::string_view how) {
    {
        const std::lock_guard speech{slot_.speech};
        if (slot_.driver != nullptr) {
            slot_.driver->release();
        }
    }
    database_ = DatabaseProcess{};
    tell_all(concerns_.forget());
    probes_failed_ = 0;
    if (state_.spec() && state_.facts().created && state_.facts().wanted_running) {
        supervisor_.ended(runtime::Clock::instant());
        if (supervisor_.gave_up()) {
            const auto words = fmt::format("it ended {} times within a short time, at last with {}",
                                           supervisor_.deaths(), how);
            last_failure_ = proto::shape_of(Error{Code::crash_loop, words});
            spdlog::error("life: crash loop: the database is not started any more");
            tell("database.crash_loop", words);
        }
    }
    publish();
}

void Life::probe() {
    if (slot_.driver == nullptr) {
        return;
    }
    const plugins::Call call{std::chrono::steady_clock::now() + settings_.probe_limit,
                             &stop_.flag()};
    std::unique_lock speech{slot_.speech, speech_wait};
    if (!speech) {
        return; // a long query has the session; it is an answer, too
    }
    auto adopted = slot_.driver->adopt(call, slot_.place);
    auto seen = adopted ? slot_.driver->probe(call) : shut_out(std::move(adopted).error());
    speech.unlock();
    const bool answered = seen && seen->answers;
    const bool before = database_.answers;
    const bool full_before = database_.volume_full;
    probes_failed_ = answered ? 0 : probes_failed_ + 1;
    if (answered) {
        if (const auto noted = note_answer(state_, database_); !noted) {
            spdlog::warn("life: write down that the database answers: {}",
                         noted.error().to_string());
        }
        database_.answers = true;
        database_.detail = seen->detail;
        database_.volume_full = seen->volume_full;
        if (!before && silent_told_) {
            silent_told_ = false;
            tell("database.answers", database_.detail);
        }
        if (!before || full_before != database_.volume_full) {
            last_failure_.reset();
            publish();
        }
    } else if (probes_failed_ >= probes_until_degraded && before) {
        database_.answers = false;
        database_.detail = seen ? seen->detail : seen.error().to_string();
        spdlog::warn("life: the database does not answer: {}", database_.detail);
        silent_told_ = true;
        tell("database.silent", database_.detail);
        publish();
    }
    weigh(answered ? &*seen : nullptr);
}

void Life::turn_logs() {
    if (slot_.driver == nullptr || slot_.driver->logs() == nullptr || database_.link == nullptr ||
        !database_.answers) {
        return;
    }
    for (const auto& log : slot_.driver->logs()->files()) {
        const auto fact = log.file.empty() ? Result<LogFact>{LogFact{}} // the guard's
                                           : look_at_log(parts_.host, log);
        if (!fact || fact->size_bytes < log_bytes_max) {
            continue; // what stands in its place is said to whoever reads it
        }
        auto turned = parts_.host.rotate_log(log.file, log_kept);
        if (turned) {
            const plugins::Call call{std::chrono::steady_clock::now() + settings_.probe_limit,
                                     &stop_.flag()};
            std::unique_lock speech{slot_.speech, speech_wait};
            turned = speech ? slot_.driver->logs()->reopen(call, log.name)
                            : Result<void>{Error{Errc::busy, "its session is taken"}};
        }
        if (!turned) {
            spdlog::warn("life: turn the log '{}' over: {}", log.name, turned.error().to_string());
        }
    }
}

void Life::read_usage() {
    if (!state_.spec()) {
        return;
    }
    const auto info = parts_.host.inspect_volume(state_.spec()->volume_serial);
    if (!info) {
        // Shown as it was. That the host process has ended is watched for by the program itself.
        spdlog::debug("life: read the volume's fill: {}", info.error().to_string());
        return;
    }
    if (std::unique_lock speech{slot_.speech, speech_wait}; speech) { // else the next look does it
        slot_.place.machine.volume_free_bytes = info->free_bytes;
    }
    // Under 1 % or 8 MiB free: an engine's next write may be the one that fails.
    const auto reserve = std::min<std::uint64_t>(info->filesystem_bytes / 100, 8U << 20U);
    const bool must_start = volume_full_ && database_.link == nullptr && last_failure_;
    const auto needed = must_start ? start_room(info->filesystem_bytes) : reserve;
    const bool full = info->mounted && info->free_bytes < needed;
    if (volume_full_ && !full && database_.link == nullptr && last_failure_) {
        spdlog::info("life: the volume has room again");
        supervisor_.forgive();
        last_failure_.reset(); // watch() starts what is wanted
    }
    if (volume_size_ != info->size_bytes || volume_used_ != info->used_bytes ||
        full != volume_full_) {
        if (full && !volume_full_) {
            tell("volume.full",
                 fmt::format("{} of {} bytes are free", info->free_bytes, info->filesystem_bytes));
        }
        volume_size_ = info->size_bytes;
        volume_used_ = info->used_bytes;
        volume_full_ = full;
        // Of the file system: a device that has just grown is no pressure.
        tell_usage(info->filesystem_bytes - std::min(info->filesystem_bytes, info->free_bytes),
                   info->filesystem_bytes);
        if (database_.link == nullptr) {
            weigh(nullptr); // no probe comes by that would
        }
        publish();
    }
}

} // namespace jackdaw::agent
