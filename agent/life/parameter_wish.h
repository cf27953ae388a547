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

struct ParameterChange {
    std::map<std::string, std::string> set;
    std::vector<std::string> unset; ///< by any name that the engine knows the parameter by
};

/// All own parameters as they would be: names and values against `known`, then all of them
/// together. `not_found` for one to be unset that is not set; else as Parameters::check() and
/// check_together() say. `instance` is its name, for hints. With an empty `known` nothing can be
/// checked, so nothing may be set.
[[nodiscard]] Result<std::map<std::string, std::string>>
wish_of(const plugins::Parameters& parameters, const std::vector<proto::Parameter>& known,
        const plugins::Place& place, const ParameterChange& change, const std::string& instance);

/// The agent was not let in, or nothing runs: what is not known now cannot be asked.
[[nodiscard]] bool is_closed(const Error& error) noexcept;

} // namespace jackdaw::agent
