#pragma once
// Facet Users: MariaDB's accounts {name, host}, and what secure() does with those that nobody asked
// for.

#include <cstdint>
#include <optional>
#include <string>

#include "plugins/api/datastore.h"
#include "plugins/mariadb/session.h"

namespace jackdaw::mariadb {

/// Speaks over a session that it does not own.
class Accounts final : public plugins::Users {
public:
    explicit Accounts(Session& session) noexcept : session_{session} {}

    /// An empty verifier passes here (a request is checked before its password is turned into one),
    /// not in create().
    [[nodiscard]] Result<void> check(const proto::UserSpec& spec) const override;
    [[nodiscard]] Result<void> check_named(std::string_view name,
                                           std::string_view host) const override;
    [[nodiscard]] Result<std::string> make_verifier(const Secret& password) const override;
    /// `not_found` when a database named is absent: nothing was made then.
    Result<void> create(const plugins::Call& call, const proto::UserSpec& spec) override;
    Result<std::vector<proto::UserSpec>> list(const plugins::Call& call) override;
    /// Sessions that the user has open stay open, as MariaDB has it.
    Result<void> drop(const plugins::Call& call, std::string_view name,
                      std::string_view host) override;
    Result<void> set_verifier(const plugins::Call& call, std::string_view name,
                              std::string_view host, std::string_view verifier) override;

private:
    Session& session_;
};

/// What the server knows of one account beside its grants.
struct AccountState {
    bool locked = false;
    std::optional<std::uint64_t> connections_max; ///< nullopt: -1, an account that nobody may use
};

/// That account; nullopt when absent, or a role. `host` as host_of() has it. Also for the other
/// facets.
[[nodiscard]] Result<std::optional<AccountState>> find_account(Session& session,
                                                               const plugins::Call& call,
                                                               std::string_view name,
                                                               std::string_view host);
/// The hosts of all accounts with that name, without roles; the first thousand.
[[nodiscard]] Result<std::vector<std::string>>
hosts_of_account(Session& session, const plugins::Call& call, std::string_view name);

/// The server keeps hosts in lower case.
[[nodiscard]] std::string host_of(std::string_view host);
/// Names that may be: E-BAD-NAME, E-RESERVED-NAME. Pure.
[[nodiscard]] Result<void> check_account(std::string_view name, std::string_view host);
/// Of an account that is there: at a host, too, at which we would make none (names.h).
[[nodiscard]] Result<void> check_known_account(std::string_view name, std::string_view host);
/// The condition that finds it in the tables of schema mysql.
[[nodiscard]] std::string where_account(std::string_view name, std::string_view host);
/// Ok when the account has that verifier.
[[nodiscard]] Result<void> expect_verifier(Session& session, const plugins::Call& call,
                                           std::string_view name, std::string_view host,
                                           std::string_view verifier);

/// After it: no anonymous account, none named root or mysql, `admin` at localhost only and over
/// unix_socket, no grant to everybody on test databases, no empty database `test` (one that holds
/// something is somebody's by now, and stays). Looked at afterwards; `internal` when something
/// would not go.
[[nodiscard]] Result<void> secure_accounts(Session& session, const plugins::Call& call,
                                           const std::string& admin);

} // namespace jackdaw::mariadb
