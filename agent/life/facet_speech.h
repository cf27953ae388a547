#pragma once
// How a step speaks with one facet of the running database.

#include <chrono>
#include <functional>
#include <mutex>

#include <fmt/format.h>

#include "agent/life/steps.h"

namespace jackdaw::agent::steps {

inline constexpr std::chrono::seconds speech_limit{30};

inline Result<void> gone_is_ok(Result<void> dropped) {
    return !dropped && dropped.error().code() == Errc::not_found ? ok() : std::move(dropped);
}

/// Before the first drop: the thing must be there. An agent that resumes finds the mark, and then
/// gone is what was wanted.
inline Result<void> mark_begun(StepContext& context, const std::function<Result<bool>()>& present) {
    if (context.arguments().contains("begun")) {
        return ok();
    }
    JACKDAW_TRY(const bool there, present());
    if (!there) {
        return Error{Errc::not_found, fmt::format("no '{}'", context.record->shape.target)};
    }
    return context.set_argument("begun", true);
}

/// The facet behind the speech lock, with the server running and adopted; a change is durable when
/// it returns: engines make and remove a database's folder without a sync of the folder above
/// (MariaDB's CREATE DATABASE), and a power cut would take back what was journalled as done.
template <class Facet, class Say>
Result<void> with_facet(StepContext& context, Facet* (plugins::Datastore::*facet)() noexcept,
                        Say say) {
    JACKDAW_CHECK(context.need_driver());
    JACKDAW_CHECK(need_running(context.state));
    JACKDAW_CHECK([&]() -> Result<void> {
        const std::lock_guard speech{context.slot.speech};
        const auto call = context.call(speech_limit);
        // An agent that resumes this step has not spoken to the server yet.
        JACKDAW_CHECK(context.slot.driver->adopt(call, context.slot.place));
        auto* const found = (*context.slot.driver.*facet)();
        if (found == nullptr) {
            return Error{Errc::unsupported,
                         fmt::format("{} has no such thing", context.slot.driver->name())};
        }
        return say(*found, call);
    }());
    return context.host.sync_volume();
}

} // namespace jackdaw::agent::steps
