#pragma once
// What all changes have in common: say the operation's id first, follow it, and say how it ended.

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "coordinator/commands/reach.h"
#include "coordinator/commands/session.h"
#include "coordinator/profile/op_journal.h"
#include "coordinator/render/progress.h"
#include "proto/messages/shapes.h"

namespace jackdaw::cli {

/// A generated or given password, told once.
struct Credential {
    std::string user, host;
    Secret password;
    bool generated = false;
};

/// Dials the agent that runs the operation, again and again if need be.
using Redial = std::function<Result<ClientPtr>()>;
/// What people shall see of the agent's operation: the create puts its own steps before it.
using Decorate = std::function<proto::Operation(proto::Operation)>;

[[nodiscard]] bool wants_to_wait(const Session& session, const Invocation& invocation);

/// "operation ID" on stdout for people, on stderr when stdout is for programs.
void announce(Session& session, const Invocation& invocation, const std::string& operation_id);

/// Follows until the end; agents that restart meanwhile are dialled again. E-DEADLINE (exit 7: it
/// still runs) after
/// --timeout or an hour, `unavailable` when nobody answered for a minute, E-MACHINE-DOWN at once.
/// `detached_too` is said when Ctrl-C ends the watching; `begun` already showed what came before.
[[nodiscard]] Result<proto::Operation> follow(Session& session, const Invocation& invocation,
                                              const Redial& redial, proto::Operation operation,
                                              const Decorate& decorate = {},
                                              const std::string& detached_too = {},
                                              ProgressView* begun = nullptr);

struct Conclusion {
    proto::Operation operation;
    bool waited = false;
    bool no_op = false;        ///< it was so already
    bool is_abort = false;     ///< `undone` is what was wanted, and `done` is too late
    std::string said;          ///< a line for people when all went well
    std::string what_there_is; ///< the hint when it fails because something is not there
    std::function<std::string()> look_for_it; ///< instead of it, when that takes a question
    Json instance;                            ///< null: none
    std::vector<Credential> credentials;
    Json more;        ///< further keys of "result"; null: none
    std::string next; ///< the next useful command, for a person who looks on
    /// Called once it is done, to look what came of it.
    std::function<void(Conclusion& end)> when_done;
};
/// Prints the end in the wanted format; the exit status. Passwords are shown only of what was not
/// refused.
[[nodiscard]] int conclude(Session& session, const Invocation& invocation, const Conclusion& end);

/// From an agent's 202 to the end: announce, follow if wanted, conclude.
[[nodiscard]] Result<int> see_through(Session& session, const Invocation& invocation,
                                      const Redial& redial, const Json& accepted,
                                      Conclusion conclusion);

/// The agent's 2xx to a change of its instance. The request gets a key of its own: where the answer
/// is lost, it is sent again for some seconds, and done once. When nobody answers by then, it may
/// have been done: the error says so, and, with `generated`, that nobody knows the password.
[[nodiscard]] Result<Json> send_change(Session& session, InstanceAccess& at, ApiRequest& request,
                                       bool generated = false);
/// The same by other ways than the instance's name. `client`: the first to be asked, and the last
/// that was; `instance`: whose operations tell what came of it, may be empty.
[[nodiscard]] Result<Json> send_change(Session& session, ClientPtr& client, const Redial& redial,
                                       ApiRequest& request, const std::string& instance,
                                       bool generated = false);
/// The change sent to the instance's agent and seen through. The request gets a key of its own.
[[nodiscard]] Result<int> change_instance(Session& session, const Invocation& invocation,
                                          InstanceAccess& at, ApiRequest request, Conclusion end);

/// A change that ends within the call: an operation of one step that is told, not journalled. So
/// its id is not announced: nothing could be asked about it.
[[nodiscard]] Result<int> at_once(Session& session, const Invocation& invocation,
                                  std::string action, std::string target, std::string said,
                                  const std::function<Result<void>()>& change);

struct NameLock {
    UniqueFd fd;
    bool waited = false; ///< another one had it: what was read before may be old
};
/// For another one that works on the same instance, or for `fleet gc`.
inline constexpr std::chrono::milliseconds name_limit{60'000};
/// The journal's lock of this instance name; waits a while for another one that works on it.
/// E-OPERATION-RUNNING when that does not end within `limit`.
[[nodiscard]] Result<NameLock> take_name(Session& session, const OpJournal& journal,
                                         const std::string& name, std::chrono::milliseconds limit);

/// --dry-run of a change inside the database: its agent makes every check that changes nothing, and
/// its refusal is this command's; else the lines, and what it found.
[[nodiscard]] Result<int> rehearse(Session& session, const Invocation& invocation,
                                   InstanceAccess& at, const ApiRequest& request,
                                   const std::vector<std::string>& lines);

/// --dry-run.
[[nodiscard]] int would(Session& session, const Invocation& invocation,
                        const std::vector<std::string>& lines,
                        const std::vector<std::string>& notes = {});

/// --yes, or the name typed. E-UNCONFIRMED otherwise.
[[nodiscard]] Result<void> confirm(Session& session, const Invocation& invocation,
                                   const std::string& name, std::string_view what);

/// The commands in a text ("`jackdaw op watch 3f2a`") with the --fleet or --local of this one, so
/// that they work as they are.
[[nodiscard]] std::string of_same_fleet(std::string text, const Invocation& invocation);

/// A general hint for this command's fleet, and with the name that is known instead of its NAME or
/// INSTANCE: "`jackdaw instance start NAME`", "`jackdaw session kill INSTANCE 5`".
[[nodiscard]] std::string hint_for(std::string hint, const Session& session,
                                   const Invocation& invocation);

/// On stderr, as text or as JSON; the exit status.
[[nodiscard]] int report(Session& session, Format format, const proto::ErrorShape& error);
[[nodiscard]] int report(Session& session, Format format, const Error& error);
/// What ended the watching of an operation that may go on: with its id.
[[nodiscard]] int report_lost(Session& session, const Invocation& invocation, const Error& error,
                              const std::string& operation);

} // namespace jackdaw::cli
