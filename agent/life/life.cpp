#include "agent/life/life.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>

#include <fmt/format.h>
#include <sodium.h>
#include <spdlog/spdlog.h>

#include "agent/logs.h"
#include "proto/base/ids.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::agent {
namespace {

constexpr std::chrono::seconds speech_wait{
    5}; ///< a query waits this long for the life thread's own words
constexpr std::uint32_t probes_until_degraded = 3;

/// The first 48 bits of a UUIDv7 (RFC 9562, section 5.7); 0 when it is none.
std::int64_t milliseconds_of(std::string_view id) {
    if (!is_uuid(id)) {
        return 0;
    }
    return std::stoll(fmt::format("{}{}", id.substr(0, 8), id.substr(9, 4)), nullptr, 16);
}

} // namespace

Life::Life(Parts parts, LifeSettings settings)
    : parts_{std::move(parts)},
      settings_{std::move(settings)},
      state_{parts_.store},
      supervisor_{settings_.supervisor},
      wake_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
    assert(wake_);
}

Life::~Life() {
    stop();
}

Result<void> Life::start() {
    agent_since_ = rfc3339(parts_.clock.wall_ms());
    {
        const std::lock_guard lock{core_mutex_};
        JACKDAW_CHECK(state_.load().while_doing("read the instance's state"));
        std::string after;
        for (;;) {
            JACKDAW_TRY(const auto records, parts_.store.scan(Table::operations, after, 256));
            if (records.empty()) {
                break;
            }
            for (const auto& [id, text] : records) {
                JACKDAW_CHECK(operations_.load(text).while_doing("read operation " + id));
                const auto* const record = operations_.find(id);
                if (record->shape.status != "done" && record->shape.status != "undone" &&
                    record->deadline.boot_id != now().boot_id) {
                    from_earlier_boot_.insert(id);
                }
            }
            after = records.back().key;
        }
    }
    JACKDAW_TRY(machine_, parts_.host.machine_file());
    JACKDAW_CHECK(adopt().while_doing("adopt what an earlier agent left"));
    publish();
    thread_ = std::thread{[this] { run(); }};
    return ok();
}

void Life::stop() {
    if (!thread_.joinable()) {
        return;
    }
    stopping_ = true;
    stop_.raise();
    wake();
    thread_.join();
}

void Life::wake() noexcept {
    const std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
}

Now Life::now() const {
    auto moment = parts_.clock.now();
    return Now{std::move(moment.boot_id), moment.boottime_ns, moment.wall_ms};
}

std::string Life::new_id() const {
    std::array<std::byte, 10> random{};
    randombytes_buf(random.data(), random.size());
    auto ms = parts_.clock.wall_ms();
    // Ids order the queue and the history: what is asked for after the wall clock was set back
    // comes last all the same.
    if (const auto& records = operations_.all(); !records.empty()) {
        ms = std::max(ms, milliseconds_of(records.rbegin()->first) + 1);
    }
    return make_uuid7(ms, random);
}

void Life::fault(std::string_view action, std::string_view step, std::string_view point) const {
    if (parts_.fault_point) {
        parts_.fault_point(action, step, point);
    }
}

void Life::tell(std::string_view kind, std::string text, const std::string& operation) const {
    if (parts_.tell) {
        const auto spec = state_.spec();
        parts_.tell(kind, spec ? spec->name : "", std::move(text), operation);
    }
}

/// An operation has ended: that, and what it meant.
void Life::tell_end(const Record& record) const {
    const auto& shape = record.shape;
    const auto what = shape.target.empty() || shape.action.starts_with("instance.")
                          ? shape.action
                          : fmt::format("{} {}", shape.action, shape.target);
    if (shape.status == "failed" && shape.error) {
        tell("operation.failed",
             fmt::format("{}: {}: {}", what, shape.error->message, shape.error->cause), shape.id);
        return;
    }
    tell(shape.status == "undone" ? "operation.undone" : "operation.done",
         fmt::format("{} by {}", what, shape.caller), shape.id);
    if (shape.status != "done") {
        return;
    }
    if (shape.action == "config.set") {
        std::string names;
        const auto request = record.arguments.find("request");
        for (const auto* key : {"set", "unset"}) {
            const auto all = request != record.arguments.end() ? request->find(key) : request;
            if (request == record.arguments.end() || all == request->end()) {
                continue;
            }
            for (const auto& [name, value] : all->items()) {
                names += names.empty() ? "" : ", ";
                names += value.is_string() && all->is_array() ? value.get<std::string>() : name;
            }
        }
        tell("config.changed", names, shape.id);
    } else if (shape.action == "instance.pause") {
        tell("maintenance.begun", "by " + shape.caller, shape.id);
    } else if (shape.action == "instance.resume") {
        tell("maintenance.ended", "by " + shape.caller, shape.id);
    }
}

/// Each mark is told when it is passed upwards, and all again after the fill fell below the first.
void Life::tell_usage(std::uint64_t used_bytes, std::uint64_t size_bytes) {
    const auto percent = size_bytes == 0 ? 0 : static_cast<unsigned>(used_bytes * 100 / size_bytes);
    unsigned passed = 0;
    for (const unsigned mark : {80U, 90U, 95U}) {
        passed = percent >= mark ? mark : passed;
    }
    if (passed > pressure_percent_) {
        tell("volume.pressure", fmt::format("the volume is filled to {} %", percent));
        pressure_percent_ = passed;
    } else if (pressure_percent_ > 0 && percent < 75) {
        tell("volume.relief", fmt::format("the volume is filled to {} %", percent));
        pressure_percent_ = 0;
    }
}

// ---- the thread -------------------------------------------------------------------------------

void Life::run() {
    while (!stopping_) {
        if (work()) {
            continue;
        }
        watch();
        wait_for_events();
    }
    const std::lock_guard speech{slot_.speech};
    if (slot_.driver != nullptr) {
        slot_.driver->release();
    }
}

Result<void> Life::adopt() {
    if (state_.spec()) {
        if (auto loaded = load_driver(); !loaded) {
            // The instance is shown as failed; whoever mends the plug-in folder restarts the agent.
            spdlog::error("life: load the driver: {}", loaded.error().to_string());
            last_failure_ = proto::shape_of(loaded.error());
        }
    }
    JACKDAW_CHECK(adopt_database());
    end_stray_jobs();
    return ok();
}

Result<void> Life::adopt_database() {
    auto link = parts_.host.connect_guard(std::string{database_guard});
    if (!link && link.error().code() == Errc::busy) {
        // Stopped, or starved. It holds the database, so nothing else may be started; an agent that
        // went away for it would serve nobody.
        if (guard_silent_.empty()) {
            spdlog::warn("life: {}", link.error().to_string());
        }
        guard_silent_ = link.error().message();
        next_adoption_ = runtime::Clock::instant() + settings_.adoption_period;
        return ok();
    }
    JACKDAW_TRY(database_.link, std::move(link));
    guard_silent_.clear();
    if (database_.link != nullptr) {
        if (auto status = database_.link->status()) {
            database_.status = *std::move(status);
            const auto age_ns =
                runtime::Clock::boottime_ns() - database_.status.started_boottime_ns;
            database_.since = rfc3339(parts_.clock.wall_ms() - age_ns / 1'000'000);
            spdlog::info("life: adopted the database, pid {}", database_.status.child_pid);
            tell("database.adopted", fmt::format("process {}", database_.status.child_pid));
        }
    }
    return ok();
}

void Life::end_stray_jobs() {
    const auto guards = parts_.host.list_guards();
    if (!guards) {
        spdlog::warn("life: list guards: {}", guards.error().to_string());
        return;
    }
    for (const auto& name : *guards) {
        if (!name.starts_with("op-")) {
            continue;
        }
        const auto* const record = operations_.find(name.substr(3));
        if (record != nullptr && !record->ended()) {
            continue; // its operation resumes and takes it over, or ends it
        }
        auto link = parts_.host.connect_guard(name);
        if (link && *link != nullptr) {
            (void)(*link)->request_stop(
                StopKind::kill); // a guard that died meanwhile is ended by init
            (void)(*link)->wait_end(std::chrono::seconds{5}, -1);
            (void)(*link)->release();
            spdlog::info("life: ended {}, left by an operation that has ended", name);
        }
    }
}

bool Life::work() {
    Operations::Next next;
    {
        const std::lock_guard lock{core_mutex_};
        next = operations_.next(now());
        if (next.what == Operations::What::run && from_earlier_boot_.erase(next.id) > 0) {
            const auto* const plan = plan_of(operations_.find(next.id)->shape.action);
            for (const auto& step : plan != nullptr ? *plan : std::vector<StepPlan>{}) {
                if (step.each_boot) {
                    operations_.rewind(next.id, step.name);
                }
            }
            next = operations_.next(now());
        }
        if (const auto written = journal(); !written) {
            parts_.on_fatal(written.error());
            stopping_ = true;
            return true;
        }
        if (next.what != Operations::What::idle) {
            const auto* const record = operations_.find(next.id);
            if (!record->shape.abort_requested && !stopping_) {
                stop_.clear();
            }
            if (next.what == Operations::What::undo) {
                stop_.clear(); // an undo is never cut short by the abort that asked for it
            }
        }
    }
    if (next.what == Operations::What::idle) {
        publish();
        return false;
    }
    if (stopping_) {
        return true;
    }
    run_step(next);
    publish();
    return true;
}

void Life::run_step(const Operations::Next& next) {
    const bool undo = next.what == Operations::What::undo;
    const auto fatal = [&](const Error& error) {
        parts_.on_fatal(error);
        stopping_ = true;
    };
    Record copy; // the step's own: the core may be asked by other threads meanwhile
    {
        const std::lock_guard lock{core_mutex_};
        if (!undo) {
            operations_.step_began(now(), next.id, next.step);
        }
        if (const auto written = journal(); !written) {
            return fatal(written.error());
        }
        copy = *operations_.find(next.id);
    }
    publish();
    const auto& action = copy.shape.action;
    const auto name = copy.shape.steps[next.step].name;
    const auto* const plan = plan_of(action);
    StepFunction function = nullptr;
    for (const auto& step : plan != nullptr ? *plan : std::vector<StepPlan>{}) {
        if (step.name == name) {
            function = undo ? step.undo : step.run;
        }
    }
    fault(action, name, undo ? "undo" : "begin");

    StepContext context{parts_.host, state_, slot_, database_, stop_, parts_.clock, &copy, {},
                        {},          {},     {},    {},        0};
    context.set_argument = [&](const std::string& key, Json value) -> Result<void> {
        const std::lock_guard lock{core_mutex_};
        copy.arguments[key] = value;
        operations_.set_argument(next.id, key, std::move(value));
        return journal();
    };
    context.progress = [&](double progress) {
        {
            const std::lock_guard lock{core_mutex_};
            operations_.step_progress(next.id, next.step, progress);
        }
        parts_.on_change(next.id);
    };
    context.warn = [&](std::string text) {
        spdlog::warn("life: {} {}: {}: {}", action, copy.shape.target, name, text);
        const std::lock_guard lock{core_mutex_};
        operations_.warn(next.id, std::move(text));
    };
    context.tell = [&](std::string_view kind, std::string text) {
        tell(kind, std::move(text), next.id);
    };
    context.need_driver = [this] { return load_driver(); };

    Result<void> result = Error{
        Errc::unsupported, fmt::format("this version knows no step '{}' of '{}'", name, action)};
    if (function != nullptr) {
        if (!state_.spec()) { // a step of a delete that was cut off after it forgot
            result = ok();
        } else {
            result = function(context);
        }
    }
    if (!result && !stopping_ && parts_.host.has_ended()) {
        fatal(result.error()); // both start again; nobody knows what this step did
    }
    if (!result && stopping_) {
        return; // cut off by our own end: it stands as running in the journal, and is resumed
    }
    const auto error_id = result ? Code::internal : result.error().id();
    if ((error_id == Code::guard_died || error_id == Code::killed) &&
        copy.shape.cause == "request") { // the supervisor's own starts have their back-off
        const std::lock_guard lock{core_mutex_};
        if (operations_.interrupted(next.id)) {
            spdlog::warn("life: {} {}: {}: {}", action, copy.shape.target, name,
                         result.error().to_string());
            if (const auto written = journal(); !written) {
                fatal(written.error());
            }
            return; // next() names it again
        }
    }
    if (result && (name == "volume.record" || name == "health.probe")) {
        read_usage(); // who waits for the end of the operation sees the new size
    }
    const bool started_database = result && !undo && name == "health.probe";
    fault(action, name, "effect");
    {
        const std::lock_guard lock{core_mutex_};
        if (result && name == "health.probe") {
            last_failure_.reset();
        }
        if (result && undo) {
            operations_.undo_done(now(), next.id, next.step);
        } else if (result) {
            operations_.step_done(now(), next.id, next.step, context.engine_us);
        } else {
            auto error = std::move(result).error().while_doing(
                fmt::format("{} {}: {}{}", action, copy.shape.target, undo ? "undo " : "", name));
            spdlog::warn("life: {}", error.to_string());
            auto shape = proto::shape_of(error, next.id);
            if (action == "instance.start" && !undo) {
                last_failure_ = shape;
                if (error.id() == Code::volume_full) {
                    volume_full_ = true; // read_usage() sees the end of it, and then it is started
                } else if (copy.shape.cause != "request") {
                    supervisor_.ended(runtime::Clock::instant()); // a death like any other
                }
            }
            undo ? operations_.undo_failed(now(), next.id, next.step, std::move(shape))
                 : operations_.step_failed(now(), next.id, next.step, std::move(shape));
        }
        // The end of the last step is the end of the operation: told in one commit.
        if (const auto written = journal(); !written) {
            return fatal(written.error());
        }
        if (const auto* const record = operations_.find(next.id);
            record != nullptr && record->ended()) {
            tell_end(*record);
        }
    }
    if (started_database) {
        tell("database.started", "version " + state_.facts().installed_version, next.id);
    }
    fault(action, name, "done");
}

// ---- watching ---------------------------------------------------------------------------------

void Life::watch() {
    const auto at = runtime::Clock::instant();
    if (forgiven_.exchange(false)) {
        supervisor_.forgive();
    }
    if (database_.link != nullptr) {
        guard_silent_.clear(); // a step may have reached it
        auto status = database_.link->status();
        if (!status) {
            if (status.error().code() != Errc::deadline) { // a frozen machine is slow, not dead
                spdlog::warn("life: the database's guard has died, and its database with it: {}",
                             status.error().to_string());
                tell("database.ended", "its guard died, and the database with it");
                database_ended();
            }
        } else {
            database_.status = *std::move(status);
            if (database_.status.phase == GuardPhase::ended) {
                const auto output = database_.link->output();
                spdlog::warn("life: the database has ended by itself ({}); the end of its log: {}",
                             database_.status.exit_status
                                 ? fmt::format("status {}", *database_.status.exit_status)
                                 : fmt::format("signal {}", database_.status.signal),
                             output ? tail_of(*output, 4) : "?");
                tell("database.ended",
                     fmt::format("by itself, with {}; the end of its log: {}",
                                 database_.status.exit_status
                                     ? fmt::format("status {}", *database_.status.exit_status)
                                     : fmt::format("signal {}", database_.status.signal),
                                 output ? tail_of(*output, 4) : "?"));
                (void)
                    database_.link->release(); // it is known now; a guard that died is gone anyway
                database_ended();
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
        if (auto submitted = submit_locked(std::move(request)); !submitted) {
            spdlog::error("life: start after boot: {}", submitted.error().to_string());
            last_failure_ = proto::shape_of(submitted.error());
        }
        return;
    }
    if (hands_off()) {
        supervisor_.forgive(); // what dies meanwhile counts for nothing
    } else if (supervisor_.start_due(at)) {
        supervisor_.start_taken();
        SubmitRequest request;
        request.action = "instance.start";
        request.target = state_.spec()->name;
        request.cause = "supervisor";
        request.caller = "agent";
        const std::lock_guard lock{core_mutex_};
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
        read_usage();
        turn_logs();
    }
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

void Life::database_ended() {
    {
        const std::lock_guard speech{slot_.speech};
        if (slot_.driver != nullptr) {
            slot_.driver->release();
        }
    }
    database_ = DatabaseProcess{};
    probes_failed_ = 0;
    if (state_.spec() && state_.facts().created && state_.facts().wanted_running) {
        supervisor_.ended(runtime::Clock::instant());
        if (supervisor_.gave_up()) {
            last_failure_ = proto::shape_of(
                Error{Code::crash_loop,
                      fmt::format("it ended {} times within a short time", supervisor_.deaths())});
            spdlog::error("life: crash loop: the database is not started any more");
            tell("database.crash_loop",
                 fmt::format("it ended {} times within a short time", supervisor_.deaths()));
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
    auto seen = adopted ? slot_.driver->probe(call)
                        : Result<plugins::Observation>{std::move(adopted).error()};
    speech.unlock();
    const bool answered = seen && seen->answers;
    const bool before = database_.answers;
    const bool full_before = database_.volume_full;
    probes_failed_ = answered ? 0 : probes_failed_ + 1;
    if (answered) {
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
}

void Life::turn_logs() {
    if (slot_.driver == nullptr || slot_.driver->logs() == nullptr || database_.link == nullptr ||
        !database_.answers) {
        return;
    }
    for (const auto& log : slot_.driver->logs()->files()) {
        const auto size = log.file.empty() ? Result<std::uint64_t>{std::uint64_t{0}} // the guard's
                                           : log_size(parts_.host, log);
        if (!size || *size < log_bytes_max) {
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
    // Under 1 % or 8 MiB free: an engine's next write may be the one that fails.
    const auto reserve = std::min<std::uint64_t>(info->filesystem_bytes / 100, 8U << 20U);
    const bool full = info->mounted && info->free_bytes < reserve;
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
        tell_usage(info->used_bytes, info->filesystem_bytes);
        publish();
    }
}

void Life::wait_for_events() {
    auto until = std::min(next_usage_, supervisor_.next_wakeup());
    if (database_.link != nullptr) {
        until = std::min(until, next_probe_);
    } else if (!guard_silent_.empty()) {
        until = std::min(until, next_adoption_);
    }
    const auto left = until - runtime::Clock::instant();
    const auto ms = std::clamp<std::int64_t>(
        std::chrono::ceil<std::chrono::milliseconds>(left).count(), 0, 60'000);
    std::array<pollfd, 2> waits{pollfd{wake_.get(), POLLIN, 0}, pollfd{-1, POLLIN, 0}};
    if (database_.link != nullptr) {
        waits[1].fd = database_.link->poll_fd();
    }
    const bool idle = database_.link == nullptr && !state_.spec(); // sleep until somebody asks
    (void)::poll(waits.data(), waits.size(), idle ? -1 : static_cast<int>(ms));
    std::uint64_t count = 0;
    (void)!::read(wake_.get(), &count, sizeof count);
}

// ---- shared ground ----------------------------------------------------------------------------

Result<void> Life::journal() {
    const auto writes = operations_.take_writes();
    if (!writes.empty()) {
        std::vector<Change> changes;
        changes.reserve(writes.size());
        for (const auto& write : writes) {
            changes.push_back(Change{Table::operations, write.id, write.text});
        }
        JACKDAW_CHECK(parts_.store.commit(changes).while_doing("write the journal"));
    }
    for (const auto& id : operations_.take_changed()) {
        parts_.on_change(id);
    }
    return ok();
}

Result<void> Life::load_driver() {
    const auto spec = state_.spec();
    if (!spec) {
        return Error{Errc::not_found, "there is no instance on this machine"};
    }
    if (slot_.driver == nullptr || slot_.driver->name() != spec->datastore) {
        JACKDAW_TRY(auto driver, parts_.drivers(spec->datastore));
        const std::lock_guard speech{slot_.speech};
        slot_.driver = std::move(driver);
    }
    if (slot_.place.instance_id != spec->id) {
        JACKDAW_TRY(auto facts, parts_.host.facts());
        const std::lock_guard speech{slot_.speech};
        slot_.place.instance_id = spec->id;
        slot_.place.data_folder = data_folder;
        slot_.place.log_folder = log_folder;
        slot_.place.config_folder = config_folder;
        slot_.place.run_folder = database_run_folder;
        slot_.place.port = spec->port != 0 ? spec->port : slot_.driver->default_port();
        slot_.place.machine = std::move(facts);
    }
    if (slot_.place.parameters != spec->parameters) {
        const std::lock_guard speech{slot_.speech};
        slot_.place.parameters = spec->parameters;
    }
    return ok();
}

void Life::publish() {
    std::optional<proto::Instance> next;
    {
        const std::lock_guard lock{core_mutex_};
        if (state_.spec()) {
            next = compose();
        }
        const auto same = [](const std::optional<proto::Instance>& a,
                             const std::optional<proto::Instance>& b) {
            return a.has_value() == b.has_value() &&
                   (!a || proto::to_json(*a) == proto::to_json(*b));
        };
        if (same(next, view_)) {
            return;
        }
        view_ = std::move(next);
    }
    parts_.on_change({});
}

proto::Instance Life::compose() const {
    const auto held = state_.spec();
    const auto& spec = *held;
    const auto facts = state_.facts();
    proto::Instance view;
    view.name = spec.name;
    view.id = spec.id;
    view.fleet = spec.fleet;
    view.datastore = spec.datastore;
    view.version = facts.installed_version.empty() ? spec.version : facts.installed_version;
    view.machine_id = spec.id;
    view.machine_state = "on";
    view.address = spec.address;
    view.port = slot_.place.port != 0 ? slot_.place.port : spec.port;
    view.volume_size_bytes = volume_size_ != 0 ? volume_size_ : spec.volume_size_bytes;
    view.volume_used_bytes = volume_used_;
    view.agent_version = settings_.agent_version;
    view.agent_pid = ::getpid();
    view.agent_since = agent_since_;
    view.database_pid = database_.link != nullptr ? database_.status.child_pid : 0;
    view.database_since = database_.link != nullptr ? database_.since : "";
    view.database_restarts = facts.restarts;
    view.protect = spec.protect;
    view.pending_restart = facts.pending_restart;
    if (facts.maintenance_until_ms != 0) {
        view.maintenance_until = rfc3339(facts.maintenance_until_ms);
        view.maintenance_by = facts.maintenance_by;
    }
    view.created_at = spec.created_at;
    if (slot_.driver != nullptr) {
        view.connection_uri = slot_.driver->connection_uri(spec.address, view.port);
        view.connection_note = "client connections are not encrypted yet";
    }
    const auto* const running = operations_.running();
    const Record* last_create = nullptr;
    if (!facts.created) { // with it there may be 10,000
        for (const auto& [id, record] : operations_.all()) {
            last_create = record.shape.action == "instance.create" ? &record : last_create;
        }
    }
    const auto failed = [&](const proto::ErrorShape& error) {
        view.status = "failed";
        view.reason = error.message + ": " + error.cause;
    };
    if (running != nullptr && running->shape.action == "instance.delete") {
        view.status = "deleting";
    } else if (!facts.created) {
        view.status = "building";
        if (last_create != nullptr && last_create->shape.error) {
            failed(*last_create->shape.error);
        }
    } else if (!facts.wanted_running) {
        view.status = "stopped";
    } else if (last_failure_ && database_.link == nullptr) {
        failed(*last_failure_);
    } else if (database_.link == nullptr || !database_.answers) {
        view.status = "degraded";
        view.reason = !guard_silent_.empty()      ? guard_silent_
                      : database_.link == nullptr ? "the database is being started"
                      : database_.detail.empty()  ? "the database does not answer yet"
                                                  : database_.detail;
    } else if (database_.volume_full || volume_full_) {
        view.status = "degraded";
        view.reason = "the volume is full";
    } else {
        view.status = "running";
        if (!state_.configuration().refused.empty()) {
            view.reason = "it runs on its last good configuration: on the new one it did not start";
        }
    }
    return view;
}

} // namespace jackdaw::agent
