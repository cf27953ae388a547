#pragma once
// Whether an operation that has failed may still be gone on with, or undone: not when somebody has
// asked for something else of the same database, account or setting since, and got it. Pure.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "agent/core/operations.h"

namespace jackdaw::agent {

/// An operation after which the database is to run: a start or a restart.
[[nodiscard]] bool is_start(std::string_view action) noexcept;

enum class Late : std::uint8_t { go_on, undo };

/// The newest of `all` (by id) that came after `one`, is done or, where somebody asked for it, on
/// its way, and is about the same thing: what `one` would do now would be done to that one's
/// result. Null: none.
///
/// A later create of the instance overtakes everything, whatever became of that create: `one` was
/// about the instance before it. Nothing else overtakes a create, which alone is there until it is
/// done; nor an undo that by itself leaves alone what later ones made (of parameters, or of a
/// delete as long as no later delete is done).
[[nodiscard]] const Record* overtaken_by(const std::map<std::string, Record>& all,
                                         const Record& one, Late late);

} // namespace jackdaw::agent
