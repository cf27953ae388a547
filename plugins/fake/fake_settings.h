#pragma once
// The fake's parameters: one of every type, some of which wait for the next start. Driver and
// database agree on this table. Standard library only.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace jackdaw::fake {

struct Setting {
    std::string_view name, type, unit;
    long min = 0, max = 0, step = 0;       ///< of an integer; of a real without step
    std::vector<std::string_view> allowed; ///< of an enumeration and a set
    bool restart = false;
    bool settable = true;
    std::string_view default_value, text;
};

[[nodiscard]] const std::vector<Setting>& all_settings();
[[nodiscard]] const Setting* find_setting(std::string_view name);

/// The one way to write the value (ON, 65536, "audit,trace"), or nullopt and `why`. Numbers may end
/// in K, M or G.
[[nodiscard]] std::optional<std::string>
canonical_setting(const Setting& setting, std::string_view value, std::string& why);

/// What a running fake has.
class Variables {
public:
    struct Value {
        std::string text, source; ///< default | file | set
    };
    Variables();

    /// The lines "name = value" of a fake.conf, each once and valid; words are encoded as on the
    /// wire. The complaint with its line, or nullopt.
    [[nodiscard]] std::optional<std::string> load(std::string_view file);
    /// False when there is no such parameter, it waits for a start, or the value is none of its.
    [[nodiscard]] bool set(std::string_view name, std::string_view value);
    /// What would keep a server with these from starting; nullopt when nothing does.
    [[nodiscard]] std::optional<std::string> start_failure() const;
    [[nodiscard]] const std::map<std::string, Value>& all() const noexcept { return values_; }

private:
    std::map<std::string, Value> values_;
};

/// The reply to PARAMS and to SET, nullopt for any other line.
[[nodiscard]] std::optional<std::string> answer_settings(Variables& variables, bool local,
                                                         std::string_view line);

} // namespace jackdaw::fake
