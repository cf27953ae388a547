#pragma once
// The facet Parameters: what the running server says it has, and giving it other values.

#include "plugins/api/datastore.h"
#include "plugins/mariadb/session.h"

namespace jackdaw::mariadb {

/// Speaks over a session that it does not own.
class EngineParameters final : public plugins::Parameters {
public:
    explicit EngineParameters(Session& session) noexcept : session_{session} {}

    /// One statement; options of mariadbd that are no variables are not told of.
    Result<std::vector<proto::Parameter>> list(const plugins::Call& call,
                                               const plugins::Place& place) override;
    [[nodiscard]] Result<std::pair<std::string, std::string>>
    check(const std::vector<proto::Parameter>& known, std::string_view name,
          std::string_view value) const override;
    [[nodiscard]] Result<void> check_together(const std::vector<proto::Parameter>& known,
                                              const plugins::Place& place) const override;
    /// Names of time zones, which stand in tables.
    Result<void> try_out(const plugins::Call& call,
                         const std::map<std::string, std::string>& values) override;
    /// A failure in the middle names what has its new value by then; those keep it, and the same
    /// call with the old Place takes them back. A name that was unset and that the server computes
    /// at start waits.
    Result<std::vector<std::string>> apply(const plugins::Call& call, const plugins::Place& wanted,
                                           const std::vector<std::string>& changed) override;

private:
    Result<std::vector<proto::Parameter>> read(const plugins::Call& call,
                                               const plugins::Place& place,
                                               const std::vector<std::string>& names);
    Session& session_;
};

} // namespace jackdaw::mariadb
