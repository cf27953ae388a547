#pragma once
// Whether an operation that has failed may still be gone on with, or undone: not when somebody has
// asked for something else of the same database, account or setting since, and got it. Pure.

#include <map>
#include <string>
#include <string_view>

#include "agent/core/operations.h"

namespace jackdaw::agent {

/// An operation after which the database is to run: a start or a restart.
[[nodiscard]] bool is_start(std::string_view action) noexcept;

/// The newest of `all` (by id) that was asked for after `one`, is done or on its way, and is about
/// the same thing: what `one` would do now would be done to that one's result. Null: none. A create
/// of the instance is never overtaken: it alone is there until it is done.
[[nodiscard]] const Record* overtaken_by(const std::map<std::string, Record>& all,
                                         const Record& one);

/// Its undo leaves alone what later ones made of it, by itself: it may be aborted all the same.
[[nodiscard]] bool undoes_its_own_alone(const Record& one);

} // namespace jackdaw::agent
