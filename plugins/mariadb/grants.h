#pragma once
// Facet Grants: what MariaDB's accounts may do, and what they are beside their passwords.

#include <vector>

#include "plugins/api/datastore.h"
#include "plugins/mariadb/session.h"

namespace jackdaw::mariadb {

inline constexpr std::uint64_t connections_of_account_max = 2'147'483'647; ///< the server's own

/// Speaks over a session that it does not own. Each verb reads back what it did. Open sessions of
/// an account see a change at their next USE, or when they connect again (Knowledge Base, GRANT).
class AccountGrants final : public plugins::Grants {
public:
    explicit AccountGrants(Session& session) noexcept : session_{session} {}

    [[nodiscard]] Result<void> check(const proto::Grant& grant) const override;
    /// Privileges on columns, too: "SELECT (`a`, `b`)" as show() tells them, or "SELECT (a,b)".
    [[nodiscard]] Result<void> check_taken(const proto::Grant& grant) const override;
    /// Grants on columns stand in `grants` with their columns; those of roles, proxies and routines
    /// in `statements` alone.
    Result<proto::UserDetails> show(const plugins::Call& call, std::string_view name,
                                    std::string_view host) override;
    /// `not_found` also for a database or table that is not there (with CREATE the table may come
    /// later): nothing was granted then.
    Result<void> grant(const plugins::Call& call, std::string_view name, std::string_view host,
                       const proto::Grant& grant) override;
    /// Takes what check() would not give, too: taking away is always allowed. ALL takes the grant
    /// option along. What the account has at another level stays, and what it has of roles, proxies
    /// and routines.
    Result<void> revoke(const plugins::Call& call, std::string_view name, std::string_view host,
                        const proto::Grant& grant) override;
    /// Renames first; cut short after that, the same call goes on under the new name. Sessions stay
    /// open, views, routines, triggers and events keep the definer of the old name.
    Result<void> alter(const plugins::Call& call, std::string_view name, std::string_view host,
                       const proto::UserAttributes& attributes) override;

private:
    Result<void> rename(const plugins::Call& call, std::string_view name, const std::string& host,
                        std::string_view new_name, const std::string& new_host);
    Session& session_;
};

/// All that SHOW GRANTS tells of an account that is there.
struct KnownGrants {
    std::vector<proto::Grant> grants;
    std::vector<std::string> statements;
    std::vector<proto::OtherGrant> others;
};
[[nodiscard]] Result<KnownGrants> grants_of(Session& session, const plugins::Call& call,
                                            std::string_view name, std::string_view host);

} // namespace jackdaw::mariadb
