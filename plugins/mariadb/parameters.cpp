#include "plugins/mariadb/parameters.h"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "plugins/mariadb/config.h"
#include "plugins/mariadb/errors.h"
#include "plugins/mariadb/names.h"
#include "plugins/mariadb/parameter_list.h"
#include "plugins/mariadb/parameter_owned.h"
#include "plugins/mariadb/parameter_rules.h"
#include "plugins/mariadb/parameter_together.h"
#include "plugins/mariadb/parameter_values.h"

namespace jackdaw::mariadb {
namespace {

enum class Fate : std::uint8_t {
    set,   ///< now
    waits, ///< only a start gives it the value
    stays, ///< it has it, or another one's gives it to it
};

struct Target {
    const proto::Parameter* parameter;
    std::string value; ///< canonical; empty and `unset`: the engine's default, which is no text
    bool unset = false;
    Fate fate = Fate::set;
    int turn = 1;
};

/// What a start on `wanted` gives the parameter.
Result<Target> target_of(const proto::Parameter& parameter, const plugins::Place& wanted,
                         const Settings& computed) {
    Target target{&parameter, {}};
    const auto own = wanted.parameters.find(parameter.name);
    const auto twin = wanted.parameters.find(std::string{twin_of(parameter.name)});
    if (own != wanted.parameters.end()) {
        JACKDAW_TRY(target.value, canonical_value(parameter, own->second));
    } else if (twin != wanted.parameters.end()) {
        JACKDAW_TRY(target.value, canonical_value(parameter, twin->second));
    } else if (wanted.parameters.contains(std::string{linked_to(parameter.name)})) {
        target.fate = Fate::stays;
        return target;
    } else if (const auto* const ours = computed_value(computed, parameter.name)) {
        JACKDAW_TRY(target.value, canonical_value(parameter, *ours));
    } else if (is_automatic(parameter.name)) {
        target.fate = Fate::waits;
        return target;
    } else if (parameter.default_value.empty()) {
        target.unset = true;
    } else {
        JACKDAW_TRY(target.value, canonical_value(parameter, parameter.default_value));
    }
    if (is_flag_set(parameter)) { // a running server keeps what is not named; a start does not
        JACKDAW_TRY(target.value,
                    canonical_value(parameter,
                                    fmt::format("{},{}", parameter.default_value, target.value)));
    }
    if (is_same_value(parameter, parameter.current,
                      target.unset ? parameter.default_value : target.value)) {
        target.fate = Fate::stays;
    } else if (waits_for_restart(parameter, target.value)) {
        target.fate = Fate::waits;
    }
    return target;
}

/// Uppers that rise first, uppers that sink last: in between no lower one is cut by its upper.
int turn_of(const Target& target) {
    if (target.parameter->name == "character_set_server") {
        return 0; // sets collation_server, too
    }
    if (!is_upper_bound(target.parameter->name)) {
        return 1;
    }
    const auto& present = target.parameter->current;
    const auto now = parse_number(present);
    const auto then = parse_number(target.value);
    const auto real_now = parse_millionths(present);
    const auto real_then = parse_millionths(target.value);
    const bool rises =
        now && then ? less(*now, *then) : real_now && real_then && *real_now < *real_then;
    return rises ? 0 : 2;
}

Error refused(const Error& cause, const std::vector<std::string>& done) {
    auto message = cause.message();
    if (!done.empty()) {
        message += fmt::format("; set before that: {}", fmt::join(done, ", "));
    }
    // The server took part in the conversation and said no: that is a refusal, whatever its number.
    const auto id = cause.code() == Errc::internal ? Code::config_refused : cause.id();
    return Error{id, std::move(message)}.with_hint(cause.hint());
}

} // namespace

Result<std::vector<proto::Parameter>>
EngineParameters::read(const plugins::Call& call, const plugins::Place& place,
                       const std::vector<std::string>& names) {
    JACKDAW_TRY(const auto rows, session_.query(call, parameters_statement(names)));
    return parameters_of(rows, place);
}

Result<std::vector<proto::Parameter>> EngineParameters::list(const plugins::Call& call,
                                                             const plugins::Place& place) {
    return read(call, place, {}).while_doing("list MariaDB's parameters");
}

Result<std::pair<std::string, std::string>>
EngineParameters::check(const std::vector<proto::Parameter>& known, std::string_view name,
                        std::string_view value) const {
    return check_parameter(known, name, value);
}

Result<void> EngineParameters::check_together(const std::vector<proto::Parameter>& known,
                                              const plugins::Place& place) const {
    return check_parameters_together(known, place);
}

Result<void> EngineParameters::try_out(const plugins::Call& call,
                                       const std::map<std::string, std::string>& values) {
    const auto zone = values.find("time_zone");
    if (zone == values.end()) {
        return ok();
    }
    // Looked up as SET does, offsets and SYSTEM, too; NULL for what is none.
    JACKDAW_TRY(const auto rows,
                session_.query(call, fmt::format("SELECT CONVERT_TZ('2000-01-01', '+00:00', {})",
                                                 quote_value(zone->second))));
    if (rows.size() == 1 && rows.front().size() == 1 && rows.front().front()) {
        return ok();
    }
    return Error{Errc::invalid,
                 fmt::format("the server knows no time zone {}", printable(zone->second, 64))}
        .with_hint(unknown_zone_hint);
}

Result<std::vector<std::string>> EngineParameters::apply(const plugins::Call& call,
                                                         const plugins::Place& wanted,
                                                         const std::vector<std::string>& asked) {
    std::vector<std::string> waiting;
    if (asked.empty()) {
        return waiting;
    }
    if (asked.size() > own_settings_max) {
        return Error{Errc::invalid,
                     fmt::format("at most {} parameters change at once", own_settings_max)};
    }
    auto changed = asked;
    const auto names = [&](std::string_view name) {
        return std::find(changed.begin(), changed.end(), name) != changed.end();
    };
    const bool sets_charset = names("character_set_server");
    if (sets_charset && wanted.parameters.contains("collation_server") &&
        !names("collation_server")) {
        changed.emplace_back("collation_server");
    }
    auto read_now = [&] { return read(call, wanted, changed); };
    JACKDAW_TRY(const auto present, read_now());
    const auto computed = computed_settings(wanted);

    // Everything is looked at before anything is set.
    std::vector<Target> targets;
    for (const auto& name : changed) {
        const auto* const parameter = find_parameter(present, name);
        if (parameter == nullptr) {
            return Error{Errc::not_found,
                         fmt::format("this server has no parameter {}", printable(name, 64))};
        }
        if (!parameter->settable) {
            return Error{Errc::not_allowed, not_settable_text(*parameter)};
        }
        JACKDAW_TRY(auto target, target_of(*parameter, wanted, computed));
        if (target.fate == Fate::stays && name == "collation_server" && sets_charset) {
            target.fate = Fate::set; // it will not have stayed
        }
        if (target.fate == Fate::waits) {
            waiting.push_back(name);
        }
        if (target.fate != Fate::set) {
            continue;
        }
        target.turn = turn_of(target);
        targets.push_back(std::move(target));
    }
    std::stable_sort(targets.begin(), targets.end(),
                     [](const auto& a, const auto& b) { return a.turn < b.turn; });

    std::vector<std::string> done;
    for (const auto& target : targets) {
        // The name is one that the server's list and our rules know: letters, digits and `_`.
        const auto sql =
            fmt::format("SET GLOBAL {} = {}", target.parameter->name,
                        target.unset ? "DEFAULT" : sql_value(*target.parameter, target.value));
        const auto set = session_.run(call, sql);
        if (!set) {
            return refused(set.error(), done)
                .while_doing(fmt::format("set {}", target.parameter->name));
        }
        done.push_back(target.parameter->name);
    }

    JACKDAW_TRY(const auto after, read_now());
    for (const auto& target : targets) {
        const auto* const now = find_parameter(after, target.parameter->name);
        const auto& value = target.unset ? target.parameter->default_value : target.value;
        if (now == nullptr || !is_same_value(*target.parameter, now->current, value)) {
            return Error{Code::config_refused,
                         fmt::format("{} was set to \"{}\", and the server has \"{}\"; set: {}",
                                     target.parameter->name, value,
                                     now == nullptr ? "none" : now->current,
                                     fmt::join(done, ", "))};
        }
    }
    std::sort(waiting.begin(), waiting.end());
    return waiting;
}

} // namespace jackdaw::mariadb
