#include "proto/wire/datastore_json.h"

#include <set>

#include <fmt/format.h>

namespace jackdaw::proto {
namespace {

constexpr std::size_t text_bytes_max = 64 * 1024; ///< of a value that the engine has
constexpr std::size_t grants_max = 10'000;

Result<double> real_at(const Json& object, std::string_view key) {
    const auto at = object.find(key);
    if (at == object.end() || at->is_null()) {
        return 0.0;
    }
    if (!at->is_number()) {
        return Error{Errc::invalid, fmt::format("'{}' must be a number", key)};
    }
    return at->get<double>();
}

Result<void> must_be_object(const Json& json, std::string_view what) {
    return json.is_object()
               ? ok()
               : Result<void>{Error{Errc::invalid, fmt::format("a {} must be an object", what)}};
}

} // namespace

Json to_json(const Grant& value) {
    return {{"privileges", value.privileges},
            {"database", value.database},
            {"table", value.table},
            {"with_grant_option", value.with_grant_option}};
}

Json to_json(const UserAttributes& value) {
    Json json = Json::object();
    const auto put = [&](const char* key, const auto& one) {
        json[key] = one ? Json(*one) : Json(nullptr);
    };
    if (value.name || value.host) {
        put("name", value.name);
        put("host", value.host);
    }
    put("locked", value.locked);
    put("connections_max", value.connections_max);
    return json;
}

Json to_json(const UserDetails& value) {
    Json grants = Json::array();
    std::set<std::string> databases; // as a list of users tells: of those with a grant on all of it
    for (const auto& grant : value.grants) {
        grants.push_back(to_json(grant));
        if (!grant.database.empty() && grant.table.empty()) {
            databases.insert(grant.database);
        }
    }
    auto attributes = to_json(value.attributes);
    return {{"apiVersion", api_version},
            {"kind", "User"},
            {"name", value.name},
            {"host", value.host},
            {"databases", databases},
            {"locked", attributes.at("locked")},
            {"connections_max", attributes.at("connections_max")},
            {"attributes", std::move(attributes)},
            {"grants", std::move(grants)},
            {"statements", value.statements}};
}

Json to_json(const RootStatus& value) {
    return {{"apiVersion", api_version}, {"kind", "Root"},     {"level", value.level},
            {"name", value.name},        {"host", value.host}, {"gives", value.gives}};
}

Json to_json(const SessionShape& value) {
    return {{"id", value.id},           {"user", value.user},
            {"host", value.host},       {"database", value.database},
            {"command", value.command}, {"state", value.state},
            {"query", value.query},     {"seconds", value.seconds},
            {"own", value.own}};
}

Json to_json(const Parameter& value) {
    const auto number = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
    return {{"name", value.name},
            {"type", value.type},
            {"unit", value.unit},
            {"min", number(value.min)},
            {"max", number(value.max)},
            {"step", number(value.step)},
            {"allowed", value.allowed},
            {"restart", value.restart},
            {"settable", value.settable},
            {"current", value.current},
            {"default", value.default_value},
            {"configured", value.is_configured ? Json(value.configured) : Json()},
            {"pending", value.pending},
            {"source", value.source},
            {"from", value.from},
            {"formula", value.formula},
            {"text", value.text}};
}

Json to_json(const LogShape& value) {
    return {{"name", value.name},
            {"enabled", value.enabled},
            {"enabled_by", value.enabled_by},
            {"size_bytes", value.size_bytes},
            {"size_bytes_max", value.size_bytes_max},
            {"kept", value.kept},
            {"changed_at", value.changed_at},
            {"refused", value.refused},
            {"elsewhere", value.elsewhere}};
}

Result<Grant> grant_from(const Json& json) {
    JACKDAW_CHECK(must_be_object(json, "grant"));
    Grant grant;
    JACKDAW_TRY(grant.privileges, strings_at(json, "privileges"));
    JACKDAW_TRY(grant.database, string_at(json, "database", "", text_bytes_max));
    JACKDAW_TRY(grant.table, string_at(json, "table", "", text_bytes_max));
    JACKDAW_TRY(grant.with_grant_option, bool_at(json, "with_grant_option", false));
    return grant;
}

Result<UserAttributes> user_attributes_from(const Json& json) {
    JACKDAW_CHECK(must_be_object(json, "user's attributes"));
    UserAttributes attributes;
    const auto has = [&](const char* key) {
        const auto at = json.find(key);
        return at != json.end() && !at->is_null();
    };
    if (has("name")) {
        JACKDAW_TRY(attributes.name, string_at(json, "name", "", text_bytes_max));
    }
    if (has("host")) {
        JACKDAW_TRY(attributes.host, string_at(json, "host", "", text_bytes_max));
    }
    if (has("locked")) {
        JACKDAW_TRY(attributes.locked, bool_at(json, "locked", false));
    }
    if (has("connections_max")) {
        JACKDAW_TRY(attributes.connections_max, number_at(json, "connections_max", 0, UINT32_MAX));
    }
    return attributes;
}

Result<UserDetails> user_details_from(const Json& json) {
    JACKDAW_CHECK(must_be_object(json, "user"));
    UserDetails user;
    JACKDAW_TRY(user.name, string_at(json, "name", "", text_bytes_max));
    JACKDAW_TRY(user.host, string_at(json, "host", "", text_bytes_max));
    if (const auto at = json.find("attributes"); at != json.end()) {
        JACKDAW_TRY(user.attributes, user_attributes_from(*at));
    }
    if (const auto at = json.find("grants"); at != json.end() && at->is_array()) {
        if (at->size() > grants_max) {
            return Error{Errc::invalid, "too many grants"};
        }
        for (const auto& one : *at) {
            JACKDAW_TRY(auto grant, grant_from(one));
            user.grants.push_back(std::move(grant));
        }
    }
    JACKDAW_TRY(user.statements, strings_at(json, "statements", grants_max));
    return user;
}

Result<RootStatus> root_status_from(const Json& json) {
    JACKDAW_CHECK(must_be_object(json, "root status"));
    RootStatus status;
    JACKDAW_TRY(status.level, string_at(json, "level", "off"));
    JACKDAW_TRY(status.name, string_at(json, "name", ""));
    JACKDAW_TRY(status.host, string_at(json, "host", ""));
    JACKDAW_TRY(status.gives, string_at(json, "gives", ""));
    return status;
}

Result<SessionShape> session_from(const Json& json) {
    JACKDAW_CHECK(must_be_object(json, "session"));
    SessionShape session;
    JACKDAW_TRY(session.id, number_at(json, "id", 0, UINT64_MAX));
    JACKDAW_TRY(session.user, string_at(json, "user", ""));
    JACKDAW_TRY(session.host, string_at(json, "host", ""));
    JACKDAW_TRY(session.database, string_at(json, "database", ""));
    JACKDAW_TRY(session.command, string_at(json, "command", ""));
    JACKDAW_TRY(session.state, string_at(json, "state", ""));
    JACKDAW_TRY(session.query, string_at(json, "query", "", text_bytes_max));
    JACKDAW_TRY(session.seconds, real_at(json, "seconds"));
    JACKDAW_TRY(session.own, bool_at(json, "own", false));
    return session;
}

Result<Parameter> parameter_from(const Json& json) {
    JACKDAW_CHECK(must_be_object(json, "parameter"));
    Parameter one;
    JACKDAW_TRY(one.name, string_at(json, "name", ""));
    JACKDAW_TRY(one.type, string_at(json, "type", ""));
    JACKDAW_TRY(one.unit, string_at(json, "unit", ""));
    JACKDAW_TRY(one.min, string_at(json, "min", ""));
    JACKDAW_TRY(one.max, string_at(json, "max", ""));
    JACKDAW_TRY(one.step, string_at(json, "step", ""));
    JACKDAW_TRY(one.allowed, strings_at(json, "allowed", list_items_max));
    JACKDAW_TRY(one.restart, bool_at(json, "restart", false));
    JACKDAW_TRY(one.settable, bool_at(json, "settable", true));
    JACKDAW_TRY(one.current, string_at(json, "current", "", text_bytes_max));
    JACKDAW_TRY(one.default_value, string_at(json, "default", "", text_bytes_max));
    JACKDAW_TRY(one.configured, string_at(json, "configured", "", text_bytes_max));
    const auto configured = json.find("configured");
    one.is_configured = configured != json.end() && !configured->is_null();
    JACKDAW_TRY(one.pending, bool_at(json, "pending", false));
    JACKDAW_TRY(one.source, string_at(json, "source", ""));
    JACKDAW_TRY(one.from, string_at(json, "from", ""));
    JACKDAW_TRY(one.text, string_at(json, "text", "", text_bytes_max));
    JACKDAW_TRY(one.formula, string_at(json, "formula", ""));
    return one;
}

Result<LogShape> log_from(const Json& json) {
    JACKDAW_CHECK(must_be_object(json, "log"));
    LogShape log;
    JACKDAW_TRY(log.name, string_at(json, "name", ""));
    JACKDAW_TRY(log.enabled, bool_at(json, "enabled", false));
    JACKDAW_TRY(log.enabled_by, string_at(json, "enabled_by", ""));
    JACKDAW_TRY(log.size_bytes, number_at(json, "size_bytes", 0, UINT64_MAX));
    JACKDAW_TRY(log.size_bytes_max, number_at(json, "size_bytes_max", 0, UINT64_MAX));
    JACKDAW_TRY(const auto kept, number_at(json, "kept", 0, UINT32_MAX));
    log.kept = static_cast<std::uint32_t>(kept);
    JACKDAW_TRY(log.changed_at, string_at(json, "changed_at", ""));
    JACKDAW_TRY(log.refused, string_at(json, "refused", ""));
    JACKDAW_TRY(log.elsewhere, string_at(json, "elsewhere", ""));
    return log;
}

} // namespace jackdaw::proto
