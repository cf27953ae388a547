#pragma once
// The small languages inside options: --datastore, --database, --user, --flavor.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/base/error.h"
#include "proto/base/secret.h"
#include "proto/messages/shapes.h"

namespace jackdaw::cli {

/// "mariadb:10.11" → {"mariadb", "10.11"}; the version may be left out. Letters, digits, '.', '-'
/// and '_' only.
[[nodiscard]] Result<std::pair<std::string, std::string>> parse_datastore(std::string_view text);

/// NAME[:charset[:collation]].
[[nodiscard]] Result<proto::DatabaseSpec> parse_database(std::string_view text);

/// NAME[@HOST][/DB[,DB]]; the last '@' before the first '/' counts.
[[nodiscard]] Result<proto::UserSpec> parse_user(std::string_view text);

/// Names of databases and users before anything is asked of an agent: 1 to 80 bytes of UTF-8
/// without control characters. What the datastore itself refuses is the driver's to say.
[[nodiscard]] Result<void> check_account_name(std::string_view name, std::string_view what);
/// 1 to 512 bytes, no NUL, no line end: E-BAD-PASSWORD.
[[nodiscard]] Result<void> check_password(std::string_view clear);

struct FlavorWords {
    friend bool operator==(const FlavorWords&, const FlavorWords&) = default;
    std::uint32_t cpu_millis = 0;
    std::uint64_t memory_bytes = 0;
};
/// "cpu=2,mem=1G", "mem=512M", "cpu=0.5".
[[nodiscard]] Result<FlavorWords> parse_flavor(std::string_view text);
/// For people: "cpu=1.5, mem=1.0 GiB"; what has no limit is not named.
[[nodiscard]] std::string flavor_text(const FlavorWords& flavor);

/// One line a user: `NAME[@HOST][/DB,…] [PASSWORD]`; a blank line and one that begins with '#' are
/// passed over. Without a password one is generated.
struct UserLine {
    proto::UserSpec user;
    Secret password;
};
[[nodiscard]] Result<std::vector<UserLine>> parse_user_file(std::string_view text);

/// 1 to `max`, decimal; `invalid` naming the option otherwise.
[[nodiscard]] Result<std::uint64_t> parse_count(std::string_view text, std::string_view option,
                                                std::uint64_t max);

/// An IPv4 network or address, "10.1.0.0/16", of --allow.
[[nodiscard]] Result<void> check_cidr(std::string_view text);

} // namespace jackdaw::cli
