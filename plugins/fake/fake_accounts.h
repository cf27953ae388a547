#pragma once
// The fake's facets Grants, Root and Sessions, over a session that they do not own. The fake
// records privileges and holds nobody to them.

#include "plugins/api/datastore.h"
#include "plugins/fake/fake_session.h"

namespace jackdaw::fake {

/// READ, WRITE and ALL on a database; STATUS and SHUTDOWN on everything, the second for nobody. No
/// tables.
class FakeGrants final : public plugins::Grants {
public:
    explicit FakeGrants(FakeSession& session) noexcept : session_{session} {}
    [[nodiscard]] Result<void> check(const proto::Grant& grant) const override;
    [[nodiscard]] Result<void> check_taken(const proto::Grant& grant) const override;
    Result<proto::UserDetails> show(const plugins::Call& call, std::string_view name,
                                    std::string_view host) override;
    Result<void> grant(const plugins::Call& call, std::string_view name, std::string_view host,
                       const proto::Grant& grant) override;
    Result<void> revoke(const plugins::Call& call, std::string_view name, std::string_view host,
                        const proto::Grant& grant) override;
    Result<void> alter(const plugins::Call& call, std::string_view name, std::string_view host,
                       const proto::UserAttributes& attributes) override;

private:
    FakeSession& session_;
};

/// A "standard" root is a user like others, a "superuser" administrates over the network.
class FakeRoot final : public plugins::Root {
public:
    explicit FakeRoot(FakeSession& session) noexcept : session_{session} {}
    [[nodiscard]] proto::RootStatus describe(std::string_view level) const override;
    Result<proto::RootStatus> status(const plugins::Call& call) override;
    Result<void> enable(const plugins::Call& call, std::string_view level,
                        std::string_view verifier) override;
    Result<void> disable(const plugins::Call& call) override;

private:
    Result<void> expect(const plugins::Call& call, std::string_view level);
    FakeSession& session_;
};

/// Own sessions are those over the UNIX socket.
class FakeSessions final : public plugins::Sessions {
public:
    explicit FakeSessions(FakeSession& session) noexcept : session_{session} {}
    Result<std::vector<proto::SessionShape>> list(const plugins::Call& call) override;
    Result<void> kill(const plugins::Call& call, std::uint64_t id, bool query_only) override;

private:
    FakeSession& session_;
};

} // namespace jackdaw::fake
