#pragma once
// What logs and timelines have in common: how many lines are shown, and how what comes is followed.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "coordinator/commands/reach.h"

namespace jackdaw::cli {

inline constexpr std::uint64_t shown_max = 10'000; ///< of an agent in one answer

/// --lines, --limit: 1 to what the agent gives. `invalid`.
[[nodiscard]] Result<std::uint64_t> count_of(const Invocation& invocation, std::string_view flag,
                                             std::string usual);

/// Looks again and again, until --timeout, or it fails for a minute, or nobody reads. What is no
/// passing failure ends it at once. Ctrl-C ends the process.
[[nodiscard]] Result<int> follow_news(Session& session, const Invocation& invocation,
                                      const std::function<Result<void>()>& look);
/// The same with one agent, which is dialled again when it went away.
[[nodiscard]] Result<int> follow_news_of(Session& session, const Invocation& invocation,
                                         InstanceAccess& at,
                                         const std::function<Result<void>(ApiClient&)>& ask);

} // namespace jackdaw::cli
