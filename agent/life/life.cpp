#include "agent/life/life.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <csignal>

#include <fmt/format.h>
#include <sodium.h>
#include <spdlog/spdlog.h>

#include "proto/base/ids.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::agent {
namespace {

/// The first 48 bits of a UUIDv7 (RFC 9562, section 5.7); 0 when it is none.
std::int64_t milliseconds_of(std::string_view id) {
    if (!is_uuid(id)) {
        return 0;
    }
    return std::stoll(fmt::format("{}{}", id.substr(0, 8), id.substr(9, 4)), nullptr, 16);
}

std::vector<Change> changes_of(std::vector<Operations::Write> writes) {
    std::vector<Change> changes;
    changes.reserve(writes.size());
    for (auto& write : writes) {
        changes.push_back(Change{Table::operations, std::move(write.id), std::move(write.text)});
    }
    return changes;
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
                if (!record->ended()) {
                    open_.insert(id);
                }
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
        } else if (settings_.renew_firewall && state_.facts().created) {
            renew_firewall();
        }
    }
    JACKDAW_CHECK(adopt_database());
    end_stray_jobs();
    return ok();
}

void Life::renew_firewall() {
    const auto renewed = parts_.host.set_firewall(state_.spec()->allow, slot_.place.port);
    const auto failed = renewed ? std::string{} : renewed.error().to_string();
    const auto before = std::exchange(filter_stale_, failed);
    next_renewal_ = runtime::Clock::instant() + settings_.usage_period;
    if (before.empty() != failed.empty()) {
        // The database's own rules stand meanwhile; who polls from outside may be kept out.
        spdlog::info("life: packet filter: {}", renewed ? "renewed" : failed);
        tell(renewed ? "filter.renewed" : "filter.stale",
             renewed ? "no longer: " + before : failed);
    }
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
            const auto began_ns = database_.status.started_boottime_ns;
            const auto age_ms = (runtime::Clock::boottime_ns() - began_ns) / 1'000'000;
            const auto facts = state_.facts();
            database_.since = facts.answered_start_ns == began_ns && !facts.answered_since.empty()
                                  ? facts.answered_since // as the agent that started it told
                                  : rfc3339(parts_.clock.wall_ms() - age_ms);
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
        if (record != nullptr && !record->ended() && !record->deadline.passed(now())) {
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
        const std::lock_guard lock{core_mutex_};
        if (operations_.warn(next.id, text)) { // each step that looks at a start may see it again
            spdlog::warn("life: {} {}: {}: {}", action, copy.shape.target, name, text);
        }
    };
    context.tell = [&](std::string_view kind, std::string text) {
        tell(kind, std::move(text), next.id);
    };
    context.need_driver = [this] { return load_driver(); };

    Result<void> result = Error{
        Errc::unsupported, fmt::format("this version knows no step '{}' of '{}'", name, action)};
    const bool is_aware = undo && name == "instance.forget"; // that there may be no instance
    if (function != nullptr && (state_.spec() || is_aware)) {
        result = undo ? end_job(context) : ok();
        result = result ? function(context) : std::move(result);
    } else if (function != nullptr && (undo || action == "instance.delete")) {
        result = ok(); // cut off after it forgot; or the instance went, and all that was done to it
    } else if (function != nullptr) {
        result = Error{Errc::not_found, "there is no instance on this machine any more"};
    }
    if (database_.link == nullptr) {
        tell_all(concerns_.forget()); // what was seen of a database that was stopped, too
    }
    if (!result && !stopping_ && parts_.host.has_ended()) {
        fatal(result.error()); // both start again; nobody knows what this step did
    }
    if (!result && stopping_) {
        return; // cut off by our own end: it stands as running in the journal, and is resumed
    }
    auto error_id = result ? Code::internal : result.error().id();
    if (error_id == Code::database_down && database_.link != nullptr) {
        // It was spoken to when it went: killed from outside, or its guard was? That is known a
        // moment later than its silence.
        const auto status = database_.link->wait_end(std::chrono::milliseconds{500}, -1);
        const bool gone = !status && status.error().code() != Errc::deadline;
        const bool killed =
            status && status->phase == GuardPhase::ended && status->signal == SIGKILL;
        error_id = gone || killed ? Code::killed : error_id;
    }
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
    bool seen_otherwise = false;
    bool found_full = false; // by a start that failed, before anybody looked
    fault(action, name, undo ? "undo-effect" : "effect");
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
            const auto step = undo ? "undo " + name : name == action ? std::string{} : name;
            auto error = std::move(result).error().while_doing(fmt::format(
                "{} {}{}{}", action, copy.shape.target, step.empty() ? "" : ": ", step));
            spdlog::warn("life: {}", error.to_string());
            auto shape = proto::shape_of(error, next.id);
            if (action == "instance.start" && !undo) {
                last_failure_ = shape;
                if (error.id() == Code::volume_full) {
                    // read_usage() sees the end of it, and then it is started
                    found_full = !std::exchange(volume_full_, true);
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
        seen_otherwise = refresh_view(); // who sees the end sees what it made
    }
    if (found_full) {
        tell("volume.full", "the database could not be started for want of room", next.id);
    }
    if (seen_otherwise) {
        parts_.on_change({});
    }
    if (started_database) {
        tell("database.started", "version " + state_.facts().installed_version, next.id);
        keep_parameter_list(); // nobody waits for it
    }
    fault(action, name, undo ? "undo-done" : "done");
}

void Life::wait_for_events() {
    auto until = std::min(next_usage_, supervisor_.next_wakeup());
    if (database_.link != nullptr) {
        until = std::min(until, next_probe_);
    } else if (!guard_silent_.empty()) {
        until = std::min(until, next_adoption_);
    }
    auto left = until - runtime::Clock::instant();
    if (const auto end = state_.facts().maintenance_until_ms; end != 0) {
        const auto rest = std::clamp<std::int64_t>(end - parts_.clock.wall_ms(), 50, 60'000);
        left = std::min<std::remove_const_t<decltype(left)>>(left, std::chrono::milliseconds{rest});
    }
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

bool Life::make_room(const std::vector<Change>& wanted) {
    std::string before; // never one that is to be written
    for (const auto& change : wanted) {
        if (change.value && (before.empty() || change.key < before)) {
            before = change.key;
        }
    }
    const auto some = std::max<std::size_t>(operations_.all().size() / 8, 1);
    if (operations_.forget_ended(before, some) == 0) {
        return false;
    }
    const auto gone = parts_.store.commit(changes_of(operations_.take_writes()));
    if (!gone) {
        spdlog::error("life: forget old operations: {}", gone.error().to_string());
    }
    return gone.has_value();
}

Result<void> Life::journal() {
    if (const auto changes = changes_of(operations_.take_writes()); !changes.empty()) {
        auto written = parts_.store.commit(changes);
        // Until there is room, or nothing more that could go. What one commit has given up, the
        // next but one may use.
        while (!written && written.error().id() == Code::disk_full && make_room(changes)) {
            written = parts_.store.commit(changes);
        }
        JACKDAW_CHECK(std::move(written).while_doing("write the journal"));
    }
    for (const auto& id : operations_.take_changed()) {
        parts_.on_change(id);
        const auto* const record = operations_.find(id);
        if (record != nullptr && !record->ended()) {
            open_.insert(id);
        } else if (open_.erase(id) > 0 && record != nullptr) {
            tell_end(*record);
        }
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
    if (slot_.place.machine.volume_bytes != spec->volume_size_bytes) {
        const std::lock_guard speech{slot_.speech};
        slot_.place.machine.volume_bytes = spec->volume_size_bytes;
    }
    if (slot_.place.parameters != spec->parameters) {
        const std::lock_guard speech{slot_.speech};
        slot_.place.parameters = spec->parameters;
    }
    return ok();
}

} // namespace jackdaw::agent
