#pragma once
// What the rows of the table share, and the parts that it is put together from.

#include "coordinator/commands/command_table.h"

namespace jackdaw::cli {

inline constexpr Nature looks{};
inline constexpr Nature changes{.change = true};
inline constexpr Nature changes_and_waits{.change = true, .waits = true};
inline constexpr Nature destroys{.change = true, .destroys = true};
inline constexpr Nature deletes_instance{
    .change = true, .waits = true, .destroys = true, .always_waits = true};
inline constexpr Nature renames_instance{
    .change = true, .waits = true, .is_short = true, .always_waits = true};
// Their end is what tells whether an account or its password is good.
inline constexpr Nature account_change{.change = true, .waits = true, .is_short = true};
inline constexpr Nature account_deletion{
    .change = true, .waits = true, .destroys = true, .is_short = true};

constexpr Nature of_fleet(Nature nature) {
    nature.of_fleet = true;
    return nature;
}

inline constexpr ArgumentRow instance_name{"NAME", "the instance"};
inline constexpr ArgumentRow machine_name{"NAME", "the machine, named as its instance"};
inline constexpr ArgumentRow which_instance{"INSTANCE", "may be left out when there is only one",
                                            false};
inline constexpr OptionRow of_instance{"--instance", "NAME", "the same as INSTANCE"};
inline constexpr OptionRow host_option{"--host", "HOST",
                                       "from where the user connects (default: %, everywhere)"};
inline constexpr OptionRow password_stdin{"--password-stdin", "",
                                          "take the password from standard input"};
inline constexpr OptionRow password_file{"--password-file", "FILE",
                                         "take the password from a file"};

/// What is in an instance: databases, users, root, sessions.
[[nodiscard]] std::vector<CommandRow> rows_of_content();
/// What it is set to, and what its datastore can.
[[nodiscard]] std::vector<CommandRow> rows_of_settings();

} // namespace jackdaw::cli
