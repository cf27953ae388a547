#pragma once
// What people and programs see of the inside of a database: privileges, sessions, parameters, logs,
// metrics. The same in JSON (proto/wire/datastore_json.h) from the command line and the sockets.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace jackdaw::proto {

/// Privileges on one thing. `database` empty: on everything; `table` empty: on all of the database.
struct Grant {
    std::vector<std::string> privileges; ///< upper case, as the engine names them: "SELECT", "ALL"
    std::string database;
    std::string table;
    bool with_grant_option = false;
    friend bool operator==(const Grant&, const Grant&) = default;
};

/// What an account has that is no Grant: a role, a proxy, rights on one routine.
struct OtherGrant {
    std::string statement;               ///< as the engine prints it
    std::vector<std::string> privileges; ///< on a routine: those that a database has, too
    std::string database;                ///< of the routine
};

/// What an account is beside its password. In a change, what is nullopt stays as it is.
struct UserAttributes {
    std::optional<std::string> name, host; ///< in a change: the new ones
    std::optional<bool> locked;
    std::optional<std::uint64_t> connections_max; ///< at a time; 0: no limit of its own
    friend bool operator==(const UserAttributes&, const UserAttributes&) = default;
};

/// The whole of one account.
struct UserDetails {
    std::string name, host;
    UserAttributes attributes; ///< without `name` and `host`
    std::vector<Grant> grants;
    std::vector<std::string> statements; ///< as the engine prints them, without any verifier
    std::vector<OtherGrant> others{};    ///< stand in `statements`; JSON has them there alone
};

/// Who `root` is in this instance (SECURITY.md, Secrets).
struct RootStatus {
    std::string level = "off"; ///< off | standard | superuser
    std::string name;          ///< of the account, e.g. "root"
    std::string host;
    std::string gives; ///< a person's line: what that level may do, and what it gives away
};

struct SessionShape {
    std::uint64_t id = 0;
    std::string user, host, database;
    std::string command; ///< "Query", "Sleep", …
    std::string state;
    std::string query;  ///< at most 1 KiB, printable; empty: none
    double seconds = 0; ///< in this state
    bool own = false;   ///< the agent's own: it cannot be killed
};

/// One parameter, as the running server tells it. Numbers are text, since some exceed 2^63.
struct Parameter {
    std::string name;
    std::string type;           ///< boolean integer real enumeration set string
    std::string unit;           ///< bytes seconds milliseconds microseconds percent rows, or empty
    std::string min, max, step; ///< of integer and real; empty: none known
    std::vector<std::string> allowed; ///< of enumeration and set
    bool restart = false;             ///< a change waits for the next start
    bool settable = true; ///< false: the agent needs it as it is, or the server computes it
    std::string current;
    std::string default_value;
    std::string configured; ///< what this instance's own setting says; empty: none
    bool is_configured = false;
    bool pending = false; ///< configured, and the running server has another value
    std::string source;   ///< default computed configured runtime (where `current` comes from)
    std::string from;     ///< file of ours, or account that set it, as far as the server tells
    std::string text;     ///< what it is, a line
    std::string formula;  ///< how the agent computes its value from the machine; empty: it does not
};

/// One log that the database writes.
struct LogShape {
    std::string name; ///< "error", "slow", "general"
    bool enabled = false;
    std::string enabled_by; ///< the parameter that turns it on; empty: it is always on
    std::uint64_t size_bytes = 0;
    std::uint64_t size_bytes_max = 0; ///< of the present file; as many as `kept` older ones beside
    std::uint32_t kept = 0;
    std::string changed_at; ///< empty: never written
    std::string refused;    ///< why it is not read: what stands in its place; empty: it is
    std::string elsewhere;  ///< where else the database writes it; empty: nowhere
};

/// OpenMetrics 1.0, section 4.
struct MetricSample {
    std::string suffix; ///< "_total", "_bucket", or empty
    std::vector<std::pair<std::string, std::string>> labels;
    double value = 0;
};
struct MetricFamily {
    std::string name; ///< without suffix
    std::string type; ///< gauge counter info unknown
    std::string help;
    std::vector<MetricSample> samples;
};

} // namespace jackdaw::proto
