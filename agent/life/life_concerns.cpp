// The life thread between operations: what somebody should look at although the database answers.
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "agent/life/life.h"
#include "proto/base/ids.h"

namespace jackdaw::agent {
namespace {

constexpr std::chrono::milliseconds speech_wait{1'000};
constexpr std::chrono::seconds examine_limit{2};
constexpr std::chrono::milliseconds repair_pause_most{600'000};

/// proc_pid_statm(5), the second number. The agent's group sees all processes (hidepid).
std::optional<std::uint64_t> resident_bytes(std::int64_t pid) {
    std::ifstream file{fmt::format("/proc/{}/statm", pid)};
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    if (pid <= 0 || !(file >> size >> resident)) {
        return std::nullopt;
    }
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

/// Those of the folders that are file systems in memory, each file system once.
std::vector<Figures::MemoryFolder> in_memory(const std::vector<std::string>& folders) {
    std::vector<Figures::MemoryFolder> all;
    std::vector<dev_t> devices;
    for (const auto& path : folders) {
        struct stat folder{};
        struct statfs room{};
        if (::stat(path.c_str(), &folder) != 0 || ::statfs(path.c_str(), &room) != 0 ||
            room.f_type != TMPFS_MAGIC ||
            std::ranges::find(devices, folder.st_dev) != devices.end()) {
            continue;
        }
        devices.push_back(folder.st_dev);
        const auto block = static_cast<std::uint64_t>(room.f_bsize);
        all.push_back({path, (room.f_blocks - room.f_bfree) * block, room.f_blocks * block});
    }
    return all;
}

} // namespace

std::optional<Figures::Inside> Life::examine() {
    const plugins::Call call{std::chrono::steady_clock::now() + examine_limit, &stop_.flag()};
    std::unique_lock speech{slot_.speech, speech_wait};
    if (!speech) {
        return std::nullopt;
    }
    auto told = slot_.driver->examine(call);
    speech.unlock();
    Figures::Inside inside;
    if (!told) {
        if (told.error().code() == Errc::cancelled) {
            return std::nullopt;
        }
        inside.unseen.push_back(
            {"its accounts and limits", told.error().to_string(), told.error().hint()});
        return inside;
    }
    inside.access = std::move(told->access);
    inside.look_alikes = std::move(told->look_alikes);
    if (const auto& seen = told->connections) {
        inside.connections =
            Figures::Connections{seen->now, seen->max, seen->refused, seen->closed, seen->mend};
    }
    for (auto& one : told->unseen) {
        inside.unseen.push_back({std::move(one.what), std::move(one.why), std::move(one.mend)});
    }
    inside.switches_known = told->is_off.has_value();
    auto facts = state_.facts();
    if (auto& off = facts.switched_off;
        told->is_off && off.start_ns != 0 && off.start_ns == facts.answered_start_ns) {
        if (*told->is_off) {
            inside.switched_off = Figures::SwitchedOff{off.text, off.parameter, off.value};
            return inside;
        }
        off = {}; // somebody switched it on: if it is off again, it is by his wish
        if (const auto kept = state_.set_facts(std::move(facts)); !kept) {
            spdlog::warn("life: write down what is switched on: {}", kept.error().to_string());
        }
    }
    return inside;
}

void Life::weigh(const plugins::Observation* seen) {
    if (!state_.spec()) {
        return;
    }
    Figures figures;
    figures.volume_percent = pressure_percent_;
    figures.volume_full = volume_full_;
    figures.filter_stale = filter_stale_;
    figures.asked = seen != nullptr; // its silence is told otherwise
    if (seen != nullptr) {
        if (seen->shut_out == plugins::ShutOut::account) {
            figures.refused = seen->detail;
        } else if (seen->shut_out == plugins::ShutOut::crowd) {
            figures.crowded_out = seen->detail;
        } else if (const auto at = runtime::Clock::instant(); at >= next_examination_) {
            next_examination_ = at + settings_.examine_period;
            figures.inside = examine();
        }
        figures.sessions_ended = seen->sessions_ended;
        figures.memory_bytes = resident_bytes(database_.status.child_pid);
        figures.memory_bytes_max = slot_.place.machine.memory_bytes;
        figures.memory_folders = in_memory(settings_.memory_folders);
    }
    const auto before = concerns_.warnings();
    tell_all(concerns_.look(runtime::Clock::boottime_ns() / 1'000'000,
                            rfc3339(parts_.clock.wall_ms()), state_.spec()->name, figures));
    if (before != concerns_.warnings()) {
        publish();
    }
    repair_by_itself(figures);
}

void Life::tell_all(const std::vector<Concerns::Change>& changes) const {
    for (const auto& change : changes) {
        spdlog::info("life: {}: {}", change.event, change.text);
        tell(change.event, change.text);
    }
}

void Life::repair_by_itself(const Figures& figures) {
    const auto at = runtime::Clock::instant();
    if (!figures.inside || !figures.inside->access || hands_off()) {
        return;
    }
    if (figures.inside->access->empty()) {
        if (at >= next_repair_ + repair_pause_most) {
            repair_pause_ = std::chrono::milliseconds{0};
        }
        return;
    }
    if (at < next_repair_) {
        return; // who takes it away again and again gets no storm of operations
    }
    const bool again = repair_pause_.count() != 0;
    repair_pause_ = repair_pause_.count() == 0 ? settings_.repair_pause
                                               : std::min(repair_pause_ * 2, repair_pause_most);
    next_repair_ = at + repair_pause_;
    next_examination_ = at; // what came of it
    SubmitRequest request;
    request.action = "instance.repair";
    request.arguments = Json{{"request", Json{{"again", again}}}};
    request.target = state_.spec()->name;
    request.cause = "supervisor";
    request.caller = "agent";
    const std::lock_guard lock{core_mutex_};
    if (operations_.unfinished(request.action) != nullptr) {
        return;
    }
    if (auto submitted = submit_locked(std::move(request)); !submitted) {
        spdlog::error("life: repair the agent's account: {}", submitted.error().to_string());
    }
}

} // namespace jackdaw::agent
