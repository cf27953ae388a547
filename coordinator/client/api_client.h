#pragma once
// How a command speaks to an agent: small, blocking, and the same over the UNIX socket and over the
// channel.

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/error.h"
#include "proto/messages/shapes.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::cli {

using proto::Json;
using Deadline = std::chrono::steady_clock::time_point;

/// One request. `body` null: none. `idempotency_key` empty: none (reading only).
struct ApiRequest {
    std::string method;
    std::string path; ///< "/v1/users/app?host=%25"
    Json body;
    std::string idempotency_key;
};

/// Any answer that the agent gave, whatever its status.
struct ApiResponse {
    int status = 0;
    Json body;
};

/// Called for each event of a stream; false ends it.
using EventSink = std::function<bool(std::string_view event, const Json& data)>;

/// A session with one agent. Not thread-safe.
class ApiClient {
public:
    ApiClient() = default;
    ApiClient(const ApiClient&) = delete;
    ApiClient& operator=(const ApiClient&) = delete;
    virtual ~ApiClient() = default;

    /// Sends and waits for the whole answer. `unavailable` when the agent cannot be reached or went
    /// away, `deadline` when it did not answer in time: for a change the outcome is unknown then,
    /// and the same idempotency key may be sent again. `corrupt` (E-PROTOCOL) for what is no
    /// answer.
    [[nodiscard]] virtual Result<ApiResponse> call(const ApiRequest& request,
                                                   Deadline deadline) = 0;

    /// Follows server-sent events until the agent ends the stream or the sink says so. Errors as
    /// call(); an answer other than 200 is its error.
    [[nodiscard]] virtual Result<void> stream(const std::string& path, const EventSink& sink,
                                              Deadline deadline) = 0;
};

/// The agent's refusal as an Error: the body's "error", or a general one by the status.
[[nodiscard]] Error refusal(const ApiResponse& response);
/// GET; any status but 2xx is an Error.
[[nodiscard]] Result<Json> get(ApiClient& client, std::string path, Deadline deadline);
/// A change; 2xx gives the body, any other status is an Error.
[[nodiscard]] Result<Json> change(ApiClient& client, const ApiRequest& request, Deadline deadline);

/// What `whole`, a shape as this program writes it, has and the answer has not, as JSON pointers
/// ("/volume/used_bytes"). Keys are only ever added: the agent is an older one, and what reads as
/// empty is unknown.
[[nodiscard]] std::vector<std::string> untold(const Json& answer, const Json& whole);

/// RFC 3986: everything but unreserved characters becomes %XX.
[[nodiscard]] std::string percent_encoded(std::string_view text);

} // namespace jackdaw::cli
