#include "plugins/fake/fake_parameters.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "plugins/fake/fake_settings.h"
#include "plugins/fake/fake_words.h"

namespace jackdaw::fake {
namespace {

/// An eighth of the memory, in the parameter's own range and steps.
std::string computed_cache(const plugins::Place& place) {
    const auto eighth = place.machine.memory_bytes / 8;
    return fmt::format("{}", std::clamp<std::uint64_t>(eighth - eighth % 4096, 65536, 1ULL << 30));
}

/// What a start on `place` gives it.
std::string wanted_value(const plugins::Place& place, const Setting& setting) {
    const std::string name{setting.name};
    if (const auto own = place.parameters.find(name); own != place.parameters.end()) {
        return own->second;
    }
    return name == "cache_bytes" ? computed_cache(place) : std::string{setting.default_value};
}

Error unknown(std::string_view name) {
    Error error{Errc::not_found,
                fmt::format("the fake has no parameter \"{}\"", name.substr(0, 64))};
    // The nearest: the one with the longest common beginning.
    std::string_view nearest;
    std::size_t most = 2;
    for (const auto& one : all_settings()) {
        const auto common = static_cast<std::size_t>(
            std::mismatch(name.begin(), name.end(), one.name.begin(), one.name.end()).first -
            name.begin());
        if (common > most) {
            most = common;
            nearest = one.name;
        }
    }
    return nearest.empty() ? std::move(error)
                           : std::move(error).with_hint(fmt::format("did you mean {}?", nearest));
}

Result<std::string> canonical(const Setting& setting, std::string_view value) {
    std::string why;
    auto text = canonical_setting(setting, value, why);
    if (!text) {
        return Error{Errc::invalid, fmt::format("{} takes no such value", setting.name)}.with_hint(
            why);
    }
    return std::move(*text);
}

} // namespace

Result<std::string> render_config(const plugins::Place& place, std::uint16_t port) {
    auto text = fmt::format("[fake]\ninstance = {}\nport = {}\n", place.instance_id, port);
    if (!place.parameters.contains("cache_bytes")) {
        text += fmt::format("cache_bytes = {}\n", computed_cache(place));
    }
    for (const auto& [name, value] : place.parameters) {
        const auto* const setting = find_setting(name);
        if (setting == nullptr || !setting->settable) {
            return unknown(name);
        }
        JACKDAW_TRY(const auto one, canonical(*setting, value));
        text += fmt::format("{} = {}\n", name, encode_word(one));
    }
    return text;
}

Result<std::vector<proto::Parameter>> FakeParameters::list(const plugins::Call& call,
                                                           const plugins::Place& place) {
    JACKDAW_TRY(const auto lines, session_.ask_list(call, {"PARAMS"}));
    std::map<std::string, std::pair<std::string, std::string>> present;
    for (const auto& line : lines) {
        if (line.size() != 3) {
            return Error{Errc::corrupt, "the fake's list of parameters has another shape"};
        }
        present[line[0]] = {line[1], line[2]};
    }
    std::vector<proto::Parameter> parameters;
    for (const auto& setting : all_settings()) { // sorted by name
        const auto found = present.find(std::string{setting.name});
        if (found == present.end()) {
            return Error{Errc::corrupt, fmt::format("the fake tells nothing of {}", setting.name)};
        }
        proto::Parameter one;
        one.name = setting.name;
        one.type = setting.type;
        one.unit = setting.unit;
        if (setting.type == "integer" || setting.type == "real") {
            one.min = fmt::format("{}", setting.min);
            one.max = fmt::format("{}", setting.max);
            one.step = setting.step > 1 ? fmt::format("{}", setting.step) : "";
        }
        one.allowed.assign(setting.allowed.begin(), setting.allowed.end());
        one.restart = setting.restart;
        one.settable = setting.settable;
        one.current = found->second.first;
        one.default_value = setting.default_value;
        const auto own = place.parameters.find(one.name);
        one.is_configured = own != place.parameters.end();
        one.configured = one.is_configured ? own->second : "";
        one.pending = one.is_configured && one.configured != one.current;
        if (one.is_configured && !one.pending) {
            one.source = "configured";
        } else if (one.name == "cache_bytes" && one.current == computed_cache(place)) {
            one.source = "computed";
        } else if (found->second.second == "set" && one.current != one.default_value) {
            one.source = "runtime";
        } else {
            one.source = found->second.second == "file" ? "computed" : "default";
        }
        one.from = found->second.second == "file" ? place.config_folder + "/" + config_name : "";
        one.text = setting.text;
        parameters.push_back(std::move(one));
    }
    return parameters;
}

Result<std::pair<std::string, std::string>>
FakeParameters::check(const std::vector<proto::Parameter>& known, std::string_view name,
                      std::string_view value) const {
    std::string normal{name};
    std::replace(normal.begin(), normal.end(), '-', '_');
    std::transform(normal.begin(), normal.end(), normal.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    const auto listed = std::any_of(known.begin(), known.end(),
                                    [&](const auto& one) { return one.name == normal; });
    const auto* const setting = find_setting(normal);
    if (setting == nullptr || !listed) {
        return unknown(normal);
    }
    if (!setting->settable) {
        return Error{Errc::not_allowed, fmt::format("{} is what the fake is", normal)};
    }
    JACKDAW_TRY(auto text, canonical(*setting, value));
    return std::pair{normal, std::move(text)};
}

Result<void> FakeParameters::check_together(const std::vector<proto::Parameter>& /*known*/,
                                            const plugins::Place& place) const {
    const auto own = place.parameters.find("cache_bytes");
    if (own == place.parameters.end()) {
        return ok();
    }
    std::string why;
    const auto text = canonical_setting(*find_setting("cache_bytes"), own->second, why);
    if (!text || std::stoull(*text) > place.machine.memory_bytes / 2) {
        return Error{Errc::invalid, "cache_bytes is more than half of this machine's memory"}
            .with_hint(fmt::format("at most {}", place.machine.memory_bytes / 2));
    }
    return ok();
}

Result<std::vector<std::string>> FakeParameters::apply(const plugins::Call& call,
                                                       const plugins::Place& wanted,
                                                       const std::vector<std::string>& changed) {
    std::vector<std::string> waiting;
    JACKDAW_TRY(const auto before, list(call, wanted));
    for (const auto& name : changed) {
        const auto* const setting = find_setting(name);
        if (setting == nullptr) {
            return unknown(name);
        }
        if (!setting->settable) {
            return Error{Errc::not_allowed, fmt::format("{} is what the fake is", name)};
        }
        JACKDAW_TRY(const auto value, canonical(*setting, wanted_value(wanted, *setting)));
        if (setting->restart) {
            const bool has_it = std::any_of(before.begin(), before.end(), [&](const auto& one) {
                return one.name == name && one.current == value;
            });
            if (!has_it) {
                waiting.push_back(name);
            }
            continue;
        }
        JACKDAW_CHECK(session_.ask(call, {"SET", name, value}).while_doing([&] {
            return fmt::format("set {}", name);
        }));
    }
    JACKDAW_TRY(const auto now, list(call, wanted));
    for (const auto& one : now) {
        const bool asked = std::find(changed.begin(), changed.end(), one.name) != changed.end();
        const auto value = wanted_value(wanted, *find_setting(one.name));
        if (asked && !one.restart && one.current != value) {
            return Error{Code::config_refused, fmt::format("{} was set to \"{}\", and the fake has "
                                                           "\"{}\"",
                                                           one.name, value, one.current)};
        }
    }
    std::sort(waiting.begin(), waiting.end());
    return waiting;
}

} // namespace jackdaw::fake
