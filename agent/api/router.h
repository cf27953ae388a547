#pragma once
// The one API of the agent: what a path and a method mean. Two transports carry it, HTTP/1.1 on the
// admin socket and the channel; neither knows what it carries. Blocking: called on the worker pool,
// never on the loop.
//
// Every route stands in one table, Router::rows() (routes.cpp): method, path, what it is, what goes
// in and comes out. The OpenAPI document (openapi.h) is made of it. Streams (server-sent events)
// stand in it, too, and are served by the transports: see stream().
//
// Another path is 404, another method of a path 405, a parameter of the query that its row does not
// have 400.

#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/api/fleet_api.h"
#include "agent/life/life.h"
#include "agent/timeline.h"
#include "proto/base/error.h"
#include "proto/messages/shapes.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::agent {

/// Who asks, as the transport found out.
struct Caller {
    std::string text; ///< "uid 0", "operator 5f3c…", "agent db2"
    bool may_change = false;
    bool is_public = false; ///< came by public.sock: shown nothing that the tenant wrote
};

struct ApiRequest {
    std::string method;
    std::string target; ///< path and query, as received
    std::string body;
    std::string idempotency_key;
    /// Checked as far as that changes nothing, and told; nothing is submitted. No transport sets
    /// it.
    bool is_rehearsal = false;
    Caller caller;
    /// The answer matters until then. What has not begun by then never does: 504.
    std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
};

struct ApiResponse {
    int status = 200;    ///< of HTTP
    std::string body;    ///< JSON
    std::string allow{}; ///< of a 405: the methods that the path has
    std::string_view content_type = "application/json";
};

/// {"error": ErrorShape} with the HTTP status of its reaction.
[[nodiscard]] ApiResponse error_response(const Error& error);
[[nodiscard]] int http_status(Errc reaction) noexcept;

/// A target split and percent-decoded (RFC 3986, sections 2.1 and 3.4). `invalid` for a bad escape,
/// NUL, what is not UTF-8, more than 8 segments or 16 parameters.
struct Target {
    std::vector<std::string> segments;
    std::map<std::string, std::string> query;
    std::string_view body{}; ///< Row::body of what answers it; set by the router
};
[[nodiscard]] Result<Target> parse_target(std::string_view target);

/// A GET that goes on: server-sent events on the sockets, event messages on the channel.
struct StreamItem {
    std::string event; ///< "operation", "event", "log"
    std::string data;  ///< JSON, one line
};
struct StreamPart {
    std::vector<StreamItem> items; ///< what is new since the last one
    bool has_more = false;         ///< a bound was met: ask again at once, whatever is new
    bool ended = false;            ///< nothing comes any more
};
struct Stream {
    std::string watch;                 ///< what EventHub wakes it for
    std::chrono::milliseconds poll{0}; ///< > 0: looked at so often besides
    /// May block for milliseconds: called on the worker pool, one call at a time.
    std::function<StreamPart()> next;
};
/// What EventHub is told for every entry of the timeline.
inline constexpr const char* timeline_watch = "timeline";

class Router {
public:
    struct Parts {
        Life& life;
        const runtime::Clock& clock;
        FleetApi& fleet;
        std::string version;
        const Timeline* timeline = nullptr; ///< null: none is kept
        Host* host = nullptr;               ///< for logs; thread-safe; null: none are read
        std::string state_folder{};         ///< for `doctor`; empty: it is not looked at
        /// Of this agent alone: what a request asked for is kept as a hash under it, since a plain
        /// one of a body with a password in it could be found by trying.
        std::array<unsigned char, 32> request_key{};
    };
    explicit Router(Parts parts) : parts_{std::move(parts)} {}

    /// Thread-safe. Never throws; every failure is a response.
    [[nodiscard]] ApiResponse handle(const ApiRequest& request) const;
    /// /metrics (OpenMetrics), /healthz (this process answers) and /readyz (its database does), for
    /// programs that poll; nullopt for every other path. They tell nothing that is secret.
    [[nodiscard]] std::optional<ApiResponse> plain(std::string_view method,
                                                   std::string_view target) const;
    [[nodiscard]] static bool is_plain(std::string_view target) noexcept;
    /// The answer where it waits for nothing, so that it needs no worker: health, and the instance.
    /// nullopt: handle() has it.
    [[nodiscard]] std::optional<ApiResponse> quick(const ApiRequest& request) const;
    /// Whether it asks for a stream that this caller may have; waits for nothing.
    [[nodiscard]] static bool is_stream(const ApiRequest& request);
    /// That stream; nullopt: there is none, and handle() says why. Waits as handle() does.
    [[nodiscard]] std::optional<Stream> stream(const ApiRequest& request) const;

    using Outcome = Result<ApiResponse>;
    using Handler = Outcome (Router::*)(const ApiRequest&, const Target&) const;
    struct Parameter { ///< of the query
        std::string_view name;
        std::string_view type; ///< of JSON Schema: "string", "integer", "boolean"
        std::string_view text;
        bool required = false;
    };
    struct Row {
        std::string_view method;
        std::string_view pattern; ///< below /v1; '*' is one segment
        Handler handler;
        std::string_view text;   ///< what it does, a line
        std::string_view answer; ///< a schema of openapi.cpp, or "List of SCHEMA"
        int status = 200;        ///< of success
        std::string_view body{}; ///< a schema of openapi.cpp; empty: none
        std::vector<Parameter> query{};
        bool tenant_words = false; ///< tells what the tenant wrote: not on public.sock
    };
    [[nodiscard]] static const std::vector<Row>& rows();
    /// Whether each request would be an operation of its own, so that an Idempotency-Key says which
    /// are one. A create, an abort and a resume are the same request again by what they ask for.
    [[nodiscard]] static bool takes_a_key(const Row& row) noexcept;

private:
    [[nodiscard]] Outcome route(const ApiRequest& request, Target target) const;
    // One for each row of the table, by subject: router.cpp, router_accounts.cpp,
    // router_config.cpp, router_events.cpp, router_members.cpp, router_observe.cpp,
    // router_health.cpp, router_rehearsal.cpp.
#define JACKDAW_HANDLER(name)                                                                      \
    [[nodiscard]] Outcome name(const ApiRequest& request, const Target& target) const
    JACKDAW_HANDLER(version);
    JACKDAW_HANDLER(openapi);
    JACKDAW_HANDLER(instance);
    JACKDAW_HANDLER(create);
    JACKDAW_HANDLER(remove);
    JACKDAW_HANDLER(power);
    JACKDAW_HANDLER(grow);
    JACKDAW_HANDLER(protect);
    JACKDAW_HANDLER(rename);
    JACKDAW_HANDLER(repair);
    JACKDAW_HANDLER(pause);
    JACKDAW_HANDLER(instances);
    JACKDAW_HANDLER(members);
    JACKDAW_HANDLER(member);
    JACKDAW_HANDLER(member_why);
    JACKDAW_HANDLER(forget_member);
    JACKDAW_HANDLER(gossip);
    JACKDAW_HANDLER(gossip_join);
    JACKDAW_HANDLER(gossip_leave);
    JACKDAW_HANDLER(gossip_hint);
    JACKDAW_HANDLER(gossip_ring);
    JACKDAW_HANDLER(databases);
    JACKDAW_HANDLER(change_database);
    JACKDAW_HANDLER(users);
    JACKDAW_HANDLER(user);
    JACKDAW_HANDLER(change_user);
    JACKDAW_HANDLER(change_grant);
    JACKDAW_HANDLER(update_user);
    JACKDAW_HANDLER(root);
    JACKDAW_HANDLER(enable_root);
    JACKDAW_HANDLER(disable_root);
    JACKDAW_HANDLER(sessions);
    JACKDAW_HANDLER(kill_session);
    JACKDAW_HANDLER(datastore);
    JACKDAW_HANDLER(parameters);
    JACKDAW_HANDLER(parameter);
    JACKDAW_HANDLER(set_parameters);
    JACKDAW_HANDLER(logs);
    JACKDAW_HANDLER(log);
    JACKDAW_HANDLER(events);
    JACKDAW_HANDLER(operations);
    JACKDAW_HANDLER(operation);
    JACKDAW_HANDLER(rehearsal);
    JACKDAW_HANDLER(doctor);
    JACKDAW_HANDLER(load);
    JACKDAW_HANDLER(abort);
    JACKDAW_HANDLER(resume);
#undef JACKDAW_HANDLER
    [[nodiscard]] ApiResponse metrics() const;
    [[nodiscard]] std::optional<Stream> log_stream(const ApiRequest& request,
                                                   const Target& target) const;
    [[nodiscard]] Stream operation_stream(std::string id) const;
    [[nodiscard]] std::optional<Stream> event_stream(const Target& target) const;
    [[nodiscard]] Stream
    timeline_stream(std::uint64_t after,
                    std::function<bool(const proto::EventShape& entry)> is_wanted) const;
    [[nodiscard]] Outcome submit(const ApiRequest& request, std::string action, std::string target,
                                 proto::Json arguments) const;
    /// What submit() answers for a rehearsal: the checks that the operation's own steps make.
    [[nodiscard]] Outcome rehearse(const ApiRequest& request, const std::string& action,
                                   const std::string& target, const proto::Json& arguments) const;
    [[nodiscard]] Result<proto::MemberShape> member_named(const std::string& wanted) const;
    [[nodiscard]] Outcome accepted(const Life::Submitted& submitted) const;
    [[nodiscard]] std::string as_of() const;

    Parts parts_;
};

} // namespace jackdaw::agent
