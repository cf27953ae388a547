#pragma once
// Which parameters of MariaDB are not for an instance's own settings, each with its reason. Pure.

#include <optional>
#include <string>
#include <string_view>

namespace jackdaw::mariadb {

/// Why the agent needs `name` (lower case, with `_`) as it is; empty: nobody minds. Names that no
/// version has yet are covered by their families.
[[nodiscard]] std::string_view why_owned(std::string_view name) noexcept;

/// The option of the server that gives the variable `name` its value at start: mostly the same
/// name. Empty when there is none and only SQL sets it. `has_argument` is what
/// SYSTEM_VARIABLES.COMMAND_LINE_ARGUMENT says, which is NULL for some that have an option.
[[nodiscard]] std::string_view option_of(std::string_view name, bool has_argument) noexcept;

/// The name of the variable, for a name of an option that differs from it; `name` itself otherwise.
[[nodiscard]] std::string_view variable_of(std::string_view name) noexcept;

/// When nobody sets it the server computes it at start: what it would be now is not known to us,
/// and DEFAULT_VALUE does not say it.
[[nodiscard]] bool is_automatic(std::string_view name) noexcept;

/// Two names of one thing: the other one, or empty.
[[nodiscard]] std::string_view twin_of(std::string_view name) noexcept;

/// Two measures of one thing, where setting one changes the other: the other one, or empty.
[[nodiscard]] std::string_view linked_to(std::string_view name) noexcept;

/// The default where SYSTEM_VARIABLES.DEFAULT_VALUE shows what the option file says instead;
/// nullopt for all others.
[[nodiscard]] std::optional<std::string_view> true_default(std::string_view name) noexcept;

} // namespace jackdaw::mariadb
