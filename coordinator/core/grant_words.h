#pragma once
// What `user grant` is told: privileges, and on what.

#include <string>
#include <string_view>
#include <vector>

#include "proto/base/error.h"
#include "proto/messages/datastore_shapes.h"

namespace jackdaw::cli {

/// "select, insert,update (a,b)" → {"SELECT", "INSERT", "UPDATE (a,b)"}: parted at commas that
/// stand in no parentheses and no backquotes ("SELECT (`a`, `b),`)", as `user show` tells it); what
/// is before a parenthesis in upper case. `invalid` for an empty one, for more than 64, and for
/// control characters; what there is of them is the datastore's to say.
[[nodiscard]] Result<std::vector<std::string>> parse_privileges(std::string_view text);

struct GrantTarget {
    friend bool operator==(const GrantTarget&, const GrantTarget&) = default;
    std::string database; ///< empty: everything
    std::string table;    ///< empty: all of the database
};
/// "*", "*.*", "DB", "DB.*", "DB.TABLE"; a name with a dot in it stands in backquotes, a backquote
/// inside them is written twice. `invalid`, E-BAD-NAME otherwise.
[[nodiscard]] Result<GrantTarget> parse_grant_target(std::string_view text);
/// "everything", "shop", "shop.items": for people.
[[nodiscard]] std::string target_text(const proto::Grant& grant);

} // namespace jackdaw::cli
