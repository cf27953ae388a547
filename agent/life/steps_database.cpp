// Steps about the database itself: check, configure, initialise, start, stop, secure, probe.
#include <poll.h>

#include <algorithm>
#include <csignal>
#include <cstdint>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "agent/life/start_room.h"
#include "agent/life/steps.h"
#include "proto/base/ids.h"
#include "proto/base/size.h"

namespace jackdaw::agent::steps {
namespace {

constexpr std::chrono::seconds speech_limit{30};
constexpr std::chrono::seconds check_limit{60};
constexpr std::uint64_t start_free_bytes_min = std::uint64_t{1} << 20; ///< what any engine writes
constexpr const char* went_back = "went_back";  ///< argument: to the last good files, not settled
constexpr const char* untold = "switch_untold"; ///< argument: switched off, and not said so yet
constexpr int adopt_retry_ms = 5; ///< while a starting server does not take connections yet

/// "10.11" accepts "10.11.14"; a full version accepts itself.
bool version_matches(std::string_view wanted, std::string_view installed) {
    return wanted.empty() || installed == wanted ||
           (installed.starts_with(wanted) && installed.size() > wanted.size() &&
            installed[wanted.size()] == '.');
}

Result<void>
speak(StepContext& context,
      const std::function<Result<void>(plugins::Datastore&, const plugins::Call&)>& say) {
    const std::lock_guard speech{context.slot.speech};
    return say(*context.slot.driver, context.call(speech_limit));
}

/// Waits until the server answers, its process ends, or the time is over.
Result<void> wait_for_answer(StepContext& context, std::chrono::seconds limit) {
    const auto until = std::chrono::steady_clock::now() + limit;
    auto& link = *context.database.link;
    for (;;) {
        auto seen = link.status();
        if (!seen) { // its guard died, or could not start it; nothing of it runs
            context.database = DatabaseProcess{};
            return std::move(seen).error().while_doing("start the database under its guard");
        }
        context.database.status = *seen;
        if (context.database.status.phase == GuardPhase::ended) {
            JACKDAW_TRY(const auto output, link.output());
            const auto status = context.database.status;
            JACKDAW_CHECK(link.release());
            context.database = DatabaseProcess{};
            const bool killed = !status.exit_status && status.signal == SIGKILL; // by somebody else
            Error error{killed ? Code::killed : Code::start_failed,
                        fmt::format("it ended with {}; the end of its log: {}",
                                    how_it_ended(status, context.slot.place.machine.memory_bytes),
                                    complaint_of(output, context.slot.driver.get()))};
            return killed ? std::move(error).with_hint(mend_of_kill(context)) : std::move(error);
        }
        auto adopted = [&] {
            const std::lock_guard speech{context.slot.speech};
            return context.slot.driver->adopt(context.call(std::chrono::seconds{5}),
                                              context.slot.place);
        }();
        if (adopted) {
            return ok();
        }
        if (context.stop.raised()) {
            return Error{Errc::cancelled, "stopped while the database was starting"};
        }
        if (adopted.error().code() == Errc::not_allowed ||
            std::chrono::steady_clock::now() > until) {
            return std::move(adopted).while_doing("wait for the database's first answer");
        }
        pollfd waits[2] = {{link.poll_fd(), POLLIN, 0}, {context.stop.fd(), POLLIN, 0}};
        (void)::poll(waits, 2, adopt_retry_ms);
    }
}

/// An engine that finds no room waits for it inside its own start (MariaDB's Aria: a minute at a
/// time), and the growth of the volume would wait behind that start.
Result<void> require_room(StepContext& context) {
    JACKDAW_TRY(const auto volume, context.host.inspect_volume(context.spec().volume_serial));
    if (volume.mounted && volume.free_bytes < start_free_bytes_min) {
        return Error{Code::volume_full, fmt::format("{} of {} are free; nothing is started on that",
                                                    format_size(volume.free_bytes),
                                                    format_size(volume.filesystem_bytes))};
    }
    return ok();
}

/// `volume_full` when this start failed on a volume without room for one: no other configuration
/// helps, a larger volume does.
Result<void> blame_full_volume(StepContext& context, const Error& failure) {
    const auto volume = context.host.inspect_volume(context.spec().volume_serial);
    if (!volume || !volume->mounted || volume->free_bytes >= start_room(volume->filesystem_bytes)) {
        return ok(); // what the engine says is all that is known
    }
    return Error{Code::volume_full,
                 fmt::format("the volume is full, {} of {} are free: {}",
                             format_size(volume->free_bytes), format_size(volume->filesystem_bytes),
                             failure.message())};
}

/// What the driver makes of the spec and the machine as they are, in the order of names.
Result<std::vector<plugins::RenderedFile>> rendered(StepContext& context) {
    JACKDAW_TRY(auto files, context.slot.driver->render(context.slot.place));
    std::ranges::sort(files, {}, &plugins::RenderedFile::name);
    return files;
}

/// Of the operation's own start of the database: `begun` from just before it until all that follows
/// from it is written down; an agent that was killed in between goes on from there.
enum class Spawn : std::uint8_t { none, begun, done };

Spawn spawn_of(const StepContext& context) {
    const auto at = context.arguments().find("spawned");
    if (at == context.arguments().end() || !at->is_boolean()) {
        return Spawn::none;
    }
    return at->get<bool>() ? Spawn::done : Spawn::begun;
}

/// A server runs although its first statements failed, and then perhaps without the agent's
/// account.
void warn_of_start(StepContext& context) {
    if (context.database.link == nullptr || spawn_of(context) == Spawn::none) {
        return; // it has ended, which is told with its log; or it is another operation's
    }
    const auto output = context.database.link->output();
    const auto complaint = output ? context.slot.driver->start_complaint(*output) : std::string{};
    if (!complaint.empty()) {
        context.warn(complaint);
    }
}

Result<void> spawn_and_wait(StepContext& context) {
    const auto launch = context.slot.driver->launch(context.slot.place);
    const auto began = runtime::Clock::boottime_ns();
    auto& database = context.database;
    if (database.link == nullptr) {
        JACKDAW_CHECK(require_room(context));
        JACKDAW_CHECK(context.set_argument("spawned", false));
        auto link = context.host.spawn_database(launch);
        if (!link) {
            if (!context.host.has_ended()) { // else nothing is known of it: the next agent looks
                JACKDAW_CHECK(context.set_argument("spawned", nullptr));
            }
            return std::move(link).error();
        }
        database.link = *std::move(link);
        database.since = rfc3339(context.clock.wall_ms());
    }
    if (spawn_of(context) == Spawn::begun) {
        if (auto facts = context.state.facts(); !facts.pending_restart.empty()) {
            facts.pending_restart.clear(); // it reads its file
            JACKDAW_CHECK(context.state.set_facts(std::move(facts)));
        }
        JACKDAW_CHECK(context.set_argument("spawned", true));
    }
    auto answered = wait_for_answer(context, launch.ready_within);
    warn_of_start(context);
    JACKDAW_CHECK(std::move(answered));
    JACKDAW_CHECK(note_answer(context.state, database));
    const auto from = std::max(began, database.status.started_boottime_ns);
    context.engine_us += (runtime::Clock::boottime_ns() - from) / 1000;
    database.answers = true;
    return ok();
}

struct WayBack {
    ConfigHistory known;
    std::vector<plugins::RenderedFile> files; ///< the new ones
    bool is_open = false;                     ///< the last good ones are others
};

Result<WayBack> way_back(StepContext& context) {
    WayBack way;
    way.known = context.state.configuration();
    JACKDAW_TRY(way.files, rendered(context));
    way.is_open =
        !way.known.good.empty() && way.files != way.known.good && way.files != way.known.refused;
    return way;
}

/// What followed from the last good configuration, as the database runs on it.
Result<void> settle_on_last_good(StepContext& context, WayBack way, const Error& error) {
    auto& known = way.known;
    // Of the instance's own parameters those are in force that it ran well on.
    auto spec = context.spec();
    const auto dropped = spec.parameters != known.parameters;
    if (dropped) {
        context.tell(
            "config.reverted",
            fmt::format("no start on the new parameters; the last good ones are in force: {}",
                        error.message()));
        context.warn(
            fmt::format("the database did not start with its new parameters, and runs on the "
                        "last good ones: {}",
                        error.message()));
        spec.parameters = known.parameters;
        JACKDAW_CHECK(context.state.set_spec(std::move(spec)));
        return context.need_driver(); // the place follows the spec
    }
    context.warn(fmt::format("the database did not start on the new configuration, and runs on the "
                             "last good one: {}",
                             error.message()));
    known.refused = std::move(way.files);
    return context.state.set_configuration(std::move(known));
}

/// After a database ended in its start: once more on the last good configuration, that is another.
/// The error is that of the first start when it does not help either.
Result<void> start_on_last_good(StepContext& context, WayBack way, Error error) {
    spdlog::warn("life: no start on the new configuration: {}; going back to the last good one",
                 error.to_string());
    // Or an agent that ends from here on leaves a database that runs on the old files, and whose
    // new ones the next agent takes for good.
    JACKDAW_CHECK(context.set_argument(went_back, true));
    JACKDAW_CHECK(context.host.write_config(way.known.good));
    if (auto started = spawn_and_wait(context); !started) {
        if (context.database.link != nullptr) {
            return started; // it is still at it, on the old files
        }
        JACKDAW_CHECK(context.host.write_config(way.files)); // it was not the configuration
        JACKDAW_CHECK(context.set_argument(went_back, false));
        return error;
    }
    JACKDAW_CHECK(settle_on_last_good(context, std::move(way), error));
    return context.set_argument(went_back, false);
}

bool is_restart(const StepContext& context) {
    return context.record->shape.action == "instance.restart";
}

/// A database that this operation started is healthy: what it runs on is good.
Result<void> keep_good_configuration(StepContext& context) {
    if (spawn_of(context) != Spawn::done) {
        return ok(); // an adopted one may run on an older file
    }
    if (!context.state.facts().pending_restart.empty()) {
        return ok(); // it was gone on with later: the files say by now what no start has read
    }
    auto known = context.state.configuration();
    JACKDAW_TRY(auto files, rendered(context));
    if (files == known.good || files == known.refused) {
        return ok();
    }
    known.good = std::move(files);
    known.refused.clear();
    known.parameters = context.spec().parameters;
    return context.state.set_configuration(std::move(known));
}

} // namespace

Result<void> prepare_folders(StepContext& context) {
    return context.host.prepare_folders();
}

Result<void> check_datastore(StepContext& context) {
    JACKDAW_CHECK(context.need_driver());
    const auto& driver = *context.slot.driver;
    const auto memory = context.slot.place.machine.memory_bytes;
    if (memory < driver.memory_bytes_min()) {
        return Error{Code::memory_too_small,
                     fmt::format("{} asks for at least {}, the machine has {}", driver.name(),
                                 format_size(driver.memory_bytes_min()), format_size(memory))};
    }
    const auto job = driver.version_job(context.slot.place);
    JobRun run;
    run.limit = check_limit;
    run.engine = true;
    run.spawn = [&] {
        return context.host.spawn_job(context.job_guard(), context.spec().datastore, job);
    };
    auto end = run_job(context, "datastore.check", run);
    if (!end) {
        if (end.error().id() == Code::job_failed) {
            return Error{Code::install_missing, end.error().message()};
        }
        return std::move(end).error();
    }
    JACKDAW_TRY(auto version, context.slot.driver->parse_version(end->output));
    if (!version_matches(context.spec().version, version)) {
        return Error{Code::unknown_datastore,
                     fmt::format("the image has {} {}, the spec asks for {}",
                                 context.spec().datastore, version, context.spec().version)};
    }
    auto facts = context.state.facts();
    facts.installed_version = std::move(version);
    return context.state.set_facts(std::move(facts));
}

Result<void> render_config(StepContext& context) {
    JACKDAW_CHECK(context.need_driver());
    auto& driver = *context.slot.driver;
    JACKDAW_TRY(const auto files, rendered(context));
    const auto known = context.state.configuration();
    if (!known.good.empty() && files == known.refused) {
        return context.host.write_config(known.good); // no database starts on the new one
    }
    JACKDAW_CHECK(context.host.write_config(files));
    const auto check = driver.check_config_job(context.slot.place);
    if (!check || context.state.facts().created) {
        return ok(); // rendered by the same rules from the same facts as the file that was checked
    }
    JobRun run;
    run.limit = check_limit;
    run.engine = true;
    run.spawn = [&] {
        return context.host.spawn_job(context.job_guard(), context.spec().datastore, *check);
    };
    JACKDAW_TRY(const auto end, run_job(context, "config.render", run, true));
    return driver.judge_config(end.exit_status, end.output);
}

Result<void> initialise_data(StepContext& context) {
    JACKDAW_CHECK(context.need_driver());
    JACKDAW_TRY(const auto stamp, context.host.read_stamp());
    if (stamp && stamp->sealed) {
        return ok(); // complete already, or taken over
    }
    const auto job = context.slot.driver->initialise_job(context.slot.place);
    JobRun run;
    run.limit = job.limit;
    run.engine = true;
    run.prepare = [&] { return context.host.wipe_data(); };
    run.spawn = [&] {
        return context.host.spawn_job(context.job_guard(), context.spec().datastore, job);
    };
    JACKDAW_TRY(const auto end, run_job(context, "data.initialise", run));
    (void)end;
    // The job may have left out every fsync (it is quicker so): durable before it is journalled as
    // done.
    return context.host.sync_volume();
}

Result<void> discard_data(StepContext& context) {
    if (context.arguments().contains("taken_over")) {
        return ok();
    }
    JACKDAW_TRY(const bool reached, reach_own_volume(context));
    if (!reached) {
        return ok();
    }
    JACKDAW_TRY(auto stamp, context.host.read_stamp());
    if (!stamp || stamp->instance_id != context.spec().id) {
        return ok();
    }
    if (stamp->sealed) {
        stamp->sealed = false;
        JACKDAW_CHECK(context.host.write_stamp(*stamp, {}));
    }
    return context.host.wipe_data();
}

Result<void> seal_data(StepContext& context) {
    JACKDAW_TRY(auto stamp, context.host.read_stamp());
    if (!stamp || stamp->instance_id != context.spec().id) {
        return Error{Code::volume_foreign, "the volume's stamp changed during the create"};
    }
    if (stamp->sealed) {
        return ok();
    }
    JACKDAW_CHECK(context.host.sync_volume());
    stamp->sealed = true;
    stamp->version = context.state.facts().installed_version;
    return context.host.write_stamp(*stamp, {});
}

Result<void> allow_network(StepContext& context) {
    JACKDAW_CHECK(context.need_driver());
    return context.host.set_firewall(context.spec().allow, context.slot.place.port);
}

Result<void> start_database(StepContext& context) {
    JACKDAW_CHECK(context.need_driver());
    auto& database = context.database;
    if (database.link == nullptr) {
        JACKDAW_TRY(database.link, context.host.connect_guard(std::string{database_guard}));
    }
    if (database.link != nullptr) { // one that an earlier agent started: adopt it, or hear its end
        const auto status = database.link->status();
        if (!status || status->phase != GuardPhase::running) {
            JACKDAW_CHECK(jackdaw::agent::stop_database(context, StopKind::clean));
        }
    }
    // The stamp is read again at every start: a half-made data folder is never started.
    JACKDAW_TRY(const auto stamp, context.host.read_stamp());
    if (!stamp || stamp->instance_id != context.spec().id || !stamp->sealed) {
        return Error{Code::volume_foreign,
                     "the volume does not carry this instance's complete data folder"};
    }
    auto facts = context.state.facts();
    const bool is_asked = context.record->shape.action == "instance.start";
    if (is_asked && !context.arguments().contains("was_running")) { // for the undo
        JACKDAW_CHECK(context.set_argument("was_running", facts.wanted_running));
    }
    if (!facts.wanted_running) {
        facts.wanted_running = true;
        JACKDAW_CHECK(context.state.set_facts(facts));
    }
    JACKDAW_TRY(const bool cut_off, proto::bool_at(context.arguments(), went_back, false));
    if (cut_off) {
        JACKDAW_TRY(auto way, way_back(context));
        if (way.is_open) {
            return start_on_last_good(
                context, std::move(way),
                Error{Code::start_failed, "the agent that saw it fail has ended meanwhile"});
        }
    }
    auto started = spawn_and_wait(context);
    if (!started && started.error().id() == Code::start_failed) {
        JACKDAW_CHECK(blame_full_volume(context, started.error()));
        JACKDAW_TRY(auto way, way_back(context));
        if (way.is_open) {
            return start_on_last_good(context, std::move(way), std::move(started).error());
        }
    }
    return started;
}

Result<void> need_unprotected(const InstanceState& state) {
    const auto spec = state.spec();
    if (spec && spec->protect) {
        return Error{Code::protected_, fmt::format("'{}' is protected", spec->name)};
    }
    return ok();
}

Result<void> stop_database(StepContext& context) {
    auto facts = context.state.facts();
    if (!context.arguments().contains("was_running")) { // for the undo; before it is changed
        JACKDAW_CHECK(context.set_argument("was_running", facts.wanted_running));
    }
    if (facts.wanted_running && !is_restart(context)) {
        facts.wanted_running = false; // first, so that no agent after us starts it again
        JACKDAW_CHECK(context.state.set_facts(facts));
    }
    const auto forced = context.arguments().find("force");
    const bool kill =
        forced != context.arguments().end() && forced->is_boolean() && forced->get<bool>();
    return jackdaw::agent::stop_database(context, kill ? StopKind::kill : StopKind::clean);
}

/// What ran before it was asked to start goes on.
Result<void> undo_start_database(StepContext& context) {
    JACKDAW_TRY(const bool was_running, proto::bool_at(context.arguments(), "was_running", false));
    if (was_running) {
        return ok();
    }
    return steps::stop_database(context);
}

Result<void> undo_stop_database(StepContext& context) {
    // A restart of an earlier version did not note it; mostly it was of what ran.
    JACKDAW_TRY(const bool was_running,
                proto::bool_at(context.arguments(), "was_running", is_restart(context)));
    if (was_running) {
        JACKDAW_CHECK(mount_volume(context));
        return start_database(context);
    }
    if (!is_restart(context)) {
        return ok();
    }
    auto facts = context.state.facts();
    facts.wanted_running = false;
    JACKDAW_CHECK(context.state.set_facts(std::move(facts)));
    return jackdaw::agent::stop_database(context, StopKind::clean);
}

Result<void> secure_database(StepContext& context) {
    JACKDAW_CHECK(context.need_driver());
    JACKDAW_CHECK(
        start_database(context)); // adopts when it runs; a resumed create finds it as it was left
    JACKDAW_CHECK(speak(context, [](plugins::Datastore& driver, const plugins::Call& call) {
        return driver.secure(call);
    }));
    return context.host.sync_volume(); // an engine may drop a database without a sync
}

Result<void> probe_health(StepContext& context) {
    JACKDAW_CHECK(start_database(context));
    JACKDAW_CHECK(
        speak(context, [&](plugins::Datastore& driver, const plugins::Call& call) -> Result<void> {
            JACKDAW_TRY(const auto seen, driver.probe(call));
            context.database.answers = seen.answers;
            context.database.detail = seen.detail;
            context.database.volume_full = seen.volume_full;
            return seen.answers ? ok() : Result<void>{Error{Code::database_down, seen.detail}};
        }));
    JACKDAW_CHECK(keep_good_configuration(context));
    auto facts = context.state.facts();
    if (!facts.created) {
        facts.created = true;
        return context.state.set_facts(std::move(facts));
    }
    return ok();
}

Result<void> forget_instance(StepContext& context) {
    return context.state.forget();
}

Result<void> unless_forgotten(StepContext& context) {
    return context.state.spec() ? ok() : cannot_bring_back(context);
}

Result<void> set_protect(StepContext& context) {
    auto spec = context.spec();
    const auto wanted = context.arguments().find("protect");
    spec.protect =
        wanted != context.arguments().end() && wanted->is_boolean() && wanted->get<bool>();
    return context.state.set_spec(std::move(spec));
}

Result<void> rename_instance(StepContext& context) {
    const auto request = context.arguments().find("request");
    if (request == context.arguments().end()) {
        return Error{Errc::corrupt, "the operation has lost what was asked for"};
    }
    JACKDAW_TRY(auto name, proto::string_at(*request, "name", ""));
    JACKDAW_TRY(const auto from, proto::string_at(*request, "from", ""));
    JACKDAW_CHECK(check_label(name, "instance"));
    auto spec = context.spec();
    if (!context.arguments().contains("before")) {
        if (!from.empty() && spec.name != from && spec.name != name) { // another rename was first
            return Error{
                Errc::not_found,
                fmt::format("there is no instance '{}': it is called '{}' by now", from, spec.name)}
                .with_hint(fmt::format("`jackdaw instance rename {} {}`", spec.name, name));
        }
        JACKDAW_CHECK(context.set_argument("before", spec.name)); // `request` points nowhere now
    }
    spec.name = std::move(name);
    return context.state.set_spec(std::move(spec));
}

Result<void> repair_access(StepContext& context) {
    JACKDAW_CHECK(context.need_driver());
    JACKDAW_CHECK(need_running(context.state));
    bool again = false;
    if (const auto request = context.arguments().find("request");
        request != context.arguments().end()) {
        JACKDAW_TRY(again, proto::bool_at(*request, "again", false));
    }
    // Durable before it is done: whatever becomes of us then, examine() finds it off, and warns, or
    // on, and forgets it.
    const auto note = [&](const plugins::Repaired& what) -> Result<void> {
        auto facts = context.state.facts();
        facts.switched_off = {facts.answered_start_ns, what.stopped, what.parameter, what.value};
        JACKDAW_CHECK(context.state.set_facts(std::move(facts)));
        return context.set_argument(untold, true);
    };
    plugins::Repaired besides;
    JACKDAW_CHECK(
        speak(context, [&](plugins::Datastore& driver, const plugins::Call& call) -> Result<void> {
            JACKDAW_CHECK(driver.adopt(call, context.slot.place));
            JACKDAW_TRY(besides, driver.repair(call, again, note));
            return ok();
        }));
    JACKDAW_TRY(const bool cut_off, proto::bool_at(context.arguments(), untold, false));
    const auto facts = context.state.facts();
    if (const auto& off = facts.switched_off; cut_off && besides.stopped.empty() &&
                                              off.start_ns != 0 &&
                                              off.start_ns == facts.answered_start_ns) {
        besides.stopped = off.text; // by an agent that was killed before it could say so
    }
    if (!besides.stopped.empty()) {
        context.tell("scheduler.stopped", besides.stopped);
        JACKDAW_CHECK(context.set_argument(untold, false));
    }
    for (auto* const text : {&besides.stopped, &besides.left}) {
        if (!text->empty()) {
            context.warn(std::move(*text));
        }
    }
    if (besides.failed) {
        return *std::move(besides.failed);
    }
    return context.host.sync_volume();
}

Result<void> undo_rename_instance(StepContext& context) {
    if (!context.arguments().contains("before")) {
        return ok();
    }
    auto spec = context.spec();
    JACKDAW_TRY(spec.name, proto::string_at(context.arguments(), "before", ""));
    return context.state.set_spec(std::move(spec));
}

} // namespace jackdaw::agent::steps
