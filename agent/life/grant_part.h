#pragma once
// What of a grant an account has before it is changed: an undo leaves or gives back exactly that.
// And what it can do afterwards that the change alone does not tell. Pure.

#include <string>
#include <vector>

#include "proto/messages/datastore_shapes.h"

namespace jackdaw::agent {

/// On the same database and table. Asked of ALL it is everything there, rights on columns among it.
[[nodiscard]] proto::Grant present_part(const proto::UserDetails& user, const proto::Grant& grant);

/// What of these privileges it has at another level that reaches the same things, each as people
/// read it: "SELECT on shop.*". Grants by patterns with wildcards are not followed.
[[nodiscard]] std::vector<std::string> held_elsewhere(const proto::UserDetails& user,
                                                      const proto::Grant& taken);

/// The statements of roles, proxies and routines that reach the same things, which no revoke takes:
/// of ALL on everything each of them, else those of a routine in the database, by their privileges.
[[nodiscard]] std::vector<std::string> held_otherwise(const proto::UserDetails& user,
                                                      const proto::Grant& taken);

/// What it may hand on at the level of `given` beside what is given: an engine's grant option is
/// one of the level, not of a privilege.
[[nodiscard]] std::vector<std::string> handed_on_besides(const proto::UserDetails& user,
                                                         const proto::Grant& given);

} // namespace jackdaw::agent
