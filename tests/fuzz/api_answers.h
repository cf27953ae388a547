#pragma once
// What every answer of the agent's API holds, whatever was asked.

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "agent/api/router.h"
#include "tests/fuzz/require.h"

namespace jackdaw::fuzz {

inline void check_error_body(int status, const agent::Json& body) {
    require(body.is_object() &&
            (body.contains("error") && !body.contains("kind")) == (status >= 400));
    if (status >= 400) {
        const auto& error = body.at("error");
        require(error.at("code").get<std::string>().starts_with("E-"));
        require(!error.at("message").get<std::string>().empty());
    }
}

inline bool is_known_status(int status) {
    constexpr std::array known{200, 202, 400, 403, 404, 405, 409,
                               413, 422, 431, 500, 503, 504, 507};
    return std::ranges::find(known, status) != known.end();
}

/// A password of a body that stands nowhere else in the request must not come back.
inline void check_no_password(const agent::ApiRequest& request, const agent::ApiResponse& answer) {
    const auto body = agent::Json::parse(request.body, nullptr, false);
    if (!body.is_object() || !body.contains("password") || !body["password"].is_string()) {
        return;
    }
    const auto& password = body["password"].get_ref<const std::string&>();
    if (password.size() < 12 || request.target.find(password) != std::string::npos ||
        request.idempotency_key.find(password) != std::string::npos) {
        return;
    }
    auto others = body;
    others.erase("password");
    const auto quoted =
        agent::Json(password).dump(-1, ' ', false, agent::Json::error_handler_t::replace);
    const auto inner = quoted.substr(1, quoted.size() - 2);
    if (others.dump(-1, ' ', false, agent::Json::error_handler_t::replace).find(inner) ==
        std::string::npos) {
        require(answer.body.find(inner) == std::string::npos);
    }
}

inline void check_answer(const agent::ApiRequest& request, const agent::ApiResponse& answer) {
    require(is_known_status(answer.status));
    require(answer.body.size() <= (std::size_t{8} << 20U));
    require((answer.status == 405) == !answer.allow.empty());
    require(answer.status != 500); // nothing that a caller says is our fault or a damaged state
    if (answer.content_type == "application/json") {
        const auto body = agent::Json::parse(answer.body, nullptr, false);
        require(!body.is_discarded());
        check_error_body(answer.status, body);
    }
    check_no_password(request, answer);
}

} // namespace jackdaw::fuzz
