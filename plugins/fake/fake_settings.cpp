#include "plugins/fake/fake_settings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <set>

#include "plugins/fake/fake_words.h"

namespace jackdaw::fake {
namespace {

constexpr std::size_t text_bytes_max =
    400; // so that a whole file of them is below 4 KiB (read_small)

std::string lower(std::string_view text) {
    std::string small{text};
    std::transform(small.begin(), small.end(), small.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return small;
}

std::string range(const Setting& setting) {
    auto text = "from " + std::to_string(setting.min) + " to " + std::to_string(setting.max);
    if (setting.step > 1) {
        text += " in steps of " + std::to_string(setting.step);
    }
    return text;
}

std::optional<std::string> canonical_integer(const Setting& setting, std::string_view value) {
    long unit = 1;
    if (!value.empty()) {
        constexpr std::string_view suffixes = "kmg";
        const auto at = suffixes.find(lower(value.substr(value.size() - 1)));
        if (at != std::string_view::npos) {
            unit = 1L << (10 * (at + 1));
            value.remove_suffix(1);
        }
    }
    long number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (value.empty() || error != std::errc{} || end != value.data() + value.size() || number < 0 ||
        number > setting.max / unit) {
        return std::nullopt;
    }
    number *= unit;
    if (number < setting.min || (setting.step > 1 && number % setting.step != 0)) {
        return std::nullopt;
    }
    return std::to_string(number);
}

std::optional<std::string> canonical_real(const Setting& setting, std::string_view value) {
    if (value.empty() || value.size() > 16 || value.front() == '.' ||
        value.find_first_not_of("0123456789.") != std::string_view::npos ||
        std::count(value.begin(), value.end(), '.') > 1) {
        return std::nullopt;
    }
    std::string text{value};
    const double number = std::strtod(text.c_str(), nullptr);
    if (number < static_cast<double>(setting.min) || number > static_cast<double>(setting.max)) {
        return std::nullopt;
    }
    if (text.find('.') != std::string::npos) {
        text.erase(text.find_last_not_of('0') + 1);
        if (text.back() == '.') {
            text.pop_back();
        }
    }
    text.erase(0, std::min(text.find_first_not_of('0'), text.size() - 1));
    return text.front() == '.' ? "0" + text : text;
}

std::optional<std::string> canonical_words(const Setting& setting, std::string_view value,
                                           bool many) {
    std::set<std::string_view> present;
    while (!value.empty()) {
        const auto end = many ? value.find(',') : std::string_view::npos;
        const auto word = lower(value.substr(0, end));
        const auto at = std::find(setting.allowed.begin(), setting.allowed.end(), word);
        if (at == setting.allowed.end()) {
            return std::nullopt;
        }
        present.insert(*at);
        value.remove_prefix(end == std::string_view::npos ? value.size() : end + 1);
    }
    if (present.empty() && !many) {
        return std::nullopt;
    }
    std::string text;
    for (const auto word : setting.allowed) {
        if (present.contains(word)) {
            text += (text.empty() ? "" : ",") + std::string{word};
        }
    }
    return text;
}

} // namespace

const std::vector<Setting>& all_settings() {
    static const std::vector<Setting> all{
        {"cache_bytes",
         "integer",
         "bytes",
         65536,
         1L << 30,
         4096,
         {},
         false,
         true,
         "1048576",
         "memory for rows"},
        {"durable_writes",
         "boolean",
         "",
         0,
         0,
         0,
         {},
         true,
         true,
         "ON",
         "whether a row is on the volume before it is acknowledged"},
        {"extension",
         "string",
         "",
         0,
         0,
         0,
         {},
         true,
         true,
         "none",
         "a module to load; there is none, so any other name keeps the fake from starting"},
        {"features",
         "set",
         "",
         0,
         0,
         0,
         {"audit", "compress", "trace"},
         false,
         true,
         "audit",
         "what it does beside its work"},
        {"greeting", "string", "", 0, 0, 0, {}, false, true, "", "a line for whoever logs in"},
        {"idle_timeout",
         "real",
         "seconds",
         0,
         86400,
         0,
         {},
         false,
         true,
         "60",
         "how long a session may be silent"},
        {"log_level",
         "enumeration",
         "",
         0,
         0,
         0,
         {"quiet", "normal", "verbose"},
         false,
         true,
         "normal",
         "how much it tells"},
        {"threads", "integer", "", 1, 64, 1, {}, true, true, "1", "threads that serve"},
        {"version", "string", "", 0, 0, 0, {}, true, false, version, "what this is"},
    };
    return all;
}

const Setting* find_setting(std::string_view name) {
    const auto& all = all_settings();
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.name == name; });
    return found == all.end() ? nullptr : &*found;
}

std::optional<std::string> canonical_setting(const Setting& setting, std::string_view value,
                                             std::string& why) {
    std::optional<std::string> text;
    if (setting.type == "boolean") {
        const auto small = lower(value);
        why = "ON or OFF";
        if (small == "on" || small == "1" || small == "true" || small == "yes") {
            text = "ON";
        } else if (small == "off" || small == "0" || small == "false" || small == "no") {
            text = "OFF";
        }
    } else if (setting.type == "integer") {
        why = range(setting);
        text = canonical_integer(setting, value);
    } else if (setting.type == "real") {
        why = range(setting);
        text = canonical_real(setting, value);
    } else if (setting.type == "enumeration" || setting.type == "set") {
        why = "allowed:";
        for (const auto word : setting.allowed) {
            why += " " + std::string{word};
        }
        text = canonical_words(setting, value, setting.type == "set");
    } else {
        why = "at most 400 bytes without control characters";
        const bool fine =
            value.size() <= text_bytes_max && std::none_of(value.begin(), value.end(), [](char c) {
                return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
            });
        text = fine ? std::optional{std::string{value}} : std::nullopt;
    }
    return text;
}

Variables::Variables() {
    for (const auto& setting : all_settings()) {
        values_[std::string{setting.name}] = {std::string{setting.default_value}, "default"};
    }
}

std::optional<std::string> Variables::load(std::string_view file) {
    std::set<std::string, std::less<>> seen;
    for (int number = 1; !file.empty(); ++number) {
        const auto end = file.find('\n');
        const auto line = file.substr(0, end);
        file.remove_prefix(end == std::string_view::npos ? file.size() : end + 1);
        const auto complain = [&](const std::string& what) {
            return std::optional{"line " + std::to_string(number) + " " + what};
        };
        if (number == 1) {
            if (line != "[fake]") {
                return complain("is not [fake]");
            }
            continue;
        }
        const auto sign = line.find(" = ");
        const auto name = std::string{line.substr(0, sign)};
        if (sign == std::string_view::npos || !seen.insert(name).second) {
            return complain("is no setting, or sets one again");
        }
        if (name == "instance" || name == "port") {
            continue; // they come by the command line, too
        }
        const auto* const setting = find_setting(name);
        const auto value = decode_word(line.substr(sign + 3));
        std::string why = "an unknown parameter";
        const auto canonical = setting != nullptr && setting->settable && value
                                   ? canonical_setting(*setting, *value, why)
                                   : std::nullopt;
        if (!canonical) {
            return complain(std::string{"sets "}.append(name).append(": ").append(why));
        }
        values_[name] = {*canonical, "file"};
    }
    return std::nullopt;
}

bool Variables::set(std::string_view name, std::string_view value) {
    const auto* const setting = find_setting(name);
    std::string why;
    if (setting == nullptr || setting->restart || !setting->settable) {
        return false;
    }
    const auto canonical = canonical_setting(*setting, value, why);
    if (canonical) {
        values_[std::string{name}] = {*canonical, "set"};
    }
    return canonical.has_value();
}

std::optional<std::string> Variables::start_failure() const {
    const auto& extension = values_.at("extension").text;
    return extension == "none" ? std::nullopt : std::optional{"no extension \"" + extension + "\""};
}

std::optional<std::string> answer_settings(Variables& variables, bool local,
                                           std::string_view line) {
    const auto words = decode_line(line);
    if (!words || words->empty() || (words->front() != "PARAMS" && words->front() != "SET")) {
        return std::nullopt;
    }
    if (!local) {
        return encode_line({"ERR", "denied"}) + "\n";
    }
    if (words->front() == "PARAMS" && words->size() == 1) {
        auto text = encode_line({"OK", std::to_string(variables.all().size())}) + "\n";
        for (const auto& [name, value] : variables.all()) {
            text += encode_line({name, value.text, value.source}) + "\n";
        }
        return text;
    }
    if (words->front() == "SET" && words->size() == 3 && variables.set((*words)[1], (*words)[2])) {
        return encode_line({"OK"}) + "\n";
    }
    return encode_line({"ERR", "malformed"}) + "\n";
}

} // namespace jackdaw::fake
