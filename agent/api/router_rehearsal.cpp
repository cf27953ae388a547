// --dry-run of a change inside the database: every check that changes nothing, and what would be
// done. The same checks stand in the operation's steps (agent/life/steps_*.cpp), since between a
// rehearsal and the change everything may become otherwise.
#include <algorithm>
#include <array>

#include "agent/api/router_parts.h"
#include "agent/life/grant_part.h"
#include "agent/life/parameter_wish.h"
#include "proto/wire/datastore_json.h"

namespace jackdaw::agent {
namespace {

using Notes = std::vector<std::string>;
constexpr std::size_t rights_shown_max = 20;

/// What the steps of one action look at in the server.
struct Rehearsal {
    plugins::Datastore& driver;
    const plugins::Call& call;
    const plugins::Place& place;
    const Json& wanted; ///< the operation's "request"
    Notes notes;

    [[nodiscard]] Result<std::string> text(const char* key, const char* fallback = "") const {
        return proto::string_at(wanted, key, fallback, name_bytes_max);
    }

    /// The account that `wanted` names: not_found, or what it may do where the driver tells.
    [[nodiscard]] Result<void> need_user(bool there) {
        JACKDAW_TRY(const auto name, text("name"));
        JACKDAW_TRY(const auto host, text("host", "%"));
        JACKDAW_TRY(auto* const users, facet_of(driver, &plugins::Datastore::users, "users"));
        JACKDAW_TRY(const auto all, users->list(call));
        const bool found = std::ranges::any_of(
            all, [&](const auto& one) { return one.name == name && one.host == host; });
        if (found && !there) {
            return Error{Code::name_taken, fmt::format("user '{}'@'{}' is there", name, host)}
                .with_hint("`jackdaw user password` gives it another password, `jackdaw user "
                           "grant` more rights");
        }
        if (!found && there) {
            return Error{Errc::not_found, fmt::format("there is no user '{}'@'{}'", name, host)}
                .with_hint("`jackdaw user list` shows what there is");
        }
        return ok();
    }

    [[nodiscard]] Result<std::optional<proto::DatabaseSpec>>
    find_database(const std::string& name) const {
        JACKDAW_TRY(auto* const databases,
                    facet_of(driver, &plugins::Datastore::databases, "databases"));
        JACKDAW_TRY(const auto all, databases->list(call));
        const auto at = std::ranges::find(all, name, &proto::DatabaseSpec::name);
        return at == all.end() ? std::optional<proto::DatabaseSpec>{} : std::optional{*at};
    }

    [[nodiscard]] Result<void> need_database(const std::string& name) const {
        JACKDAW_TRY(const auto found, find_database(name));
        return found ? ok()
                     : Result<void>{
                           Error{Errc::not_found, fmt::format("there is no database '{}'", name)}
                               .with_hint("`jackdaw database list` shows what there is")};
    }

    Result<void> create_database() {
        JACKDAW_TRY(const auto name, text("name"));
        JACKDAW_TRY(const auto charset, text("charset"));
        JACKDAW_TRY(const auto collation, text("collation"));
        JACKDAW_TRY(const auto found, find_database(name));
        if (!found) {
            notes.push_back(fmt::format("database '{}' is not there yet", name));
            return ok();
        }
        if ((!charset.empty() && charset != found->charset) ||
            (!collation.empty() && collation != found->collation)) {
            return Error{Errc::conflict, fmt::format("database '{}' is there with {} / {}", name,
                                                     found->charset, found->collation)};
        }
        notes.push_back(fmt::format("database '{}' is there already, with {} / {}", name,
                                    found->charset, found->collation));
        return ok();
    }

    Result<void> drop_database() {
        JACKDAW_TRY(const auto name, text("name"));
        JACKDAW_CHECK(need_database(name));
        notes.push_back(
            fmt::format("database '{}' is there, and goes with all that is in it", name));
        auto* const users = driver.users();
        if (users == nullptr) {
            return ok();
        }
        JACKDAW_TRY(const auto all, users->list(call));
        for (const auto& one : all) {
            if (std::ranges::find(one.databases, name) != one.databases.end() &&
                notes.size() < rights_shown_max) {
                notes.push_back(fmt::format("'{}'@'{}' keeps its rights on it, also on a new one "
                                            "of that name",
                                            one.name, one.host));
            }
        }
        return ok();
    }

    Result<void> create_user() {
        JACKDAW_CHECK(need_user(false));
        JACKDAW_TRY(const auto databases, proto::strings_at(wanted, "databases"));
        for (const auto& one : databases) {
            JACKDAW_CHECK(need_database(one));
            notes.push_back(fmt::format("it gets all privileges on database '{}'", one));
        }
        return ok();
    }

    Result<void> change_grant(bool giving) {
        JACKDAW_CHECK(need_user(true));
        const auto asked = wanted.find("grant");
        JACKDAW_TRY(const auto grant,
                    proto::grant_from(asked == wanted.end() ? Json::object() : *asked));
        if (!grant.database.empty()) {
            if (giving) { // what was granted on one that is gone can be taken away
                JACKDAW_CHECK(need_database(grant.database));
            }
        }
        JACKDAW_TRY(const auto name, text("name"));
        JACKDAW_TRY(const auto host, text("host", "%"));
        JACKDAW_TRY(auto* const grants,
                    facet_of(driver, &plugins::Datastore::grants, "privileges"));
        JACKDAW_TRY(const auto details, grants->show(call, name, host));
        const auto at = std::ranges::find_if(details.grants, [&](const auto& one) {
            return one.database == grant.database && one.table == grant.table;
        });
        const auto has = [&](const std::string& privilege) {
            return at != details.grants.end() &&
                   std::ranges::any_of(at->privileges, [&](const std::string& one) {
                       return one == privilege || one == "ALL" || one == "ALL PRIVILEGES";
                   });
        };
        for (const auto& privilege : grant.privileges) {
            if (has(privilege) == giving) {
                notes.push_back(
                    fmt::format("{}: it {} that", privilege, giving ? "has" : "does not have"));
            }
        }
        if (!giving) {
            for (const auto& one : held_elsewhere(details, grant)) {
                notes.push_back("it still has " + one + " afterwards");
            }
            for (const auto& one : held_otherwise(details, grant)) {
                notes.push_back("it still has afterwards what is taken in SQL alone: " + one);
            }
        }
        return ok();
    }

    Result<void> update_user() {
        JACKDAW_CHECK(need_user(true));
        const auto asked = wanted.find("attributes");
        JACKDAW_TRY(const auto attributes,
                    proto::user_attributes_from(asked == wanted.end() ? Json::object() : *asked));
        JACKDAW_TRY(const auto name, text("name"));
        JACKDAW_TRY(const auto host, text("host", "%"));
        const auto next = attributes.name.value_or(name);
        const auto next_host = attributes.host.value_or(host);
        if (next == name && next_host == host) {
            return ok();
        }
        JACKDAW_TRY(auto* const users, facet_of(driver, &plugins::Datastore::users, "users"));
        JACKDAW_TRY(const auto all, users->list(call));
        if (std::ranges::any_of(
                all, [&](const auto& one) { return one.name == next && one.host == next_host; })) {
            return Error{Errc::conflict, fmt::format("user '{}'@'{}' is there", next, next_host)};
        }
        return ok();
    }

    Result<void> change_root(bool enabling) {
        JACKDAW_TRY(auto* const root, facet_of(driver, &plugins::Datastore::root, "root account"));
        JACKDAW_TRY(const auto now, root->status(call));
        notes.push_back(now.level == "off" ? "there is no root now"
                                           : fmt::format("root is '{}'@'{}' now ({})", now.name,
                                                         now.host, now.level));
        if (now.level != "off") {
            notes.push_back(enabling ? "it is made anew, and its sessions end"
                                     : "its sessions end, too");
        }
        return ok();
    }

    Result<void> kill_session() {
        JACKDAW_TRY(const auto id, proto::number_at(wanted, "id", 0, UINT64_MAX));
        JACKDAW_TRY(auto* const sessions,
                    facet_of(driver, &plugins::Datastore::sessions, "sessions"));
        JACKDAW_TRY(const auto all, sessions->list(call));
        const auto at = std::ranges::find(all, id, &proto::SessionShape::id);
        if (at == all.end()) {
            return Error{Errc::not_found, "there is no such session"}.with_hint(
                "`jackdaw session list` shows them");
        }
        if (at->own) {
            return Error{Errc::not_allowed, "this session is the agent's or the database's own"}
                .with_hint("it is not killed, whoever asks; `jackdaw session list` marks those of "
                           "the agent");
        }
        notes.push_back(
            fmt::format("session {} is '{}'@'{}', {}", id, at->user, at->host, at->command));
        return ok();
    }

    /// Names and values were checked before there was anything to rehearse.
    Result<void> set_parameters() {
        JACKDAW_TRY(auto* const facet,
                    facet_of(driver, &plugins::Datastore::parameters, "parameters"));
        JACKDAW_TRY(const auto known, facet->list(call, place));
        const auto tell = [&](const std::string& name) {
            const auto at = std::ranges::find(known, name, &proto::Parameter::name);
            if (at != known.end()) {
                notes.push_back(
                    fmt::format("{}: {} now, {}", at->name, at->current,
                                at->restart ? "waits for a restart" : "takes effect at once"));
            }
        };
        JACKDAW_TRY(const auto set, proto::texts_at(wanted, "set", own_parameters_max));
        JACKDAW_TRY(const auto unset, proto::strings_at(wanted, "unset", own_parameters_max));
        for (const auto& [name, value] : set) {
            tell(name);
        }
        std::ranges::for_each(unset, tell);
        return ok();
    }

    Result<void> look(const std::string& action) {
        using Look = Result<void> (*)(Rehearsal&);
        struct Row {
            std::string_view action;
            Look look;
        };
        static constexpr std::array rows{
            Row{"database.create", [](Rehearsal& it) { return it.create_database(); }},
            Row{"database.delete", [](Rehearsal& it) { return it.drop_database(); }},
            Row{"user.create", [](Rehearsal& it) { return it.create_user(); }},
            Row{"user.delete", [](Rehearsal& it) { return it.need_user(true); }},
            Row{"user.password", [](Rehearsal& it) { return it.need_user(true); }},
            Row{"user.grant", [](Rehearsal& it) { return it.change_grant(true); }},
            Row{"user.revoke", [](Rehearsal& it) { return it.change_grant(false); }},
            Row{"user.update", [](Rehearsal& it) { return it.update_user(); }},
            Row{"root.enable", [](Rehearsal& it) { return it.change_root(true); }},
            Row{"root.disable", [](Rehearsal& it) { return it.change_root(false); }},
            Row{"session.kill", [](Rehearsal& it) { return it.kill_session(); }},
            Row{"config.set", [](Rehearsal& it) { return it.set_parameters(); }},
        };
        const auto* const row = std::ranges::find(rows, action, &Row::action);
        return row == rows.end()
                   ? Result<void>{Error{Errc::unsupported,
                                        fmt::format("'{}' cannot be rehearsed", action)}}
                   : row->look(*this);
    }
};

} // namespace

Router::Outcome Router::rehearse(const ApiRequest& request, const std::string& action,
                                 const std::string& target, const Json& arguments) const {
    const auto wanted = arguments.find("request");
    const auto asked = wanted == arguments.end() ? Json::object() : *wanted;
    Notes notes;
    auto looked = parts_.life.query_place(
        [&](plugins::Datastore& driver, const plugins::Call& call,
            const plugins::Place& place) -> Result<Json> {
            Rehearsal rehearsal{driver, call, place, asked, {}};
            JACKDAW_CHECK(rehearsal.look(action));
            notes = std::move(rehearsal.notes);
            return Json{};
        },
        request.deadline);
    if (!looked) {
        if (action != "config.set" || !is_closed(looked.error())) {
            return std::move(looked).error();
        }
        notes.push_back("the database cannot be asked now: it takes them at its next start");
    }
    return answer(Json{{"apiVersion", proto::api_version},
                       {"kind", "Rehearsal"},
                       {"action", action},
                       {"target", target},
                       {"notes", notes}});
}

Router::Outcome Router::rehearsal(const ApiRequest& request, const Target& target) const {
    JACKDAW_TRY(auto body, body_of(request, target));
    ApiRequest inner;
    inner.is_rehearsal = true;
    inner.caller = request.caller;
    inner.deadline = request.deadline;
    const auto asked = body.find("body");
    auto outcome = [&]() -> Outcome {
        if (asked != body.end() && asked->is_object()) {
            inner.body = dump(*asked);
            JACKDAW_TRY([[maybe_unused]] const auto password, take_password(*asked));
        }
        JACKDAW_TRY(inner.method, proto::string_at(body, "method", "", 16));
        JACKDAW_TRY(inner.target, proto::string_at(body, "target", "", 8192));
        JACKDAW_TRY(const auto inside_target, parse_target(inner.target));
        constexpr std::array<std::string_view, 5> inside{"databases", "users", "root", "sessions",
                                                         "parameters"};
        if (inner.method == "GET" || inside_target.segments.size() < 2 ||
            std::ranges::find(inside, inside_target.segments[1]) == inside.end()) {
            return Error{Errc::unsupported, "only changes inside the database can be rehearsed"};
        }
        return route(inner, inside_target);
    }();
    wipe(inner.body); // also of what was refused
    return outcome;
}

} // namespace jackdaw::agent
