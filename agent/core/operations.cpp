#include "agent/core/operations.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "agent/core/request_words.h"
#include "proto/base/ids.h"

namespace jackdaw::agent {
namespace {

constexpr std::int64_t ns_per_s = 1'000'000'000;
constexpr std::int64_t ns_per_ms = 1'000'000;
constexpr std::int64_t first_guess_us = 200'000; ///< for a step that was never timed
constexpr std::uint32_t interruptions_max = 3;
constexpr std::size_t target_bytes_max = 1024; ///< an account's name and host fit

/// Names come from outside, and what is journalled must be read again: cut between characters.
std::string bounded_target(std::string text) {
    auto end = std::min(text.size(), target_bytes_max);
    while (end > 0 && end < text.size() &&
           (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) {
        --end;
    }
    text.resize(end);
    return text;
}

proto::ErrorShape deadline_error(const Record& record) {
    return proto::shape_of(
        Error{Errc::deadline, fmt::format("'{}' did not end by its deadline, {}",
                                          record.shape.action, record.shape.deadline)}
            .with_hint(fmt::format("`jackdaw op resume {0}` goes on, `jackdaw op abort {0}` undoes",
                                   record.shape.id)),
        record.shape.id);
}

proto::ErrorShape aborted_error(const std::string& id) {
    return proto::shape_of(Error{Code::aborted, "it was aborted"}, id);
}

/// The wall time of `now` as this operation counts it, within one boot from its own beginning: a
/// clock that is set meanwhile neither stretches a step nor ends it before it began.
std::int64_t wall_of(const Record& record, const Now& now) {
    return now.boot_id == record.deadline.boot_id
               ? record.deadline.wall_ms -
                     (record.deadline.boottime_ns - now.boottime_ns) / ns_per_ms
               : now.wall_ms;
}

} // namespace

Deadline Deadline::after(const Now& now, std::int64_t seconds) {
    return Deadline{now.boot_id, now.boottime_ns + seconds * ns_per_s,
                    now.wall_ms + seconds * 1000};
}

bool Deadline::passed(const Now& now) const {
    return seconds_left(now) <= 0;
}

double Deadline::seconds_left(const Now& now) const {
    return now.boot_id == boot_id
               ? static_cast<double>(boottime_ns - now.boottime_ns) / static_cast<double>(ns_per_s)
               : static_cast<double>(wall_ms - now.wall_ms) / 1000;
}

bool Record::ended() const {
    return shape.status == "done" || shape.status == "failed" || shape.status == "undone";
}

namespace {

/// Nothing takes up an operation that stands otherwise: it would neither go on nor end.
bool has_known_states(const proto::Operation& shape) {
    constexpr std::array<std::string_view, 5> of_operation{"queued", "running", "done", "failed",
                                                           "undone"};
    constexpr std::array<std::string_view, 6> of_step{"pending", "running", "done",
                                                      "failed",  "undone",  "skipped"};
    return std::ranges::find(of_operation, shape.status) != of_operation.end() &&
           std::ranges::all_of(shape.steps, [&](const auto& step) {
               return std::ranges::find(of_step, step.status) != of_step.end();
           });
}

} // namespace

std::string Record::to_text() const {
    return Json{{"operation", proto::to_json(shape)},
                {"arguments", arguments},
                {"idempotency_key", idempotency_key},
                {"request_mac", request_mac},
                {"deadline",
                 {{"boot_id", deadline.boot_id},
                  {"boottime_ns", deadline.boottime_ns},
                  {"wall_ms", deadline.wall_ms}}},
                {"created_wall_ms", created_wall_ms},
                {"step_began_boottime_ns", step_began_boottime_ns},
                {"interruptions", interruptions}}
        .dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Record> Record::from_text(std::string_view text) {
    const auto wrong = [](Error error) {
        return Error{Errc::corrupt, error.message()}.while_doing("read a journal record");
    };
    auto json = proto::parse_json(text);
    if (!json) {
        return wrong(std::move(json).error());
    }
    const auto part = [&](const char* key) {
        const auto at = json->find(key);
        return at == json->end() ? Json::object() : *at;
    };
    auto shape = proto::operation_from(part("operation"));
    if (!shape) {
        return wrong(std::move(shape).error());
    }
    Record record;
    record.shape = *std::move(shape);
    record.arguments = part("arguments");
    const auto deadline = part("deadline");
    constexpr auto max = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    auto key = proto::string_at(*json, "idempotency_key", "");
    auto mac = proto::string_at(*json, "request_mac", "");
    auto boot = proto::string_at(deadline, "boot_id", "");
    auto boottime = proto::number_at(deadline, "boottime_ns", 0, max);
    auto wall = proto::number_at(deadline, "wall_ms", 0, max);
    auto created = proto::number_at(*json, "created_wall_ms", 0, max);
    auto began = proto::number_at(*json, "step_began_boottime_ns", 0, max);
    auto interruptions = proto::number_at(*json, "interruptions", 0, interruptions_max);
    if (!key || !mac || !boot || !boottime || !wall || !created || !began || !interruptions ||
        record.shape.id.empty() || !record.arguments.is_object()) {
        return wrong(Error{Errc::corrupt, "a field has another type than the journal writes"});
    }
    if (!has_known_states(record.shape)) {
        return wrong(
            Error{Errc::corrupt, "an operation or a step is in a state that there is not"});
    }
    record.idempotency_key = *std::move(key);
    record.request_mac = *std::move(mac);
    record.deadline = Deadline{*std::move(boot), static_cast<std::int64_t>(*boottime),
                               static_cast<std::int64_t>(*wall)};
    record.created_wall_ms = static_cast<std::int64_t>(*created);
    record.step_began_boottime_ns = static_cast<std::int64_t>(*began);
    record.interruptions = static_cast<std::uint32_t>(*interruptions);
    return record;
}

Result<void> Operations::load(std::string_view text) {
    JACKDAW_TRY(auto record, Record::from_text(text));
    const auto id = record.shape.id;
    if (!record.idempotency_key.empty()) {
        by_key_[record.idempotency_key] = id;
    }
    if (record.shape.status == "running") {
        if (!running_.empty()) {
            return Error{Errc::corrupt, "the journal holds two running operations"};
        }
        running_ = id;
    }
    records_.insert_or_assign(id, std::move(record));
    return ok();
}

Result<std::string> Operations::submit(const Now& now, Request request) {
    assert(!request.id.empty() && !request.steps.empty());
    request.target = bounded_target(std::move(request.target));
    if (const auto known = by_key_.find(request.idempotency_key);
        !request.idempotency_key.empty() && known != by_key_.end()) {
        const auto& record = records_.at(known->second);
        const auto wanted = [](const Json& arguments) {
            const auto at = arguments.find("request");
            return at == arguments.end() ? Json() : *at;
        };
        if (record.shape.action != request.action || record.shape.target != request.target ||
            wanted(record.arguments) != wanted(request.arguments) ||
            (!record.request_mac.empty() && !request.request_mac.empty() &&
             record.request_mac != request.request_mac)) {
            return Error{Errc::conflict,
                         fmt::format("the key of this request was used by operation {} for another "
                                     "request, and nothing of this one was done",
                                     record.shape.id)}
                .with_hint("a new Idempotency-Key for each new request; the same one only to send "
                           "the same request again");
        }
        return record.shape.id;
    }
    if (records_.contains(request.id)) {
        return Error{Errc::conflict, fmt::format("there is an operation {} already", request.id)};
    }
    const auto waiting = static_cast<std::size_t>(std::ranges::count_if(
        records_, [](const auto& entry) { return entry.second.shape.status == "queued"; }));
    if (waiting >= limits_.queued_max) {
        return Error{Code::operation_running,
                     fmt::format("{} operations wait already; the limit is {}", waiting,
                                 limits_.queued_max)};
    }
    forget_old(now);
    Record record;
    record.shape.id = request.id;
    record.shape.action = std::move(request.action);
    record.shape.target = std::move(request.target);
    record.shape.caller = std::move(request.caller);
    record.shape.cause = std::move(request.cause);
    record.shape.created_at = rfc3339(now.wall_ms);
    record.shape.deadline = rfc3339(now.wall_ms + request.limit_seconds * 1000);
    for (auto& name : request.steps) {
        record.shape.steps.emplace_back().name = std::move(name);
    }
    record.arguments = std::move(request.arguments);
    record.idempotency_key = std::move(request.idempotency_key);
    record.request_mac = std::move(request.request_mac);
    record.deadline = Deadline::after(now, request.limit_seconds);
    record.created_wall_ms = now.wall_ms;
    if (!record.idempotency_key.empty()) {
        by_key_[record.idempotency_key] = request.id;
    }
    records_.insert_or_assign(request.id, std::move(record));
    touch(request.id);
    check_invariants();
    return request.id;
}

Operations::Next Operations::next(const Now& now) {
    for (;;) {
        if (running_.empty()) {
            const auto queued = std::ranges::find_if(
                records_, [](const auto& entry) { return entry.second.shape.status == "queued"; });
            if (queued == records_.end()) {
                return {};
            }
            running_ = queued->first;
            queued->second.shape.status = "running";
            touch(running_);
        }
        auto& record = at(running_);
        auto& steps = record.shape.steps;
        if (record.shape.abort_requested) {
            for (std::size_t i = steps.size(); i-- > 0;) {
                const auto& status = steps[i].status;
                if (status == "done" || status == "running" || status == "failed") {
                    return {What::undo, record.shape.id, i};
                }
            }
            end(now, record, "undone", aborted_error(record.shape.id));
            continue;
        }
        const auto pending = std::ranges::find_if(steps, [](const auto& step) {
            return step.status == "pending" || step.status == "running";
        });
        if (pending == steps.end()) {
            end(now, record, "done", std::nullopt);
            continue;
        }
        if (record.deadline.passed(now)) {
            end(now, record, "failed", deadline_error(record));
            continue;
        }
        return {What::run, record.shape.id, static_cast<std::size_t>(pending - steps.begin())};
    }
}

void Operations::step_began(const Now& now, const std::string& id, std::size_t step) {
    auto& record = at(id);
    auto& shape = record.shape.steps.at(step);
    shape.status = "running";
    shape.progress = 0;
    shape.error.reset();
    if (shape.started_at.empty()) {
        shape.started_at = rfc3339(wall_of(record, now));
    }
    record.step_began_boottime_ns = now.boottime_ns;
    touch(id);
}

void Operations::step_progress(const std::string& id, std::size_t step, double progress) {
    at(id).shape.steps.at(step).progress = std::clamp(progress, 0.0, 1.0);
    changed(id); // shown, not journalled: it may be lost with the agent
}

bool Operations::warn(const std::string& id, std::string text) {
    constexpr std::size_t warnings_max = 16;
    constexpr std::size_t warning_bytes_max = 1024;
    const auto record = records_.find(id);
    if (record == records_.end()) {
        return false;
    }
    text.resize(std::min(text.size(), warning_bytes_max));
    auto& all = record->second.shape.warnings;
    if (std::ranges::find(all, text) != all.end()) {
        return false;
    }
    if (all.size() < warnings_max) {
        all.push_back(std::move(text));
        touch(id);
    }
    return true;
}

void Operations::step_done(const Now& now, const std::string& id, std::size_t step,
                           std::int64_t engine_us) {
    auto& record = at(id);
    auto& shape = record.shape.steps.at(step);
    assert(shape.status == "running");
    shape.status = record.rewound && !record.shape.abort_requested ? "pending" : "done";
    shape.progress = 1;
    shape.ended_at = rfc3339(wall_of(record, now));
    shape.duration_us =
        std::max<std::int64_t>(0, now.boottime_ns - record.step_began_boottime_ns) / 1000;
    shape.engine_us = std::min(engine_us, shape.duration_us);
    record.rewound = false;
    record.interruptions = 0;
    estimates_[record.shape.action + "/" + shape.name] = shape.duration_us;
    touch(id);
}

void Operations::step_failed(const Now& now, const std::string& id, std::size_t step,
                             proto::ErrorShape error) {
    auto& record = at(id);
    auto& shape = record.shape.steps.at(step);
    shape.status = "failed";
    shape.ended_at = rfc3339(wall_of(record, now));
    record.rewound = false;
    error.operation = id;
    shape.error = error;
    if (record.shape.abort_requested) { // next() undoes it, this step included
        touch(id);
        return;
    }
    end(now, record, "failed", std::move(error));
}

bool Operations::interrupted(const std::string& id) {
    auto& record = at(id);
    if (record.interruptions == interruptions_max) {
        return false;
    }
    ++record.interruptions;
    touch(id);
    return true;
}

void Operations::undo_done(const Now& now, const std::string& id, std::size_t step) {
    auto& record = at(id);
    auto& shape = record.shape.steps.at(step);
    shape.status = "undone";
    shape.ended_at = rfc3339(wall_of(record, now));
    record.interruptions = 0;
    touch(id);
}

void Operations::undo_failed(const Now& now, const std::string& id, std::size_t step,
                             proto::ErrorShape error) {
    auto& record = at(id);
    error.operation = id;
    record.shape.steps.at(step).error = error;
    end(now, record, "failed", std::move(error));
}

void Operations::set_argument(const std::string& id, const std::string& key, Json value) {
    at(id).arguments[key] = std::move(value);
    touch(id);
}

Result<void> Operations::abort(const Now& now, const std::string& id) {
    const auto found = records_.find(id);
    if (found == records_.end()) {
        return Error{Errc::not_found, fmt::format("no operation '{}'", id)};
    }
    auto& record = found->second;
    if (record.shape.abort_requested && !record.ended()) {
        return ok();
    }
    if (record.shape.status == "done" || record.shape.status == "undone") {
        return Error{Errc::conflict,
                     fmt::format("operation {} has ended: {}", id, record.shape.status)};
    }
    record.shape.abort_requested = true;
    record.interruptions = 0;
    if (record.shape.status == "failed") { // undo what it left; queued like any other
        record.shape.status = "queued";
        record.shape.ended_at.clear();
        record.shape.error.reset();
    }
    record.deadline = Deadline::after(now, 3600);
    touch(id);
    const bool untouched = std::ranges::all_of(
        record.shape.steps, [](const auto& step) { return step.status == "pending"; });
    if (running_ != id && untouched) { // nothing to undo, nothing to wait for
        end(now, record, "undone", aborted_error(id));
    }
    return ok();
}

Result<void> Operations::resume(const Now& now, const std::string& id, std::int64_t limit_seconds) {
    const auto found = records_.find(id);
    if (found == records_.end()) {
        return Error{Errc::not_found, fmt::format("no operation '{}'", id)};
    }
    auto& record = found->second;
    if (!record.ended()) {
        return ok(); // it goes on already
    }
    if (record.shape.status != "failed") {
        return Error{Errc::conflict,
                     fmt::format("operation {} has ended: {}", id, record.shape.status)};
    }
    for (auto& step : record.shape.steps) {
        // While it is being undone, what a failed step did is still to be undone.
        if (step.status == "failed" && !record.shape.abort_requested) {
            step.status = "pending";
            step.error.reset();
        }
    }
    record.interruptions = 0;
    record.shape.status = "queued";
    record.shape.ended_at.clear();
    record.shape.error.reset();
    record.shape.deadline = rfc3339(now.wall_ms + limit_seconds * 1000);
    record.deadline = Deadline::after(now, limit_seconds);
    touch(id);
    return ok();
}

void Operations::rewind(const std::string& id, std::string_view step) {
    auto& record = at(id);
    assert(!record.ended());
    for (auto& one : record.shape.steps) {
        if (one.name != step || record.shape.abort_requested) {
            continue;
        }
        if (one.status == "done") {
            one.status = "pending";
            touch(id);
        }
        record.rewound = record.rewound || one.status == "running";
    }
}

const Record* Operations::find(const std::string& id) const {
    const auto found = records_.find(id);
    return found == records_.end() ? nullptr : &found->second;
}

const Record* Operations::find_key(const std::string& idempotency_key) const {
    const auto known = by_key_.find(idempotency_key);
    return known == by_key_.end() ? nullptr : find(known->second);
}

const Record* Operations::running() const {
    return running_.empty() ? nullptr : find(running_);
}

const Record* Operations::unfinished(std::string_view action) const {
    for (const auto& [id, record] : records_) {
        if (record.shape.action == action && !record.ended()) {
            return &record;
        }
    }
    return nullptr;
}

proto::Operation Operations::shape_at(const Now& now, const Record& record) const {
    auto shape = record.shape;
    shape.detail = detail_of(shape.action, record.arguments);
    std::int64_t total = 0;
    std::int64_t behind = 0;
    for (const auto& step : shape.steps) {
        const auto guess = estimate(record, step);
        total += guess;
        if (step.status == "done" || step.status == "undone" || step.status == "skipped") {
            behind += guess;
        } else if (step.status == "running") {
            const auto spent =
                std::max<std::int64_t>(0, now.boottime_ns - record.step_began_boottime_ns) / 1000;
            const auto shown =
                static_cast<std::int64_t>(step.progress * static_cast<double>(guess));
            behind += std::min(guess * 19 / 20, std::max(shown, spent));
        }
    }
    shape.progress = record.shape.status == "done" ? 1.0
                     : total == 0                  ? 0.0
                                  : static_cast<double>(behind) / static_cast<double>(total);
    if (!record.ended()) {
        shape.seconds_left = static_cast<double>(total - behind) / 1e6;
    }
    return shape;
}

std::vector<Operations::Write> Operations::take_writes() {
    std::vector<Write> writes;
    for (const auto& id : dirty_) {
        writes.push_back({id, records_.at(id).to_text()});
    }
    for (auto& id : forgotten_) {
        writes.push_back({std::move(id), std::nullopt});
    }
    dirty_.clear();
    forgotten_.clear();
    return writes;
}

std::vector<std::string> Operations::take_changed() {
    std::vector<std::string> ids{changed_.begin(), changed_.end()};
    changed_.clear();
    return ids;
}

Record& Operations::at(const std::string& id) {
    const auto found = records_.find(id);
    assert(found != records_.end() && "the shell names only operations that it was given");
    return found->second;
}

void Operations::touch(const std::string& id) {
    dirty_.insert(id);
    changed(id);
}

void Operations::end(const Now& now, Record& record, std::string status,
                     std::optional<proto::ErrorShape> error) {
    record.shape.status = std::move(status);
    record.shape.ended_at = rfc3339(wall_of(record, now));
    record.shape.error = std::move(error);
    record.shape.progress = record.shape.status == "done" ? 1 : 0;
    if (running_ == record.shape.id) {
        running_.clear();
    }
    touch(record.shape.id);
    check_invariants();
}

void Operations::forget_old(const Now& now) {
    for (auto entry = records_.begin(); entry != records_.end();) {
        const auto& record = entry->second;
        const bool old = now.wall_ms - record.created_wall_ms > limits_.age_max_ms;
        const bool many = records_.size() >= limits_.records_max;
        if (record.ended() && (old || many)) {
            entry = forget(entry);
        } else if (!old && !many) {
            return; // ids sort by time: nothing older follows
        } else {
            ++entry;
        }
    }
}

std::map<std::string, Record>::iterator
Operations::forget(std::map<std::string, Record>::iterator entry) {
    by_key_.erase(entry->second.idempotency_key);
    dirty_.erase(entry->first);
    forgotten_.push_back(entry->first);
    return records_.erase(entry);
}

std::size_t Operations::forget_ended(const std::string& before, std::size_t most) {
    std::size_t forgotten = 0;
    for (auto entry = records_.begin();
         entry != records_.end() && entry->first < before && forgotten < most;) {
        if (entry->second.ended()) {
            entry = forget(entry);
            ++forgotten;
        } else {
            ++entry;
        }
    }
    return forgotten;
}

std::int64_t Operations::estimate(const Record& record, const proto::Step& step) const {
    const auto found = estimates_.find(record.shape.action + "/" + step.name);
    return found == estimates_.end() ? first_guess_us : std::max<std::int64_t>(found->second, 1000);
}

void Operations::check_invariants() const {
    std::size_t running = 0;
    for (const auto& [id, record] : records_) {
        running += record.shape.status == "running" ? 1U : 0U;
    }
    assert(running == (running_.empty() ? 0U : 1U) && "two operations never overlap");
}

} // namespace jackdaw::agent
