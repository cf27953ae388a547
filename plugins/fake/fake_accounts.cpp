#include "plugins/fake/fake_accounts.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "plugins/fake/fake_names.h"
#include "plugins/fake/fake_words.h"

namespace jackdaw::fake {
namespace {

using Words = FakeSession::Words;

constexpr std::size_t privileges_max = 16;
constexpr std::uint64_t connections_max = 1'000'000;

Error other_shape() {
    return Error{Errc::corrupt, "the fake's answer about an account has another shape"};
}

template <class Number>
bool read_number(const std::string& text, Number& number) {
    const auto* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, number);
    return read.ec == std::errc{} && read.ptr == end;
}

/// As check(), but for what is merely not given.
Result<void> check_form(const proto::Grant& grant) {
    if (!grant.table.empty()) {
        return Error{Errc::invalid, "the fake has no tables"}.with_hint("name a database");
    }
    if (!grant.database.empty()) {
        auto named = check_database(grant.database);
        if (!named && named.error().id() != Code::reserved_name) {
            return named;
        }
    }
    const std::string_view known = grant.database.empty() ? "STATUS, SHUTDOWN" : "READ, WRITE, ALL";
    const auto is_known = [&](std::string_view one) {
        return grant.database.empty() ? one == "STATUS" || one == "SHUTDOWN" || one == "ALL"
                                      : one == "READ" || one == "WRITE" || one == "ALL";
    };
    const bool is_nothing = grant.privileges.empty() && !grant.with_grant_option;
    if (is_nothing || grant.privileges.size() > privileges_max ||
        !std::all_of(grant.privileges.begin(), grant.privileges.end(), is_known)) {
        return Error{Errc::invalid, "the fake has no such privilege there"}.with_hint(
            std::string{known});
    }
    return ok();
}

Words request_of(std::string_view verb, std::string_view name, std::string_view host,
                 const proto::Grant& grant, bool option) {
    Words words{std::string{verb}, std::string{name}, std::string{host}, grant.database,
                option ? "1" : "0"};
    words.insert(words.end(), grant.privileges.begin(), grant.privileges.end());
    return words;
}

Result<proto::Grant> grant_of(const Words& line) {
    if (line.size() < 2) {
        return other_shape();
    }
    proto::Grant grant;
    grant.database = line[0];
    grant.with_grant_option = line[1] == "1";
    grant.privileges.assign(line.begin() + 2, line.end());
    if (grant.privileges == Words{"READ", "WRITE"}) {
        grant.privileges = {"ALL"};
    }
    return grant;
}

bool is_all(const proto::Grant& grant) {
    return std::find(grant.privileges.begin(), grant.privileges.end(), "ALL") !=
           grant.privileges.end();
}

} // namespace

Result<void> FakeGrants::check(const proto::Grant& grant) const {
    JACKDAW_CHECK(check_form(grant));
    if (!grant.database.empty()) {
        return check_database(grant.database);
    }
    if (grant.with_grant_option || grant.privileges != Words{"STATUS"}) {
        return Error{Errc::not_allowed, "users of the fake have STATUS alone on everything"}
            .with_hint("`jackdaw root enable` makes an account for such work");
    }
    return ok();
}

Result<void> FakeGrants::check_taken(const proto::Grant& grant) const {
    return check_form(grant);
}

Result<proto::UserDetails> FakeGrants::show(const plugins::Call& call, std::string_view name,
                                            std::string_view host) {
    JACKDAW_CHECK(check_account(name, host));
    JACKDAW_TRY(const auto lines,
                session_.ask_list(call, {"GRANTS", std::string{name}, std::string{host}}));
    proto::UserDetails details;
    details.name = name;
    details.host = host;
    std::uint64_t limit = 0;
    if (lines.empty() || lines[0].size() != 2 || !read_number(lines[0][1], limit)) {
        return other_shape();
    }
    details.attributes.locked = lines[0][0] == "1";
    details.attributes.connections_max = limit;
    for (std::size_t i = 1; i < lines.size(); ++i) {
        JACKDAW_TRY(auto grant, grant_of(lines[i]));
        details.statements.push_back(
            encode_line(request_of("GRANT", name, host, grant, grant.with_grant_option)));
        details.grants.push_back(std::move(grant));
    }
    return details;
}

Result<void> FakeGrants::grant(const plugins::Call& call, std::string_view name,
                               std::string_view host, const proto::Grant& grant) {
    JACKDAW_CHECK(check(grant));
    JACKDAW_CHECK(check_account(name, host));
    JACKDAW_CHECK(
        session_.ask(call, request_of("GRANT", name, host, grant, grant.with_grant_option))
            .while_doing(fmt::format("grant to user \"{}\"", name)));
    return ok();
}

Result<void> FakeGrants::revoke(const plugins::Call& call, std::string_view name,
                                std::string_view host, const proto::Grant& grant) {
    JACKDAW_CHECK(check_form(grant));
    JACKDAW_CHECK(check_account(name, host));
    const bool option = grant.with_grant_option || is_all(grant);
    JACKDAW_CHECK(session_.ask(call, request_of("REVOKE", name, host, grant, option))
                      .while_doing(fmt::format("revoke from user \"{}\"", name)));
    return ok();
}

Result<void> FakeGrants::alter(const plugins::Call& call, std::string_view name,
                               std::string_view host, const proto::UserAttributes& attributes) {
    JACKDAW_CHECK(check_account(name, host));
    const auto new_name = attributes.name.value_or(std::string{name});
    const auto new_host = attributes.host.value_or(std::string{host});
    JACKDAW_CHECK(check_account(new_name, new_host));
    if (attributes.connections_max.value_or(0) > connections_max) {
        return Error{Errc::invalid, "an account of the fake has at most 1,000,000 connections"};
    }
    Words words{"ALTER", std::string{name}, std::string{host}, new_name, new_host, "-", "-"};
    if (attributes.locked) {
        words[5] = *attributes.locked ? "1" : "0";
    }
    if (attributes.connections_max) {
        words[6] = std::to_string(*attributes.connections_max);
    }
    JACKDAW_CHECK(session_.ask(call, words).while_doing(fmt::format("alter user \"{}\"", name)));
    return ok();
}

proto::RootStatus FakeRoot::describe(std::string_view level) const {
    proto::RootStatus status;
    if (level == "standard") {
        status = {"standard", "root", "%", "the rows of the fake"};
    } else if (level == "superuser") {
        status = {"superuser", "root", "%",
                  "the rows of the fake, and all its databases, users and sessions"};
    }
    return status;
}

Result<proto::RootStatus> FakeRoot::status(const plugins::Call& call) {
    JACKDAW_TRY(const auto words, session_.ask(call, {"ROOT"}));
    if (words.size() != 1) {
        return other_shape();
    }
    return describe(words.front());
}

Result<void> FakeRoot::expect(const plugins::Call& call, std::string_view level) {
    JACKDAW_TRY(const auto now, status(call));
    if (now.level != level) {
        return Error{Errc::internal, fmt::format("root of the fake is {}", now.level)};
    }
    return ok();
}

Result<void> FakeRoot::enable(const plugins::Call& call, std::string_view level,
                              std::string_view verifier) {
    if (level != "standard" && level != "superuser") {
        return Error{Errc::invalid, "root has the levels standard and superuser"};
    }
    if (!is_verifier(verifier)) {
        return Error{Code::bad_password, "not a verifier of the fake"};
    }
    JACKDAW_CHECK(session_.ask(call, {"ROOT", std::string{level}, std::string{verifier}})
                      .while_doing("enable root"));
    return expect(call, level);
}

Result<void> FakeRoot::disable(const plugins::Call& call) {
    JACKDAW_CHECK(session_.ask(call, {"ROOT", "off", ""}).while_doing("disable root"));
    return expect(call, "off");
}

Result<std::vector<proto::SessionShape>> FakeSessions::list(const plugins::Call& call) {
    JACKDAW_TRY(const auto lines, session_.ask_list(call, {"LSSESS"}));
    std::vector<proto::SessionShape> shapes;
    for (const auto& line : lines) {
        proto::SessionShape shape;
        std::int64_t ms = 0;
        if (line.size() != 7 || !read_number(line[0], shape.id) || !read_number(line[5], ms)) {
            return other_shape();
        }
        shape.user = line[1];
        shape.host = line[2];
        shape.command = line[3];
        shape.query = line[4];
        shape.seconds = static_cast<double>(ms) / 1000;
        shape.own = line[6] == "1";
        shapes.push_back(std::move(shape));
    }
    std::stable_sort(shapes.begin(), shapes.end(),
                     [](const auto& a, const auto& b) { return a.seconds > b.seconds; });
    return shapes;
}

Result<void> FakeSessions::kill(const plugins::Call& call, std::uint64_t id, bool query_only) {
    const auto doing = fmt::format("end session {}", id);
    auto told = session_.ask(call, {"KILL", std::to_string(id), query_only ? "query" : "session"});
    if (!told) {
        return std::move(told).error().while_doing(doing);
    }
    JACKDAW_TRY(const auto now, list(call));
    for (const auto& one : now) {
        if (one.id == id && (!query_only || !one.query.empty())) {
            return Error{Errc::busy, "it is still there"}.while_doing(doing);
        }
    }
    return ok();
}

} // namespace jackdaw::fake
