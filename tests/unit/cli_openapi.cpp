#include "tests/unit/cli_openapi.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "agent/api/openapi.h"
#include "agent/timeline.h"

namespace jackdaw::cli::fakes {
namespace {

const Json& document() {
    static const Json whole = agent::openapi_document("0");
    return whole;
}

std::vector<std::string> parts_of(std::string_view text, char separator) {
    std::vector<std::string> parts;
    while (!text.empty()) { // a part less each time
        const auto end = std::min(text.find(separator), text.size());
        parts.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

/// "/v1/users/app/grants" is one of "/v1/users/{user}/grants".
bool fits(std::string_view path, std::string_view pattern) {
    return std::ranges::equal(parts_of(path, '/'), parts_of(pattern, '/'),
                              [](const std::string& part, const std::string& known) {
                                  return known.starts_with('{') || known == part;
                              });
}

const Json* route_of(std::string_view path, std::string method) {
    std::ranges::transform(method, method.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    for (const auto& [pattern, methods] : document().at("paths").items()) {
        if (fits(path, pattern) && methods.contains(method)) {
            return &methods.at(method);
        }
    }
    return nullptr;
}

/// The first key that the schema does not have; empty: it has all, or is open.
std::string unknown_key(const Json& schema, const Json& value, const std::string& where) {
    constexpr std::string_view before = "#/components/schemas/";
    if (const auto other = schema.find("$ref"); other != schema.end()) {
        const auto name = other->get<std::string>().substr(before.size());
        return unknown_key(document().at("components").at("schemas").at(name), value, where);
    }
    if (value.is_array() && schema.contains("items")) {
        for (const auto& item : value) {
            if (auto unknown = unknown_key(schema.at("items"), item, where); !unknown.empty()) {
                return unknown;
            }
        }
    }
    if (!value.is_object() || !schema.contains("properties")) {
        return {};
    }
    for (const auto& [key, item] : value.items()) {
        const auto known = schema.at("properties").find(key);
        if (known == schema.at("properties").end()) {
            return where + " " + key;
        }
        if (auto unknown = unknown_key(*known, item, where + " " + key); !unknown.empty()) {
            return unknown;
        }
    }
    return {};
}

} // namespace

std::string not_in_openapi(const ApiRequest& request) {
    const auto question = std::min(request.path.find('?'), request.path.size());
    const auto where = request.method + " " + request.path.substr(0, question);
    const auto* const route = route_of(request.path.substr(0, question), request.method);
    if (route == nullptr) {
        return where;
    }
    const auto query = std::string_view{request.path}.substr(question);
    for (const auto& part : parts_of(query.substr(query.empty() ? 0 : 1), '&')) {
        const auto name = part.substr(0, part.find('='));
        const auto& known = route->at("parameters");
        if (std::none_of(known.begin(), known.end(), [&](const Json& one) {
                return one.at("in") == "query" && one.at("name") == name;
            })) {
            return where + "?" + name;
        }
    }
    if (request.body.is_null()) {
        return {};
    }
    if (!route->contains("requestBody")) {
        return where + " with a body";
    }
    if (request.path == "/v1/rehearsals") { // what it is about is a request, too
        const ApiRequest rehearsed{request.body.at("method").get<std::string>(),
                                   request.body.at("target").get<std::string>(),
                                   request.body.at("body"),
                                   {}};
        if (auto unknown = not_in_openapi(rehearsed); !unknown.empty()) {
            return unknown;
        }
    }
    return unknown_key(route->at("requestBody").at("content").at("application/json").at("schema"),
                       request.body, where);
}

std::set<std::string> event_groups() {
    std::set<std::string> groups;
    for (const auto& one : agent::event_kinds()) {
        groups.emplace(one.kind.substr(0, one.kind.find('.')));
    }
    return groups;
}

} // namespace jackdaw::cli::fakes
