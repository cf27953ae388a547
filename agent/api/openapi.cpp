#include "agent/api/openapi.h"

#include <fmt/format.h>

#include "agent/api/router.h"
#include "proto/wire/open_metrics.h"

namespace jackdaw::agent {
namespace {

using proto::Json;

/// The schemas, as JSON Schema 2020-12. A test holds them to real answers: a key that an answer has
/// and its schema lacks fails it, and so does one that is required and missing.
constexpr std::string_view schemas_text = R"JSON({
"Object": {"type": "object"},
"Stream": {"type": "string", "description": "text/event-stream: `event: operation`, `event` or `log`, `data:` an Operation, an Event or LogLines; `event: error` before the end, `data:` a Failure"},
"Error": {"type": "object", "required": ["code", "message", "cause", "hint"], "additionalProperties": false, "properties": {
  "code": {"type": "string"}, "message": {"type": "string"}, "cause": {"type": "string"},
  "hint": {"type": "string"}, "operation": {"type": ["string", "null"]},
  "apiVersion": {"type": "string"}, "kind": {"type": "string"}}},
"Failure": {"type": "object", "required": ["error"], "properties": {"error": {"$ref": "#/components/schemas/Error"}}},
"Version": {"type": "object", "required": ["version"], "additionalProperties": false, "properties": {
  "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "version": {"type": "string"}}},
"Instance": {"type": "object", "required": ["name", "id", "status", "datastore", "version"], "additionalProperties": false, "properties": {
  "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "name": {"type": "string"}, "id": {"type": "string"},
  "fleet": {"type": "string"},
  "status": {"enum": ["building", "running", "stopped", "degraded", "failed", "unreachable", "deleting"]},
  "reason": {"type": ["string", "null"]}, "datastore": {"type": "string"}, "version": {"type": "string"},
  "role": {"enum": ["standalone", "primary", "replica", "member"]}, "cluster": {"type": ["string", "null"]},
  "machine": {"type": "object", "properties": {"id": {"type": "string"}, "state": {"type": "string"}}},
  "address": {"type": ["string", "null"]}, "port": {"type": "integer"},
  "volume": {"type": "object", "properties": {"size_bytes": {"type": "integer"},
    "used_bytes": {"type": "integer", "description": "what of it the database cannot write to any more; the file system's own part is in it"},
    "filled_min": {"type": "number", "description": "of 1, in eighths, where gossip tells it: it has no sizes"}}},
  "agent": {"type": "object", "properties": {"version": {"type": "string"}, "pid": {"type": "integer"}, "since": {"type": ["string", "null"]}}},
  "database_process": {"type": "object", "properties": {"pid": {"type": "integer"}, "since": {"type": ["string", "null"]}, "restarts": {"type": "integer"}}},
  "needs_restart": {"type": "boolean", "description": "left out, as the next two, where nobody tells it"},
  "pending_restart": {"type": "array", "items": {"type": "string"}, "description": "left out where gossip tells that there are some, and no names"},
  "maintenance": {"type": ["object", "null"], "properties": {"until": {"type": "string"}, "by": {"type": "string"}}},
  "warnings": {"type": "array", "items": {"$ref": "#/components/schemas/Warning"}},
  "protect": {"type": "boolean"},
  "connection": {"type": "object", "properties": {"uri": {"type": ["string", "null"]}, "ca": {"type": ["string", "null"]}, "note": {"type": ["string", "null"]}}},
  "created_at": {"type": ["string", "null"]}}},
"Warning": {"type": "object", "required": ["kind"], "additionalProperties": false, "properties": {
  "kind": {"enum": ["access", "connections", "volume", "memory", "sessions", "accounts", "sight", "scheduler", "filter"]}, "since": {"type": ["string", "null"]},
  "text": {"type": ["string", "null"]}, "mend": {"type": ["string", "null"], "description": "what mends it"}}},
"InstanceSpec": {"type": "object", "required": ["name", "id", "datastore", "volume_serial"], "additionalProperties": false, "properties": {
  "name": {"type": "string"}, "id": {"type": "string", "format": "uuid"}, "fleet": {"type": "string"},
  "datastore": {"type": "string"}, "version": {"type": "string"}, "volume_size_bytes": {"type": "integer"},
  "volume_serial": {"type": "string"}, "filesystem": {"enum": ["xfs", "ext4"]}, "format_serial": {"type": "string"},
  "take_over_id": {"type": "string"}, "address": {"type": ["string", "null"]}, "port": {"type": "integer"},
  "allow": {"type": "array", "items": {"type": "string"}},
  "databases": {"type": "array", "items": {"$ref": "#/components/schemas/Database"}},
  "users": {"type": "array", "items": {"$ref": "#/components/schemas/FirstUser"}},
  "parameters": {"type": "object", "maxProperties": 0, "description": "they are set once the instance is there"},
  "protect": {"type": "boolean"}, "operation_id": {"type": "string", "format": "uuid", "description": "of version 7"},
  "created_at": {"type": "string", "description": "when it was asked for (default: now)"}}},
"Force": {"type": "object", "additionalProperties": false, "properties": {"force": {"type": "boolean", "description": "do not wait for a clean end"}}},
"Name": {"type": "object", "required": ["name"], "additionalProperties": false, "properties": {
  "name": {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,62}$", "description": "that no other instance of the fleet has"},
  "from": {"type": "string", "description": "its present name: 404 if it is called otherwise by then; default: whatever it is"}}},
"Size": {"type": "object", "required": ["size_bytes"], "additionalProperties": false, "properties": {"size_bytes": {"type": "integer"}}},
"Pause": {"type": "object", "additionalProperties": false, "properties": {"seconds": {"type": "integer", "minimum": 1, "description": "how long (default: 3600)"}}},
"Step": {"type": "object", "required": ["name", "status"], "additionalProperties": false, "properties": {
  "name": {"type": "string"}, "status": {"enum": ["pending", "running", "done", "failed", "undone", "skipped"]},
  "progress": {"type": "number"}, "started_at": {"type": ["string", "null"]}, "ended_at": {"type": ["string", "null"]},
  "duration_us": {"type": "integer"}, "engine_us": {"type": "integer"},
  "error": {"anyOf": [{"$ref": "#/components/schemas/Error"}, {"type": "null"}]}}},
"Operation": {"type": "object", "required": ["id", "action", "target", "status", "steps"], "additionalProperties": false, "properties": {
  "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "id": {"type": "string", "format": "uuid"},
  "action": {"type": "string"}, "target": {"type": "string"},
  "detail": {"type": "string", "description": "what was asked for beside these: SELECT on shop.*; empty: nothing"},
  "status": {"enum": ["queued", "running", "done", "failed", "undone"]},
  "steps": {"type": "array", "items": {"$ref": "#/components/schemas/Step"}}, "progress": {"type": "number"},
  "seconds_left": {"type": ["number", "null"]}, "deadline": {"type": ["string", "null"]}, "caller": {"type": "string"},
  "cause": {"type": "string"}, "created_at": {"type": ["string", "null"]}, "ended_at": {"type": ["string", "null"]},
  "abort_requested": {"type": "boolean"}, "warnings": {"type": "array", "items": {"type": "string"}},
  "no_op": {"type": "boolean"},
  "error": {"anyOf": [{"$ref": "#/components/schemas/Error"}, {"type": "null"}]}}},
"Log": {"type": "object", "required": ["name", "enabled"], "additionalProperties": false, "properties": {
  "name": {"type": "string"}, "enabled": {"type": "boolean"}, "enabled_by": {"type": "string"}, "size_bytes": {"type": "integer"},
  "size_bytes_max": {"type": "integer"}, "kept": {"type": "integer"}, "changed_at": {"type": "string"},
  "refused": {"type": "string", "description": "why it is not read: what stands in its place"},
  "elsewhere": {"type": "string", "description": "where else the database writes it, neither read nor bounded; empty: nowhere"}}},
"LogLines": {"type": "object", "required": ["name", "lines", "cursor"], "additionalProperties": false, "properties": {
  "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "name": {"type": "string"},
  "lines": {"type": "array", "items": {"type": "string"}}, "cursor": {"type": "string"}, "is_cut": {"type": "boolean"}}},
"Event": {"type": "object", "required": ["sequence", "at", "kind", "weight"], "additionalProperties": false, "properties": {
  "sequence": {"type": "integer"}, "at": {"type": "string"}, "kind": {"type": "string"}, "weight": {"enum": ["info", "warning", "error"]},
  "subject": {"type": "string"}, "text": {"type": "string"}, "operation": {"type": ["string", "null"]}}},
"Finding": {"type": "object", "required": ["area", "name", "subject", "state", "severity", "cause", "mend"], "additionalProperties": false, "properties": {
  "area": {"enum": ["host", "fleet", "agent"]}, "name": {"type": "string"}, "subject": {"type": "string"},
  "state": {"enum": ["ok", "bad", "unknown"]}, "severity": {"enum": ["info", "warning", "error"], "description": "of what is ok: info"},
  "cause": {"type": "string"}, "mend": {"type": "string", "description": "a command, or what to do"}}},
"Load": {"type": "object", "required": ["at", "clock_us", "name", "id", "status", "database_process", "database", "work"], "additionalProperties": false, "properties": {
  "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "at": {"type": "string"},
  "clock_us": {"type": "integer", "description": "of a clock that nobody sets: rates are differences by it"},
  "name": {"type": "string"}, "id": {"type": "string"}, "status": {"type": "string"}, "reason": {"type": "string"}, "role": {"type": "string"},
  "maintenance_until": {"type": ["string", "null"]}, "pending_restart": {"type": "integer"},
  "volume": {"type": "object", "properties": {"size_bytes": {"type": "integer"}, "used_bytes": {"type": "integer"}}},
  "agent": {"type": "object", "properties": {"cpu_us": {"type": "integer"}, "memory_bytes": {"type": "integer"}}},
  "machine": {"type": "object", "properties": {"memory_bytes": {"type": ["integer", "null"]}, "cores": {"type": ["integer", "null"]}}},
  "database_process": {"type": "object", "properties": {"pid": {"type": "integer", "description": "0: none; counters begin anew with another one"},
    "cpu_us": {"type": ["integer", "null"]}, "memory_bytes": {"type": ["integer", "null"]}}},
  "database": {"type": ["object", "null"], "additionalProperties": false, "properties": {
    "connections": {"type": ["integer", "null"]}, "connections_max": {"type": ["integer", "null"]}, "running": {"type": ["integer", "null"]},
    "queries": {"type": ["integer", "null"], "description": "a counter"}, "slow_queries": {"type": ["integer", "null"], "description": "a counter"}}},
  "work": {"type": ["object", "null"], "additionalProperties": false, "properties": {
    "operation": {"type": "string"}, "action": {"type": "string"}, "step": {"type": "string"}, "progress": {"type": "number"},
    "seconds_left": {"type": ["number", "null"]}}}}},
"Member": {"type": "object", "required": ["name", "id", "address", "status"], "additionalProperties": false, "properties": {
  "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "name": {"type": "string"}, "id": {"type": "string"},
  "address": {"type": "string"}, "status": {"enum": ["alive", "suspect", "down", "left"]}, "incarnation": {"type": "integer"},
  "rtt_ms": {"type": ["number", "null"], "description": "smoothed, of all members of its zone"}, "version": {"type": "string"}, "instance": {"type": ["string", "null"]}, "since": {"type": ["string", "null"]},
  "ring": {"type": "integer", "description": "newest version of the gossip keys that it holds"},
  "sealing": {"type": "integer", "description": "the version that it seals with"},
  "key_id": {"type": "string", "description": "of the newest one, eight hex digits; empty: not told. Two ids of one version are two keys"}}},
"MemberChange": {"type": "object", "required": ["at", "to", "incarnation", "cause"], "additionalProperties": false, "properties": {
  "at": {"type": "string"}, "from": {"type": ["string", "null"]}, "to": {"enum": ["alive", "suspect", "down", "left"]},
  "incarnation": {"type": "integer"}, "cause": {"enum": ["probe", "heard", "sync", "timer", "itself", "operator", "withdrawn"]},
  "who": {"type": ["string", "null"], "description": "heard from, synced with"},
  "accusers": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}, "since": {"type": "string"}}}},
  "pings": {"type": "integer"}, "helpers": {"type": "integer"}, "nacks": {"type": "integer"}, "health": {"type": "integer"},
  "rto_ms": {"type": ["number", "null"], "description": "null: no probe of this agent led to it"}}},
"ForgetOrder": {"type": "object", "required": ["incarnation", "operator_key", "signature"], "additionalProperties": false, "properties": {
  "incarnation": {"type": "integer", "description": "as held; signed with it"},
  "operator_key": {"type": "string", "description": "Ed25519, hex"},
  "signature": {"type": "string", "description": "hex; over \"jackdaw forget v1\\0\", the fleet's id, msgpack [id, incarnation]"}}},
"Gossip": {"type": "object", "required": ["state", "id", "name", "address"], "additionalProperties": false, "properties": {
  "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "state": {"enum": ["member", "isolated", "left", "twin"]},
  "id": {"type": "string"}, "name": {"type": "string"}, "address": {"type": "string"}, "incarnation": {"type": "integer"},
  "boot": {"type": "integer"}, "profile": {"enum": ["local", "lan", "wan"]}, "fleet_id": {"type": "string"},
  "status": {"type": "object", "description": "classes that it tells of itself, in eighths: of its machine's cores, of its volume",
   "properties": {"load_class": {"type": "integer"}, "disk_class": {"type": "integer"}}},
  "members": {"type": "integer"}, "dead": {"type": "integer"},
  "ring": {"type": "object", "properties": {"versions": {"type": "array", "items": {"type": "integer"}}, "sealing": {"type": "integer"},
   "ids": {"type": "array", "items": {"type": "string"}, "description": "of the key of each of these versions"}}},
  "figures": {"type": "object", "additionalProperties": {"type": "number"}, "description": "as in /metrics, without jackdaw_gossip_"}}},
"JoinRequest": {"type": "object", "required": ["addresses"], "additionalProperties": false, "properties": {
  "addresses": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 64, "description": "ADDRESS:PORT"}}},
"Hint": {"type": "object", "required": ["topic", "key", "version"], "additionalProperties": false, "properties": {
  "topic": {"type": "integer", "minimum": 0, "maximum": 255}, "key": {"type": "integer"}, "version": {"type": "integer"}}},
"Ring": {"type": "object", "required": ["ring"], "additionalProperties": false, "properties": {
  "ring": {"type": "string", "writeOnly": true, "description": "lines of VERSION HEX64, the sealing key first, behind one of fleet HEX16"},
  "use_now": {"type": "boolean", "description": "the first key seals at once, and not when all members have it: after a leak"},
  "keep_own": {"type": "boolean", "description": "keys that the agent holds and the ring does not, stay: while there is room, the one that seals first"}}},
"Database": {"type": "object", "required": ["name"], "additionalProperties": false, "properties": {
  "name": {"type": "string"}, "charset": {"type": "string"}, "collation": {"type": "string"}}},
"UserSpec": {"type": "object", "required": ["name", "host", "databases"], "additionalProperties": false, "properties": {
  "name": {"type": "string"}, "host": {"type": "string"}, "databases": {"type": "array", "items": {"type": "string"}}}},
"NewUser": {"type": "object", "required": ["name", "password"], "additionalProperties": false, "properties": {
  "name": {"type": "string"}, "host": {"type": "string"}, "databases": {"type": "array", "items": {"type": "string"}},
  "password": {"type": "string", "writeOnly": true}}},
"FirstUser": {"type": "object", "required": ["name"], "additionalProperties": false, "properties": {
  "name": {"type": "string"}, "host": {"type": "string"}, "databases": {"type": "array", "items": {"type": "string"}},
  "password": {"type": "string", "writeOnly": true},
  "verifier": {"type": "string", "writeOnly": true, "description": "instead of a password, as the datastore keeps it"}}},
"Password": {"type": "object", "required": ["password"], "additionalProperties": false, "properties": {"password": {"type": "string", "writeOnly": true}}},
"UserAttributes": {"type": "object", "additionalProperties": false, "properties": {
  "name": {"type": ["string", "null"]}, "host": {"type": ["string", "null"]}, "locked": {"type": ["boolean", "null"]},
  "connections_max": {"type": ["integer", "null"], "description": "at a time; 0: no limit of its own"}}},
"Grant": {"type": "object", "required": ["privileges"], "additionalProperties": false, "properties": {
  "privileges": {"type": "array", "items": {"type": "string"}}, "database": {"type": "string", "description": "empty: everything"},
  "table": {"type": "string", "description": "empty: all of the database"}, "with_grant_option": {"type": "boolean"}}},
"User": {"type": "object", "required": ["name", "host", "grants", "statements"], "additionalProperties": false, "properties": {
  "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "name": {"type": "string"}, "host": {"type": "string"},
  "databases": {"type": "array", "items": {"type": "string"}, "description": "those with a grant on the whole of it"},
  "locked": {"type": ["boolean", "null"]}, "connections_max": {"type": ["integer", "null"]},
  "attributes": {"$ref": "#/components/schemas/UserAttributes", "description": "the two before again, as a change takes them"},
  "grants": {"type": "array", "items": {"$ref": "#/components/schemas/Grant"}},
  "statements": {"type": "array", "items": {"type": "string"}}}},
"Root": {"type": "object", "required": ["level", "history"], "additionalProperties": false, "properties": {
  "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "level": {"enum": ["off", "standard", "superuser"]},
  "name": {"type": "string"}, "host": {"type": "string"}, "gives": {"type": "string"},
  "recorded": {"type": "string", "description": "why this is the agent's record and not the running database's word"},
  "history": {"type": "array", "items": {"type": "object", "properties": {"at": {"type": "string"}, "action": {"type": "string"},
    "level": {"enum": ["off", "standard", "superuser"], "description": "that was asked for"},
    "status": {"type": "string"}, "caller": {"type": "string"}, "operation": {"type": "string"}}}}}},
"RootRequest": {"type": "object", "required": ["password"], "additionalProperties": false, "properties": {
  "level": {"enum": ["standard", "superuser"]}, "password": {"type": "string", "writeOnly": true}}},
"Session": {"type": "object", "required": ["id", "user"], "additionalProperties": false, "properties": {
  "id": {"type": "integer"}, "user": {"type": "string"}, "host": {"type": "string"}, "database": {"type": "string"},
  "command": {"type": "string"}, "state": {"type": "string"}, "query": {"type": "string"}, "seconds": {"type": "number"}, "own": {"type": "boolean"}}},
"RehearsalRequest": {"type": "object", "required": ["method", "target"], "additionalProperties": false, "properties": {
  "method": {"enum": ["POST", "PUT", "PATCH", "DELETE"]}, "target": {"type": "string", "description": "below /v1/databases, users, root, sessions or parameters"},
  "body": {"type": ["object", "null"], "writeOnly": true, "description": "as that request has it"}}},
"Rehearsal": {"type": "object", "required": ["action", "target", "notes"], "additionalProperties": false, "properties": {
  "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "action": {"type": "string"}, "target": {"type": "string"},
  "notes": {"type": "array", "items": {"type": "string"}, "description": "what it found, for people"}}},
"Datastore": {"type": "object", "required": ["name", "capabilities"], "additionalProperties": false, "properties": {
  "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "name": {"type": "string"}, "version": {"type": "string"},
  "default_port": {"type": "integer"}, "volume_bytes_min": {"type": "integer"}, "memory_bytes_min": {"type": "integer"},
  "capabilities": {"type": "object", "additionalProperties": {"type": "boolean"}}}},
"Parameter": {"type": "object", "required": ["name", "type", "current"], "additionalProperties": false, "properties": {
  "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "name": {"type": "string"},
  "type": {"enum": ["boolean", "integer", "real", "enumeration", "set", "string"]}, "unit": {"type": "string"},
  "min": {"type": ["string", "null"]}, "max": {"type": ["string", "null"]}, "step": {"type": ["string", "null"]},
  "allowed": {"type": "array", "items": {"type": "string"}}, "restart": {"type": "boolean"}, "settable": {"type": "boolean"},
  "current": {"type": "string"}, "default": {"type": "string"}, "configured": {"type": ["string", "null"]},
  "pending": {"type": "boolean"}, "source": {"type": "string"}, "from": {"type": "string"},
  "formula": {"type": "string", "description": "how the agent computes it from the machine"}, "text": {"type": "string"},
  "recorded": {"type": "string", "description": "why this is as it was listed at the last start"}}},
"ParameterChange": {"type": "object", "additionalProperties": false, "properties": {
  "set": {"type": "object", "additionalProperties": {"type": "string"}},
  "unset": {"type": "array", "items": {"type": "string"}}}}
})JSON";

Json reference(std::string_view schema) {
    return {{"$ref", fmt::format("#/components/schemas/{}", schema)}};
}

/// "Instance", or "List of Instance": an object with its items.
Json answer_schema(std::string_view answer) {
    constexpr std::string_view list = "List of ";
    if (!answer.starts_with(list)) {
        return reference(answer);
    }
    const Json text{{"type", "string"}};
    return {{"type", "object"},
            {"required", {"items", "as_of"}},
            {"properties",
             {{"apiVersion", text},
              {"kind", text},
              {"items", {{"type", "array"}, {"items", reference(answer.substr(list.size()))}}},
              {"as_of", text},
              {"recorded", text},
              {"unreachable", {{"type", "array"}, {"items", text}}}}}};
}

/// "users/*/grants" → "/v1/users/{user}/grants": each '*' is named after what it is one of.
std::string path_of(std::string_view pattern, std::vector<std::string>& names) {
    std::string path = "/v1";
    std::string before;
    while (!pattern.empty()) { // a part less each time
        const auto slash = pattern.find('/');
        const auto part = pattern.substr(0, slash);
        if (part == "*") {
            names.push_back(before.substr(0, before.size() - 1)); // "users" → "user"
            path += "/{" + names.back() + "}";
        } else {
            path += fmt::format("/{}", part);
            before = part;
        }
        pattern.remove_prefix(slash == std::string_view::npos ? pattern.size() : slash + 1);
    }
    return path;
}

std::string lower(std::string_view text) {
    std::string out{text};
    for (auto& c : out) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return out;
}

Json operation_of(const Router::Row& row, const std::vector<std::string>& path_names) {
    Json parameters = Json::array();
    for (const auto& name : path_names) {
        parameters.push_back(Json{
            {"name", name}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}});
    }
    for (const auto& one : row.query) {
        parameters.push_back(Json{{"name", one.name},
                                  {"in", "query"},
                                  {"required", one.required},
                                  {"description", one.text},
                                  {"schema", {{"type", one.type}}}});
    }
    if (Router::takes_a_key(row)) {
        parameters.push_back(Json{
            {"name", "Idempotency-Key"},
            {"in", "header"},
            {"required", false},
            {"description", "the same key and request again answer with the operation that they "
                            "made; the same key with another request is E-CONFLICT (409)"},
            {"schema", {{"type", "string"}, {"maxLength", 128}}}});
    }
    const auto media = row.answer == "Stream" ? "text/event-stream" : "application/json";
    Json responses;
    responses[std::to_string(row.status)] = Json{
        {"description", row.text}, {"content", {{media, {{"schema", answer_schema(row.answer)}}}}}};
    responses["default"] =
        Json{{"description", "It failed; nothing else was changed than what `error` says"},
             {"content", {{"application/json", {{"schema", reference("Failure")}}}}}};
    Json operation{{"summary", row.text}, {"parameters", std::move(parameters)}};
    if (row.tenant_words) {
        operation["description"] = "Not on public.sock: the tenant's statements stand in it.";
    }
    if (!row.body.empty()) {
        operation["requestBody"] =
            Json{{"content", {{"application/json", {{"schema", reference(row.body)}}}}}};
    }
    operation["responses"] = std::move(responses);
    return operation;
}

/// Text for pollers: no route of the API, the same on each socket and at `metrics-listen`.
Json polled(std::string_view summary, std::string_view media) {
    const Json content{{media, {{"schema", {{"type", "string"}}}}}};
    return {{"get",
             {{"summary", summary},
              {"parameters", Json::array()},
              {"responses", {{"200", {{"description", summary}, {"content", content}}}}}}}};
}

const Json& schemas() {
    static const Json all = Json::parse(schemas_text);
    return all;
}

/// The schema that `schema` stands for.
const Json& resolved(const Json& schema) {
    const auto at = schema.find("$ref");
    if (at == schema.end()) {
        return schema;
    }
    const auto name = at->get_ref<const std::string&>();
    return schemas().at(name.substr(name.rfind('/') + 1));
}

/// As deep as the schema is, which refers to no schema that it stands in.
std::optional<UnknownField> unknown_in(const Json& schema, const Json& value,
                                       const std::string& path) {
    if (value.is_array() && schema.contains("items")) {
        const auto& item = resolved(schema.at("items"));
        std::size_t place = 0;
        for (const auto& one : value) {
            if (one.is_structured()) { // a long list of texts costs nothing
                if (auto found = unknown_in(item, one, fmt::format("{}[{}]", path, place))) {
                    return found;
                }
            }
            ++place;
        }
        return std::nullopt;
    }
    const auto properties = schema.find("properties");
    if (!value.is_object() || properties == schema.end()) {
        return std::nullopt;
    }
    for (const auto& [key, member] : value.items()) {
        const auto at = properties->find(key);
        auto below = path.empty() ? key : fmt::format("{}.{}", path, key);
        if (at == properties->end()) {
            UnknownField found{std::move(below), {}};
            for (const auto& known : properties->items()) {
                found.known.push_back(known.key());
            }
            return found;
        }
        if (auto found = unknown_in(resolved(*at), member, below)) {
            return found;
        }
    }
    return std::nullopt;
}

} // namespace

std::optional<UnknownField> unknown_field(std::string_view schema, const Json& body) {
    static const Json nothing{{"properties", Json::object()}};
    return unknown_in(schema.empty() ? nothing : schemas().at(std::string{schema}), body, "");
}

Json openapi_document(std::string_view version) {
    Json paths = Json::object();
    for (const auto& row : Router::rows()) {
        std::vector<std::string> names;
        const auto path = path_of(row.pattern, names);
        paths[path][lower(row.method)] = operation_of(row, names);
    }
    constexpr std::string_view plain = "text/plain; charset=utf-8";
    paths["/metrics"] = polled("OpenMetrics of the agent, the machine and the database",
                               proto::open_metrics_content_type);
    paths["/healthz"] = polled("The agent answers: ok", plain);
    paths["/readyz"] = polled("The database serves: ok", plain);
    paths["/readyz"]["get"]["responses"]["503"] =
        Json{{"description", "It does not: its status and the reason"},
             {"content", {{plain, {{"schema", {{"type", "string"}}}}}}}};
    return {{"openapi", "3.1.0"},
            {"info",
             {{"title", "Jackdaw agent"},
              {"version", version},
              {"description",
               "The agent of one database machine, on its UNIX sockets. Changes answer 202 with an "
               "Operation that goes on by itself."}}},
            {"paths", std::move(paths)},
            {"components", {{"schemas", schemas()}}}};
}

} // namespace jackdaw::agent
