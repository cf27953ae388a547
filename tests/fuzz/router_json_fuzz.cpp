// Arbitrary requests at the agent's API behind both transports: method, target and body, up to
// eight after one another, between lines of "%%". A line is "METHOD TARGET [KEY]", the rest is the
// body. Every answer is what its caller can rely on; what is refused has changed nothing.

#include <array>
#include <set>
#include <string>
#include <string_view>

#include "tests/fuzz/api_answers.h"
#include "tests/fuzz/api_world.h"
#include "tests/fuzz/parts.h"
#include "tests/fuzz/require.h"

using namespace jackdaw;
using jackdaw::fuzz::between;
using jackdaw::fuzz::require;
using jackdaw::fuzz::take;

namespace {

agent::ApiRequest request_of(std::string_view text) {
    auto line = take(text, "\n");
    agent::ApiRequest request;
    request.method = take(line, " ");
    request.target = take(line, " ");
    request.idempotency_key = line.substr(0, 128); // as both transports cut it
    request.body = text;
    request.caller = {"uid 0", true};
    if (request.method.starts_with('!')) { // somebody who may only look
        request.method.erase(0, 1);
        request.caller.may_change = false;
    }
    if (request.method.starts_with('?')) { // anybody, by public.sock
        request.method.erase(0, 1);
        request.caller.may_change = false;
        request.caller.is_public = true;
    }
    return request;
}

void ask_for_stream(const agent::Router& router, const agent::ApiRequest& request) {
    const auto stream = router.stream(request);
    if (!stream) {
        return;
    }
    require(request.method == "GET");
    const auto part = stream->next();
    for (const auto& item : part.items) {
        require(!item.event.empty() && item.event.find('\n') == std::string::npos);
        require(item.data.find_first_of("\r\n") == std::string::npos); // or it would be two fields
        require(agent::Json::accept(item.data));
    }
}

void check_target(std::string_view text) {
    const auto target = agent::parse_target(text);
    if (!target) {
        require(target.error().code() == Errc::invalid);
        return;
    }
    require(target->segments.size() <= 8 && target->query.size() <= 16);
    for (const auto& segment : target->segments) {
        require(segment.find('\0') == std::string::npos);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static fuzz::ApiWorld world;
    std::string_view rest{reinterpret_cast<const char*>(data), size};
    for (int count = 0; count < 8 && !rest.empty(); ++count) {
        const auto request = request_of(take(rest, between));
        check_target(request.target);
        ask_for_stream(world.router(), request);
        const auto before = world.operations();
        if (const auto quick = world.router().quick(request)) {
            fuzz::check_answer(request, *quick);
        }
        const auto answer = world.router().handle(request);
        fuzz::check_answer(request, answer);
        const auto after = world.operations();
        // An answer without an operation, and a refusal, leave the journal as it was.
        require(after == before || (answer.status == 202 && after == before + 1));
        require(after == before || request.caller.may_change);
        require(request.method != "GET" || after == before);
        world.reset_if_full();
    }
    return 0;
}
