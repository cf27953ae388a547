#include "plugins/mariadb/schemas.h"

#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "plugins/mariadb/names.h"
#include "plugins/mariadb/nearest.h"
#include "plugins/mariadb/text.h"

namespace jackdaw::mariadb {
namespace {

Result<std::vector<proto::DatabaseSpec>> specs_of(Rows rows) {
    std::vector<proto::DatabaseSpec> specs;
    for (auto& row : rows) {
        if (row.size() != 3) {
            return Error{Errc::corrupt, "MariaDB's list of databases has another shape"};
        }
        proto::DatabaseSpec spec;
        spec.name = row[0].value_or("");
        spec.charset = row[1].value_or("");
        spec.collation = row[2].value_or("");
        specs.push_back(std::move(spec));
    }
    return specs;
}

/// The hint for a collation that the server does not have: the nearest of its character set, whose
/// name it begins with; else how they are listed.
std::string collation_hint(Session& session, const plugins::Call& call, std::string_view charset,
                           std::string_view collation) {
    const auto rows = session.query(
        call, fmt::format("SELECT COLLATION_NAME FROM information_schema.COLLATIONS WHERE "
                          "CHARACTER_SET_NAME = {}",
                          quote_value(charset)));
    std::vector<std::string_view> known;
    if (rows) {
        for (const auto& row : *rows) {
            if (!row.empty() && row.front()) {
                known.emplace_back(*row.front());
            }
        }
    }
    const auto near = nearest(collation, known);
    return near.empty() ? fmt::format("SHOW COLLATION WHERE Charset = '{}' in SQL lists them; "
                                      "without --collation it is the character set's own",
                                      charset)
                        : fmt::format("did you mean {}?", printable(near, 64));
}

constexpr std::string_view select_schemata =
    "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME "
    "FROM information_schema.SCHEMATA";

} // namespace

Result<std::optional<proto::DatabaseSpec>>
find_database(Session& session, const plugins::Call& call, std::string_view name) {
    // BINARY keeps the server from looking for that one path in its data folder, where it takes a
    // file (ibdata1, aria_log_control) for a database: it goes through its folders instead.
    JACKDAW_TRY(auto rows, session.query(call, fmt::format("{} WHERE BINARY SCHEMA_NAME = {}",
                                                           select_schemata, quote_value(name))));
    JACKDAW_TRY(auto specs, specs_of(std::move(rows)));
    for (auto& spec : specs) { // whatever the server makes of the comparison
        if (spec.name == name) {
            return std::optional{std::move(spec)};
        }
    }
    return std::optional<proto::DatabaseSpec>{};
}

Result<void> Schemas::check(const proto::DatabaseSpec& spec) const {
    JACKDAW_CHECK(check_database_name(spec.name));
    return check_charset(spec.charset, spec.collation);
}

Result<void> Schemas::create(const plugins::Call& call, const proto::DatabaseSpec& spec) {
    JACKDAW_CHECK(check(spec));
    const auto doing = [&] { return fmt::format("create database \"{}\"", spec.name); };
    const auto charset = charset_of(spec.charset, spec.collation);
    auto collation = spec.collation;
    if (collation.empty()) {
        auto rows = session_.query(
            call, fmt::format("SELECT DEFAULT_COLLATE_NAME FROM information_schema.CHARACTER_SETS "
                              "WHERE CHARACTER_SET_NAME = {}",
                              quote_value(charset)));
        if (!rows) {
            return std::move(rows).error().while_doing(doing());
        }
        if (rows->empty() || rows->front().empty() || !rows->front().front()) {
            return Error{Errc::invalid,
                         fmt::format("this server has no character set {}", charset)};
        }
        collation = *rows->front().front();
        JACKDAW_CHECK(
            check_charset(charset, collation)); // a server's word goes into a statement below
    }
    auto made = session_.run(
        call, fmt::format("CREATE DATABASE IF NOT EXISTS {} CHARACTER SET {} COLLATE {}",
                          quote_identifier(spec.name), charset, collation));
    if (!made) {
        auto error = std::move(made).error();
        return (error.id() == Code::invalid
                    ? std::move(error).with_hint(collation_hint(session_, call, charset, collation))
                    : std::move(error))
            .while_doing(doing());
    }
    JACKDAW_TRY(auto found, find_database(session_, call, spec.name));
    if (!found) {
        return Error{Code::name_taken,
                     "MariaDB made nothing: a file of that name stands in its data folder"}
            .with_hint("take another name")
            .while_doing(doing());
    }
    if (found->charset != charset || found->collation != collation) {
        return Error{Errc::conflict,
                     fmt::format("it exists with {} / {}, not {} / {}",
                                 printable(found->charset, 64), printable(found->collation, 64),
                                 charset, collation)}
            .while_doing(doing());
    }
    return ok();
}

Result<std::vector<proto::DatabaseSpec>> Schemas::list(const plugins::Call& call) {
    JACKDAW_TRY(auto rows,
                session_.query(call, fmt::format("{} ORDER BY SCHEMA_NAME", select_schemata)));
    JACKDAW_TRY(auto specs, specs_of(std::move(rows)));
    std::erase_if(specs, [](const auto& spec) { return is_system_database(spec.name); });
    return specs;
}

Result<void> Schemas::drop(const plugins::Call& call, std::string_view name) {
    JACKDAW_CHECK(check_database_name(name));
    const auto doing = fmt::format("drop database \"{}\"", name);
    JACKDAW_CHECK(session_.run(call, fmt::format("DROP DATABASE {}", quote_identifier(name)))
                      .while_doing(doing));
    JACKDAW_TRY(const auto found, find_database(session_, call, name));
    if (found) {
        return Error{Errc::internal, "it is still there"}.while_doing(doing);
    }
    return ok();
}

} // namespace jackdaw::mariadb
