#include "coordinator/render/yaml.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace jackdaw::cli {
namespace {

using proto::Json;

bool is_plain(std::string_view text) {
    constexpr std::array<std::string_view, 10> words{"true", "false", "null", "yes", "no",
                                                     "on",   "off",   "y",    "n",   "~"};
    std::string lower{text};
    std::ranges::transform(lower, lower.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    const auto harmless = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '/' || c == '.' || c == '-';
    };
    // A letter or '/' first: never a number, a date or an indicator.
    return !text.empty() && std::ranges::find(words, lower) == words.end() &&
           std::ranges::all_of(text, harmless) &&
           (std::isalpha(static_cast<unsigned char>(text.front())) != 0 || text.front() == '/');
}

std::string scalar(const Json& value) {
    if (value.is_string() && is_plain(value.get_ref<const std::string&>())) {
        return value.get<std::string>();
    }
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool is_block(const Json& value) {
    return value.is_structured() && !value.empty();
}

void put(std::string& out, const Json& value, std::size_t indent) {
    const std::string blanks(indent, ' ');
    if (value.is_object()) {
        for (const auto& [key, item] : value.items()) {
            out += blanks + scalar(Json(key)) + ":";
            if (is_block(item)) {
                out += '\n';
                put(out, item, indent + 2);
            } else {
                out += " " + scalar(item) + "\n";
            }
        }
        return;
    }
    for (const auto& item : value) {
        if (is_block(item)) {
            std::string inner;
            put(inner, item, indent + 2);
            inner.replace(indent, 2, "- "); // the first line stands beside the dash
            out += inner;
        } else {
            out += blanks + "- " + scalar(item) + "\n";
        }
    }
}

} // namespace

std::string to_yaml(const Json& value) {
    std::string out;
    if (is_block(value)) {
        put(out, value, 0);
    } else {
        out = scalar(value) + "\n";
    }
    return out;
}

} // namespace jackdaw::cli
