#include "coordinator/core/words.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "proto/base/size.h"

namespace jackdaw::cli {
namespace {

constexpr std::size_t users_max = 256;

bool is_word(std::string_view text) {
    return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '-' || c == '_';
    });
}

/// A quoted beginning for messages, without what a terminal would obey.
std::string shown(std::string_view text) {
    std::string out{text.substr(0, 40)};
    std::ranges::replace_if(
        out, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
    return out;
}

template <class Each>
Result<void> each_part(std::string_view text, char separator, const Each& each) {
    for (;;) { // one part less each time
        const auto end = text.find(separator);
        JACKDAW_CHECK(each(text.substr(0, end)));
        if (end == std::string_view::npos) {
            return ok();
        }
        text.remove_prefix(end + 1);
    }
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const auto lead = static_cast<unsigned char>(text.front());
        const std::size_t size = lead < 0x80                    ? 1
                                 : lead >= 0xc2 && lead <= 0xdf ? 2
                                 : lead >= 0xe0 && lead <= 0xef ? 3
                                 : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                                : 0;
        if (size == 0 || text.size() < size ||
            !std::ranges::all_of(text.substr(1, size - 1), [](char c) {
                return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U;
            })) {
            return false;
        }
        text.remove_prefix(size);
    }
    return true;
}

} // namespace

Result<std::pair<std::string, std::string>> parse_datastore(std::string_view text) {
    const auto colon = text.find(':');
    const auto name = text.substr(0, colon);
    const auto version =
        colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
    if (!is_word(name) || (colon != std::string_view::npos && !is_word(version))) {
        return Error{Code::unknown_datastore,
                     fmt::format("'{}' is not DATASTORE or DATASTORE:VERSION", shown(text))};
    }
    return std::pair{std::string{name}, std::string{version}};
}

Result<void> check_account_name(std::string_view name, std::string_view what) {
    const auto harmless = [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; };
    if (name.empty() || name.size() > 80 || !is_utf8(name) ||
        !std::ranges::all_of(name, harmless)) {
        const bool host = what == "host";
        return Error{Code::bad_name,
                     fmt::format("{}{} '{}': 1 to 80 bytes of UTF-8, no control characters", what,
                                 host ? "" : " name", is_utf8(name) ? shown(name) : "…")}
            .with_hint(host ? "an address, one with % in it, or % for everywhere"
                            : fmt::format("use another {} name", what));
    }
    return ok();
}

Result<void> check_password(std::string_view clear) {
    const bool good = !clear.empty() && clear.size() <= 512 &&
                      clear.find_first_of(std::string_view{"\0\r\n", 3}) == std::string_view::npos;
    return good ? ok()
                : Result<void>{Error{Code::bad_password,
                                     "a password has 1 to 512 bytes without NUL and line ends"}};
}

Result<proto::DatabaseSpec> parse_database(std::string_view text) {
    proto::DatabaseSpec spec;
    std::size_t part = 0;
    JACKDAW_CHECK(each_part(text, ':', [&](std::string_view word) -> Result<void> {
        switch (part++) {
        case 0: spec.name = word; return check_account_name(word, "database");
        case 1: spec.charset = word; break;
        case 2: spec.collation = word; break;
        default:
            return Error{Errc::invalid,
                         fmt::format("'{}' is not NAME[:CHARSET[:COLLATION]]", shown(text))};
        }
        return is_word(word) ? ok()
                             : Result<void>{Error{
                                   Errc::invalid,
                                   fmt::format("'{}': no such charset or collation", shown(word))}};
    }));
    return spec;
}

Result<proto::UserSpec> parse_user(std::string_view text) {
    proto::UserSpec spec;
    const auto slash = text.find('/');
    const auto account = text.substr(0, slash);
    const auto at = account.rfind('@');
    spec.name = account.substr(0, at);
    JACKDAW_CHECK(check_account_name(spec.name, "user"));
    if (at != std::string_view::npos) {
        spec.host = account.substr(at + 1);
        JACKDAW_CHECK(check_account_name(spec.host, "host"));
    }
    if (slash != std::string_view::npos) {
        JACKDAW_CHECK(each_part(text.substr(slash + 1), ',', [&](std::string_view name) {
            spec.databases.emplace_back(name);
            return check_account_name(name, "database");
        }));
    }
    return spec;
}

Result<FlavorWords> parse_flavor(std::string_view text) {
    FlavorWords flavor;
    JACKDAW_CHECK(each_part(text, ',', [&](std::string_view part) -> Result<void> {
        if (part.starts_with("mem=")) {
            JACKDAW_TRY(flavor.memory_bytes, parse_size(part.substr(4)));
            constexpr std::uint64_t least = 64ULL << 20U;
            if (flavor.memory_bytes < least) {
                return Error{Errc::invalid, "--flavor: mem is at least 64M"};
            }
            return ok();
        }
        double cores = 0;
        const auto number = part.starts_with("cpu=") ? part.substr(4) : std::string_view{};
        const auto [end, failure] =
            std::from_chars(number.data(), number.data() + number.size(), cores);
        if (number.empty() || failure != std::errc{} || end != number.data() + number.size() ||
            !(cores >= 0.01 && cores <= 1024)) {
            return Error{Errc::invalid,
                         fmt::format("--flavor '{}': a name of the profile's or cpu=N,mem=SIZE",
                                     shown(text))};
        }
        flavor.cpu_millis = static_cast<std::uint32_t>(std::lround(cores * 1000));
        return ok();
    }));
    return flavor;
}

std::string flavor_text(const FlavorWords& flavor) {
    std::string text;
    if (flavor.cpu_millis != 0) {
        text = fmt::format("cpu={:g}", flavor.cpu_millis / 1000.0);
    }
    if (flavor.memory_bytes != 0) {
        text += fmt::format("{}mem={}", text.empty() ? "" : ", ", format_size(flavor.memory_bytes));
    }
    return text;
}

Result<std::vector<UserLine>> parse_user_file(std::string_view text) {
    std::vector<UserLine> users;
    std::size_t number = 0;
    JACKDAW_CHECK(each_part(text, '\n', [&](std::string_view line) -> Result<void> {
        ++number;
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        const auto first = line.find_first_not_of(" \t");
        if (first == std::string_view::npos || line[first] == '#') {
            return ok();
        }
        line.remove_prefix(first);
        const auto end = std::min(line.find_first_of(" \t"), line.size());
        auto user = parse_user(line.substr(0, end));
        if (!user) {
            return std::move(user).error().while_doing(fmt::format("line {}", number));
        }
        UserLine one{*std::move(user), {}};
        if (const auto word = line.find_first_not_of(" \t", end); word != std::string_view::npos) {
            JACKDAW_CHECK(
                check_password(line.substr(word)).while_doing(fmt::format("line {}", number)));
            one.password = Secret{std::string{line.substr(word)}};
        }
        if (users.size() == users_max) {
            return Error{Errc::invalid, fmt::format("more than {} users", users_max)};
        }
        users.push_back(std::move(one));
        return ok();
    }));
    return users;
}

Result<std::uint64_t> parse_count(std::string_view text, std::string_view option,
                                  std::uint64_t max) {
    std::uint64_t number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || failure != std::errc{} || end != text.data() + text.size() || number == 0 ||
        number > max) {
        return Error{Errc::invalid,
                     fmt::format("{} '{}': a number from 1 to {}", option, shown(text), max)};
    }
    return number;
}

Result<void> check_cidr(std::string_view text) {
    const auto refuse = Error{
        Errc::invalid, fmt::format("'{}' is not an IPv4 network such as 10.1.0.0/16", shown(text))};
    const auto slash = text.find('/');
    const auto in_range = [](std::string_view word, unsigned max) {
        unsigned value = 0;
        const auto [end, failure] = std::from_chars(word.data(), word.data() + word.size(), value);
        return !word.empty() && word.size() <= 3 && failure == std::errc{} &&
               end == word.data() + word.size() && value <= max;
    };
    if (slash != std::string_view::npos && !in_range(text.substr(slash + 1), 32)) {
        return refuse.clone();
    }
    std::size_t parts = 0;
    JACKDAW_CHECK(each_part(text.substr(0, slash), '.', [&](std::string_view part) -> Result<void> {
        ++parts;
        return in_range(part, 255) && parts <= 4 ? ok() : Result<void>{refuse.clone()};
    }));
    return parts == 4 ? ok() : Result<void>{refuse.clone()};
}

} // namespace jackdaw::cli
