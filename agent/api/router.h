#pragma once
// The one API of the agent: what a path and a method mean. Two transports carry it, HTTP/1.1 on the
// admin socket and the channel; neither knows what it carries. Blocking: called on the worker pool,
// never on the loop.
//
//   GET    /v1/version
//   GET    /v1/instance                       PUT: create (InstanceSpec, users with "password")
//   DELETE ?keep_volume=1 POST   /v1/instance/{start|stop|restart|grow|protect|unprotect} GET
//   /v1/instances   /v1/members   /v1/members/NAME GET    /v1/databases                      POST
//   {name, charset, collation}    DELETE /v1/databases/NAME GET    /v1/users POST {name, host,
//   databases, password} DELETE /v1/users/NAME?host=H              POST
//   /v1/users/NAME/password?host=H {password} GET    /v1/operations?limit=N /v1/operations/ID POST
//   …/{abort|resume} GET    /v1/operations/ID/events           (a stream; the transports serve it
//   from EventHub)
//
// Another path is 404, another method of a path 405.

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/life/life.h"
#include "proto/base/error.h"
#include "proto/messages/shapes.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::agent {

/// Who asks, as the transport found out.
struct Caller {
    std::string text; ///< "uid 0", "operator 5f3c…", "agent db2"
    bool may_change = false;
};

struct ApiRequest {
    std::string method;
    std::string target; ///< path and query, as received
    std::string body;
    std::string idempotency_key;
    Caller caller;
    /// The answer matters until then. What has not begun by then never does: 504.
    std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
};

struct ApiResponse {
    int status = 200;    ///< of HTTP
    std::string body;    ///< JSON
    std::string allow{}; ///< of a 405: the methods that the path has
};

/// {"error": ErrorShape} with the HTTP status of its reaction.
[[nodiscard]] ApiResponse error_response(const Error& error);
[[nodiscard]] int http_status(Errc reaction) noexcept;

/// A target split and percent-decoded (RFC 3986, sections 2.1 and 3.4). `invalid` for a bad escape,
/// NUL, more than 8 segments or 16 parameters.
struct Target {
    std::vector<std::string> segments;
    std::map<std::string, std::string> query;
};
[[nodiscard]] Result<Target> parse_target(std::string_view target);

/// The operation id of "/v1/operations/ID/events", or nullopt.
[[nodiscard]] std::optional<std::string> events_of(std::string_view target);

class Router {
public:
    struct Parts {
        Life& life;
        const runtime::Clock& clock;
        std::function<std::vector<proto::MemberShape>()> members; ///< thread-safe
        std::function<std::vector<proto::Instance>()>
            instances; ///< of the fleet, from what gossip told
        std::string version;
    };
    explicit Router(Parts parts) : parts_{std::move(parts)} {}

    /// Thread-safe. Never throws; every failure is a response.
    [[nodiscard]] ApiResponse handle(const ApiRequest& request) const;

private:
    using Outcome = Result<ApiResponse>;
    [[nodiscard]] Outcome route(const ApiRequest& request, const Target& target) const;
    // One for each row of the table in route().
    [[nodiscard]] Outcome version(const ApiRequest& request, const Target& target) const;
    [[nodiscard]] Outcome instance(const ApiRequest& request, const Target& target) const;
    [[nodiscard]] Outcome create(const ApiRequest& request, const Target& target) const;
    [[nodiscard]] Outcome remove(const ApiRequest& request, const Target& target) const;
    [[nodiscard]] Outcome power(const ApiRequest& request, const Target& target) const;
    [[nodiscard]] Outcome grow(const ApiRequest& request, const Target& target) const;
    [[nodiscard]] Outcome protect(const ApiRequest& request, const Target& target) const;
    [[nodiscard]] Outcome instances(const ApiRequest& request, const Target& target) const;
    [[nodiscard]] Outcome members(const ApiRequest& request, const Target& target) const;
    [[nodiscard]] Outcome member(const ApiRequest& request, const Target& target) const;
    [[nodiscard]] Outcome databases(const ApiRequest& request, const Target& target) const;
    [[nodiscard]] Outcome change_database(const ApiRequest& request, const Target& target) const;
    [[nodiscard]] Outcome users(const ApiRequest& request, const Target& target) const;
    [[nodiscard]] Outcome change_user(const ApiRequest& request, const Target& target) const;
    [[nodiscard]] Outcome operations(const ApiRequest& request, const Target& target) const;
    [[nodiscard]] Outcome operation(const ApiRequest& request, const Target& target) const;
    [[nodiscard]] Outcome abort(const ApiRequest& request, const Target& target) const;
    [[nodiscard]] Outcome resume(const ApiRequest& request, const Target& target) const;
    [[nodiscard]] Outcome submit(const ApiRequest& request, std::string action, std::string target,
                                 proto::Json arguments) const;
    [[nodiscard]] Outcome accepted(const Life::Submitted& submitted) const;
    [[nodiscard]] std::string as_of() const;

    Parts parts_;
};

} // namespace jackdaw::agent
