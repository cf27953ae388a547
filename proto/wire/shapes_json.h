#pragma once
// The shapes of proto/messages/shapes.h as JSON and back. Reading trusts nothing: a wrong type, an
// unknown enumerator or a list over its bound is `invalid` with the key's name.

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "proto/base/error.h"
#include "proto/messages/shapes.h"

namespace jackdaw::proto {

using Json = nlohmann::ordered_json;

inline constexpr std::string_view api_version = "jackdaw/v1";
inline constexpr std::size_t json_bytes_max = 1U << 20U; ///< of one document from outside
inline constexpr std::size_t json_depth_max = 16;
inline constexpr std::size_t list_items_max = 10'000;
/// Of one object: each new key is compared with all before it, since Json keeps their order.
inline constexpr std::size_t json_keys_max = 2'000;

/// Parses a document from outside: bounded in size, depth and keys of an object, valid UTF-8, no
/// duplicate keys' surprise (the last one wins, as RFC 8259 allows). Its time grows with the size
/// and no faster. `invalid` with the place otherwise. `bytes_max`: an agent's answer may be longer
/// than anything that is sent to one.
[[nodiscard]] Result<Json> parse_json(std::string_view text,
                                      std::size_t bytes_max = json_bytes_max);

[[nodiscard]] Json to_json(const ErrorShape& value);
[[nodiscard]] Json to_json(const InstanceSpec& value);
[[nodiscard]] Json to_json(const Instance& value);    ///< with apiVersion and kind
[[nodiscard]] Json to_json(const Operation& value);   ///< with apiVersion and kind
[[nodiscard]] Json to_json(const MemberShape& value); ///< with apiVersion and kind
[[nodiscard]] Json to_json(const EventShape& value);
/// {"apiVersion", "kind": kind + "List", "items", "as_of", "unreachable"}
[[nodiscard]] Json list_json(std::string_view kind, Json items, std::string as_of,
                             std::vector<std::string> unreachable = {});

[[nodiscard]] Result<ErrorShape> error_shape_from(const Json& json);
[[nodiscard]] Result<InstanceSpec> instance_spec_from(const Json& json);
[[nodiscard]] Result<Instance> instance_from(const Json& json);
[[nodiscard]] Result<Operation> operation_from(const Json& json);
[[nodiscard]] Result<MemberShape> member_from(const Json& json);
[[nodiscard]] Result<EventShape> event_from(const Json& json);

/// Typed reading of one key, for bodies that have no shape of their own. `fallback` when absent or
/// null.
[[nodiscard]] Result<std::string> string_at(const Json& object, std::string_view key,
                                            std::string fallback, std::size_t bytes_max = 4096);
[[nodiscard]] Result<std::uint64_t> number_at(const Json& object, std::string_view key,
                                              std::uint64_t fallback, std::uint64_t max);
[[nodiscard]] Result<bool> bool_at(const Json& object, std::string_view key, bool fallback);
[[nodiscard]] Result<std::vector<std::string>> strings_at(const Json& object, std::string_view key,
                                                          std::size_t items_max = 256);

/// An object of texts, at most `items_max` of them. Empty when absent or null.
[[nodiscard]] Result<std::map<std::string, std::string>>
texts_at(const Json& object, std::string_view key, std::size_t items_max = 1000);

} // namespace jackdaw::proto
