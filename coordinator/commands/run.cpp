#include "coordinator/commands/run.h"

#include <fmt/format.h>

#include "coordinator/commands/changes.h"
#include "coordinator/commands/command_table.h"
#include "coordinator/commands/completion.h"
#include "coordinator/commands/json_messages.h"

namespace jackdaw::cli {

namespace {

constexpr int exit_closed = 141; ///< 128 + SIGPIPE: as the shell tells of who is ended by it

/// Nothing is well that nobody was told of. But a reader that has seen enough of what was only
/// looked at (`| head`) is no error: it ends quietly, as other programs do.
int told(Session& session, const Invocation& invocation, int status) {
    const auto arrived = session.terminal.out_arrived();
    const bool changes = invocation.command != nullptr && invocation.command->nature.change;
    if (status == 0 && !arrived && session.terminal.out_was_closed() && !changes) {
        return exit_closed;
    }
    return status != 0 || arrived ? status : report(session, invocation.format, arrived.error());
}

/// The settings file stands below an option, above the default.
Format usual_format(const Session& session) {
    const auto settings = load_settings(session.folders);
    const auto usual = settings.find("output");
    return usual == settings.end() ? Format::table
                                   : parse_format(usual->second).value_or(Format::table);
}

} // namespace

int run(Session& session, const std::vector<std::string>& words) {
    if (!words.empty() && words.front() == "__complete") { // not for people: no help tells of it
        return complete(session, {words.begin() + 1, words.end()});
    }
    auto invocation = parse_command_line(words);
    if (!invocation) {
        const auto asked = format_asked(words);
        return report(session, asked ? *asked : usual_format(session), invocation.error());
    }
    if (!invocation->has("--output")) {
        invocation->format = usual_format(session);
    }
    if (invocation->command == nullptr) {
        session.terminal.page(help_text(invocation->help_noun, invocation->help_verb));
        return told(session, *invocation, 0);
    }
    // Messages of what speaks JSON are JSON; `connect` and `machine shell` are somebody else's.
    JsonMessages messages{session.terminal};
    Session for_programs{messages,           session.clock, session.entropy,       session.folders,
                         session.variable,   session.uid,   session.connector,     session.images,
                         session.open_cloud, session.sign,  session.become_client, {}};
    auto& used = is_structured(invocation->format) ? for_programs : session;
    auto status = invocation->command->handler(used, *invocation);
    if (status) {
        return told(session, *invocation, *status);
    }
    auto shape = proto::shape_of(status.error());
    if (shape.hint == row_of(Code::invalid).hint) {
        const auto& row = *invocation->command;
        shape.hint =
            fmt::format("`jackdaw {}{}{} --help`", row.noun, row.verb.empty() ? "" : " ", row.verb);
    }
    shape.hint = hint_for(std::move(shape.hint), used, *invocation);
    return report(session, invocation->format, shape);
}

} // namespace jackdaw::cli
