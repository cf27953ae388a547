#pragma once
// Rules between MariaDB's parameters, and between them and the machine. Pure.

#include <cstdint>
#include <string_view>
#include <vector>

#include "plugins/api/host.h"
#include "proto/base/error.h"
#include "proto/messages/datastore_shapes.h"

namespace jackdaw::mariadb {

/// Parameters::check_together(). Looks at what the instance itself sets, and at everything that
/// those rules compare it with: own setting, else what my.cnf computes, else the engine's default.
/// The redo log is held to the volume's size and free room, as far as they are known.
[[nodiscard]] Result<void> check_parameters_together(const std::vector<proto::Parameter>& known,
                                                     const plugins::Place& place);

/// A parameter that another one may not exceed.
[[nodiscard]] bool is_upper_bound(std::string_view name) noexcept;

} // namespace jackdaw::mariadb
