#include "plugins/mariadb/grants.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "plugins/mariadb/accounts.h"
#include "plugins/mariadb/grant_text.h"
#include "plugins/mariadb/names.h"
#include "plugins/mariadb/privileges.h"
#include "plugins/mariadb/schemas.h"
#include "plugins/mariadb/text.h"

namespace jackdaw::mariadb {
namespace {

/// Name and host are the caller's, or what the server's own tables have of them.
Error no_such_user(std::string_view name, std::string_view host) {
    constexpr std::size_t shown_bytes_max = 320; // 80 characters of a name, 255 bytes of a host
    return Error{Errc::not_found,
                 fmt::format("there is no user \"{}\" at \"{}\"", printable(name, shown_bytes_max),
                             printable(host, shown_bytes_max))};
}

bool is_all(const std::vector<std::string>& privileges) {
    return privileges.size() == 1 &&
           (privileges.front() == "ALL" || privileges.front() == "ALL PRIVILEGES");
}

/// Nothing, or nothing but the grant option.
bool is_usage(const std::vector<std::string>& privileges) {
    return privileges.empty() || (privileges.size() == 1 && privileges.front() == "USAGE");
}

bool has(const std::vector<std::string>& privileges, std::string_view one) {
    return std::find(privileges.begin(), privileges.end(), one) != privileges.end();
}

/// Checked words only: check_form() knows each.
std::string list_of(const std::vector<std::string>& privileges) {
    return privileges.empty() ? "USAGE" : fmt::format("{}", fmt::join(privileges, ", "));
}

/// ON …, where a database is a pattern unless a table stands beside it.
std::string scope_of(const proto::Grant& grant) {
    switch (level_of(grant)) {
    case Level::global: return "*.*";
    case Level::database: return quote_identifier(grant_pattern(grant.database)) + ".*";
    case Level::table: break;
    }
    return quote_identifier(grant.database) + "." + quote_identifier(grant.table);
}

std::string text_of(const proto::Grant& grant) {
    if (grant.database.empty()) {
        return "everything";
    }
    return grant.table.empty() ? fmt::format("\"{}\"", grant.database)
                               : fmt::format("\"{}\".\"{}\"", grant.database, grant.table);
}

/// Everything of that level and name; several when one was granted by a pattern with wildcards.
std::vector<const proto::Grant*> at_scope(const std::vector<proto::Grant>& grants,
                                          const proto::Grant& wanted) {
    std::vector<const proto::Grant*> found;
    for (const auto& one : grants) {
        if (one.database == wanted.database && one.table == wanted.table) {
            found.push_back(&one);
        }
    }
    return found;
}

bool is_there(const std::vector<proto::Grant>& grants, const proto::Grant& wanted) {
    const auto found = at_scope(grants, wanted);
    return is_usage(wanted.privileges) && !wanted.with_grant_option
               ? true // what every account has
               : std::any_of(found.begin(), found.end(), [&](const proto::Grant* one) {
                     if (wanted.with_grant_option && !one->with_grant_option) {
                         return false;
                     }
                     if (is_usage(wanted.privileges) || is_all(one->privileges)) {
                         return true;
                     }
                     return !is_all(wanted.privileges) &&
                            std::all_of(
                                wanted.privileges.begin(), wanted.privileges.end(),
                                [&](const auto& name) { return has(one->privileges, name); });
                 });
}

/// Also a part of it: a single column.
bool is_anything_there(const std::vector<proto::Grant>& grants, const proto::Grant& taken,
                       bool with_option) {
    const auto found = at_scope(grants, taken);
    return std::any_of(found.begin(), found.end(), [&](const proto::Grant* one) {
        if (with_option && one->with_grant_option) {
            return true;
        }
        if (is_usage(one->privileges) || is_usage(taken.privileges)) {
            return false;
        }
        return is_all(taken.privileges) || is_all(one->privileges) ||
               std::any_of(taken.privileges.begin(), taken.privileges.end(), [&](const auto& name) {
                   return std::any_of(one->privileges.begin(), one->privileges.end(),
                                      [&](const auto& left) {
                                          return left == name || left.starts_with(name + " (");
                                      });
               });
    });
}

Result<void> expect_table(Session& session, const plugins::Call& call, const proto::Grant& grant) {
    if (grant.table.empty() || has(grant.privileges, "CREATE")) {
        return ok();
    }
    JACKDAW_TRY(
        const auto rows,
        session.query(call, fmt::format("SELECT TABLE_NAME FROM information_schema.TABLES "
                                        "WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
                                        quote_value(grant.database), quote_value(grant.table))));
    const bool found = std::any_of(rows.begin(), rows.end(), [&](const Row& row) {
        return !row.empty() && row.front() == grant.table;
    });
    if (!found) {
        return Error{Errc::not_found, fmt::format("there is no table \"{}\" in database \"{}\"",
                                                  grant.table, grant.database)};
    }
    return ok();
}

/// The scopes to take a grant from: for a database every pattern that is listed under its name.
Result<std::vector<std::string>> scopes_to_revoke(Session& session, const plugins::Call& call,
                                                  std::string_view name, std::string_view host,
                                                  const proto::Grant& grant) {
    std::vector<std::string> scopes;
    if (level_of(grant) != Level::database) {
        scopes.push_back(scope_of(grant));
        return scopes;
    }
    JACKDAW_TRY(const auto rows,
                session.query(call, "SELECT Db FROM mysql.db WHERE " + where_account(name, host)));
    for (const auto& row : rows) {
        const auto pattern = row.empty() ? std::string{} : row.front().value_or("");
        if (name_of_pattern(pattern) == grant.database) {
            scopes.push_back(quote_identifier(pattern) + ".*");
        }
    }
    return scopes;
}

/// Nothing granted: ok.
Result<void> revoke_one(Session& session, const plugins::Call& call, const std::string& what,
                        const std::string& scope, const std::string& account) {
    auto done = session.run(call, fmt::format("REVOKE {} ON {} FROM {}", what, scope, account));
    if (!done && !is_nothing_granted(session.last_error())) {
        return done;
    }
    return ok();
}

} // namespace

Result<KnownGrants> grants_of(Session& session, const plugins::Call& call, std::string_view name,
                              std::string_view host) {
    // The text has the verifier: an error of the server that quotes it must not go on.
    auto rows = session.query(call, "SHOW GRANTS FOR " + quote_account(name, host), ServerText::no);
    if (!rows) {
        return is_nothing_granted(session.last_error()) ? no_such_user(name, host)
                                                        : std::move(rows).error();
    }
    KnownGrants known;
    for (const auto& row : *rows) {
        if (row.size() != 1) {
            return Error{Errc::corrupt, "MariaDB's list of grants has another shape"};
        }
        JACKDAW_TRY(auto line, parse_grant_line(row.front().value_or(""), name, host));
        known.statements.push_back(std::move(line.statement));
        if (line.grant) {
            known.grants.push_back(std::move(*line.grant));
        }
        if (line.other) {
            known.others.push_back(std::move(*line.other));
        }
    }
    return known;
}

Result<void> AccountGrants::check(const proto::Grant& grant) const {
    return check_grant(grant);
}

Result<void> AccountGrants::check_taken(const proto::Grant& grant) const {
    JACKDAW_TRY([[maybe_unused]] const auto form, taken_form(grant));
    return ok();
}

Result<proto::UserDetails> AccountGrants::show(const plugins::Call& call, std::string_view name,
                                               std::string_view host) {
    JACKDAW_CHECK(check_known_account(name, host));
    const auto lower_host = host_of(host);
    const auto doing = [&] { return fmt::format("show user \"{}\"", name); };
    JACKDAW_TRY(const auto account, find_account(session_, call, name, lower_host));
    if (!account) {
        return no_such_user(name, lower_host).while_doing(doing());
    }
    auto known = grants_of(session_, call, name, lower_host);
    if (!known) {
        return std::move(known).error().while_doing(doing());
    }
    proto::UserDetails details;
    details.name = name;
    details.host = lower_host;
    details.attributes.locked = account->locked;
    details.attributes.connections_max = account->connections_max;
    details.grants = std::move(known->grants);
    details.statements = std::move(known->statements);
    details.others = std::move(known->others);
    return details;
}

Result<void> AccountGrants::grant(const plugins::Call& call, std::string_view name,
                                  std::string_view host, const proto::Grant& grant) {
    JACKDAW_CHECK(check_grant(grant));
    JACKDAW_CHECK(check_known_account(name, host));
    const auto lower_host = host_of(host);
    const auto doing = fmt::format("grant to user \"{}\" on {}", name, text_of(grant));
    JACKDAW_TRY(const auto account, find_account(session_, call, name, lower_host));
    if (!account) {
        return no_such_user(name, lower_host).while_doing(doing);
    }
    if (!grant.database.empty()) {
        JACKDAW_TRY(const auto found, find_database(session_, call, grant.database));
        if (!found) {
            return Error{Errc::not_found,
                         fmt::format("there is no database \"{}\"", grant.database)}
                .while_doing(doing);
        }
    }
    JACKDAW_CHECK(expect_table(session_, call, grant).while_doing(doing));
    JACKDAW_CHECK(session_
                      .run(call, fmt::format("GRANT {} ON {} TO {}{}", list_of(grant.privileges),
                                             scope_of(grant), quote_account(name, lower_host),
                                             grant.with_grant_option ? " WITH GRANT OPTION" : ""))
                      .while_doing(doing));
    JACKDAW_TRY(const auto known, grants_of(session_, call, name, lower_host));
    if (!is_there(known.grants, grant)) {
        return Error{Errc::internal, "it is not there after it was granted"}.while_doing(doing);
    }
    return ok();
}

Result<void> AccountGrants::revoke(const plugins::Call& call, std::string_view name,
                                   std::string_view host, const proto::Grant& wanted) {
    JACKDAW_TRY(const auto grant, taken_form(wanted));
    JACKDAW_CHECK(check_known_account(name, host));
    const auto lower_host = host_of(host);
    const auto doing = fmt::format("revoke from user \"{}\" on {}", name, text_of(grant));
    JACKDAW_TRY(const auto found, find_account(session_, call, name, lower_host));
    if (!found) {
        return no_such_user(name, lower_host).while_doing(doing);
    }
    const auto account = quote_account(name, lower_host);
    // A grant option on nothing would stay, and give whatever comes later to others.
    const bool with_option = grant.with_grant_option || is_all(grant.privileges);
    JACKDAW_TRY(const auto scopes, scopes_to_revoke(session_, call, name, lower_host, grant));
    for (const auto& scope : scopes) {
        if (!is_usage(grant.privileges)) {
            JACKDAW_CHECK(revoke_one(session_, call, list_of(grant.privileges), scope, account)
                              .while_doing(doing));
        }
        if (with_option) {
            JACKDAW_CHECK(
                revoke_one(session_, call, "GRANT OPTION", scope, account).while_doing(doing));
        }
    }
    JACKDAW_TRY(const auto known, grants_of(session_, call, name, lower_host));
    if (is_anything_there(known.grants, grant, with_option)) {
        return Error{Errc::conflict, "some of it is there after it was taken: somebody gives it"}
            .while_doing(doing);
    }
    return ok();
}

Result<void> AccountGrants::rename(const plugins::Call& call, std::string_view name,
                                   const std::string& host, std::string_view new_name,
                                   const std::string& new_host) {
    JACKDAW_TRY(const auto before, find_account(session_, call, name, host));
    JACKDAW_TRY(const auto after, find_account(session_, call, new_name, new_host));
    if (!before && !after) {
        return no_such_user(name, host);
    }
    if (!before) {
        return ok(); // done by an earlier call
    }
    if (after) {
        return Error{Errc::conflict,
                     fmt::format("there is a user \"{}\" at \"{}\" already", new_name, new_host)};
    }
    auto renamed = session_.run(call, fmt::format("RENAME USER {} TO {}", quote_account(name, host),
                                                  quote_account(new_name, new_host)));
    if (renamed) {
        return ok();
    }
    // A session that died of it repeats a statement, and then finds its own work done.
    JACKDAW_TRY(const auto still, find_account(session_, call, name, host));
    JACKDAW_TRY(const auto now, find_account(session_, call, new_name, new_host));
    return !still && now ? ok() : std::move(renamed);
}

Result<void> AccountGrants::alter(const plugins::Call& call, std::string_view name,
                                  std::string_view host, const proto::UserAttributes& attributes) {
    JACKDAW_CHECK(check_known_account(name, host));
    const auto new_name = attributes.name.value_or(std::string{name});
    const auto old_host = host_of(host);
    const auto new_host = attributes.host.value_or(old_host);
    const bool moves = new_name != name || new_host != old_host;
    if (moves) {
        JACKDAW_CHECK(check_account(new_name, new_host));
    }
    if (attributes.connections_max.value_or(0) > connections_of_account_max) {
        return Error{Errc::invalid, fmt::format("an account has at most {} connections at a time",
                                                connections_of_account_max)};
    }
    const auto doing = fmt::format("alter user \"{}\"", name);
    if (moves) {
        JACKDAW_CHECK(rename(call, name, old_host, new_name, new_host).while_doing(doing));
    }
    std::string wanted;
    if (attributes.connections_max) {
        wanted += fmt::format(" WITH MAX_USER_CONNECTIONS {}", *attributes.connections_max);
    }
    if (attributes.locked) {
        wanted += *attributes.locked ? " ACCOUNT LOCK" : " ACCOUNT UNLOCK";
    }
    if (!wanted.empty()) {
        JACKDAW_CHECK(session_.run(call, "ALTER USER " + quote_account(new_name, new_host) + wanted)
                          .while_doing(doing));
    }
    JACKDAW_TRY(const auto now, find_account(session_, call, new_name, new_host));
    if (!now) {
        return no_such_user(new_name, new_host).while_doing(doing);
    }
    if (attributes.locked.value_or(now->locked) != now->locked ||
        (attributes.connections_max && attributes.connections_max != now->connections_max)) {
        return Error{Errc::internal, "MariaDB did not keep it"}.while_doing(doing);
    }
    return ok();
}

} // namespace jackdaw::mariadb
