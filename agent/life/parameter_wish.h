#pragma once
// What the instance's own parameters become by a change, checked before anything is changed. For
// the request that is to be refused at once, and for the step that does it.

#include <map>
#include <string>
#include <vector>

#include "plugins/api/datastore.h"
#include "proto/base/error.h"

namespace jackdaw::agent {

inline constexpr std::size_t own_parameters_max = 1000; ///< of one instance

using ParameterValues = std::map<std::string, std::string>; ///< by name

/// The names that differ, in order.
[[nodiscard]] std::vector<std::string> changed_between(const ParameterValues& before,
                                                       const ParameterValues& wanted);
/// A change from `before` to `wanted` that is made later, when the parameters may be others by
/// then: `now` with what it changes, and everything else as it is.
[[nodiscard]] ParameterValues carried(ParameterValues now, const ParameterValues& before,
                                      const ParameterValues& wanted);
/// Likewise taken back: what has another value by now than it gave stays.
[[nodiscard]] ParameterValues taken_back(ParameterValues now, const ParameterValues& before,
                                         const ParameterValues& wanted);

struct ParameterChange {
    ParameterValues set;
    std::vector<std::string> unset; ///< by any name that the engine knows the parameter by
};

/// All own parameters as they would be: names and values against `known`, then all of them
/// together. To unset what is not set is nothing to do, and `not_found` if `known` has no such
/// parameter; else as Parameters::check() and check_together() say. `instance` is its name, for
/// hints. With an empty `known` nothing can be checked, so nothing may be set.
[[nodiscard]] Result<ParameterValues>
wish_of(const plugins::Parameters& parameters, const std::vector<proto::Parameter>& known,
        const plugins::Place& place, const ParameterChange& change, const std::string& instance);

/// The agent was not let in, or nothing runs: what is not known now cannot be asked.
[[nodiscard]] bool is_closed(const Error& error) noexcept;

} // namespace jackdaw::agent
