#include "coordinator/commands/follow_news.h"

#include <optional>

#include "coordinator/core/words.h"

namespace jackdaw::cli {
namespace {

constexpr std::chrono::milliseconds between_looks{500};
constexpr std::chrono::milliseconds silence_limit{60'000}; ///< nobody answered for so long

bool is_passing(const Error& error) {
    return error.code() == Errc::unavailable || error.code() == Errc::deadline;
}

} // namespace

Result<std::uint64_t> count_of(const Invocation& invocation, std::string_view flag,
                               std::string usual) {
    return parse_count(invocation.text(flag, std::move(usual)), flag, shown_max);
}

Result<int> follow_news(Session& session, const Invocation& invocation,
                        const std::function<Result<void>()>& look) {
    auto heard = session.clock.now();
    const auto until =
        invocation.timeout ? std::optional{session.in(*invocation.timeout)} : std::nullopt;
    while (session.terminal.out_arrived() && (!until || session.clock.now() < *until)) {
        session.clock.sleep(between_looks);
        session.terminal.watch_out();
        if (!session.terminal.out_arrived()) {
            break; // `| head` has what it wanted, and there may be no news for hours
        }
        auto done = look();
        if (done || done.error().code() == Errc::busy) { // an operation speaks to the database
            heard = session.clock.now();
            continue;
        }
        if (!is_passing(done.error()) || session.clock.now() - heard > silence_limit) {
            return std::move(done).error();
        }
    }
    return 0;
}

Result<int> follow_news_of(Session& session, const Invocation& invocation, InstanceAccess& at,
                           const std::function<Result<void>(ApiClient&)>& ask) {
    return follow_news(session, invocation, [&]() -> Result<void> {
        auto done = at.client ? ask(*at.client)
                              : Result<void>{Error{Errc::unavailable, "the agent went away"}};
        if (!done && is_passing(done.error())) {
            auto again = at.name.empty() ? at.reach.any() : at.reach.of(at.name); // back soon
            at.client = again ? *std::move(again) : nullptr;
        }
        return done;
    });
}

} // namespace jackdaw::cli
