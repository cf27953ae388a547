#include "plugins/mariadb/grant_text.h"

#include <algorithm>
#include <array>
#include <vector>

#include "plugins/mariadb/names.h"
#include "plugins/mariadb/text.h"

namespace jackdaw::mariadb {
namespace {

constexpr std::size_t name_bytes_max = 1024; ///< of a name, as it is passed on

bool is_word_character(char c) noexcept {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/// Takes pieces from the front of the text; each take leaves it as it was when it fails.
class Reader {
public:
    explicit Reader(std::string_view text) noexcept : rest_{text} {}

    [[nodiscard]] std::string_view rest() const noexcept { return rest_; }
    [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }

    bool take(std::string_view words) noexcept {
        if (!rest_.starts_with(words)) {
            return false;
        }
        rest_.remove_prefix(words.size());
        return true;
    }

    /// `name`, with doubled backticks.
    std::optional<std::string> identifier() {
        if (!rest_.starts_with('`')) {
            return std::nullopt;
        }
        std::string name;
        for (std::size_t i = 1; i < rest_.size(); ++i) {
            if (rest_[i] != '`') {
                name += rest_[i];
            } else if (i + 1 < rest_.size() && rest_[i + 1] == '`') {
                name += '`';
                ++i;
            } else {
                rest_.remove_prefix(i + 1);
                return name;
            }
        }
        return std::nullopt;
    }

    /// Words in capitals with single spaces: "CREATE TEMPORARY TABLES".
    std::string_view capitals() noexcept {
        std::size_t end = 0;
        while (end < rest_.size() &&
               ((rest_[end] >= 'A' && rest_[end] <= 'Z') || rest_[end] == '_' ||
                (rest_[end] == ' ' && end > 0 && end + 1 < rest_.size() && rest_[end + 1] >= 'A' &&
                 rest_[end + 1] <= 'Z' && !rest_.substr(end).starts_with(" ON ")))) {
            ++end;
        }
        const auto words = rest_.substr(0, end);
        rest_.remove_prefix(end);
        return words;
    }

    bool word() noexcept {
        std::size_t end = 0;
        while (end < rest_.size() && is_word_character(rest_[end])) {
            ++end;
        }
        rest_.remove_prefix(end);
        return end > 0;
    }

    /// 'text', with doubled quotes.
    bool string() noexcept {
        if (!rest_.starts_with('\'')) {
            return false;
        }
        for (std::size_t i = 1; i < rest_.size(); ++i) {
            if (rest_[i] != '\'') {
                continue;
            }
            if (i + 1 == rest_.size() || rest_[i + 1] != '\'') {
                rest_.remove_prefix(i + 1);
                return true;
            }
            ++i;
        }
        return false;
    }

    /// 12, 1.5
    bool number() noexcept {
        const auto end = std::min(rest_.find_first_not_of("-0123456789."), rest_.size());
        rest_.remove_prefix(end);
        return end > 0;
    }

private:
    std::string_view rest_;
};

Error other_shape() {
    return Error{Errc::corrupt, "MariaDB's list of an account's grants has another shape"};
}

/// " WITH GRANT OPTION MAX_USER_CONNECTIONS 4", to the end of the text.
bool are_options(std::string_view text, bool& grant_option) noexcept {
    constexpr std::array<std::string_view, 5> limits{
        " MAX_QUERIES_PER_HOUR ", " MAX_UPDATES_PER_HOUR ", " MAX_CONNECTIONS_PER_HOUR ",
        " MAX_USER_CONNECTIONS ", " MAX_STATEMENT_TIME "};
    Reader reader{text};
    if (!reader.take(" WITH")) {
        return false;
    }
    const bool option = reader.take(" GRANT OPTION");
    bool any = option;
    for (const auto limit : limits) {
        if (reader.take(limit)) {
            if (!reader.number()) {
                return false;
            }
            any = true;
        }
    }
    if (!any || !reader.at_end()) {
        return false;
    }
    grant_option = option;
    return true;
}

/// " IDENTIFIED BY PASSWORD '…'" or " IDENTIFIED VIA plugin USING '…' OR plugin", then perhaps what
/// is required of the connection, which is returned; nullopt when it does not read so.
std::optional<std::string_view> after_credentials(std::string_view text) noexcept {
    Reader reader{text};
    if (reader.take(" IDENTIFIED BY PASSWORD ")) {
        if (!reader.string()) {
            return std::nullopt;
        }
    } else if (reader.take(" IDENTIFIED VIA ")) {
        do { // ends: each turn takes something
            if (!reader.word() || (reader.take(" USING ") && !reader.string())) {
                return std::nullopt;
            }
        } while (reader.take(" OR "));
    }
    const auto required = reader.rest();
    if (reader.take(" REQUIRE")) {
        if (!reader.take(" SSL") && !reader.take(" X509")) {
            for (const std::string_view part : {" ISSUER ", " SUBJECT ", " CIPHER "}) {
                if (reader.take(part) && !reader.string()) {
                    return std::nullopt;
                }
            }
        }
    }
    return reader.at_end() ? std::optional{required} : std::nullopt;
}

/// The end of "GRANT … ON *.* TO …" without credentials.
std::string clean_tail(std::string_view tail, bool& grant_option) {
    // From the end: what stands in a credential may look like anything, but is followed by its own
    // closing quote.
    auto options = std::string_view{};
    for (auto at = tail.rfind(" WITH "); at != std::string_view::npos;
         at = at == 0 ? std::string_view::npos : tail.rfind(" WITH ", at - 1)) {
        if (are_options(tail.substr(at), grant_option)) {
            options = tail.substr(at);
            tail = tail.substr(0, at);
            break;
        }
    }
    return std::string{after_credentials(tail).value_or("")} + std::string{options};
}

struct Scope {
    std::string database, table;
    bool routine = false;
};

std::optional<Scope> read_scope(Reader& reader) {
    Scope scope;
    if (reader.take("*.*")) {
        return scope;
    }
    for (const std::string_view kind :
         {"PROCEDURE ", "FUNCTION ", "PACKAGE BODY ", "PACKAGE ", "TABLE "}) {
        if (reader.take(kind)) {
            scope.routine = kind != "TABLE ";
            break;
        }
    }
    auto database = reader.identifier();
    if (!database || !reader.take(".")) {
        return std::nullopt;
    }
    if (reader.take("*")) {
        scope.database = name_of_pattern(*database);
        return scope;
    }
    auto table = reader.identifier();
    if (!table) {
        return std::nullopt;
    }
    scope.database = std::move(*database); // beside a table it is no pattern
    scope.table = std::move(*table);
    return scope;
}

std::optional<std::vector<std::string>> read_privileges(Reader& reader) {
    std::vector<std::string> privileges;
    do { // ends: each turn takes something
        auto privilege = std::string{reader.capitals()};
        if (privilege.empty()) {
            return std::nullopt;
        }
        if (privilege == "ALL PRIVILEGES") {
            privilege = "ALL";
        }
        if (reader.take(" (")) {
            std::string columns;
            do {
                const auto column = reader.identifier();
                if (!column) {
                    return std::nullopt;
                }
                columns += (columns.empty() ? "" : ", ") +
                           quote_identifier(printable(*column, name_bytes_max));
            } while (reader.take(", "));
            if (!reader.take(")")) {
                return std::nullopt;
            }
            privilege += " (" + columns + ")";
        }
        privileges.push_back(std::move(privilege));
    } while (reader.take(", "));
    return privileges;
}

struct Grantee {
    std::string name, host;
};

/// `name`@`host`, or a role, whose host is empty.
std::optional<Grantee> read_grantee(Reader& reader) {
    Grantee grantee;
    if (reader.take("PUBLIC")) {
        grantee.name = "PUBLIC";
        return grantee;
    }
    auto name = reader.identifier();
    if (!name) {
        return std::nullopt;
    }
    grantee.name = std::move(*name);
    if (reader.take("@")) {
        auto host = reader.identifier();
        if (!host) {
            return std::nullopt;
        }
        grantee.host = std::move(*host);
    }
    return grantee;
}

/// `name`@`host`, or in the quotes in which earlier servers print a proxy's: 'name'@'host'.
bool take_proxy_account(Reader& reader) {
    const auto part = [&] { return reader.identifier().has_value() || reader.string(); };
    return part() && reader.take("@") && part();
}

/// "GRANT `role` TO …", "GRANT PROXY ON … TO …", "SET DEFAULT ROLE … FOR …". `grantee` is who gets
/// a role; nullopt for the others.
bool is_other_statement(std::string_view line, std::optional<Grantee>& grantee) {
    Reader reader{line};
    if (reader.take("SET DEFAULT ROLE ")) {
        return (reader.take("NONE") || reader.identifier()) && reader.take(" FOR ") &&
               read_grantee(reader) && reader.at_end();
    }
    if (!reader.take("GRANT ")) {
        return false;
    }
    const bool is_proxy = reader.take("PROXY ON ");
    const bool what =
        is_proxy ? take_proxy_account(reader) : reader.take("PUBLIC") || reader.identifier();
    if (!what || !reader.take(" TO ")) {
        return false;
    }
    grantee = is_proxy ? std::nullopt : read_grantee(reader);
    if (is_proxy ? !take_proxy_account(reader) : !grantee) {
        return false;
    }
    return reader.at_end() || reader.rest() == " WITH GRANT OPTION" ||
           reader.rest() == " WITH ADMIN OPTION";
}

} // namespace

Result<GrantLine> parse_grant_line(std::string_view line, std::string_view name,
                                   std::string_view host) {
    GrantLine read;
    std::optional<Grantee> of_role;
    if (is_other_statement(line, of_role)) {
        read.statement = printable(line, statement_bytes_max);
        // A default role goes with the role; a role of a role's or of PUBLIC's is not this
        // account's.
        if (line.starts_with("GRANT ") &&
            (!of_role || (of_role->name == name && of_role->host == host))) {
            read.other = proto::OtherGrant{read.statement, {}, {}};
        }
        return read;
    }
    Reader reader{line};
    if (!reader.take("GRANT ")) {
        return other_shape();
    }
    auto privileges = read_privileges(reader);
    if (!privileges || !reader.take(" ON ")) {
        return other_shape();
    }
    const auto scope = read_scope(reader);
    if (!scope || !reader.take(" TO ")) {
        return other_shape();
    }
    const auto grantee = read_grantee(reader);
    if (!grantee) {
        return other_shape();
    }
    const auto head = line.substr(0, line.size() - reader.rest().size());
    proto::Grant grant;
    if (scope->database.empty() && scope->table.empty()) {
        read.statement =
            printable(std::string{head} + clean_tail(reader.rest(), grant.with_grant_option),
                      statement_bytes_max);
    } else {
        grant.with_grant_option = reader.take(" WITH GRANT OPTION");
        if (!reader.at_end()) {
            return other_shape();
        }
        read.statement = printable(line, statement_bytes_max);
    }
    if (grantee->name != name || grantee->host != host) {
        return read;
    }
    if (scope->routine) {
        read.other = proto::OtherGrant{read.statement, std::move(*privileges),
                                       printable(scope->database, name_bytes_max)};
    } else {
        grant.privileges = std::move(*privileges);
        grant.database = printable(scope->database, name_bytes_max);
        grant.table = printable(scope->table, name_bytes_max);
        read.grant = std::move(grant);
    }
    return read;
}

} // namespace jackdaw::mariadb
