#pragma once
// What of a grant an account has before it is changed: an undo leaves or gives back exactly that.
// Pure.

#include "proto/messages/datastore_shapes.h"

namespace jackdaw::agent {

/// On the same database and table. Asked of ALL it is everything there, rights on columns among it.
[[nodiscard]] proto::Grant present_part(const proto::UserDetails& user, const proto::Grant& grant);

} // namespace jackdaw::agent
