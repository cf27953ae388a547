// Steps about what accounts may do, the all-powerful one, and who is connected.
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/life/facet_speech.h"
#include "agent/life/grant_part.h"
#include "proto/wire/datastore_json.h"

namespace jackdaw::agent::steps {
namespace {

constexpr std::size_t name_bytes_max = std::size_t{1} << 20U; ///< the driver says what is too long

struct Account {
    std::string name, host;
};

Result<Json> request_of(const StepContext& context) {
    const auto at = context.arguments().find("request");
    if (at == context.arguments().end() || !at->is_object()) {
        return Error{Errc::corrupt, "the operation has lost what was asked for"};
    }
    return *at;
}

Result<Account> account_of(const Json& request) {
    Account account;
    JACKDAW_TRY(account.name, proto::string_at(request, "name", "", name_bytes_max));
    JACKDAW_TRY(account.host, proto::string_at(request, "host", "%", name_bytes_max));
    return account;
}

Result<proto::Grant> grant_of(const Json& request) {
    const auto at = request.find("grant");
    return at == request.end() ? Error{Errc::corrupt, "the operation has lost its grant"}
                               : proto::grant_from(*at);
}

/// Journals, once, what the account has of the grant before it is changed.
Result<void> keep_before(StepContext& context, plugins::Grants& grants, const plugins::Call& call,
                         const Account& account, const proto::Grant& grant) {
    if (context.arguments().contains("before")) {
        return ok();
    }
    JACKDAW_TRY(const auto user, grants.show(call, account.name, account.host));
    return context.set_argument("before", proto::to_json(present_part(user, grant)));
}

Result<std::optional<proto::Grant>> before_of(const StepContext& context) {
    const auto at = context.arguments().find("before");
    if (at == context.arguments().end()) {
        return std::optional<proto::Grant>{};
    }
    JACKDAW_TRY(auto grant, proto::grant_from(*at));
    return std::optional{std::move(grant)};
}

/// What it had before. Rights on columns nobody is given here (Grants::check()): the rest is given
/// back, and then that is said.
Result<void> give_back(plugins::Grants& grants, const plugins::Call& call, const Account& account,
                       proto::Grant before) {
    std::vector<std::string> lost;
    std::erase_if(before.privileges, [&](const std::string& privilege) {
        const bool of_columns = privilege.find('(') != std::string::npos;
        if (of_columns) {
            lost.push_back(privilege);
        }
        return of_columns;
    });
    if (!before.privileges.empty() || before.with_grant_option) {
        JACKDAW_CHECK(gone_is_ok(grants.grant(call, account.name, account.host, before)));
    }
    if (!lost.empty()) {
        return Error{Errc::unsupported,
                     fmt::format("rights on columns are not given back: {}", fmt::join(lost, ", "))}
            .with_hint("GRANT in SQL, by an account that may hand them on");
    }
    return ok();
}

using Notes = std::vector<std::string>;

Notes notes_of_revoke(const proto::UserDetails& user, const proto::Grant& taken) {
    Notes notes;
    if (const auto held = held_elsewhere(user, taken); !held.empty()) {
        notes.push_back(fmt::format("it still has {}", fmt::join(held, ", ")));
    }
    if (const auto held = held_otherwise(user, taken); !held.empty()) {
        notes.push_back(fmt::format("it still has what is taken in SQL alone (REVOKE, by an "
                                    "account that may hand it on): {}",
                                    fmt::join(held, "; ")));
    }
    return notes;
}

/// Gives or takes, after what was there before has been journalled; then warns of what its result
/// does not show, as far as that can be read.
Result<void> change_grant(StepContext& context,
                          Result<void> (plugins::Grants::*verb)(const plugins::Call&,
                                                                std::string_view, std::string_view,
                                                                const proto::Grant&),
                          Notes (*notes)(const proto::UserDetails&, const proto::Grant&)) {
    JACKDAW_TRY(const auto request, request_of(context));
    JACKDAW_TRY(const auto account, account_of(request));
    JACKDAW_TRY(const auto grant, grant_of(request));
    return with_facet(context, &plugins::Datastore::grants,
                      [&](plugins::Grants& grants, const plugins::Call& call) -> Result<void> {
                          JACKDAW_CHECK(keep_before(context, grants, call, account, grant));
                          JACKDAW_CHECK((grants.*verb)(call, account.name, account.host, grant));
                          const auto user = grants.show(call, account.name, account.host);
                          for (auto& note : user ? notes(*user, grant) : Notes{}) {
                              context.warn(std::move(note));
                          }
                          return ok();
                      });
}

} // namespace

Result<void> grant_user(StepContext& context) {
    return change_grant(context, &plugins::Grants::grant,
                        [](const proto::UserDetails& user, const proto::Grant& grant) {
                            const auto besides = handed_on_besides(user, grant);
                            return besides.empty()
                                       ? Notes{}
                                       : Notes{fmt::format("the grant option is one of the whole "
                                                           "level: it may hand on, too, {}",
                                                           fmt::join(besides, ", "))};
                        });
}

Result<void> revoke_user(StepContext& context) {
    JACKDAW_CHECK(change_grant(context, &plugins::Grants::revoke, notes_of_revoke));
    JACKDAW_TRY(const auto before, before_of(context));
    if (before && before->privileges.empty() && !before->with_grant_option) {
        context.warn("nothing of that was granted there, so nothing was taken away");
    }
    return ok();
}

Result<void> undo_grant_user(StepContext& context) {
    JACKDAW_TRY(const auto request, request_of(context));
    JACKDAW_TRY(const auto account, account_of(request));
    JACKDAW_TRY(const auto grant, grant_of(request));
    JACKDAW_TRY(const auto before, before_of(context));
    if (!before) {
        return ok();
    }
    return with_facet(context, &plugins::Datastore::grants,
                      [&](plugins::Grants& grants, const plugins::Call& call) -> Result<void> {
                          auto taken = grants.revoke(call, account.name, account.host, grant);
                          JACKDAW_CHECK(gone_is_ok(std::move(taken)));
                          return give_back(grants, call, account, *before);
                      });
}

Result<void> undo_revoke_user(StepContext& context) {
    JACKDAW_TRY(const auto request, request_of(context));
    JACKDAW_TRY(const auto account, account_of(request));
    JACKDAW_TRY(const auto before, before_of(context));
    if (!before || (before->privileges.empty() && !before->with_grant_option)) {
        return ok();
    }
    return with_facet(context, &plugins::Datastore::grants,
                      [&](plugins::Grants& grants, const plugins::Call& call) -> Result<void> {
                          return give_back(grants, call, account, *before);
                      });
}

Result<void> update_user(StepContext& context) {
    JACKDAW_TRY(const auto request, request_of(context));
    JACKDAW_TRY(const auto account, account_of(request));
    const auto at = request.find("attributes");
    if (at == request.end()) {
        return Error{Errc::corrupt, "the operation has lost its attributes"};
    }
    JACKDAW_TRY(const auto attributes, proto::user_attributes_from(*at));
    return with_facet(
        context, &plugins::Datastore::grants,
        [&](plugins::Grants& grants, const plugins::Call& call) -> Result<void> {
            if (!context.arguments().contains("before")) {
                JACKDAW_TRY(const auto user, grants.show(call, account.name, account.host));
                auto before = user.attributes;
                before.name = attributes.name ? std::optional{account.name} : std::nullopt;
                before.host = attributes.host ? std::optional{account.host} : std::nullopt;
                JACKDAW_CHECK(context.set_argument("before", proto::to_json(before)));
            }
            return grants.alter(call, account.name, account.host, attributes);
        });
}

Result<void> undo_update_user(StepContext& context) {
    JACKDAW_TRY(const auto request, request_of(context));
    JACKDAW_TRY(const auto account, account_of(request));
    const auto before = context.arguments().find("before");
    const auto asked = request.find("attributes");
    if (before == context.arguments().end() || asked == request.end()) {
        return ok();
    }
    JACKDAW_TRY(const auto attributes, proto::user_attributes_from(*asked));
    JACKDAW_TRY(const auto old, proto::user_attributes_from(*before));
    return with_facet(context, &plugins::Datastore::grants,
                      [&](plugins::Grants& grants, const plugins::Call& call) -> Result<void> {
                          const auto name = attributes.name.value_or(account.name);
                          const auto host = attributes.host.value_or(account.host);
                          // It may have been cut off before it began: then the old name is there.
                          const bool moved = grants.show(call, name, host).has_value();
                          return gone_is_ok(grants.alter(call, moved ? name : account.name,
                                                         moved ? host : account.host, old));
                      });
}

Result<void> enable_root(StepContext& context) {
    JACKDAW_TRY(const auto request, request_of(context));
    JACKDAW_TRY(const auto level, proto::string_at(request, "level", "standard"));
    JACKDAW_TRY(const auto verifier, proto::string_at(context.arguments(), "verifier", ""));
    return with_facet(context, &plugins::Datastore::root,
                      [&](plugins::Root& root, const plugins::Call& call) -> Result<void> {
                          if (!context.arguments().contains("before")) {
                              JACKDAW_TRY(const auto status, root.status(call));
                              JACKDAW_CHECK(context.set_argument("before", status.level));
                          }
                          return root.enable(call, level, verifier);
                      });
}

Result<void> undo_enable_root(StepContext& context) {
    const auto before = context.arguments().find("before");
    if (before == context.arguments().end() || *before != "off") {
        return ok(); // it was enabled before; its old verifier nobody has
    }
    return with_facet(context, &plugins::Datastore::root,
                      [&](plugins::Root& root, const plugins::Call& call) -> Result<void> {
                          JACKDAW_CHECK(mark_begun(context, [] { return Result<bool>{true}; }));
                          return root.disable(call);
                      });
}

Result<void> disable_root(StepContext& context) {
    return with_facet(context, &plugins::Datastore::root,
                      [&](plugins::Root& root, const plugins::Call& call) -> Result<void> {
                          JACKDAW_TRY(const auto status, root.status(call));
                          if (status.level != "off") {
                              JACKDAW_CHECK(mark_begun(context, [] { return Result<bool>{true}; }));
                          }
                          return root.disable(call);
                      });
}

Result<void> kill_session(StepContext& context) {
    JACKDAW_TRY(const auto request, request_of(context));
    JACKDAW_TRY(const auto id, proto::number_at(request, "id", 0, UINT64_MAX));
    JACKDAW_TRY(const bool query_only, proto::bool_at(request, "query_only", false));
    return with_facet(context, &plugins::Datastore::sessions,
                      [&](plugins::Sessions& sessions, const plugins::Call& call) -> Result<void> {
                          JACKDAW_CHECK(mark_begun(context, [&]() -> Result<bool> {
                              JACKDAW_TRY(const auto all, sessions.list(call));
                              const auto at = std::ranges::find(all, id, &proto::SessionShape::id);
                              if (at != all.end() && at->own) {
                                  return Error{Errc::not_allowed,
                                               "this session is the agent's or the database's own"}
                                      .with_hint("it is not killed, whoever asks; `jackdaw session "
                                                 "list` marks those of the agent");
                              }
                              if (at == all.end()) {
                                  return false;
                              }
                              JACKDAW_CHECK(context.set_argument(
                                  "whose", fmt::format("{}@{}", at->user, at->host)));
                              return true;
                          }));
                          return gone_is_ok(sessions.kill(call, id, query_only));
                      });
}

} // namespace jackdaw::agent::steps
