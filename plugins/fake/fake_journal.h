#pragma once
// The fake's storage: one file of lines, each fsynced before it counts, replayed at start.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace jackdaw::fake {

struct Database {
    std::string charset, collation;
};
struct User {
    std::string verifier;
    std::set<std::string> databases;
};
struct State {
    std::map<std::string, Database> databases;
    std::map<std::pair<std::string, std::string>, User> users; ///< by {name, host}
    std::map<std::string, std::string> rows;
};

enum class Kept : std::uint8_t { yes, full, failed };

/// Records: "D name charset collation", "d name", "U name host verifier database…", "u name host",
/// "R key value".
class Journal {
public:
    Journal() = default;
    ~Journal();
    Journal(const Journal&) = delete;
    Journal& operator=(const Journal&) = delete;

    /// Replays; a last line without its end was never acknowledged and is cut off. False when the
    /// file is damaged elsewhere.
    bool open(const std::string& path);
    /// Durable and applied on `yes`; neither otherwise.
    Kept keep(const std::vector<std::string>& record);
    [[nodiscard]] const State& state() const noexcept { return state_; }

private:
    bool apply(const std::vector<std::string>& record);
    State state_;
    int fd_ = -1;
    std::int64_t size_ = 0;
};

} // namespace jackdaw::fake
