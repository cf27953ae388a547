#include "coordinator/core/grant_words.h"

#include <algorithm>

#include <fmt/format.h>

#include "coordinator/core/words.h"

namespace jackdaw::cli {
namespace {

constexpr std::size_t privileges_max = 64;
constexpr std::size_t privilege_bytes_max = 1024;

std::string trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(' ');
    if (first == std::string_view::npos) {
        return {};
    }
    return std::string{text.substr(first, text.find_last_not_of(' ') - first + 1)};
}

/// Column names keep their letters.
void raise_letters(std::string& privilege) {
    for (auto& c : privilege) {
        if (c == '(') {
            return;
        }
        c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
}

/// One name from the front of `text`, which loses it.
Result<std::string> take_name(std::string_view& text) {
    std::string name;
    if (!text.starts_with('`')) {
        const auto end = std::min(text.find('.'), text.size());
        name = text.substr(0, end);
        text.remove_prefix(end);
        return name;
    }
    text.remove_prefix(1);
    while (!text.empty()) { // a byte or two less each time
        const bool quote = text.front() == '`';
        if (quote && !text.starts_with("``")) {
            text.remove_prefix(1);
            return name;
        }
        name += text.front();
        text.remove_prefix(quote ? 2 : 1);
    }
    return Error{Errc::invalid, "--on: a backquote that nothing closes"};
}

} // namespace

Result<std::vector<std::string>> parse_privileges(std::string_view text) {
    std::vector<std::string> all;
    std::size_t begin = 0;
    int depth = 0;
    bool quoted = false; // a backquote inside is written twice: twice turned
    for (std::size_t i = 0; i <= text.size(); ++i) {
        const char c = i < text.size() ? text[i] : ',';
        quoted = quoted != (c == '`');
        depth += quoted ? 0 : c == '(' ? 1 : c == ')' ? -1 : 0;
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            return Error{Errc::invalid, "a privilege has no control characters"};
        }
        if (i < text.size() && (c != ',' || depth > 0 || quoted)) {
            continue;
        }
        auto one = trimmed(text.substr(begin, i - begin));
        if (one.empty() || one.size() > privilege_bytes_max || all.size() == privileges_max ||
            depth != 0 || quoted) {
            return Error{Errc::invalid,
                         fmt::format("'{}': one to {} privileges with commas between them",
                                     text.substr(0, 60), privileges_max)}
                .with_hint("e.g. SELECT,INSERT or ALL");
        }
        raise_letters(one);
        all.push_back(std::move(one));
        begin = i + 1;
    }
    return all;
}

Result<GrantTarget> parse_grant_target(std::string_view text) {
    GrantTarget target;
    if (text == "*" || text == "*.*") {
        return target;
    }
    const auto whole = text;
    JACKDAW_TRY(target.database, take_name(text));
    JACKDAW_CHECK(check_account_name(target.database, "database"));
    if (text.empty() || text == ".*") {
        return target;
    }
    const bool parted = text.starts_with('.');
    text.remove_prefix(1);
    JACKDAW_TRY(target.table, take_name(text));
    if (!parted || !text.empty() || target.database == "*") {
        return Error{Errc::invalid,
                     fmt::format("--on '{}' is not DB or DB.TABLE", whole.substr(0, 60))}
            .with_hint("a name with a dot in it stands in backquotes: '`a.b`.t'");
    }
    JACKDAW_CHECK(check_account_name(target.table, "table"));
    return target;
}

std::string target_text(const proto::Grant& grant) {
    if (grant.database.empty()) {
        return "everything";
    }
    return grant.table.empty() ? grant.database : grant.database + "." + grant.table;
}

} // namespace jackdaw::cli
