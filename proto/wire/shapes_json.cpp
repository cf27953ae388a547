#include "proto/wire/shapes_json.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace jackdaw::proto {
namespace {

constexpr std::size_t value_bytes_max = 64 * 1024; ///< of a parameter's value

Error wrong(std::string_view key, std::string_view wanted) {
    return Error{Errc::invalid, fmt::format("'{}' must be {}", key, wanted)};
}

const Json* find(const Json& object, std::string_view key) {
    if (!object.is_object()) {
        return nullptr;
    }
    const auto at = object.find(key);
    return at == object.end() || at->is_null() ? nullptr : &*at;
}

/// Reads keys one after the other and keeps the first failure, so that a shape reads as a list.
class Reader {
public:
    explicit Reader(const Json& object) : object_{object} {
        if (!object.is_object()) {
            keep(wrong("document", "an object"));
        }
    }
    void read(std::string_view key, std::string& out, std::size_t bytes_max = 65536) {
        take(string_at(object_, key, std::move(out), bytes_max), out);
    }
    void read(std::string_view key, bool& out) { take(bool_at(object_, key, out), out); }
    void read(std::string_view key, std::vector<std::string>& out) {
        take(strings_at(object_, key), out);
    }
    template <class Int>
        requires std::is_integral_v<Int>
    void read(std::string_view key, Int& out) {
        std::uint64_t wide = 0;
        const auto max = static_cast<std::uint64_t>(std::numeric_limits<Int>::max());
        take(number_at(object_, key, static_cast<std::uint64_t>(out), max), wide);
        out = static_cast<Int>(wide);
    }
    void read(std::string_view key, double& out) {
        if (const auto* at = find(object_, key)) {
            at->is_number() ? void(out = at->get<double>()) : keep(wrong(key, "a number"));
        }
    }
    void read(std::string_view key, std::optional<double>& out) {
        if (find(object_, key) != nullptr) {
            read(key, out.emplace());
        }
    }
    void read(std::string_view key, std::map<std::string, std::string>& out) {
        take(texts_at(object_, key), out);
    }
    void read(std::string_view key, std::optional<ErrorShape>& out) {
        if (const auto* at = find(object_, key)) {
            take(error_shape_from(*at), out.emplace());
        }
    }
    template <class T, class From>
    void read_list(std::string_view key, std::vector<T>& out, From from) {
        const auto* at = find(object_, key);
        if (at == nullptr) {
            return;
        }
        if (!at->is_array() || at->size() > list_items_max) {
            keep(wrong(key, fmt::format("a list of at most {} items", list_items_max)));
            return;
        }
        for (const auto& item : *at) {
            auto one = from(item);
            if (!one) {
                keep(std::move(one).error().while_doing(std::string{key}));
                return;
            }
            out.push_back(*std::move(one));
        }
    }
    [[nodiscard]] Reader inside(std::string_view key) const {
        static const Json none = Json::object();
        const auto* at = find(object_, key);
        return Reader{at != nullptr ? *at : none};
    }
    void also(Reader&& inner) {
        if (inner.failure_) {
            keep(*std::move(inner.failure_));
        }
    }
    template <class T>
    [[nodiscard]] Result<T> finish(T value) {
        if (failure_) {
            return *std::move(failure_);
        }
        return value;
    }

private:
    template <class T, class Out>
    void take(Result<T> result, Out& out) {
        result ? void(out = *std::move(result)) : keep(std::move(result).error());
    }
    void keep(Error error) {
        if (!failure_) {
            failure_ = std::move(error);
        }
    }
    const Json& object_;
    std::optional<Error> failure_;
};

Json or_null(const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
}

Result<DatabaseSpec> database_from(const Json& json) {
    DatabaseSpec spec;
    Reader in{json};
    in.read("name", spec.name);
    in.read("charset", spec.charset);
    in.read("collation", spec.collation);
    return in.finish(std::move(spec));
}

Result<UserSpec> user_from(const Json& json) {
    UserSpec spec;
    Reader in{json};
    in.read("name", spec.name);
    in.read("host", spec.host);
    in.read("databases", spec.databases);
    in.read("verifier", spec.verifier);
    return in.finish(std::move(spec));
}

Result<Step> step_from(const Json& json) {
    Step step;
    Reader in{json};
    in.read("name", step.name);
    in.read("status", step.status);
    in.read("progress", step.progress);
    in.read("started_at", step.started_at);
    in.read("ended_at", step.ended_at);
    in.read("duration_us", step.duration_us);
    in.read("engine_us", step.engine_us);
    in.read("error", step.error);
    return in.finish(std::move(step));
}

Json headed(std::string_view kind) {
    return Json{{"apiVersion", api_version}, {"kind", kind}};
}

/// Before anything is built of it, by what stands outside of texts. The library's own hook for this
/// searches the whole of a list at the end of each object in it.
Result<void> check_depth_and_keys(std::string_view text) {
    std::array<std::size_t, json_depth_max + 1> keys{}; // of what is open at each depth
    std::size_t depth = 0;
    bool in_text = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_text) {
            i += c == '\\' ? 1 : 0; // what it escapes ends no text
            in_text = c != '"';
        } else if (c == '"') {
            in_text = true;
        } else if (c == '{' || c == '[') {
            if (depth == json_depth_max) {
                return Error{Errc::invalid, fmt::format("a document nested deeper than {} levels",
                                                        json_depth_max)};
            }
            keys[++depth] = 0;
        } else if ((c == '}' || c == ']') && depth > 0) {
            --depth;
        } else if (c == ':' && ++keys[depth] > json_keys_max) {
            return Error{Errc::invalid,
                         fmt::format("an object with more than {} keys", json_keys_max)};
        }
    }
    return ok();
}

/// What nobody told is left out: null and [] say that there is none.
void add_upkeep(Json& json, const Instance& value) {
    if (!value.is_upkeep_told) {
        return;
    }
    const bool has_names = !value.pending_restart.empty();
    json["needs_restart"] = has_names || value.needs_restart;
    if (has_names || !value.needs_restart) {
        json["pending_restart"] = value.pending_restart;
    }
    auto& maintenance = json["maintenance"] = nullptr;
    if (!value.maintenance_until.empty()) {
        maintenance = Json{{"until", value.maintenance_until}};
        if (!value.maintenance_by.empty()) {
            maintenance["by"] = value.maintenance_by;
        }
    }
}

} // namespace

ErrorShape shape_of(const Error& error, std::string operation) {
    const auto doing = error.doing();
    const auto& row = row_of(error.id());
    std::string cause = error.cause()
                            ? fmt::format("{}: {}", error.message(), error.cause().message())
                            : error.message();
    return ErrorShape{std::string{row.name}, doing.empty() ? std::string{row.text} : doing,
                      std::move(cause), error.hint(), std::move(operation)};
}

Error to_error(const ErrorShape& shape) {
    const auto* row = find_code(shape.code);
    auto error =
        Error{row != nullptr ? row->code : Code::internal,
              row != nullptr ? shape.cause : fmt::format("{} ({})", shape.cause, shape.code)};
    if (!shape.hint.empty()) {
        error = std::move(error).with_hint(shape.hint);
    }
    return row != nullptr && shape.message == row->text
               ? std::move(error)
               : std::move(error).while_doing(shape.message);
}

Result<Json> parse_json(std::string_view text, std::size_t bytes_max) {
    if (text.size() > bytes_max) {
        return Error{Errc::invalid, fmt::format("a document of {} bytes is over the limit of {}",
                                                text.size(), bytes_max)};
    }
    JACKDAW_CHECK(check_depth_and_keys(text));
    try {
        return Json::parse(text);
    } catch (const nlohmann::json::parse_error& thrown) { // the library reports by throwing
        // Never what(): it quotes the text at that place, which may be a password.
        return Error{Errc::invalid, fmt::format("not JSON from byte {} on", thrown.byte)};
    } catch (const nlohmann::json::exception&) {
        return Error{Errc::invalid, "not JSON: a number out of range"};
    }
}

Result<std::string> string_at(const Json& object, std::string_view key, std::string fallback,
                              std::size_t bytes_max) {
    const auto* at = find(object, key);
    if (at == nullptr) {
        return fallback;
    }
    if (!at->is_string() || at->get_ref<const std::string&>().size() > bytes_max) {
        return wrong(key, fmt::format("text of at most {} bytes", bytes_max));
    }
    return at->get<std::string>();
}

Result<std::uint64_t> number_at(const Json& object, std::string_view key, std::uint64_t fallback,
                                std::uint64_t max) {
    const auto* at = find(object, key);
    if (at == nullptr) {
        return fallback;
    }
    if (!at->is_number_unsigned() && !(at->is_number_integer() && at->get<std::int64_t>() >= 0)) {
        return wrong(key, "a whole number, not negative");
    }
    if (const auto number = at->get<std::uint64_t>(); number <= max) {
        return number;
    }
    return wrong(key, fmt::format("at most {}", max));
}

Result<bool> bool_at(const Json& object, std::string_view key, bool fallback) {
    const auto* at = find(object, key);
    if (at == nullptr) {
        return fallback;
    }
    if (!at->is_boolean()) {
        return wrong(key, "true or false");
    }
    return at->get<bool>();
}

Result<std::vector<std::string>> strings_at(const Json& object, std::string_view key,
                                            std::size_t items_max) {
    std::vector<std::string> all;
    const auto* at = find(object, key);
    if (at == nullptr) {
        return all;
    }
    if (!at->is_array() || at->size() > items_max) {
        return wrong(key, fmt::format("a list of at most {} texts", items_max));
    }
    for (const auto& item : *at) {
        if (!item.is_string() || item.get_ref<const std::string&>().size() > 4096) {
            return wrong(key, "a list of texts of at most 4096 bytes");
        }
        all.push_back(item.get<std::string>());
    }
    return all;
}

Result<std::map<std::string, std::string>> texts_at(const Json& object, std::string_view key,
                                                    std::size_t items_max) {
    std::map<std::string, std::string> texts;
    const auto* at = find(object, key);
    if (at == nullptr) {
        return texts;
    }
    if (!at->is_object() || at->size() > items_max) {
        return wrong(key, fmt::format("an object of at most {} texts", items_max));
    }
    for (const auto& [name, value] : at->items()) {
        if (!value.is_string() || value.get_ref<const std::string&>().size() > value_bytes_max) {
            return wrong(key, "an object of texts of at most 64 KiB");
        }
        texts[name] = value.get<std::string>();
    }
    return texts;
}

Json to_json(const ErrorShape& value) {
    return Json{{"code", value.code},
                {"message", value.message},
                {"cause", value.cause},
                {"hint", value.hint},
                {"operation", or_null(value.operation)}};
}

Json to_json(const InstanceSpec& value) {
    Json databases = Json::array();
    for (const auto& database : value.databases) {
        databases.push_back(Json{{"name", database.name},
                                 {"charset", database.charset},
                                 {"collation", database.collation}});
    }
    Json users = Json::array();
    for (const auto& user : value.users) {
        users.push_back(Json{{"name", user.name},
                             {"host", user.host},
                             {"databases", user.databases},
                             {"verifier", user.verifier}});
    }
    return Json{{"name", value.name},
                {"id", value.id},
                {"fleet", value.fleet},
                {"datastore", value.datastore},
                {"version", value.version},
                {"volume_size_bytes", value.volume_size_bytes},
                {"volume_serial", value.volume_serial},
                {"filesystem", value.filesystem},
                {"format_serial", value.format_serial},
                {"take_over_id", value.take_over_id},
                {"address", value.address},
                {"port", value.port},
                {"allow", value.allow},
                {"databases", std::move(databases)},
                {"users", std::move(users)},
                {"parameters", value.parameters},
                {"protect", value.protect},
                {"created_at", value.created_at}};
}

Json to_json(const Instance& value) {
    Json warnings = Json::array();
    for (const auto& one : value.warnings) {
        warnings.push_back(Json{{"kind", one.kind},
                                {"since", or_null(one.since)},
                                {"text", or_null(one.text)},
                                {"mend", or_null(one.mend)}});
    }
    auto json = headed("Instance");
    json.update(
        Json{{"name", value.name},
             {"id", value.id},
             {"fleet", value.fleet},
             {"status", value.status},
             {"reason", or_null(value.reason)},
             {"datastore", value.datastore},
             {"version", value.version},
             {"role", value.role},
             {"cluster", or_null(value.cluster)},
             {"machine", {{"id", value.machine_id}, {"state", value.machine_state}}},
             {"address", value.address},
             {"port", value.port},
             {"volume",
              {{"size_bytes", value.volume_size_bytes}, {"used_bytes", value.volume_used_bytes}}},
             {"agent",
              {{"version", value.agent_version},
               {"pid", value.agent_pid},
               {"since", or_null(value.agent_since)}}},
             {"database_process",
              {{"pid", value.database_pid},
               {"since", or_null(value.database_since)},
               {"restarts", value.database_restarts}}}});
    if (value.volume_filled_min) {
        json["volume"]["filled_min"] = *value.volume_filled_min;
    }
    add_upkeep(json, value);
    json.update(Json{{"warnings", std::move(warnings)},
                     {"protect", value.protect},
                     {"connection",
                      {{"uri", or_null(value.connection_uri)},
                       {"ca", nullptr},
                       {"note", or_null(value.connection_note)}}},
                     {"created_at", or_null(value.created_at)}});
    return json;
}

Json to_json(const Operation& value) {
    Json steps = Json::array();
    for (const auto& step : value.steps) {
        steps.push_back(Json{{"name", step.name},
                             {"status", step.status},
                             {"progress", step.progress},
                             {"started_at", or_null(step.started_at)},
                             {"ended_at", or_null(step.ended_at)},
                             {"duration_us", step.duration_us},
                             {"engine_us", step.engine_us},
                             {"error", step.error ? to_json(*step.error) : Json(nullptr)}});
    }
    auto json = headed("Operation");
    json.update(
        Json{{"id", value.id},
             {"action", value.action},
             {"target", value.target},
             {"detail", value.detail},
             {"status", value.status},
             {"steps", std::move(steps)},
             {"progress", value.progress},
             {"seconds_left", value.seconds_left ? Json(*value.seconds_left) : Json(nullptr)},
             {"deadline", or_null(value.deadline)},
             {"caller", value.caller},
             {"cause", value.cause},
             {"created_at", or_null(value.created_at)},
             {"ended_at", or_null(value.ended_at)},
             {"abort_requested", value.abort_requested},
             {"warnings", value.warnings},
             {"error", value.error ? to_json(*value.error) : Json(nullptr)}});
    return json;
}

Json to_json(const MemberShape& value) {
    auto json = headed("Member");
    json.update(Json{{"name", value.name},
                     {"id", value.id},
                     {"address", value.address},
                     {"status", value.status},
                     {"incarnation", value.incarnation},
                     {"rtt_ms", value.rtt_ms ? Json(*value.rtt_ms) : Json(nullptr)},
                     {"version", value.version},
                     {"instance", or_null(value.instance)},
                     {"since", or_null(value.since)},
                     {"ring", value.ring},
                     {"sealing", value.sealing},
                     {"key_id", value.key_id}});
    return json;
}

Json list_json(std::string_view kind, Json items, std::string as_of,
               std::vector<std::string> unreachable) {
    auto json = headed(std::string{kind} + "List");
    json["items"] = std::move(items);
    json["as_of"] = std::move(as_of);
    json["unreachable"] = std::move(unreachable);
    return json;
}

Json to_json(const EventShape& value) {
    return Json{{"sequence", value.sequence},
                {"at", value.at},
                {"kind", value.kind},
                {"weight", value.weight},
                {"subject", value.subject},
                {"text", value.text},
                {"operation", value.operation.empty() ? Json() : Json(value.operation)}};
}

Result<ErrorShape> error_shape_from(const Json& json) {
    ErrorShape value;
    Reader in{json};
    in.read("code", value.code, 64);
    in.read("message", value.message);
    in.read("cause", value.cause);
    in.read("hint", value.hint);
    in.read("operation", value.operation, 64);
    return in.finish(std::move(value));
}

Result<InstanceSpec> instance_spec_from(const Json& json) {
    InstanceSpec value;
    Reader in{json};
    in.read("name", value.name, 256);
    in.read("id", value.id, 64);
    in.read("fleet", value.fleet, 256);
    in.read("datastore", value.datastore, 64);
    in.read("version", value.version, 64);
    in.read("volume_size_bytes", value.volume_size_bytes);
    in.read("volume_serial", value.volume_serial, 64);
    in.read("filesystem", value.filesystem, 16);
    in.read("format_serial", value.format_serial, 64);
    in.read("take_over_id", value.take_over_id, 64);
    in.read("address", value.address, 64);
    in.read("port", value.port);
    in.read("allow", value.allow);
    in.read_list("databases", value.databases, database_from);
    in.read_list("users", value.users, user_from);
    in.read("parameters", value.parameters);
    in.read("protect", value.protect);
    in.read("created_at", value.created_at, 64);
    return in.finish(std::move(value));
}

Result<Instance> instance_from(const Json& json) {
    Instance value;
    Reader in{json};
    in.read("name", value.name);
    in.read("id", value.id);
    in.read("fleet", value.fleet);
    in.read("status", value.status);
    in.read("reason", value.reason);
    in.read("datastore", value.datastore);
    in.read("version", value.version);
    in.read("role", value.role);
    in.read("cluster", value.cluster);
    auto machine = in.inside("machine");
    machine.read("id", value.machine_id);
    machine.read("state", value.machine_state);
    in.also(std::move(machine));
    in.read("address", value.address);
    in.read("port", value.port);
    auto volume = in.inside("volume");
    volume.read("size_bytes", value.volume_size_bytes);
    volume.read("used_bytes", value.volume_used_bytes);
    volume.read("filled_min", value.volume_filled_min);
    in.also(std::move(volume));
    auto agent = in.inside("agent");
    agent.read("version", value.agent_version);
    agent.read("pid", value.agent_pid);
    agent.read("since", value.agent_since);
    in.also(std::move(agent));
    auto process = in.inside("database_process");
    process.read("pid", value.database_pid);
    process.read("since", value.database_since);
    process.read("restarts", value.database_restarts);
    in.also(std::move(process));
    value.is_upkeep_told = json.contains("maintenance") || json.contains("pending_restart");
    in.read("pending_restart", value.pending_restart);
    in.read("needs_restart", value.needs_restart);
    if (const auto* maintenance = find(json, "maintenance")) {
        Reader of{*maintenance};
        of.read("until", value.maintenance_until, 64);
        of.read("by", value.maintenance_by, 256);
        JACKDAW_TRY([[maybe_unused]] const bool read, of.finish(true));
    }
    if (const auto* warnings = find(json, "warnings"); warnings != nullptr) {
        if (!warnings->is_array() || warnings->size() > warnings_max) {
            return wrong("warnings", fmt::format("a list of at most {} items", warnings_max));
        }
        for (const auto& item : *warnings) {
            Warning one;
            Reader of{item};
            of.read("kind", one.kind, 64);
            of.read("since", one.since, 64);
            of.read("text", one.text);
            of.read("mend", one.mend);
            JACKDAW_TRY(auto read, of.finish(std::move(one)));
            value.warnings.push_back(std::move(read));
        }
    }
    in.read("protect", value.protect);
    auto connection = in.inside("connection");
    connection.read("uri", value.connection_uri);
    connection.read("note", value.connection_note);
    in.also(std::move(connection));
    in.read("created_at", value.created_at);
    return in.finish(std::move(value));
}

Result<Operation> operation_from(const Json& json) {
    Operation value;
    Reader in{json};
    in.read("id", value.id, 64);
    in.read("action", value.action, 64);
    in.read("target", value.target);
    in.read("detail", value.detail);
    in.read("status", value.status, 16);
    in.read_list("steps", value.steps, step_from);
    in.read("progress", value.progress);
    in.read("seconds_left", value.seconds_left);
    in.read("deadline", value.deadline);
    in.read("caller", value.caller);
    in.read("cause", value.cause);
    in.read("created_at", value.created_at);
    in.read("ended_at", value.ended_at);
    in.read("abort_requested", value.abort_requested);
    in.read("warnings", value.warnings);
    in.read("error", value.error);
    return in.finish(std::move(value));
}

Result<MemberShape> member_from(const Json& json) {
    MemberShape value;
    Reader in{json};
    in.read("name", value.name);
    in.read("id", value.id);
    in.read("address", value.address);
    in.read("status", value.status);
    in.read("incarnation", value.incarnation);
    in.read("rtt_ms", value.rtt_ms);
    in.read("version", value.version);
    in.read("instance", value.instance);
    in.read("since", value.since);
    in.read("ring", value.ring);
    in.read("sealing", value.sealing);
    in.read("key_id", value.key_id, 16);
    return in.finish(std::move(value));
}

Result<EventShape> event_from(const Json& json) {
    EventShape value;
    Reader in{json};
    in.read("sequence", value.sequence);
    in.read("at", value.at, 64);
    in.read("kind", value.kind, 64);
    in.read("weight", value.weight, 16);
    in.read("subject", value.subject, 1024);
    in.read("text", value.text, 8192);
    in.read("operation", value.operation, 64);
    return in.finish(std::move(value));
}

} // namespace jackdaw::proto
