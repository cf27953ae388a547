#pragma once
// MariaDB's privileges, the levels that each has, and which of them reach beyond the tenant's data.
// Pure: the table is declared here, and a contract test compares it with the server's own.

#include <cstdint>
#include <span>
#include <string_view>

#include "proto/base/error.h"
#include "proto/messages/datastore_shapes.h"

namespace jackdaw::mariadb {

enum class Level : std::uint8_t { global, database, table };
[[nodiscard]] Level level_of(const proto::Grant& grant) noexcept;

struct Privilege {
    std::string_view name;
    bool database = false, table = false; ///< may be granted there; on everything each may be
    /// Why it comes with Root alone; empty: anybody may have it.
    std::string_view danger;
};

/// All that SHOW PRIVILEGES of MariaDB 10.11 tells, but GRANT OPTION (a flag of Grant), PROXY (not
/// on a database) and USAGE (no privilege).
[[nodiscard]] std::span<const Privilege> privileges() noexcept;

inline constexpr std::size_t privileges_of_grant_max = 64;

/// What the account "root" at level "standard" may do on everything; its rights on data are grants
/// on all databases but the engine's.
[[nodiscard]] std::span<const std::string_view> standard_root_privileges() noexcept;

/// Are these privileges that exist at that level, and names that may be? "ALL" and "USAGE" stand
/// alone; none with the grant option is that option alone. `invalid` with the known ones as hint,
/// E-BAD-NAME.
[[nodiscard]] Result<void> check_form(const proto::Grant& grant);

/// The same of what is to be taken away, where privileges on columns may stand, too: with the
/// columns quoted as MariaDB tells them, "SELECT (`a`, `b`)". Errors as check_form().
[[nodiscard]] Result<proto::Grant> taken_form(const proto::Grant& grant);

/// As check_form(), and E-RESERVED-NAME for an engine's own database, `not_allowed` for what
/// reaches beyond the tenant's data.
[[nodiscard]] Result<void> check_grant(const proto::Grant& grant);

} // namespace jackdaw::mariadb
