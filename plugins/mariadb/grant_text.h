#pragma once
// What SHOW GRANTS prints, read strictly. Pure.
//
// The text is the server's, which belongs to the tenant: names in it may be anything. What follows
// IDENTIFIED is a credential, is in the way of none of what is asked for, and is cut out; a tail
// that does not read as it must is cut out whole.

#include <optional>
#include <string>
#include <string_view>

#include "proto/base/error.h"
#include "proto/messages/datastore_shapes.h"

namespace jackdaw::mariadb {

struct GrantLine {
    /// nullopt: of a role, a proxy, a routine, a default role, or to somebody else.
    std::optional<proto::Grant> grant;
    /// Of a role, a proxy or a routine, to this account.
    std::optional<proto::OtherGrant> other;
    /// The statement without credentials, printable. What the server requires of the connection
    /// (REQUIRE …) stays when it reads as it must.
    std::string statement;
};

inline constexpr std::size_t statement_bytes_max = 4096; ///< of one, as it is passed on

/// One line, of a session that quotes names with backticks. "ALL PRIVILEGES" is "ALL"; a privilege
/// on columns stands with them, "INSERT (`a`, `b`)". A database is the one that its pattern means.
/// `corrupt` when it has another shape; nothing of the text stands in the error.
[[nodiscard]] Result<GrantLine> parse_grant_line(std::string_view line, std::string_view name,
                                                 std::string_view host);

} // namespace jackdaw::mariadb
