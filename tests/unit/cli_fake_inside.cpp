// What a fake agent tells of its instance's inside, by agent/api/routes.cpp.

#include <algorithm>
#include <charconv>

#include "tests/unit/cli_fakes.h"

namespace jackdaw::cli::fakes {
namespace {

ApiResponse list_of(std::string_view kind, Json items) {
    return {200, proto::list_json(kind, std::move(items), "2026-01-01T00:00:00.000Z")};
}

ApiResponse missing(std::string what) {
    return {404, Json{{"error",
                       proto::to_json(proto::shape_of(Error{Errc::not_found, std::move(what)}))}}};
}

std::string decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned value = 0;
        if (text[i] == '%' && i + 2 < text.size() &&
            std::from_chars(&text[i + 1], &text[i + 1] + 2, value, 16).ec == std::errc{}) {
            out += static_cast<char>(value);
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

/// "/v1/users/app/grants?host=%25" → "app@%" and "grants".
std::pair<std::string, std::string> account_of(std::string_view path) {
    path.remove_prefix(std::string_view{"/v1/users/"}.size());
    const auto query = path.find("?host=");
    const auto host = query == std::string_view::npos ? "%" : decoded(path.substr(query + 6));
    auto name = path.substr(0, query);
    const auto slash = name.find('/');
    const auto below = slash == std::string_view::npos ? "" : name.substr(slash + 1);
    return {decoded(name.substr(0, slash)) + "@" + host, std::string{below}};
}

std::optional<ApiResponse> answer_user(Agent& agent, const ApiRequest& request) {
    const auto [key, below] = account_of(request.path);
    if (below == "password" || request.method == "DELETE") {
        return std::nullopt;
    }
    const auto at = agent.users.find(key);
    if (at == agent.users.end()) {
        return missing("no user " + key);
    }
    auto& user = at->second;
    if (request.method == "GET") {
        return ApiResponse{200, proto::to_json(user)};
    }
    if (request.method == "PATCH") {
        auto changed = user;
        const auto wanted = *proto::user_attributes_from(request.body);
        changed.name = wanted.name.value_or(user.name);
        changed.host = wanted.host.value_or(user.host);
        changed.attributes.locked = wanted.locked ? wanted.locked : user.attributes.locked;
        changed.attributes.connections_max =
            wanted.connections_max ? wanted.connections_max : user.attributes.connections_max;
        agent.users.erase(at);
        agent.users[changed.name + "@" + changed.host] = changed;
        return ApiResponse{202, {}};
    }
    const auto grant = *proto::grant_from(request.body);
    if (below == "grants") {
        user.grants.push_back(grant);
    } else {
        std::erase(user.grants, grant);
    }
    return ApiResponse{202, {}};
}

ApiResponse answer_root(Agent& agent, const ApiRequest& request) {
    if (request.method == "GET") {
        auto json = proto::to_json(agent.root);
        json["history"] = agent.root_history;
        return {200, json};
    }
    const bool enables = request.method == "PUT";
    agent.root = proto::RootStatus{};
    if (enables) {
        agent.root = {request.body.value("level", ""), "root", "%", "much"};
        agent.passwords["root@%"] = request.body.value("password", "");
    }
    agent.root_history.insert(agent.root_history.begin(),
                              Json{{"at", "2026-01-01T00:00:00.000Z"},
                                   {"action", enables ? "root.enable" : "root.disable"},
                                   {"status", "done"},
                                   {"caller", "uid 0"},
                                   {"operation", "id"}});
    return {202, {}};
}

ApiResponse change_parameters(Agent& agent, const ApiRequest& request) {
    const auto find = [&](const std::string& name) {
        return std::ranges::find(agent.parameters, name, &proto::Parameter::name);
    };
    for (const auto& [name, value] : request.body.at("set").items()) {
        const auto at = find(name);
        if (at == agent.parameters.end()) {
            return missing("no parameter '" + name + "'");
        }
        at->configured = value.get<std::string>();
        at->is_configured = true;
        at->pending = at->restart;
        at->current = at->restart ? at->current : at->configured;
        at->source = at->restart ? at->source : "configured";
    }
    for (const auto& name : request.body.at("unset")) {
        const auto at = find(name.get<std::string>());
        if (at == agent.parameters.end()) {
            return missing("'" + name.get<std::string>() + "' is not set on this instance");
        }
        at->is_configured = at->pending = false;
        at->current = at->default_value;
    }
    return {202, {}};
}

std::string query_of(const std::string& path, const std::string& key) {
    const auto at = path.find(key + "=");
    return at == std::string::npos
               ? ""
               : path.substr(at + key.size() + 1, path.find('&', at) - at - key.size() - 1);
}

ApiResponse answer_log(Agent& agent, const std::string& path) {
    const bool is_slow = path.starts_with("/v1/logs/slow?");
    if (!is_slow && !path.starts_with("/v1/logs/error?")) {
        return missing("no log of this name");
    }
    const auto cursor = query_of(path, "cursor");
    if (!cursor.empty() && agent.busy_looks > 0) {
        --agent.busy_looks;
        return {409, Json{{"error", proto::to_json(proto::shape_of(Error{Errc::busy, "busy"}))}}};
    }
    if (!cursor.empty() && !agent.log_news.empty()) {
        agent.log.push_back(agent.log_news.front());
        agent.log_news.erase(agent.log_news.begin());
    }
    const auto lines = std::min<std::size_t>(std::stoul(query_of(path, "lines")), agent.log.size());
    const auto from = is_slow          ? agent.log.size()
                      : cursor.empty() ? agent.log.size() - lines
                                       : std::stoul(cursor);
    Json shown = Json::array();
    for (auto i = from; i < agent.log.size(); ++i) {
        shown.push_back(agent.log[i]);
    }
    return {200, Json{{"apiVersion", proto::api_version},
                      {"kind", "LogLines"},
                      {"name", "error"},
                      {"lines", std::move(shown)},
                      {"cursor", std::to_string(agent.log.size())},
                      {"is_cut", false}}};
}

ApiResponse answer_events(Agent& agent, const std::string& path) {
    agent.events_asked = path;
    const auto after = query_of(path, "after");
    Json items = Json::array();
    for (const auto& one : agent.events) {
        if (after.empty() || one.at("sequence").get<std::uint64_t>() > std::stoul(after)) {
            items.push_back(one);
        }
    }
    return list_of("Event", std::move(items));
}

} // namespace

std::optional<ApiResponse> answer_inside(Agent& agent, const ApiRequest& request) {
    const auto& path = request.path;
    const bool get = request.method == "GET";
    const auto shapes = [](const auto& all) {
        Json items = Json::array();
        for (const auto& one : all) {
            items.push_back(proto::to_json(one));
        }
        return items;
    };
    if (path == "/v1/doctor") {
        return list_of("Finding", shapes(agent.findings));
    }
    if (path == "/v1/load") {
        if (!agent.load) {
            return missing("no load is told");
        }
        agent.load->clock_us += 1'000'000;
        *agent.load->database->queries += 20;
        return ApiResponse{200, proto::to_json(*agent.load)};
    }
    if (path == "/v1/rehearsals") {
        const auto& asked = request.body;
        if (asked.at("target").get_ref<const std::string&>().find("nobody") != std::string::npos) {
            return missing("no user nobody");
        }
        return ApiResponse{200, Json{{"apiVersion", proto::api_version},
                                     {"kind", "Rehearsal"},
                                     {"action", ""},
                                     {"target", ""},
                                     {"notes",
                                      {asked.at("method").get<std::string>() + " " +
                                       asked.at("target").get<std::string>()}}}};
    }
    if (path == "/v1/users" && get) {
        Json items = Json::array();
        for (const auto& [key, user] : agent.users) {
            items.push_back(Json{{"name", user.name},
                                 {"host", user.host},
                                 {"databases", proto::to_json(user).at("databases")}});
        }
        return list_of("User", std::move(items));
    }
    if (path == "/v1/databases" && get) {
        Json items = Json::array();
        for (const auto& name : agent.databases) {
            items.push_back(Json{{"name", name}, {"charset", "utf8mb4"}, {"collation", "c"}});
        }
        return list_of("Database", std::move(items));
    }
    if (path.starts_with("/v1/users/")) {
        return answer_user(agent, request);
    }
    if (path == "/v1/root") {
        return answer_root(agent, request);
    }
    if (path == "/v1/sessions") {
        return list_of("Session", shapes(agent.sessions));
    }
    if (path.starts_with("/v1/sessions/")) {
        const auto id = path.substr(13, path.find('?') - 13);
        if (!path.ends_with("query_only=1")) {
            std::erase_if(agent.sessions,
                          [&](const auto& one) { return std::to_string(one.id) == id; });
        }
        return ApiResponse{202, {}};
    }
    if (path == "/v1/parameters" && request.method == "PATCH") {
        return change_parameters(agent, request);
    }
    if (path.starts_with("/v1/parameters/")) {
        const auto at =
            std::ranges::find(agent.parameters, path.substr(15), &proto::Parameter::name);
        return at == agent.parameters.end() ? missing("no such parameter")
                                            : ApiResponse{200, proto::to_json(*at)};
    }
    if (path.starts_with("/v1/parameters")) {
        auto all = agent.parameters;
        if (path.ends_with("?own=1")) {
            std::erase_if(all, [](const auto& one) { return !one.is_configured; });
        }
        return list_of("Parameter", shapes(all));
    }
    if (path == "/v1/logs") {
        proto::LogShape slow;
        slow.name = "slow";
        slow.enabled_by = "slow_query_log";
        proto::LogShape error;
        error.name = "error";
        error.enabled = true;
        error.size_bytes = 2048;
        return list_of("Log", shapes(std::vector{error, slow}));
    }
    if (path.starts_with("/v1/logs/")) {
        return answer_log(agent, path);
    }
    if (path.starts_with("/v1/events")) {
        return answer_events(agent, path);
    }
    if (path == "/v1/datastore") {
        return ApiResponse{200, Json{{"apiVersion", proto::api_version},
                                     {"kind", "Datastore"},
                                     {"name", "mariadb"},
                                     {"version", "10.11.14"},
                                     {"default_port", 3306},
                                     {"volume_bytes_min", 335544320},
                                     {"memory_bytes_min", 268435456},
                                     {"capabilities", {{"users", true}, {"logs", false}}}}};
    }
    if (path == "/v1/instance/pause") {
        agent.paused_until = "2026-01-01T01:00:00.000Z";
        return ApiResponse{202, {}};
    }
    if (path == "/v1/instance/resume") {
        agent.paused_until.clear();
        return ApiResponse{202, {}};
    }
    return std::nullopt;
}

} // namespace jackdaw::cli::fakes
