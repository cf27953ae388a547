#include "agent/life/parameter_wish.h"

#include <fmt/format.h>

namespace jackdaw::agent {

Result<std::map<std::string, std::string>> wish_of(const plugins::Parameters& parameters,
                                                   const std::vector<proto::Parameter>& known,
                                                   const plugins::Place& place,
                                                   const ParameterChange& change) {
    auto wanted = place;
    if (known.empty() && !change.set.empty()) {
        return Error{Code::database_down,
                     "no list of its parameters was kept yet, so no value can be checked"}
            .with_hint("`jackdaw instance start` first; unsetting works without");
    }
    for (const auto& [name, value] : change.set) {
        JACKDAW_TRY(auto canonical, parameters.check(known, name, value));
        wanted.parameters.insert_or_assign(std::move(canonical.first), std::move(canonical.second));
    }
    for (const auto& name : change.unset) {
        if (wanted.parameters.erase(name) == 0) {
            return Error{Errc::not_found,
                         fmt::format("'{}' is not set on this instance", name.substr(0, 80))}
                .with_hint("`jackdaw config show --instance NAME` shows what is");
        }
    }
    if (wanted.parameters.size() > own_parameters_max) {
        return Error{Errc::exhausted, fmt::format("more than {} parameters", own_parameters_max)};
    }
    if (!known.empty()) {
        JACKDAW_CHECK(parameters.check_together(known, wanted));
    }
    return std::move(wanted.parameters);
}

bool is_closed(const Error& error) noexcept {
    return error.id() == Code::database_down || error.code() == Errc::not_allowed;
}

} // namespace jackdaw::agent
