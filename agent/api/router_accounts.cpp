// Databases, users, privileges, root and sessions.
#include <charconv>

#include "agent/api/router_parts.h"
#include "proto/wire/datastore_json.h"

namespace jackdaw::agent {

Router::Outcome Router::databases(const ApiRequest& request, const Target& /*target*/) const {
    JACKDAW_TRY(auto items,
                ask_all(parts_.life, request, &plugins::Datastore::databases, "databases"));
    return answer(proto::list_json("Database", std::move(items), as_of()));
}

Router::Outcome Router::change_database(const ApiRequest& request, const Target& target) const {
    const bool making = request.method == "POST";
    proto::DatabaseSpec spec;
    if (making) {
        JACKDAW_TRY(const auto body, body_of(request, target));
        JACKDAW_TRY(spec.name, proto::string_at(body, "name", "", 1U << 20U));
        JACKDAW_TRY(spec.charset, proto::string_at(body, "charset", ""));
        JACKDAW_TRY(spec.collation, proto::string_at(body, "collation", ""));
    } else {
        spec.name = target.segments[2];
    }
    JACKDAW_TRY(const auto driver, parts_.life.driver(request.deadline));
    JACKDAW_TRY(auto* const facet, facet_of(*driver, &plugins::Datastore::databases, "databases"));
    JACKDAW_CHECK(facet->check(spec));
    return submit(request, making ? "database.create" : "database.delete", spec.name,
                  Json{{"request", row_of(spec)}});
}

Router::Outcome Router::users(const ApiRequest& request, const Target& /*target*/) const {
    JACKDAW_TRY(auto items, ask_all(parts_.life, request, &plugins::Datastore::users, "users"));
    return answer(proto::list_json("User", std::move(items), as_of()));
}

Router::Outcome Router::change_user(const ApiRequest& request, const Target& target) const {
    JACKDAW_TRY(const auto driver, parts_.life.driver(request.deadline));
    JACKDAW_TRY(auto* const facet, facet_of(*driver, &plugins::Datastore::users, "users"));
    proto::UserSpec spec;
    Secret password;
    const bool making = target.segments.size() == 2;
    const bool removing = request.method == "DELETE";
    const auto host = target.query.find("host");
    if (host != target.query.end()) {
        spec.host = host->second;
    }
    JACKDAW_TRY(auto body, body_of(request, target));
    if (!removing) {
        JACKDAW_TRY(password, take_password(body));
    }
    if (making) {
        JACKDAW_TRY(spec.name, proto::string_at(body, "name", "", 1U << 20U));
        JACKDAW_TRY(spec.host, proto::string_at(body, "host", spec.host));
        JACKDAW_TRY(spec.databases, proto::strings_at(body, "databases"));
    } else {
        spec.name = target.segments[2];
    }
    JACKDAW_CHECK(making ? facet->check(spec) : facet->check_named(spec.name, spec.host));
    for (const auto& database : spec.databases) {
        if (driver->databases() != nullptr) {
            JACKDAW_CHECK(driver->databases()->check(proto::DatabaseSpec{database, {}, {}}));
        }
    }
    Json arguments{{"request", row_of(spec)}};
    if (!removing) {
        JACKDAW_TRY(auto verifier, facet->make_verifier(password));
        arguments["verifier"] = std::move(verifier);
    }
    const auto* const action = making ? "user.create" : removing ? "user.delete" : "user.password";
    return submit(request, action, spec.name + "@" + spec.host, std::move(arguments));
}

namespace {

/// The account that a target names: .../users/NAME...?host=H.
proto::UserSpec account_of(const Target& target) {
    proto::UserSpec spec;
    spec.name = target.segments[2];
    if (const auto host = target.query.find("host"); host != target.query.end()) {
        spec.host = host->second;
    }
    return spec;
}

/// What the last root operation made of it; `why`, when none is remembered.
Result<Json> recorded_root(Life& life, Error why, const ApiRequest& request) {
    const auto level = life.recorded_root_level();
    if (level.empty()) {
        return why;
    }
    return life.with_place(
        [&](plugins::Datastore& driver, const plugins::Place&) -> Result<Json> {
            JACKDAW_TRY(auto* const root,
                        facet_of(driver, &plugins::Datastore::root, "root account"));
            auto json =
                proto::to_json(level == "off" ? proto::RootStatus{} : root->describe(level));
            json["recorded"] = fmt::format("the database cannot be asked ({}): as the last "
                                           "operation of the agent left it",
                                           why.message());
            return json;
        },
        request.deadline);
}

} // namespace

Router::Outcome Router::user(const ApiRequest& request, const Target& target) const {
    const auto spec = account_of(target);
    JACKDAW_TRY(auto json,
                parts_.life.query(
                    [&](plugins::Datastore& driver, const plugins::Call& call) -> Result<Json> {
                        JACKDAW_TRY(auto* const grants,
                                    facet_of(driver, &plugins::Datastore::grants, "privileges"));
                        JACKDAW_TRY(const auto user, grants->show(call, spec.name, spec.host));
                        return proto::to_json(user);
                    },
                    request.deadline));
    return answer(json);
}

Router::Outcome Router::change_grant(const ApiRequest& request, const Target& target) const {
    const auto spec = account_of(target);
    JACKDAW_TRY(const auto body, body_of(request, target));
    JACKDAW_TRY(const auto grant, proto::grant_from(body));
    JACKDAW_TRY(const auto driver, parts_.life.driver(request.deadline));
    JACKDAW_TRY(auto* const users, facet_of(*driver, &plugins::Datastore::users, "users"));
    JACKDAW_CHECK(users->check_named(spec.name, spec.host));
    JACKDAW_TRY(auto* const grants, facet_of(*driver, &plugins::Datastore::grants, "privileges"));
    const bool gives = target.segments[3] == "grants";
    JACKDAW_CHECK(gives ? grants->check(grant) : grants->check_taken(grant));
    return submit(
        request, gives ? "user.grant" : "user.revoke", spec.name + "@" + spec.host,
        Json{{"request",
              Json{{"name", spec.name}, {"host", spec.host}, {"grant", proto::to_json(grant)}}}});
}

Router::Outcome Router::update_user(const ApiRequest& request, const Target& target) const {
    const auto spec = account_of(target);
    JACKDAW_TRY(const auto body, body_of(request, target));
    JACKDAW_TRY(const auto attributes, proto::user_attributes_from(body));
    if (attributes == proto::UserAttributes{}) {
        return Error{Errc::invalid, "nothing is to be changed"};
    }
    JACKDAW_TRY(const auto driver, parts_.life.driver(request.deadline));
    JACKDAW_TRY(auto* const users, facet_of(*driver, &plugins::Datastore::users, "users"));
    JACKDAW_CHECK(users->check_named(spec.name, spec.host));
    auto next = spec;
    next.name = attributes.name.value_or(spec.name);
    next.host = attributes.host.value_or(spec.host);
    if (next != spec) {
        JACKDAW_CHECK(users->check(next));
    }
    JACKDAW_CHECK(facet_of(*driver, &plugins::Datastore::grants, "user attributes"));
    return submit(request, "user.update", spec.name + "@" + spec.host,
                  Json{{"request", Json{{"name", spec.name},
                                        {"host", spec.host},
                                        {"attributes", proto::to_json(attributes)}}}});
}

Router::Outcome Router::root(const ApiRequest& request, const Target& /*target*/) const {
    auto told = parts_.life.query(
        [&](plugins::Datastore& driver, const plugins::Call& call) -> Result<Json> {
            JACKDAW_TRY(auto* const root,
                        facet_of(driver, &plugins::Datastore::root, "root account"));
            JACKDAW_TRY(const auto status, root->status(call));
            return proto::to_json(status);
        },
        request.deadline);
    if (!told && is_closed(told.error())) {
        told = recorded_root(parts_.life, told.error().clone(), request);
    }
    JACKDAW_TRY(auto json, std::move(told));
    Json history = Json::array();
    for (const auto& one : parts_.life.operations(SIZE_MAX, {"root.enable", "root.disable"})) {
        history.push_back(Json{{"at", one.ended_at.empty() ? one.created_at : one.ended_at},
                               {"action", one.action},
                               {"level", one.action == "root.disable" ? "off" : one.detail},
                               {"status", one.status},
                               {"caller", one.caller},
                               {"operation", one.id}});
    }
    json["history"] = std::move(history);
    return answer(json);
}

Router::Outcome Router::enable_root(const ApiRequest& request, const Target& target) const {
    JACKDAW_TRY(auto body, body_of(request, target));
    JACKDAW_TRY(const auto password, take_password(body));
    JACKDAW_TRY(const auto level, proto::string_at(body, "level", "standard", 32));
    if (level != "standard" && level != "superuser") {
        return Error{Errc::invalid, "'level' is standard or superuser"};
    }
    JACKDAW_TRY(const auto driver, parts_.life.driver(request.deadline));
    JACKDAW_CHECK(facet_of(*driver, &plugins::Datastore::root, "root account"));
    JACKDAW_TRY(auto* const users, facet_of(*driver, &plugins::Datastore::users, "users"));
    JACKDAW_TRY(auto verifier, users->make_verifier(password));
    return submit(request, "root.enable", "root",
                  Json{{"request", Json{{"level", level}}}, {"verifier", std::move(verifier)}});
}

Router::Outcome Router::disable_root(const ApiRequest& request, const Target& /*target*/) const {
    JACKDAW_TRY(const auto driver, parts_.life.driver(request.deadline));
    JACKDAW_CHECK(facet_of(*driver, &plugins::Datastore::root, "root account"));
    return submit(request, "root.disable", "root", Json{{"request", Json::object()}});
}

Router::Outcome Router::sessions(const ApiRequest& request, const Target& /*target*/) const {
    JACKDAW_TRY(auto items,
                parts_.life.query(
                    [&](plugins::Datastore& driver, const plugins::Call& call) -> Result<Json> {
                        JACKDAW_TRY(auto* const sessions,
                                    facet_of(driver, &plugins::Datastore::sessions, "sessions"));
                        JACKDAW_TRY(const auto all, sessions->list(call));
                        Json list = Json::array();
                        for (const auto& one : all) {
                            list.push_back(proto::to_json(one));
                        }
                        return list;
                    },
                    request.deadline));
    return answer(proto::list_json("Session", std::move(items), as_of()));
}

Router::Outcome Router::kill_session(const ApiRequest& request, const Target& target) const {
    const auto& text = target.segments[2];
    std::uint64_t id = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (failure != std::errc{} || end != text.data() + text.size()) {
        return Error{Errc::invalid, "a session's id is a number"}.with_hint(
            "`jackdaw session list` shows them");
    }
    JACKDAW_TRY(const bool query_only, flag_of(target, "query_only"));
    JACKDAW_TRY(const auto driver, parts_.life.driver(request.deadline));
    JACKDAW_CHECK(facet_of(*driver, &plugins::Datastore::sessions, "sessions"));
    return submit(request, "session.kill", text,
                  Json{{"request", Json{{"id", id}, {"query_only", query_only}}}});
}

} // namespace jackdaw::agent
