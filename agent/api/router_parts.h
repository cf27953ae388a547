#pragma once
// What the handlers of the Router have in common. For the files router*.cpp alone.

#include <charconv>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/api/openapi.h"
#include "agent/api/router.h"
#include "agent/life/parameter_wish.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::agent {

using proto::Json;

inline constexpr std::size_t shown_bytes_max = 80; ///< of what a caller named, in an error
inline constexpr std::size_t name_bytes_max = std::size_t{1}
                                              << 20U; ///< the driver says what is too long

inline std::string dump(const Json& json) {
    // Names come from outside: bytes that are no UTF-8 are shown as U+FFFD, not thrown about.
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

inline ApiResponse answer(const Json& json, int status = 200) {
    return ApiResponse{status, dump(json)};
}

/// A password may stand anywhere in what is refused.
inline void wipe_strings(Json& json) {
    if (json.is_string()) {
        wipe(json.get_ref<std::string&>());
    }
    if (json.is_structured()) {
        for (auto& one : json) {
            wipe_strings(one);
        }
    }
}

/// The hint for a field or a parameter that is not known.
inline std::string there_are(const std::vector<std::string>& known) {
    return known.empty()
               ? std::string{"it takes none"}
               : fmt::format("there are: {}; a `jackdaw` of a later version than this agent "
                             "may ask for more",
                             fmt::join(known, ", "));
}

/// The body of what `target` names: an object, or empty for {}. `invalid` for a field that it does
/// not take: a change of which a word is not understood is another one than was meant.
inline Result<Json> body_of(const ApiRequest& request, const Target& target) {
    if (request.body.empty()) {
        return Json::object();
    }
    JACKDAW_TRY(auto json, proto::parse_json(request.body));
    if (!json.is_object()) {
        wipe_strings(json);
        return Error{Errc::invalid, "the body must be a JSON object"};
    }
    const auto unknown = unknown_field(target.body, json);
    if (!unknown) {
        return json;
    }
    wipe_strings(json);
    return Error{Errc::invalid,
                 fmt::format("the body has a field '{}', which is not known; nothing was done",
                             unknown->path.substr(0, shown_bytes_max))}
        .with_hint(there_are(unknown->known));
}

/// Takes "password" out of a body, so that nothing that goes on carries it.
inline Result<Secret> take_password(Json& object) {
    JACKDAW_TRY(auto clear, proto::string_at(object, "password", "", 4096));
    if (auto at = object.find("password"); at != object.end()) {
        if (at->is_string()) {
            wipe(at->get_ref<std::string&>());
        }
        object.erase("password");
    }
    return Secret{std::move(clear)};
}

/// What the driver has of that kind; `unsupported` when its datastore knows no such thing.
template <class Facet>
Result<Facet*> facet_of(plugins::Datastore& driver, Facet* (plugins::Datastore::*facet)() noexcept,
                        std::string_view what) {
    auto* const found = (driver.*facet)();
    if (found == nullptr) {
        return Error{Errc::unsupported, fmt::format("{} has no {}", driver.name(), what)};
    }
    return found;
}

/// A whole number of the query; nullopt when it is not there.
inline Result<std::optional<std::uint64_t>> number_of(const Target& target, const char* key) {
    const auto at = target.query.find(key);
    if (at == target.query.end()) {
        return std::optional<std::uint64_t>{};
    }
    std::uint64_t value = 0;
    const auto* const end = at->second.data() + at->second.size();
    const auto [last, failure] = std::from_chars(at->second.data(), end, value);
    if (failure != std::errc{} || last != end || at->second.empty()) {
        return Error{Errc::invalid, fmt::format("'{}' is a whole number", key)};
    }
    return std::optional{value};
}

/// A switch of the query; off when it is not there. What is neither on nor off is refused: taken
/// for the other one, it would do what nobody meant.
inline Result<bool> flag_of(const Target& target, const char* key) {
    const auto at = target.query.find(key);
    if (at == target.query.end() || at->second == "0" || at->second == "false") {
        return false;
    }
    if (at->second == "1" || at->second == "true") {
        return true;
    }
    return Error{Errc::invalid, fmt::format("'{}' is 1 or 0 (true or false)", key)};
}

inline Json row_of(const proto::DatabaseSpec& one) {
    return {{"name", one.name}, {"charset", one.charset}, {"collation", one.collation}};
}
inline Json row_of(const proto::UserSpec& one) {
    return {{"name", one.name}, {"host", one.host}, {"databases", one.databases}};
}

/// Every one of a kind, as the server knows them now.
template <class Facet>
Result<Json> ask_all(Life& life, const ApiRequest& request,
                     Facet* (plugins::Datastore::*facet)() noexcept, std::string_view what) {
    return life.query(
        [&](plugins::Datastore& driver, const plugins::Call& call) -> Result<Json> {
            JACKDAW_TRY(auto* const found, facet_of(driver, facet, what));
            JACKDAW_TRY(const auto all, found->list(call));
            Json list = Json::array();
            for (const auto& one : all) {
                list.push_back(row_of(one));
            }
            return list;
        },
        request.deadline);
}

} // namespace jackdaw::agent
