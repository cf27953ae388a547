// Steps about databases and users inside the engine.
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/life/facet_speech.h"

namespace jackdaw::agent::steps {
namespace {

Result<proto::DatabaseSpec> database_argument(const StepContext& context) {
    const auto at = context.arguments().find("request");
    proto::DatabaseSpec spec;
    if (at != context.arguments().end()) {
        JACKDAW_TRY(spec.name, proto::string_at(*at, "name", "", 1U << 20U));
        JACKDAW_TRY(spec.charset, proto::string_at(*at, "charset", ""));
        JACKDAW_TRY(spec.collation, proto::string_at(*at, "collation", ""));
    }
    return spec;
}

Result<proto::UserSpec> user_argument(const StepContext& context) {
    const auto at = context.arguments().find("request");
    proto::UserSpec spec;
    if (at != context.arguments().end()) {
        JACKDAW_TRY(spec.name, proto::string_at(*at, "name", "", 1U << 20U));
        JACKDAW_TRY(spec.host, proto::string_at(*at, "host", "%"));
        JACKDAW_TRY(spec.databases, proto::strings_at(*at, "databases"));
        // Not part of "request": a generated password differs each time the same request is sent
        // again.
        JACKDAW_TRY(spec.verifier, proto::string_at(context.arguments(), "verifier", ""));
    }
    return spec;
}

Result<bool> has_user(plugins::Users& users, const plugins::Call& call,
                      const proto::UserSpec& wanted) {
    JACKDAW_TRY(const auto present, users.list(call));
    return std::ranges::any_of(present, [&](const auto& one) {
        return one.name == wanted.name && one.host == wanted.host;
    });
}

/// Rights outlive what they are on: whoever makes a database of that name gives it to them.
void warn_of_rights_left(StepContext& context, const plugins::Call& call,
                         const std::string& database) {
    constexpr std::size_t shown_max = 10;
    auto* const users = context.slot.driver->users();
    const auto all = users != nullptr
                         ? users->list(call)
                         : Result<std::vector<proto::UserSpec>>{std::vector<proto::UserSpec>{}};
    if (!all) {
        return; // it is dropped; only the look at the accounts failed
    }
    std::vector<std::string> have;
    for (const auto& user : *all) {
        if (std::ranges::find(user.databases, database) != user.databases.end()) {
            have.push_back(user.name + "@" + user.host);
        }
    }
    if (have.empty()) {
        return;
    }
    const auto more = have.size() > shown_max ? have.size() - shown_max : 0;
    have.resize(have.size() - more);
    context.warn(fmt::format("accounts keep their rights on '{}', also on a new one of that name: "
                             "{}{}; `jackdaw user revoke` takes them away",
                             database, fmt::join(have, ", "),
                             more == 0 ? "" : fmt::format(" and {} more", more)));
}

} // namespace

Result<void> need_running(const InstanceState& state) {
    if (state.facts().wanted_running) {
        return ok();
    }
    const auto spec = state.spec();
    const auto name = spec ? spec->name : "NAME";
    if (!state.facts().created) {
        return Error{Code::database_down, "the instance is not created yet"}.with_hint(
            fmt::format("`jackdaw op list --instance {}` shows how far that has come", name));
    }
    return Error{Code::database_down, "an operator stopped the instance"}.with_hint(
        fmt::format("`jackdaw instance start {}` first", name));
}

Result<void> create_databases(StepContext& context) {
    const auto wanted = context.spec().databases;
    if (wanted.empty()) {
        return ok();
    }
    JACKDAW_CHECK(start_database(context));
    return with_facet(
        context, &plugins::Datastore::databases,
        [&](plugins::Databases& databases, const plugins::Call& call) -> Result<void> {
            for (const auto& spec : wanted) {
                JACKDAW_CHECK(databases.create(call, spec)
                                  .while_doing(fmt::format("create database '{}'", spec.name)));
            }
            return ok();
        });
}

Result<void> create_users(StepContext& context) {
    const auto wanted = context.spec().users;
    if (wanted.empty()) {
        return ok();
    }
    JACKDAW_CHECK(start_database(context));
    return with_facet(context, &plugins::Datastore::users,
                      [&](plugins::Users& users, const plugins::Call& call) -> Result<void> {
                          for (const auto& spec : wanted) {
                              JACKDAW_CHECK(
                                  users.create(call, spec)
                                      .while_doing(fmt::format("create user '{}'", spec.name)));
                          }
                          return ok();
                      });
}

Result<void> create_database(StepContext& context) {
    JACKDAW_TRY(const auto spec, database_argument(context));
    return with_facet(
        context, &plugins::Datastore::databases,
        [&](plugins::Databases& databases, const plugins::Call& call) -> Result<void> {
            if (!context.arguments().contains("existed")) {
                JACKDAW_TRY(const auto present, databases.list(call));
                const bool existed = std::ranges::any_of(
                    present, [&](const auto& one) { return one.name == spec.name; });
                JACKDAW_CHECK(context.set_argument("existed", existed));
            }
            return databases.create(call, spec);
        });
}

Result<void> undo_create_database(StepContext& context) {
    const auto existed = context.arguments().find("existed");
    if (existed == context.arguments().end() || existed->get<bool>()) {
        return ok();
    }
    JACKDAW_TRY(const auto spec, database_argument(context));
    return with_facet(
        context, &plugins::Datastore::databases,
        [&](plugins::Databases& databases, const plugins::Call& call) -> Result<void> {
            return gone_is_ok(databases.drop(call, spec.name));
        });
}

Result<void> drop_database(StepContext& context) {
    JACKDAW_TRY(const auto spec, database_argument(context));
    return with_facet(
        context, &plugins::Datastore::databases,
        [&](plugins::Databases& databases, const plugins::Call& call) -> Result<void> {
            JACKDAW_CHECK(mark_begun(context, [&]() -> Result<bool> {
                JACKDAW_TRY(const auto present, databases.list(call));
                return std::ranges::any_of(present,
                                           [&](const auto& one) { return one.name == spec.name; });
            }));
            JACKDAW_CHECK(gone_is_ok(databases.drop(call, spec.name)));
            warn_of_rights_left(context, call, spec.name);
            return ok();
        });
}

Result<void> create_user(StepContext& context) {
    JACKDAW_TRY(const auto spec, user_argument(context));
    return with_facet(
        context, &plugins::Datastore::users,
        [&](plugins::Users& users, const plugins::Call& call) -> Result<void> {
            if (!context.arguments().contains("existed")) {
                JACKDAW_TRY(const bool existed, has_user(users, call, spec));
                JACKDAW_CHECK(context.set_argument("existed", existed));
            }
            if (context.arguments().value("existed", false)) { // it keeps its password
                return Error{Code::name_taken,
                             fmt::format("user '{}'@'{}' is there", spec.name, spec.host)}
                    .with_hint(
                        "`jackdaw user password` gives it another password, `jackdaw user grant` "
                        "more rights");
            }
            return users.create(call, spec);
        });
}

Result<void> undo_create_user(StepContext& context) {
    const auto existed = context.arguments().find("existed");
    if (existed == context.arguments().end() || existed->get<bool>()) {
        return ok();
    }
    JACKDAW_TRY(const auto spec, user_argument(context));
    return with_facet(context, &plugins::Datastore::users,
                      [&](plugins::Users& users, const plugins::Call& call) -> Result<void> {
                          return gone_is_ok(users.drop(call, spec.name, spec.host));
                      });
}

Result<void> drop_user(StepContext& context) {
    JACKDAW_TRY(const auto spec, user_argument(context));
    return with_facet(context, &plugins::Datastore::users,
                      [&](plugins::Users& users, const plugins::Call& call) -> Result<void> {
                          JACKDAW_CHECK(
                              mark_begun(context, [&] { return has_user(users, call, spec); }));
                          return gone_is_ok(users.drop(call, spec.name, spec.host));
                      });
}

Result<void> set_password(StepContext& context) {
    JACKDAW_TRY(const auto spec, user_argument(context));
    return with_facet(context, &plugins::Datastore::users,
                      [&](plugins::Users& users, const plugins::Call& call) -> Result<void> {
                          JACKDAW_CHECK(
                              mark_begun(context, [&] { return has_user(users, call, spec); }));
                          return users.set_verifier(call, spec.name, spec.host, spec.verifier);
                      });
}

} // namespace jackdaw::agent::steps
