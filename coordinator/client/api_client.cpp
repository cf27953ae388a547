#include "coordinator/client/api_client.h"

#include <fmt/format.h>

namespace jackdaw::cli {
namespace {

constexpr std::string_view nothing_answers = "nothing answers ";

Errc reaction_to(int status) {
    switch (status) {
    case 400:
    case 413:
    case 422: return Errc::invalid;
    case 401:
    case 403: return Errc::not_allowed;
    case 404: return Errc::not_found;
    case 409:
    case 412: return Errc::conflict;
    case 423: return Errc::busy;
    case 429:
    case 507: return Errc::exhausted;
    case 501: return Errc::unsupported;
    case 502:
    case 503: return Errc::unavailable;
    case 504: return Errc::deadline;
    default: return Errc::internal;
    }
}

/// The agent's router says so of what it has no route for (agent/api/router.cpp); what it merely
/// has not is told otherwise.
bool is_unknown_route(const proto::ErrorShape& shape) {
    return shape.code == row_of(Code::not_found).name &&
           (shape.message.starts_with(nothing_answers) || shape.cause.starts_with(nothing_answers));
}

/// A question that an agent does not know is no absence of what was asked for.
Error too_old(const proto::ErrorShape& shape) {
    constexpr std::string_view before = "version is ";
    const auto begin = shape.hint.find(before);
    const auto version =
        begin == std::string::npos
            ? std::string{"its version is not told"}
            : shape.hint.substr(begin + before.size(),
                                shape.hint.find(';', begin) - begin - before.size());
    const auto& words = shape.message.starts_with(nothing_answers) ? shape.message : shape.cause;
    return Error{Errc::unsupported, fmt::format("agent too old ({}): {}", version, words)}
        .with_hint("upgrade it: this version's programs into its machine, then end the agent, as "
                   "USING.md has it; `jackdaw doctor` compares versions");
}

void add_untold(const Json& answer, const Json& whole, const std::string& at,
                std::vector<std::string>& all) {
    for (const auto& [key, value] : whole.items()) {
        const auto path = at + "/" + key;
        const auto told = answer.find(key);
        if (told == answer.end()) {
            all.push_back(path);
        } else if (value.is_object() && told->is_object()) {
            add_untold(*told, value, path, all);
        }
    }
}

bool good(int status) {
    return status >= 200 && status < 300;
}

} // namespace

Error refusal(const ApiResponse& response) {
    if (response.body.is_object()) {
        if (const auto at = response.body.find("error"); at != response.body.end()) {
            if (auto shape = proto::error_shape_from(*at); shape && !shape->code.empty()) {
                return is_unknown_route(*shape) ? too_old(*shape) : proto::to_error(*shape);
            }
        }
    }
    return Error{reaction_to(response.status),
                 fmt::format("the agent answered with status {}", response.status)};
}

Result<Json> get(ApiClient& client, std::string path, Deadline deadline) {
    return change(client, ApiRequest{"GET", std::move(path), nullptr, {}}, deadline);
}

Result<Json> change(ApiClient& client, const ApiRequest& request, Deadline deadline) {
    JACKDAW_TRY(auto response, client.call(request, deadline));
    if (!good(response.status)) {
        return refusal(response);
    }
    return std::move(response.body);
}

std::vector<std::string> untold(const Json& answer, const Json& whole) {
    std::vector<std::string> all;
    if (answer.is_object()) {
        add_untold(answer, whole, "", all);
    }
    return all;
}

std::string percent_encoded(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
        if (plain) {
            out += c;
        } else {
            out += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
        }
    }
    return out;
}

} // namespace jackdaw::cli
