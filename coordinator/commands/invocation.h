#pragma once
// One command line, taken apart.

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/render/output.h"
#include "proto/base/error.h"

namespace jackdaw::cli {

struct CommandRow;

/// Longest command line word, and how many: a shell allows megabytes, no command here needs them.
inline constexpr std::size_t word_bytes_max = 64 * 1024;
inline constexpr std::size_t words_max = 4096;

struct Invocation {
    const CommandRow* command = nullptr; ///< null: help is wanted, of `help_noun` and `help_verb`
    std::string help_noun, help_verb;
    std::map<std::string, std::vector<std::string>, std::less<>>
        values; ///< "--volume" → texts; "NAME" → texts

    // Shared options.
    Format format = Format::table;
    std::string fleet;
    bool local = false;
    bool dry_run = false;
    bool yes = false;
    std::optional<bool> wait; ///< nullopt: as the terminal says
    std::optional<std::chrono::milliseconds> timeout;

    [[nodiscard]] bool has(std::string_view name) const { return values.contains(name); }
    /// The last one given, or the fallback.
    [[nodiscard]] std::string text(std::string_view name, std::string fallback = {}) const;
    [[nodiscard]] const std::vector<std::string>& all(std::string_view name) const;
};

/// `words` without the program's name. `invalid` for what the table does not have, with the nearest
/// word as hint.
[[nodiscard]] Result<Invocation> parse_command_line(const std::vector<std::string>& words);
/// The format that the words ask for, as well as can be told, for reporting that they are wrong;
/// nullopt: none.
[[nodiscard]] std::optional<Format> format_asked(const std::vector<std::string>& words);

} // namespace jackdaw::cli
