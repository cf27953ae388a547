// Arbitrary text in place of what MariaDB prints of an account's grants and of a session's
// statement: the server belongs to the tenant.

#include <cstdint>
#include <string>
#include <string_view>

#include "plugins/mariadb/grant_text.h"
#include "plugins/mariadb/text.h"
#include "tests/fuzz/require.h"

using namespace jackdaw;
using jackdaw::fuzz::require;

namespace {

bool is_printable(std::string_view text) {
    return mariadb::printable(text, text.size()) == text;
}

void read_as_grant(std::string_view text) {
    const auto read = mariadb::parse_grant_line(text, "u", "%");
    if (!read) {
        require(read.error().code() == Errc::corrupt);
        return;
    }
    require(read->statement.size() <= mariadb::statement_bytes_max);
    require(is_printable(read->statement));
    if (read->statement.size() + 4 > mariadb::statement_bytes_max) {
        return; // may be cut
    }
    // What goes on reads as what it came from, and nothing more is left to cut out of it.
    const auto again = mariadb::parse_grant_line(read->statement, "u", "%");
    require(again.has_value());
    require(again->statement == read->statement);
    require(again->grant == read->grant);
    require(again->other.has_value() == read->other.has_value());
    require(!read->other || (!read->grant && read->other->statement == read->statement));
    if (const auto& grant = read->grant) {
        require(!grant->privileges.empty());
        require(is_printable(grant->database) && is_printable(grant->table));
        require(grant->table.empty() || !grant->database.empty() ||
                text.find("``.") != std::string_view::npos);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    read_as_grant(text);
    for (const std::size_t limit : {std::size_t{0}, std::size_t{7}, std::size_t{1024}}) {
        const auto shown = mariadb::statement_without_secrets(text, limit);
        require(shown.size() <= limit && is_printable(shown));
    }
    return 0;
}
