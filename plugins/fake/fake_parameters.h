#pragma once
// The facet Parameters of the fake, and its configuration file.

#include <string>

#include "plugins/api/datastore.h"
#include "plugins/fake/fake_session.h"

namespace jackdaw::fake {

inline constexpr const char* config_name = "fake.conf";

/// What is computed from the machine (cache_bytes: an eighth of its memory), then the instance's
/// own settings, each once. `invalid` for one that the fake does not take.
[[nodiscard]] Result<std::string> render_config(const plugins::Place& place, std::uint16_t port);

/// Speaks over a session that it does not own.
class FakeParameters final : public plugins::Parameters {
public:
    explicit FakeParameters(FakeSession& session) noexcept : session_{session} {}

    Result<std::vector<proto::Parameter>> list(const plugins::Call& call,
                                               const plugins::Place& place) override;
    [[nodiscard]] Result<std::pair<std::string, std::string>>
    check(const std::vector<proto::Parameter>& known, std::string_view name,
          std::string_view value) const override;
    /// cache_bytes is at most half of the machine's memory.
    [[nodiscard]] Result<void> check_together(const std::vector<proto::Parameter>& known,
                                              const plugins::Place& place) const override;
    Result<std::vector<std::string>> apply(const plugins::Call& call, const plugins::Place& wanted,
                                           const std::vector<std::string>& changed) override;

private:
    FakeSession& session_;
};

} // namespace jackdaw::fake
