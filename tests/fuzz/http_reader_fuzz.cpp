// Arbitrary bytes at what the command line reads from an agent's socket: HTTP's answer side with
// the event stream behind it. The first byte says how the rest is cut: no cut may change what is
// understood.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coordinator/client/http_reader.h"
#include "tests/fuzz/require.h"

using namespace jackdaw;
using jackdaw::fuzz::require;

namespace {

struct Understood {
    bool whole = false;
    int status = 0;
    std::string body;
    std::vector<std::pair<std::string, std::string>> events;
};

Understood read(std::string_view bytes, std::size_t piece) {
    Understood said;
    cli::SseReader events{[&](std::string_view event, std::string_view data) -> Result<bool> {
        said.events.emplace_back(event, data);
        return true;
    }};
    bool stream_is_good = true;
    cli::HttpReader reader{[&](std::string_view part) -> Result<void> {
        said.body += part;
        stream_is_good = stream_is_good && static_cast<bool>(events.feed(part));
        return ok();
    }};
    bool good = true;
    while (good && !bytes.empty() && !reader.complete()) {
        const auto part = bytes.substr(0, piece);
        bytes.remove_prefix(part.size());
        good = static_cast<bool>(reader.feed(part));
    }
    said.whole = good && static_cast<bool>(reader.end()) && stream_is_good;
    said.status = reader.status();
    return said;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view bytes{reinterpret_cast<const char*>(data + 1), size - 1};
    const auto at_once = read(bytes, bytes.size() + 1);
    const auto in_parts = read(bytes, std::max<std::size_t>(data[0], 1));
    for (const auto* const one : {&at_once, &in_parts}) {
        require(one->body.size() <= bytes.size());
        require(!one->whole || (one->status >= 0 && one->status <= 999));
    }
    if (at_once.whole && in_parts.whole) {
        require(at_once.status == in_parts.status && at_once.body == in_parts.body);
        require(at_once.events == in_parts.events);
    }
    return 0;
}
