#pragma once
// Facet Databases: MariaDB's schemas.

#include "plugins/api/datastore.h"
#include "plugins/mariadb/session.h"

namespace jackdaw::mariadb {

/// Speaks over a session that it does not own. Charset and collation of a database are set when it
/// is made and compared afterwards, never altered.
class Schemas final : public plugins::Databases {
public:
    explicit Schemas(Session& session) noexcept : session_{session} {}

    [[nodiscard]] Result<void> check(const proto::DatabaseSpec& spec) const override;
    Result<void> create(const plugins::Call& call, const proto::DatabaseSpec& spec) override;
    Result<std::vector<proto::DatabaseSpec>> list(const plugins::Call& call) override;
    Result<void> drop(const plugins::Call& call, std::string_view name) override;

private:
    Session& session_;
};

/// That one, byte for byte; nullopt when absent. Also for the other facet.
[[nodiscard]] Result<std::optional<proto::DatabaseSpec>>
find_database(Session& session, const plugins::Call& call, std::string_view name);

} // namespace jackdaw::mariadb
