#pragma once
// The rows of information_schema.SYSTEM_VARIABLES as Parameters. Pure.
//
// Knowledge Base, Information Schema SYSTEM_VARIABLES Table. Options of mariadbd that are no
// variables (symbolic_links, external_locking, …) are not in it and so not in the list.

#include <string>
#include <string_view>
#include <vector>

#include "plugins/api/host.h"
#include "plugins/mariadb/session.h"
#include "plugins/mariadb/text.h"
#include "proto/base/error.h"
#include "proto/messages/datastore_shapes.h"

namespace jackdaw::mariadb {

/// Statement for the variables named (all for none), in the columns that parameters_of() reads.
[[nodiscard]] std::string parameters_statement(const std::vector<std::string>& names);

/// Sorted by name. Texts of the server are cut and made printable; `corrupt` for another shape and
/// for more than 2,000 rows.
[[nodiscard]] Result<std::vector<proto::Parameter>> parameters_of(const Rows& rows,
                                                                  const plugins::Place& place);

/// bytes seconds milliseconds microseconds percent rows, or empty; by name, then by what the
/// server says of it.
[[nodiscard]] std::string_view unit_of(std::string_view name, std::string_view text) noexcept;

/// In a list sorted by name; null when there is none.
[[nodiscard]] const proto::Parameter* find_parameter(const std::vector<proto::Parameter>& known,
                                                     std::string_view name) noexcept;

} // namespace jackdaw::mariadb
