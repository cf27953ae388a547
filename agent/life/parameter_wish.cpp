#include "agent/life/parameter_wish.h"

#include <algorithm>

#include <fmt/format.h>

namespace jackdaw::agent {
namespace {

constexpr std::size_t shown_bytes_max = 100;

} // namespace

Result<std::map<std::string, std::string>>
changed_parameters(const plugins::Parameters& facet, const std::vector<proto::Parameter>& known,
                   std::map<std::string, std::string> own, const ParameterChange& change,
                   const std::string& instance) {
    for (const auto& [name, value] : change.set) {
        JACKDAW_TRY(auto canonical, facet.check(known, name, value));
        own.insert_or_assign(std::move(canonical.first), std::move(canonical.second));
    }
    for (const auto& name : change.unset) {
        if (own.erase(name) > 0) {
            continue;
        }
        // Another name of it: whatever would be kept under the name that is set.
        const auto meant = std::ranges::find_if(own, [&](const auto& one) {
            const auto canonical = facet.check(known, name, one.second);
            return canonical && canonical->first == one.first;
        });
        if (meant == own.end()) {
            return Error{Errc::not_found, fmt::format("'{}' is not set on this instance",
                                                      name.substr(0, shown_bytes_max))}
                .with_hint(fmt::format("`jackdaw config show {}` shows what is", instance));
        }
        own.erase(meant);
    }
    return own;
}

} // namespace jackdaw::agent
