#include "agent/life/parameter_wish.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

namespace jackdaw::agent {
namespace {

constexpr std::size_t shown_bytes_max = 100;

std::optional<std::string> value_in(const ParameterValues& all, const std::string& name) {
    const auto at = all.find(name);
    return at == all.end() ? std::nullopt : std::optional{at->second};
}

void put(ParameterValues& all, const std::string& name, std::optional<std::string> value) {
    if (value) {
        all.insert_or_assign(name, *std::move(value));
    } else {
        all.erase(name);
    }
}

} // namespace

std::vector<std::string> changed_between(const ParameterValues& before,
                                         const ParameterValues& wanted) {
    std::vector<std::string> changed;
    for (const auto& [name, value] : wanted) {
        if (value_in(before, name) != value) {
            changed.push_back(name);
        }
    }
    for (const auto& [name, value] : before) {
        if (!wanted.contains(name)) {
            changed.push_back(name);
        }
    }
    std::ranges::sort(changed);
    return changed;
}

ParameterValues carried(ParameterValues now, const ParameterValues& before,
                        const ParameterValues& wanted) {
    for (const auto& name : changed_between(before, wanted)) {
        put(now, name, value_in(wanted, name));
    }
    return now;
}

ParameterValues taken_back(ParameterValues now, const ParameterValues& before,
                           const ParameterValues& wanted) {
    for (const auto& name : changed_between(before, wanted)) {
        if (value_in(now, name) == value_in(wanted, name)) {
            put(now, name, value_in(before, name));
        }
    }
    return now;
}

Result<ParameterValues> wish_of(const plugins::Parameters& parameters,
                                const std::vector<proto::Parameter>& known,
                                const plugins::Place& place, const ParameterChange& change,
                                const std::string& instance) {
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
    auto& own = wanted.parameters;
    for (const auto& name : change.unset) {
        if (own.erase(name) > 0) {
            continue;
        }
        // Another name of it: whatever would be kept under the name that is set.
        const auto meant = std::ranges::find_if(own, [&](const auto& one) {
            const auto canonical = parameters.check(known, name, one.second);
            return canonical && canonical->first == one.first;
        });
        if (meant == own.end()) { // a parameter that is not set is as it is wished to be
            if (const auto checked = parameters.check(known, name, "");
                checked || checked.error().code() != Errc::not_found) {
                continue;
            }
            return Error{Errc::not_found, fmt::format("'{}' is not set on this instance",
                                                      name.substr(0, shown_bytes_max))}
                .with_hint(fmt::format("`jackdaw config show {}` shows what is", instance));
        }
        own.erase(meant);
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
