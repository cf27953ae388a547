#pragma once
// Facet Root: the account root@% on request, at one of two levels.
//
// What "standard" holds and what not (tried on 10.11, tests/real/datastore_contract_accounts_test):
// MariaDB has no way to take one schema out of a right on everything, but of several grants on
// databases the most exact one counts alone (Knowledge Base, GRANT, "Database Privileges";
// acl_get() in sql_acl.cc). So the account has everything on the pattern `%` and next to nothing on
// `mysql` and `sys`, which those grants keep from the pattern's. It may create users, as on RDS,
// and whoever may can rename the agent's account and take its rights: a rail, no wall.

#include "plugins/api/datastore.h"
#include "plugins/mariadb/session.h"

namespace jackdaw::mariadb {

/// Speaks over a session that it does not own.
class RootAccount final : public plugins::Root {
public:
    explicit RootAccount(Session& session) noexcept : session_{session} {}

    /// `level` "off" for an unknown one.
    [[nodiscard]] proto::RootStatus describe(std::string_view level) const override;
    /// By what root may do now, whoever gave it: anything beyond "standard" is "superuser". A root
    /// at another host than % counts, too.
    Result<proto::RootStatus> status(const plugins::Call& call) override;
    /// Makes the account anew, with exactly that level's rights; its open sessions, which keep
    /// older ones, are ended. E-BAD-PASSWORD, `invalid` for an unknown level. After a failure in
    /// between root may be there with fewer rights; the same call completes it.
    Result<void> enable(const plugins::Call& call, std::string_view level,
                        std::string_view verifier) override;
    /// Drops every account of that name. What they made stays, and views, routines and events that
    /// run with their rights stop working (as MariaDB has it).
    Result<void> disable(const plugins::Call& call) override;

private:
    Session& session_;
};

} // namespace jackdaw::mariadb
