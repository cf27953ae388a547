#include "proto/messages/key_holders.h"

#include <algorithm>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace jackdaw::proto {
namespace {

constexpr std::size_t names_shown = 8;

std::string who(const std::vector<std::string>& names) {
    const auto shown = std::min(names.size(), names_shown);
    auto text = fmt::format("{}", fmt::join(std::span{names}.first(shown), ", "));
    if (names.size() > shown) {
        text += fmt::format(" and {} more", names.size() - shown);
    }
    return fmt::format("{} {}", text, names.size() == 1 ? "holds" : "hold");
}

} // namespace

std::string key_clashes(const KeyHolders& keys, const std::set<std::uint32_t>& sealing) {
    std::string all;
    for (const auto& [version, ids] : keys) {
        if (ids.size() < 2) {
            continue;
        }
        all += fmt::format("{}{} keys are called {}: ", all.empty() ? "" : "; ",
                           ids.size() == 2 ? "two" : std::to_string(ids.size()), version);
        const auto* between = "";
        for (const auto& [id, names] : ids) {
            all += fmt::format("{}{} {}", std::exchange(between, ", "), who(names), id);
        }
        all += sealing.contains(version) ? "; who has one does not hear who seals with the other"
                                         : "; no agent seals with them";
    }
    return all;
}

} // namespace jackdaw::proto
