#include "agent/api/router.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <sodium.h>

#include "agent/api/openapi.h"
#include "agent/api/router_parts.h"
#include "agent/core/utf8.h"
#include "proto/base/ids.h"

namespace jackdaw::agent {
namespace {

using proto::Json;

constexpr std::size_t segments_max = 8;
constexpr std::uint64_t pause_seconds_max = 30 * 86'400; ///< nobody looks after it meanwhile
constexpr std::size_t parameters_max = 16;
constexpr std::size_t key_bytes_max = 128; ///< of an Idempotency-Key
constexpr std::size_t operations_shown = 100;
constexpr std::size_t operations_shown_max = 10'000;
constexpr std::string_view admin_hint =
    "ask on /run/jackdaw/admin.sock, as root or as a member of group jackdaw";

/// BLAKE2b under the agent's key, of method, target and body; members of an object in any order are
/// the same request.
std::string mac_of(const ApiRequest& request, const std::array<unsigned char, 32>& key) {
    auto text = fmt::format("{} {}\n", request.method, request.target);
    if (proto::parse_json(request.body)) { // within the bounds that this has
        auto sorted =
            nlohmann::json::parse(request.body); // proto::Json keeps the order it was given
        text += sorted.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
        if (sorted.is_object() && sorted.contains("password") && sorted["password"].is_string()) {
            wipe(sorted["password"].get_ref<std::string&>());
        }
    } else {
        text += request.body;
    }
    std::array<unsigned char, 32> mac{};
    crypto_generichash(mac.data(), mac.size(), reinterpret_cast<const unsigned char*>(text.data()),
                       text.size(), key.data(), key.size());
    wipe(text);
    return to_hex(std::as_bytes(std::span{mac}));
}

Result<std::string> unescape(std::string_view text, bool plus_is_space) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%') {
            unsigned value = 0;
            const auto* const first = text.data() + i + 1;
            if (text.size() - i < 3) {
                return Error{Errc::invalid, "a '%' in the target without two hex digits behind it"};
            }
            const auto [end, ec] = std::from_chars(first, first + 2, value, 16);
            if (ec != std::errc{} || end != first + 2) {
                return Error{Errc::invalid, "a '%' in the target without two hex digits behind it"};
            }
            out += static_cast<char>(value);
            i += 2;
        } else {
            out += plus_is_space && text[i] == '+' ? ' ' : text[i];
        }
    }
    if (out.find('\0') != std::string::npos) {
        return Error{Errc::invalid, "a NUL in the target"};
    }
    if (!is_utf8(out)) { // no answer could name it, and the journal could not keep it
        return Error{Errc::invalid, "the target is not UTF-8"};
    }
    return out;
}

/// '*' in a pattern stands for one segment.
bool matches(std::string_view pattern, const std::vector<std::string>& segments) {
    for (std::size_t at = 1;; ++at) { // a part of the pattern less each time
        const auto slash = pattern.find('/');
        const auto part = pattern.substr(0, slash);
        if (at >= segments.size() || (part != "*" && part != segments[at])) {
            return false;
        }
        if (slash == std::string_view::npos) {
            return at + 1 == segments.size();
        }
        pattern.remove_prefix(slash + 1);
    }
}

/// A request of which a word is not understood is another one than was meant.
Result<void> check_query(const Router::Row& row, const Target& target) {
    for (const auto& [key, value] : target.query) {
        if (std::ranges::find(row.query, key, &Router::Parameter::name) == row.query.end()) {
            std::vector<std::string> known;
            for (const auto& one : row.query) {
                known.emplace_back(one.name);
            }
            return Error{Errc::invalid,
                         fmt::format("{} of {} takes no '{}'; nothing was done", row.method,
                                     row.pattern, key.substr(0, shown_bytes_max))}
                .with_hint(there_are(known));
        }
    }
    return ok();
}

/// What serves it as a stream; null: it asks for none, or for one that this caller may not have.
const Router::Row* stream_row(const ApiRequest& request, const Target& target) {
    if (request.method != "GET" || target.segments.empty() || target.segments[0] != "v1") {
        return nullptr;
    }
    const auto& rows = Router::rows();
    const auto found = std::ranges::find_if(rows, [&](const Router::Row& one) {
        return one.answer == "Stream" && matches(one.pattern, target.segments) &&
               !(one.tenant_words && request.caller.is_public);
    });
    return found == rows.end() ? nullptr : &*found;
}

} // namespace

int http_status(Errc reaction) noexcept {
    switch (reaction) {
    case Errc::invalid: return 400;
    case Errc::not_allowed: return 403;
    case Errc::not_found: return 404;
    case Errc::conflict: return 409;
    case Errc::busy: return 409;
    case Errc::unsupported: return 422;
    case Errc::unavailable: return 503;
    case Errc::deadline: return 504;
    case Errc::exhausted: return 507;
    case Errc::cancelled: return 503;
    case Errc::corrupt: return 500;
    case Errc::internal: return 500;
    }
    return 500;
}

ApiResponse error_response(const Error& error) {
    return ApiResponse{http_status(error.code()),
                       dump(Json{{"error", proto::to_json(proto::shape_of(error))}})};
}

Result<Target> parse_target(std::string_view target) {
    Target parsed;
    const auto mark = target.find('?');
    auto path = target.substr(0, mark);
    if (path.empty() || path.front() != '/') {
        return Error{Errc::invalid, "the target must begin with '/'"};
    }
    path.remove_prefix(1);
    while (!path.empty()) {
        const auto slash = path.find('/');
        JACKDAW_TRY(auto segment, unescape(path.substr(0, slash), false));
        parsed.segments.push_back(std::move(segment));
        if (parsed.segments.size() > segments_max) {
            return Error{Errc::invalid, "the path has too many parts"};
        }
        path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
    }
    auto query = mark == std::string_view::npos ? std::string_view{} : target.substr(mark + 1);
    while (!query.empty()) {
        const auto next = query.find('&');
        const auto pair = query.substr(0, next);
        const auto equals = pair.find('=');
        JACKDAW_TRY(auto key, unescape(pair.substr(0, equals), true));
        std::string value;
        if (equals != std::string_view::npos) {
            JACKDAW_TRY(value, unescape(pair.substr(equals + 1), true));
        }
        parsed.query.insert_or_assign(std::move(key), std::move(value));
        if (parsed.query.size() > parameters_max) {
            return Error{Errc::invalid, "the query has too many parameters"};
        }
        query = next == std::string_view::npos ? std::string_view{} : query.substr(next + 1);
    }
    return parsed;
}

ApiResponse Router::handle(const ApiRequest& request) const {
    if (auto simple = plain(request.method, request.target)) {
        return *std::move(simple);
    }
    const auto target = parse_target(request.target);
    if (!target) {
        return error_response(target.error());
    }
    if (request.method != "GET" && !request.caller.may_change) {
        auto refused =
            Error{Errc::not_allowed, fmt::format("{} may look, not change", request.caller.text)};
        return error_response(request.caller.is_public
                                  ? std::move(refused).with_hint(std::string{admin_hint})
                                  : std::move(refused));
    }
    if (std::chrono::steady_clock::now() >= request.deadline) {
        return error_response(
            Error{Errc::deadline, "its time was over before it was begun; nothing was changed"});
    }
    auto outcome = route(request, *target);
    return outcome ? *std::move(outcome) : error_response(outcome.error());
}

bool Router::takes_a_key(const Row& row) noexcept {
    const bool is_create = row.method == "PUT" && row.pattern == "instance";
    return row.answer == "Operation" && row.method != "GET" && !is_create &&
           !row.pattern.starts_with("operations/");
}

bool Router::is_stream(const ApiRequest& request) {
    const auto target = parse_target(request.target);
    return target && stream_row(request, *target) != nullptr;
}

std::optional<Stream> Router::stream(const ApiRequest& request) const {
    const auto target = parse_target(request.target);
    const auto* const row = target ? stream_row(request, *target) : nullptr;
    if (row == nullptr || !check_query(*row, *target)) {
        return std::nullopt; // handle() says what is wrong with it
    }
    const auto& segments = target->segments;
    if (segments[1] == "logs") {
        return log_stream(request, *target);
    }
    if (segments[1] == "events") {
        return event_stream(*target);
    }
    return parts_.life.operation(segments[2]) ? std::optional{operation_stream(segments[2])}
                                              : std::nullopt;
}

Stream Router::operation_stream(std::string id) const {
    Stream stream;
    stream.watch = id;
    stream.next = [this, id = std::move(id)]() -> StreamPart {
        StreamPart part;
        const auto shape = parts_.life.operation(id);
        if (shape) {
            part.items.push_back({"operation", dump(proto::to_json(*shape))});
        }
        part.ended = !shape || shape->status == "done" || shape->status == "failed" ||
                     shape->status == "undone";
        return part;
    };
    return stream;
}

Router::Outcome Router::route(const ApiRequest& request, Target target) const {
    const auto& segments = target.segments;
    const auto what = request.target.substr(0, 200);
    std::string allow; // RFC 9110, section 10.2.1
    for (const auto& one : rows()) {
        if (segments.empty() || segments[0] != "v1" || !matches(one.pattern, segments)) {
            continue;
        }
        if (one.method == request.method) {
            if (one.tenant_words && request.caller.is_public) {
                return Error{Errc::not_allowed,
                             "it may hold the tenant's statements, which not everybody is told"}
                    .with_hint(std::string{admin_hint});
            }
            JACKDAW_CHECK(check_query(one, target));
            // Before anything else is looked at: what it asks for may be done, and so not be there
            // any more.
            if (takes_a_key(one) && !request.idempotency_key.empty()) {
                const auto before = parts_.life.submitted_before(
                    request.idempotency_key, mac_of(request, parts_.request_key));
                if (before) {
                    return accepted(*before);
                }
            }
            target.body = one.body;
            return (this->*one.handler)(request, target);
        }
        allow += fmt::format("{}{}", allow.empty() ? "" : ", ", one.method);
    }
    const auto method = request.method.substr(0, 16);
    if (allow.empty()) {
        return Error{Errc::not_found, fmt::format("nothing answers {} {}", method, what)}.with_hint(
            fmt::format(
                "this agent's version is {}; a `jackdaw` of another version may ask for what "
                "it does not have",
                parts_.version));
    }
    auto refused = error_response(
        Error{Errc::invalid, fmt::format("{} is no method of {}", method, what)}.with_hint(
            "it has: " + allow));
    refused.status = 405;
    refused.allow = std::move(allow);
    return refused;
}

Router::Outcome Router::version(const ApiRequest& /*request*/, const Target& /*target*/) const {
    return answer(
        Json{{"apiVersion", proto::api_version}, {"kind", "Version"}, {"version", parts_.version}});
}

Router::Outcome Router::openapi(const ApiRequest& /*request*/, const Target& /*target*/) const {
    return answer(openapi_document(parts_.version));
}

Router::Outcome Router::instance(const ApiRequest& /*request*/, const Target& /*target*/) const {
    const auto view = parts_.life.instance();
    if (!view) {
        return Error{Errc::not_found, "there is no instance on this machine"};
    }
    return answer(proto::to_json(*view));
}

Router::Outcome Router::remove(const ApiRequest& request, const Target& target) const {
    JACKDAW_TRY(const bool keep, flag_of(target, "keep_volume"));
    return submit(request, "instance.delete", "", Json{{"keep_volume", keep}});
}

Router::Outcome Router::power(const ApiRequest& request, const Target& target) const {
    JACKDAW_TRY(const auto body, body_of(request, target));
    JACKDAW_TRY(const bool force, proto::bool_at(body, "force", false));
    return submit(request, "instance." + target.segments[2], "", Json{{"force", force}});
}

Router::Outcome Router::protect(const ApiRequest& request, const Target& target) const {
    JACKDAW_CHECK(body_of(request, target));
    return submit(request, "instance.protect", "",
                  Json{{"protect", target.segments[2] == "protect"}});
}

Router::Outcome Router::rename(const ApiRequest& request, const Target& target) const {
    JACKDAW_TRY(const auto body, body_of(request, target));
    JACKDAW_TRY(const auto name, proto::string_at(body, "name", ""));
    JACKDAW_TRY(const auto from, proto::string_at(body, "from", "", 64));
    JACKDAW_CHECK(check_label(name, "instance"));
    if (!from.empty()) {
        JACKDAW_CHECK(check_label(from, "instance"));
    }
    const auto own = parts_.life.spec();
    if (own != nullptr && !from.empty() && own->name != from && own->name != name) {
        return Error{Errc::not_found, fmt::format("this instance is called '{}'", own->name)};
    }
    const auto twin = name + "~"; // two that have one name already are told apart so
    JACKDAW_TRY(const auto others, parts_.fleet.instances());
    for (const auto& other : others) {
        const bool same = own != nullptr && other.id == own->id;
        if (!same && (other.name == name || other.name.starts_with(twin))) {
            return Error{Code::name_taken,
                         fmt::format("instance {} of this fleet is called '{}'", other.id, name)};
        }
    }
    return submit(request, "instance.rename", "",
                  Json{{"request", Json{{"name", name}, {"from", from}}}});
}

Router::Outcome Router::repair(const ApiRequest& request, const Target& target) const {
    JACKDAW_CHECK(body_of(request, target));
    return submit(request, "instance.repair", "", Json::object());
}

Router::Outcome Router::pause(const ApiRequest& request, const Target& target) const {
    JACKDAW_TRY(const auto body, body_of(request, target));
    if (target.segments[2] == "resume") {
        return submit(request, "instance.resume", "", Json{{"request", Json::object()}});
    }
    JACKDAW_TRY(const auto seconds, proto::number_at(body, "seconds", 3600, pause_seconds_max));
    if (seconds == 0) {
        return Error{Errc::invalid, "'seconds' is 1 or more"};
    }
    const auto until = parts_.clock.wall_ms() + static_cast<std::int64_t>(seconds) * 1000;
    return submit(request, "instance.pause", "", Json{{"request", Json{{"until_ms", until}}}});
}

Router::Outcome Router::grow(const ApiRequest& request, const Target& target) const {
    JACKDAW_TRY(const auto body, body_of(request, target));
    JACKDAW_TRY(const auto size, proto::number_at(body, "size_bytes", 0, 1ULL << 60U));
    const auto has = parts_.life.spec();
    if (has && size < has->volume_size_bytes) {
        return Error{Code::volume_shrink,
                     fmt::format("it has {} bytes, asked for {}", has->volume_size_bytes, size)};
    }
    return submit(request, "volume.grow", "", Json{{"size_bytes", size}});
}

Router::Outcome Router::create(const ApiRequest& request, const Target& target) const {
    JACKDAW_TRY(auto body, body_of(request, target));
    std::vector<Secret> passwords;
    if (auto users = body.find("users"); users != body.end() && users->is_array()) {
        for (auto& user : *users) {
            JACKDAW_TRY(auto password, take_password(user));
            passwords.push_back(std::move(password));
        }
    }
    JACKDAW_TRY(auto spec, proto::instance_spec_from(body));
    SubmitRequest submitting;
    JACKDAW_TRY(submitting.id, proto::string_at(body, "operation_id", "", 64));
    constexpr std::size_t version_at = 14; // RFC 9562, section 4.2; ids order the queue by time
    if (!submitting.id.empty() && (!is_uuid(submitting.id) || submitting.id[version_at] != '7')) {
        return Error{Errc::invalid, "'operation_id' must be a UUID of version 7"};
    }
    submitting.caller = request.caller.text;
    JACKDAW_TRY(const auto submitted,
                parts_.life.create(std::move(spec), std::move(passwords), submitting));
    return accepted(submitted);
}

Router::Outcome Router::operations(const ApiRequest& /*request*/, const Target& target) const {
    std::size_t limit = operations_shown;
    if (const auto asked = target.query.find("limit"); asked != target.query.end()) {
        const auto* const first = asked->second.data();
        const auto* const last = first + asked->second.size();
        const auto [end, ec] = std::from_chars(first, last, limit);
        if (ec != std::errc{} || end != last || limit == 0 || limit > operations_shown_max) {
            return Error{Errc::invalid,
                         fmt::format("'limit' must be 1 to {}", operations_shown_max)};
        }
    }
    Json items = Json::array();
    for (const auto& one : parts_.life.operations(limit)) {
        items.push_back(proto::to_json(one));
    }
    return answer(proto::list_json("Operation", std::move(items), as_of()));
}

Router::Outcome Router::operation(const ApiRequest& /*request*/, const Target& target) const {
    const auto one = parts_.life.operation(target.segments[2]);
    if (!one) {
        return Error{Errc::not_found, fmt::format("no operation '{}'",
                                                  target.segments[2].substr(0, shown_bytes_max))}
            .with_hint("`jackdaw op list` shows what there is");
    }
    return answer(proto::to_json(*one));
}

Router::Outcome Router::abort(const ApiRequest& /*request*/, const Target& target) const {
    JACKDAW_TRY(const auto one, parts_.life.abort(target.segments[2]));
    return answer(proto::to_json(one), 202);
}

Router::Outcome Router::resume(const ApiRequest& /*request*/, const Target& target) const {
    JACKDAW_TRY(const auto one, parts_.life.resume(target.segments[2]));
    return answer(proto::to_json(one), 202);
}

Router::Outcome Router::submit(const ApiRequest& request, std::string action, std::string target,
                               proto::Json arguments) const {
    if (request.is_rehearsal) {
        return rehearse(request, action, target, arguments);
    }
    if (request.idempotency_key.size() > key_bytes_max || !is_utf8(request.idempotency_key)) {
        return Error{Errc::invalid,
                     fmt::format("an Idempotency-Key has at most {} bytes of UTF-8", key_bytes_max)}
            .with_hint("a new UUID for each new request is one");
    }
    SubmitRequest submitting;
    submitting.action = std::move(action);
    submitting.target = std::move(target);
    submitting.arguments = std::move(arguments);
    submitting.idempotency_key = request.idempotency_key;
    if (!request.idempotency_key.empty()) {
        submitting.request_mac = mac_of(request, parts_.request_key);
    }
    submitting.caller = request.caller.text;
    JACKDAW_TRY(const auto submitted, parts_.life.submit(std::move(submitting)));
    return accepted(submitted);
}

Router::Outcome Router::accepted(const Life::Submitted& submitted) const {
    auto json = proto::to_json(submitted.operation);
    json["no_op"] = submitted.no_op;
    return answer(json, submitted.no_op ? 200 : 202);
}

std::string Router::as_of() const {
    return rfc3339(parts_.clock.wall_ms());
}

} // namespace jackdaw::agent
