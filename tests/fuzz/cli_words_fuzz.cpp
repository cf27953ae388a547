// Arbitrary text at what the command line reads from an operator's files and arguments: the file of
// users, accounts, grants, flavors, networks, the settings file, a fleet's profile and its keys.

#include <cstdint>
#include <string_view>

#include "coordinator/core/grant_words.h"
#include "coordinator/core/words.h"
#include "coordinator/profile/profile.h"
#include "tests/fuzz/require.h"

using namespace jackdaw;
using jackdaw::fuzz::require;

namespace {

void good_account(const proto::UserSpec& user) {
    require(static_cast<bool>(cli::check_account_name(user.name, "user")));
    require(static_cast<bool>(cli::check_account_name(user.host, "host")));
    for (const auto& database : user.databases) {
        require(static_cast<bool>(cli::check_account_name(database, "database")));
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    if (const auto users = cli::parse_user_file(text)) {
        require(users->size() <= 256);
        for (const auto& line : *users) {
            good_account(line.user);
            require(line.password.empty() ||
                    static_cast<bool>(cli::check_password(line.password.reveal())));
        }
    }
    if (const auto user = cli::parse_user(text)) {
        good_account(*user);
    }
    if (const auto database = cli::parse_database(text)) {
        require(static_cast<bool>(cli::check_account_name(database->name, "database")));
    }
    if (const auto flavor = cli::parse_flavor(text)) {
        require(flavor->cpu_millis <= 1'024'000);
    }
    if (const auto target = cli::parse_grant_target(text)) {
        require(target->database.empty()
                    ? target->table.empty()
                    : static_cast<bool>(cli::check_account_name(target->database, "database")));
        require(target->table.empty() ||
                static_cast<bool>(cli::check_account_name(target->table, "table")));
    }
    if (const auto privileges = cli::parse_privileges(text)) {
        require(!privileges->empty() && privileges->size() <= 64);
        for (const auto& one : *privileges) {
            require(!one.empty() && one.size() <= 1024);
        }
    }
    (void)cli::parse_datastore(text);
    (void)cli::check_cidr(text);
    for (const auto& [key, value] : cli::parse_settings(text)) {
        require(key.find('\n') == std::string::npos && value.find('\n') == std::string::npos);
    }
    if (const auto profile = cli::parse_profile(text)) {
        require(profile->name.size() <= 64 && profile->subnet.size() <= 64);
    }
    if (const auto keys = cli::parse_keys(text)) {
        require(keys->sign_public.size() == 32 && keys->noise_public.size() == 32);
    }
    return 0;
}
