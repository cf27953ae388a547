#include "agent/core/request_words.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/core/utf8.h"
#include "proto/base/error.h"
#include "proto/base/ids.h"
#include "proto/base/size.h"

namespace jackdaw::agent {
namespace {

using proto::Json;

constexpr std::size_t detail_bytes_max = 400;
constexpr std::size_t value_bytes_max = 100;

const Json& part(const Json& object, const char* key) {
    static const Json nothing;
    if (!object.is_object()) {
        return nothing;
    }
    const auto at = object.find(key);
    return at == object.end() ? nothing : *at;
}

std::string text(const Json& object, const char* key) {
    const auto& found = part(object, key);
    return found.is_string() ? found.get<std::string>() : std::string{};
}

std::vector<std::string> texts(const Json& object, const char* key) {
    std::vector<std::string> all;
    if (const auto& found = part(object, key); found.is_array()) {
        for (const auto& one : found) {
            all.push_back(one.is_string() ? one.get<std::string>() : "?");
        }
    }
    return all;
}

bool flag(const Json& object, const char* key) {
    const auto& found = part(object, key);
    return found.is_boolean() && found.get<bool>();
}

std::uint64_t number(const Json& object, const char* key) {
    const auto& found = part(object, key);
    return found.is_number_unsigned() || found.is_number_integer() ? found.get<std::uint64_t>() : 0;
}

std::string words_of_grant(const Json& grant) {
    const auto privileges = texts(grant, "privileges");
    const auto database = text(grant, "database");
    const auto table = text(grant, "table");
    return fmt::format("{} on {}.{}{}",
                       privileges.empty() ? "USAGE"
                                          : fmt::format("{}", fmt::join(privileges, ", ")),
                       database.empty() ? "*" : database, table.empty() ? "*" : table,
                       flag(grant, "with_grant_option") ? " with grant option" : "");
}

std::string words_of_attributes(const Json& attributes) {
    std::vector<std::string> all;
    if (const auto name = text(attributes, "name"); !name.empty()) {
        all.push_back("name " + name);
    }
    if (const auto host = text(attributes, "host"); !host.empty()) {
        all.push_back("host " + host);
    }
    if (part(attributes, "locked").is_boolean()) {
        all.emplace_back(flag(attributes, "locked") ? "locked" : "unlocked");
    }
    if (part(attributes, "connections_max").is_number()) {
        const auto most = number(attributes, "connections_max");
        all.push_back(most == 0 ? "any number of connections"
                                : fmt::format("at most {} connections", most));
    }
    return fmt::format("{}", fmt::join(all, ", "));
}

/// No parameter that can be set is a secret today; one whose name speaks of it stays unsaid.
bool may_be_shown(std::string_view name) {
    return name.find("password") == std::string_view::npos &&
           name.find("secret") == std::string_view::npos &&
           name.find("auth") == std::string_view::npos;
}

std::string words_of_parameters(const Json& request) {
    std::vector<std::string> all;
    if (const auto& set = part(request, "set"); set.is_object()) {
        for (const auto& [name, value] : set.items()) {
            auto shown = value.is_string() && may_be_shown(name) ? value.get<std::string>() : "...";
            if (shown.size() > value_bytes_max) {
                shown = "...";
            }
            all.push_back(name + "=" + shown);
        }
    }
    for (const auto& name : texts(request, "unset")) {
        all.push_back("unset " + name);
    }
    return fmt::format("{}", fmt::join(all, ", "));
}

std::string words_of(std::string_view action, const Json& arguments) {
    const auto& request = part(arguments, "request");
    if (action == "user.grant" || action == "user.revoke") {
        return words_of_grant(part(request, "grant"));
    }
    if (action == "user.update") {
        return words_of_attributes(part(request, "attributes"));
    }
    if (action == "user.create") {
        const auto databases = texts(request, "databases");
        return databases.empty() ? "" : fmt::format("ALL on {}", fmt::join(databases, ", "));
    }
    if (action == "database.create") {
        std::vector<std::string> all{text(request, "charset"), text(request, "collation")};
        std::erase(all, "");
        return fmt::format("{}", fmt::join(all, ", "));
    }
    if (action == "root.enable") {
        return text(request, "level");
    }
    if (action == "session.kill") {
        std::vector<std::string> all{text(arguments, "whose")};
        all.emplace_back(flag(request, "query_only") ? "its query only" : "");
        std::erase(all, "");
        return fmt::format("{}", fmt::join(all, ", "));
    }
    if (action == "config.set") {
        return words_of_parameters(request);
    }
    if (action == "instance.rename") {
        return "to " + text(request, "name");
    }
    if (action == "instance.pause") {
        const auto until_ms = number(request, "until_ms");
        return until_ms == 0 ? "" : "until " + rfc3339(static_cast<std::int64_t>(until_ms));
    }
    if (action == "instance.protect") {
        return flag(arguments, "protect") ? "on" : "off";
    }
    if (action == "volume.grow") {
        const auto bytes = number(arguments, "size_bytes");
        return bytes == 0 ? "" : "to " + format_size(bytes);
    }
    return flag(arguments, "force") ? "forced" : "";
}

} // namespace

std::string detail_of(std::string_view action, const Json& arguments) {
    auto words = words_of(action, arguments);
    if (words.size() > detail_bytes_max) {
        words.resize(detail_bytes_max);
        while (!is_utf8(words)) { // cut inside a character
            words.pop_back();
        }
        words += "...";
    }
    return words;
}

bool is_refusal(const proto::ErrorShape& error) {
    const auto* const row = find_code(error.code);
    return row != nullptr && (row->reaction == Errc::invalid || row->reaction == Errc::not_found ||
                              row->reaction == Errc::not_allowed || row->code == Code::name_taken);
}

} // namespace jackdaw::agent
