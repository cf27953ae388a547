#include "plugins/mariadb/names.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "plugins/mariadb/nearest.h"
#include "plugins/mariadb/text.h"

namespace jackdaw::mariadb {
namespace {

constexpr std::array<std::string_view, 5> system_databases{
    "information_schema", "performance_schema", "mysql", "sys", "test"};
constexpr std::array<std::string_view, 5> system_users{"root", "mysql", "mariadb.sys", "jackdawd",
                                                       "public"};

// Compiled into every MariaDB since 10.2 (information_schema.CHARACTER_SETS); the server has the
// last word.
constexpr std::array<std::string_view, 40> charsets{
    "armscii8", "ascii",   "big5",   "binary", "cp1250",  "cp1251",   "cp1256",  "cp1257",
    "cp850",    "cp852",   "cp866",  "cp932",  "dec8",    "eucjpms",  "euckr",   "gb2312",
    "gbk",      "geostd8", "greek",  "hebrew", "hp8",     "keybcs2",  "koi8r",   "koi8u",
    "latin1",   "latin2",  "latin5", "latin7", "macce",   "macroman", "sjis",    "swe7",
    "tis620",   "ucs2",    "ujis",   "utf16",  "utf16le", "utf32",    "utf8mb3", "utf8mb4"};

char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equal_but_case(std::string_view a, std::string_view b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& words, std::string_view word) noexcept {
    return std::any_of(words.begin(), words.end(),
                       [&](std::string_view known) { return equal_but_case(known, word); });
}

Error bad_name(std::string_view what, std::string_view why) {
    return Error{Code::bad_name, fmt::format("{}: {}", what, why)};
}

Result<void> check_identifier(std::string_view name, std::string_view what, std::size_t chars_max) {
    if (name.empty()) {
        return bad_name(what, "is empty");
    }
    if (name.size() > chars_max * 3) { // before it is walked: it may be huge
        return bad_name(what, fmt::format("has more than {} characters", chars_max));
    }
    std::size_t chars = 0;
    for (auto rest = name; !rest.empty(); ++chars) {
        const auto next = decode_utf8(rest);
        if (!next) {
            return bad_name(what, "is not UTF-8");
        }
        if (next->value < 0x20 || (next->value >= 0x7f && next->value < 0xa0)) {
            return bad_name(what, "has a control character");
        }
        if (next->value > 0xffff) { // MariaDB keeps identifiers in utf8mb3
            return bad_name(what, "has a character above U+FFFF");
        }
        rest.remove_prefix(next->bytes);
    }
    if (chars > chars_max) {
        return bad_name(what, fmt::format("has more than {} characters", chars_max));
    }
    if (name.back() == ' ') { // the server would refuse it, or compare it as if it had none
        return bad_name(what, "ends with a space");
    }
    return ok();
}

bool is_word(std::string_view text) noexcept {
    return text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
           });
}

std::optional<std::uint32_t> ipv4_of(std::string_view text) {
    in_addr address{};
    return ::inet_pton(AF_INET, std::string{text}.c_str(), &address) == 1
               ? std::optional{ntohl(address.s_addr)}
               : std::nullopt;
}

/// As the server writes a client's address, whose letters it compares with the account's; IPv4 in
/// IPv6 is IPv4 to it. Empty: no IPv6 address.
std::string written_ipv6(std::string_view text) {
    in6_addr address{};
    std::array<char, INET6_ADDRSTRLEN> written{};
    if (::inet_pton(AF_INET6, std::string{text}.c_str(), &address) != 1 ||
        ::inet_ntop(AF_INET6, &address, written.data(), written.size()) == nullptr) {
        return {};
    }
    std::string shown{written.data()};
    constexpr std::string_view mapped = "::ffff:";
    return shown.starts_with(mapped) && shown.find('.') != std::string::npos
               ? shown.substr(mapped.size())
               : shown;
}

/// "10.%", "10.0.0.1_", "2001:db8:%": digits of an address with at least one wildcard.
bool is_address_pattern(std::string_view text) noexcept {
    const auto digits = std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '.' || c == ':' ||
               c == '%' || c == '_';
    });
    return digits && text.find_first_of("%_") != std::string_view::npos;
}

} // namespace

bool is_system_database(std::string_view name) noexcept {
    return contains(system_databases, name);
}

bool is_system_user(std::string_view name) noexcept {
    return name.empty() || contains(system_users, name);
}

Result<void> check_database_name(std::string_view name) {
    JACKDAW_CHECK(check_identifier(name, "database name", database_name_chars_max));
    if (name.starts_with("#mysql50#")) { // the server takes the rest as an undecoded folder name
        return bad_name("database name", "starts with #mysql50#");
    }
    if (is_system_database(name)) {
        return Error{Code::reserved_name,
                     fmt::format("the database \"{}\" belongs to MariaDB", name)};
    }
    return ok();
}

Result<void> check_table_name(std::string_view name) {
    JACKDAW_CHECK(check_identifier(name, "table name", table_name_chars_max));
    if (name.starts_with("#mysql50#")) {
        return bad_name("table name", "starts with #mysql50#");
    }
    return ok();
}

Result<void> check_user_name(std::string_view name) {
    if (name.empty()) {
        return Error{Code::reserved_name, "a user without a name is the anonymous user"};
    }
    JACKDAW_CHECK(check_identifier(name, "user name", user_name_chars_max));
    if (is_system_user(name)) {
        auto error = Error{Code::reserved_name,
                           fmt::format("the user \"{}\" belongs to MariaDB or to Jackdaw", name)};
        return equal_but_case(name, "root")
                   ? std::move(error).with_hint(
                         "`jackdaw root disable NAME` takes root away, `jackdaw root enable NAME` "
                         "gives it a new password, `jackdaw root show NAME` tells of it")
                   : std::move(error);
    }
    return ok();
}

Result<void> check_host(std::string_view host) {
    if (host.empty() || host.size() > host_bytes_max) {
        return bad_name("host of a user", fmt::format("has 1 to {} characters", host_bytes_max));
    }
    if (host.find('\0') != std::string_view::npos) {
        return bad_name("host of a user", "has a NUL");
    }
    if (host == "%" || host == "localhost" || ipv4_of(host) || is_address_pattern(host)) {
        return ok();
    }
    if (const auto written = written_ipv6(host); !written.empty()) {
        return written == host ? ok()
                               : Result<void>{bad_name("host of a user",
                                                       "the server compares an address as it is "
                                                       "written, and writes this one otherwise")
                                                  .with_hint(fmt::format("write {}", written))};
    }
    if (const auto slash = host.find('/'); slash != std::string_view::npos) {
        const auto network = ipv4_of(host.substr(0, slash));
        const auto mask = ipv4_of(host.substr(slash + 1));
        if (!network || !mask) {
            return bad_name("host of a user",
                            "a network is written with its mask, like 10.0.0.0/255.255.255.0");
        }
        if (*mask == 0) { // no mask, to the server
            return bad_name("host of a user", "everybody is %");
        }
        if ((*network & *mask) != *network) {
            return bad_name("host of a user",
                            "the address has bits outside its mask: no client's would ever fit");
        }
        return ok();
    }
    return bad_name("host of a user", "is %, localhost, an address, or one with % in it, in lower "
                                      "case (names are not resolved by this server)");
}

Result<void> check_known_host(std::string_view host) {
    return check_identifier(host, "host of a user", host_bytes_max);
}

namespace {

/// The name that may have been meant; empty: none is near. Of two equally near ones the default.
std::string_view near_charset(std::string_view word) {
    std::vector<std::string_view> known{default_charset, "utf8"};
    known.insert(known.end(), charsets.begin(), charsets.end());
    std::string small{word.substr(0, 64)};
    std::transform(small.begin(), small.end(), small.begin(), lower);
    const auto near = nearest(small, known);
    return near == "utf8" ? default_charset : near; // that is MariaDB's three bytes of it
}

} // namespace

Result<void> check_charset(std::string_view charset, std::string_view collation) {
    if (!charset.empty() && charset != "utf8" &&
        std::find(charsets.begin(), charsets.end(), charset) == charsets.end()) {
        const auto near = near_charset(charset);
        return Error{Errc::invalid, "MariaDB has no such character set (names are lower case)"}
            .with_hint(near.empty() ? fmt::format("there are: {}", fmt::join(charsets, ", "))
                                    : fmt::format("did you mean {}?", near));
    }
    if (!is_word(collation)) {
        return Error{Errc::invalid, "a collation has letters, digits and underscores only"};
    }
    const auto base = charset_of(charset, {});
    const auto of = charset_of({}, collation);
    if (!collation.empty() && std::find(charsets.begin(), charsets.end(), of) == charsets.end()) {
        const auto near = near_charset(of);
        return Error{Errc::invalid,
                     "a collation's name starts with its character set, like utf8mb4_bin"}
            .with_hint(near.empty()
                           ? fmt::format("there are: {}", fmt::join(charsets, ", "))
                           : fmt::format("did you mean {}{}?", near, collation.substr(of.size())));
    }
    if (!charset.empty() && !collation.empty() && of != base) {
        return Error{Errc::invalid,
                     fmt::format("collation {} is not one of character set {}", collation, charset)}
            .with_hint(fmt::format("those begin with {0}; without a collation it is {0}'s own, and "
                                   "without a character set the collation's",
                                   base));
    }
    return ok();
}

std::string charset_of(std::string_view charset, std::string_view collation) {
    auto name = charset;
    if (name.empty()) {
        name = collation.empty() ? default_charset : collation.substr(0, collation.find('_'));
    }
    return std::string{name == "utf8" ? "utf8mb3" : name};
}

std::string quote_identifier(std::string_view name) {
    std::string quoted = "`";
    for (const char c : name) {
        quoted.append(c == '`' ? 2 : 1, c);
    }
    return quoted + "`";
}

std::string quote_value(std::string_view value) {
    std::string quoted = "'";
    for (const char c : value) {
        quoted.append(c == '\'' ? 2 : 1, c);
    }
    return quoted + "'";
}

std::string quote_account(std::string_view name, std::string_view host) {
    return quote_value(name) + "@" + quote_value(host);
}

std::string grant_pattern(std::string_view database) {
    std::string pattern;
    for (const char c : database) {
        if (c == '_' || c == '%' || c == '\\') {
            pattern += '\\';
        }
        pattern += c;
    }
    return pattern;
}

Result<void> check_grant_pattern(std::string_view database) {
    const auto pattern = grant_pattern(database);
    const auto chars = std::count_if(pattern.begin(), pattern.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; // the first byte of each
    });
    if (static_cast<std::size_t>(chars) > database_name_chars_max) {
        return Error{
            Code::bad_name,
            fmt::format("database name: no user can be given rights on it, since in "
                        "MariaDB's grants each _, % and \\ counts twice, and {} characters "
                        "are the most",
                        database_name_chars_max)}
            .with_hint("a name with fewer underscores, or grants on each of its tables");
    }
    return ok();
}

std::string name_of_pattern(std::string_view pattern) {
    std::string name;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] == '\\' && i + 1 < pattern.size()) {
            ++i;
        }
        name += pattern[i];
    }
    return name;
}

} // namespace jackdaw::mariadb
