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
/// Of a user on one database, or on everything (database "").
struct Granted {
    std::set<std::string> privileges; ///< "ALL" is READ and WRITE
    bool with_grant_option = false;
};
struct User {
    std::string verifier;
    std::map<std::string, Granted> grants; ///< by database; none is empty
    bool locked = false;
    std::uint64_t connections_max = 0; ///< 0: no limit of its own
};
struct RootUser {
    std::string level = "off", verifier;
};
struct State {
    std::map<std::string, Database> databases;
    std::map<std::pair<std::string, std::string>, User> users; ///< by {name, host}
    RootUser root;
    std::map<std::string, std::string> rows;
};

enum class Kept : std::uint8_t { yes, full, failed };

/// Records: "D name charset collation", "d name", "U name host verifier database…", "u name host",
/// "R key value"; "G name host database 0|1 privilege…" (all that is granted there), "A name host
/// 0|1 connections", "N name host name host" (the new ones), "O level verifier". A "U" of one that
/// is there sets the verifier and adds databases.
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
    bool apply_to_user(const std::vector<std::string>& record);
    State state_;
    int fd_ = -1;
    std::int64_t size_ = 0;
};

} // namespace jackdaw::fake
