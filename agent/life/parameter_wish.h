#pragma once
// What an instance's own parameters become by a change, judged by the running server's list.

#include <map>
#include <string>
#include <vector>

#include "plugins/api/datastore.h"
#include "proto/base/error.h"

namespace jackdaw::agent {

struct ParameterChange {
    std::map<std::string, std::string> set;
    std::vector<std::string> unset; ///< by any name that the engine knows the parameter by
};

/// Pure. `not_found` with the command that shows what is set, for one that is not; errors of
/// Parameters::check(). `instance` is its name, for the hint.
[[nodiscard]] Result<std::map<std::string, std::string>>
changed_parameters(const plugins::Parameters& facet, const std::vector<proto::Parameter>& known,
                   std::map<std::string, std::string> own, const ParameterChange& change,
                   const std::string& instance);

} // namespace jackdaw::agent
