#include "coordinator/render/output.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "coordinator/render/yaml.h"

namespace jackdaw::cli {
namespace {

using proto::Json;

std::string dumped(const Json& value, int indent) {
    return value.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string name_of(const Json& object, std::string_view key) {
    const auto at = object.find(key);
    if (at != object.end() && at->is_number_integer()) { // a key's version, a session's id
        return at->dump();
    }
    return at != object.end() && at->is_string() ? printable(at->get<std::string>()) : "";
}

/// One rule for every list: it has `apiVersion` and `kind` ("UserList"), and so has each of its
/// items ("User"), which a program may find alone in a line. An event's own `kind` says what
/// happened, and stays.
Json with_heads(Json list) {
    constexpr std::string_view suffix = "List";
    const auto told = list.find("kind"); // from outside: of any type
    auto kind = told != list.end() && told->is_string() ? told->get<std::string>() : std::string{};
    if (!kind.ends_with(suffix)) {
        return list;
    }
    kind.resize(kind.size() - suffix.size());
    for (auto& item : list.at("items")) {
        if (item.is_object()) {
            Json whole{{"apiVersion", proto::api_version}, {"kind", kind}};
            whole.update(item);
            item = std::move(whole);
        }
    }
    return list;
}

} // namespace

Result<Format> parse_format(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, Format>, 6> formats{{{"table", Format::table},
                                                                          {"wide", Format::wide},
                                                                          {"json", Format::json},
                                                                          {"jsonl", Format::jsonl},
                                                                          {"yaml", Format::yaml},
                                                                          {"name", Format::name}}};
    for (const auto& [name, format] : formats) {
        if (name == text) {
            return format;
        }
    }
    return Error{Errc::invalid, fmt::format("-o {}: one of table, wide, json, jsonl, yaml, name",
                                            text.substr(0, 40))};
}

std::string render_list(const Json& list, const Table& table, Format format, bool colour,
                        std::string_view name_key) {
    std::string out;
    switch (format) {
    case Format::table:
    case Format::wide: return render_table(table, format == Format::wide, colour);
    case Format::json: return dumped(with_heads(list), 2);
    case Format::yaml: return to_yaml(with_heads(list));
    case Format::jsonl:
        for (const auto whole = with_heads(list); const auto& item : whole.at("items")) {
            out += dumped(item, -1);
        }
        return out;
    case Format::name:
        for (const auto& item : list.at("items")) {
            out += name_of(item, name_key) + "\n";
        }
        return out;
    }
    return out;
}

std::string render_object(const Json& object, std::string_view text, Format format,
                          std::string_view name_key) {
    switch (format) {
    case Format::table:
    case Format::wide: return std::string{text};
    case Format::json: return dumped(object, 2);
    case Format::jsonl: return dumped(object, -1);
    case Format::yaml: return to_yaml(object);
    case Format::name: return name_of(object, name_key) + "\n";
    }
    return {};
}

} // namespace jackdaw::cli
