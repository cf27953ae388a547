#pragma once
// Is a value one that MariaDB takes as it is? Pure.
//
// The server clamps, rounds and disables with a warning, or with none (DATASTORES.md, Facts to
// build on). What it says of a variable's range is the first half of the answer; the second stands
// in the tables of parameter_rules.cpp, found by trying every settable parameter of 10.11 at its
// borders (tests/real/mariadb_parameter_sweep.cpp does it again for another version).

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/base/error.h"
#include "proto/messages/datastore_shapes.h"

namespace jackdaw::mariadb {

/// Parameters::check(): over a list() sorted by name. Names in any case, with `-` for `_`, and
/// names of options that differ from their variable's.
[[nodiscard]] Result<std::pair<std::string, std::string>>
check_parameter(const std::vector<proto::Parameter>& known, std::string_view name,
                std::string_view value);

/// One whose setting is not the instance's: the line that says why.
[[nodiscard]] std::string not_settable_text(const proto::Parameter& parameter);

/// A value of a parameter that SET GLOBAL refuses, while a start takes it.
[[nodiscard]] bool waits_for_restart(const proto::Parameter& parameter,
                                     std::string_view value) noexcept;

} // namespace jackdaw::mariadb
