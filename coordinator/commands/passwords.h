#pragma once
// Where a password comes from: standard input, a file, or our own making; never an option.

#include <string>
#include <vector>

#include "coordinator/commands/changes.h"
#include "coordinator/commands/session.h"
#include "coordinator/core/words.h"

namespace jackdaw::cli {

struct GivenPassword {
    Secret password;
    bool generated = false;
};

/// --password-stdin, --password-file F, or a new one. E-BAD-PASSWORD for one that cannot be used.
[[nodiscard]] Result<GivenPassword> take_password(Session& session, const Invocation& invocation);

/// --password-stdin, --password-file F, or what the person types, unseen, behind `prompt`.
/// `invalid` when there is neither an option nor a terminal.
[[nodiscard]] Result<Secret> ask_password(Session& session, const Invocation& invocation,
                                          const std::string& prompt);

/// Sends a change whose body gets the password of `user`, and tells it once. Nothing of it is left
/// in the request's memory.
[[nodiscard]] Result<int> send_with_password(Session& session, const Invocation& invocation,
                                             InstanceAccess& at, const proto::UserSpec& user,
                                             ApiRequest request, Conclusion end);

/// The users of --user and --user-file with their passwords. A given password goes with exactly one
/// --user.
[[nodiscard]] Result<std::vector<Credential>>
take_users(Session& session, const Invocation& invocation, std::vector<proto::UserSpec>& users);

} // namespace jackdaw::cli
