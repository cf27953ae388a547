#pragma once
// The one table of commands: what can be typed, what --help says of it, and who does it.

#include <string>
#include <string_view>
#include <vector>

#include "coordinator/commands/invocation.h"
#include "proto/base/error.h"

namespace jackdaw::cli {

struct Session;

struct OptionRow {
    std::string_view flag;  ///< "--volume"
    std::string_view value; ///< "SIZE"; empty: a flag without one
    std::string_view text;
    bool many = false;
    bool required = false;
};

struct ArgumentRow {
    std::string_view name; ///< "NAME"
    std::string_view text;
    bool required = true;
    bool rest = false; ///< takes all that follow, best behind "--"
    bool many = false; ///< takes as many as there are
};

/// What a command is, which decides the options that it shares with others.
struct Nature {
    bool change = false;       ///< --dry-run
    bool waits = false;        ///< --wait, --no-wait, --timeout
    bool destroys = false;     ///< --yes
    bool is_short = false;     ///< waits by default, whether anybody looks on or not
    bool always_waits = false; ///< no --no-wait: it has to end what its agent has begun
    bool of_fleet = false;     ///< no --local: one agent cannot do it
};

/// Does the command. The exit status, or an Error that main prints.
using Handler = Result<int> (*)(Session& session, const Invocation& invocation);

struct CommandRow {
    std::string_view noun;
    std::string_view verb; ///< empty: the noun is the whole command ("version")
    std::string_view text;
    std::vector<ArgumentRow> arguments;
    std::vector<OptionRow> options;
    Nature nature;
    Handler handler = nullptr;
};

struct NounRow {
    std::string_view noun;
    std::string_view text;
};

[[nodiscard]] const std::vector<NounRow>& noun_table();
[[nodiscard]] const std::vector<CommandRow>& command_table();
inline constexpr std::string_view local_option = "--local";
/// Those that every command takes, or all but those of a fleet.
[[nodiscard]] const std::vector<OptionRow>& common_options();
/// Those that its nature gives a command, then the common ones.
[[nodiscard]] std::vector<OptionRow> shared_options(const CommandRow& row);

/// May --local stand behind these words? ("instance list")
[[nodiscard]] bool takes_local(std::string_view words);

/// "-o" of --output, "-f" of --follow, "-n" of what says how many; empty: it has none.
[[nodiscard]] std::string_view short_form(std::string_view flag);
/// "-f, --follow": both, as people read it.
[[nodiscard]] std::string spelled(const OptionRow& option);

/// What --help prints: of the program (both empty), of a noun, of a command.
[[nodiscard]] std::string help_text(std::string_view noun, std::string_view verb);

} // namespace jackdaw::cli
