#pragma once
// What -o says, and the documents in it.

#include <cstdint>
#include <string>
#include <string_view>

#include "coordinator/render/table.h"
#include "proto/base/error.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::cli {

enum class Format : std::uint8_t { table, wide, json, jsonl, yaml, name };

/// `invalid` naming the formats for anything else.
[[nodiscard]] Result<Format> parse_format(std::string_view text);
/// For programs, so that errors become JSON, too.
[[nodiscard]] constexpr bool is_structured(Format format) noexcept {
    return format == Format::json || format == Format::jsonl || format == Format::yaml;
}

/// A list document {…, "items"}, whose items get `apiVersion` and `kind` if they have none: `table`
/// for people, one item a line for jsonl, `name_key` of each for name.
[[nodiscard]] std::string render_list(const proto::Json& list, const Table& table, Format format,
                                      bool colour, std::string_view name_key = "name");
/// One object; `text` is what people see of it.
[[nodiscard]] std::string render_object(const proto::Json& object, std::string_view text,
                                        Format format, std::string_view name_key = "name");

} // namespace jackdaw::cli
