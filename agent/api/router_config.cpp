// The datastore's parameters, and what its driver can.
#include <algorithm>

#include "agent/api/router_parts.h"
#include "agent/life/parameter_wish.h"
#include "proto/wire/datastore_json.h"

namespace jackdaw::agent {
namespace {

constexpr std::size_t changes_max = own_parameters_max;

struct KnownParameters {
    std::vector<proto::Parameter> all;
    std::string recorded; ///< why they are the last start's and not the running server's; or ""
};

Result<KnownParameters> known_parameters(Life& life, const ApiRequest& request) {
    KnownParameters known;
    auto asked = life.query_place(
        [&](plugins::Datastore& driver, const plugins::Call& call,
            const plugins::Place& place) -> Result<Json> {
            JACKDAW_TRY(auto* const facet,
                        facet_of(driver, &plugins::Datastore::parameters, "parameters"));
            JACKDAW_TRY(known.all, facet->list(call, place));
            return Json{};
        },
        request.deadline);
    if (asked) {
        return known;
    }
    if (!is_closed(asked.error())) {
        return std::move(asked).error();
    }
    JACKDAW_TRY(known.all, life.recorded_parameters());
    known.recorded = fmt::format("the database cannot be asked ({}): as it was listed at its last "
                                 "start, with what the instance sets now",
                                 asked.error().message());
    return known;
}

} // namespace

Router::Outcome Router::datastore(const ApiRequest& request, const Target& /*target*/) const {
    JACKDAW_TRY(const auto driver, parts_.life.driver(request.deadline));
    const auto view = parts_.life.instance();
    return answer(Json{{"apiVersion", proto::api_version},
                       {"kind", "Datastore"},
                       {"name", driver->name()},
                       {"version", view ? view->version : ""},
                       {"default_port", driver->default_port()},
                       {"volume_bytes_min", driver->volume_bytes_min()},
                       {"memory_bytes_min", driver->memory_bytes_min()},
                       {"capabilities",
                        {{"databases", driver->databases() != nullptr},
                         {"users", driver->users() != nullptr},
                         {"privileges", driver->grants() != nullptr},
                         {"root", driver->root() != nullptr},
                         {"sessions", driver->sessions() != nullptr},
                         {"parameters", driver->parameters() != nullptr},
                         {"logs", driver->logs() != nullptr},
                         {"metrics", driver->metrics() != nullptr}}}});
}

Router::Outcome Router::parameters(const ApiRequest& request, const Target& target) const {
    JACKDAW_TRY(const bool own_only, flag_of(target, "own"));
    JACKDAW_TRY(const auto known, known_parameters(parts_.life, request));
    Json items = Json::array();
    for (const auto& one : known.all) {
        if (!own_only || one.is_configured) {
            items.push_back(proto::to_json(one));
        }
    }
    auto json = proto::list_json("Parameter", std::move(items), as_of());
    if (!known.recorded.empty()) {
        json["recorded"] = known.recorded;
    }
    return answer(json);
}

Router::Outcome Router::parameter(const ApiRequest& request, const Target& target) const {
    JACKDAW_TRY(const auto known, known_parameters(parts_.life, request));
    const auto& wanted = target.segments[2];
    const auto at = std::ranges::find(known.all, wanted, &proto::Parameter::name);
    if (at == known.all.end()) {
        return Error{Errc::not_found,
                     fmt::format("no parameter '{}'", wanted.substr(0, shown_bytes_max))}
            .with_hint("`jackdaw config parameters` shows what there is");
    }
    auto json = proto::to_json(*at);
    json["apiVersion"] = proto::api_version;
    json["kind"] = "Parameter";
    if (!known.recorded.empty()) {
        json["recorded"] = known.recorded;
    }
    return answer(json);
}

Router::Outcome Router::set_parameters(const ApiRequest& request, const Target& target) const {
    JACKDAW_TRY(const auto body, body_of(request, target));
    JACKDAW_TRY(const auto set, proto::texts_at(body, "set", changes_max));
    JACKDAW_TRY(const auto unset, proto::strings_at(body, "unset", changes_max));
    if (set.empty() && unset.empty()) {
        return Error{Errc::invalid, "nothing is to be set or unset"};
    }
    for (const auto& name : unset) {
        if (set.contains(name)) {
            return Error{Errc::invalid, fmt::format("'{}' is both set and unset",
                                                    name.substr(0, shown_bytes_max))};
        }
    }
    // What can be refused is refused before there is an operation.
    JACKDAW_TRY(const auto known, known_parameters(parts_.life, request));
    const auto spec = parts_.life.spec();
    ParameterValues given;
    JACKDAW_TRY(
        [[maybe_unused]] const auto none,
        parts_.life.with_place(
            [&](plugins::Datastore& driver, const plugins::Place& place) -> Result<Json> {
                JACKDAW_TRY(auto* const facet,
                            facet_of(driver, &plugins::Datastore::parameters, "parameters"));
                JACKDAW_TRY(const auto wanted, wish_of(*facet, known.all, place, {set, unset},
                                                       spec ? spec->name : ""));
                for (const auto& name : changed_between(place.parameters, wanted)) {
                    if (const auto at = wanted.find(name); at != wanted.end()) {
                        given.insert(*at);
                    }
                }
                return Json{};
            },
            request.deadline));
    if (known.recorded.empty() && !given.empty()) {
        const auto tried = parts_.life.query(
            [&](plugins::Datastore& driver, const plugins::Call& call) -> Result<Json> {
                JACKDAW_TRY(auto* const facet,
                            facet_of(driver, &plugins::Datastore::parameters, "parameters"));
                JACKDAW_CHECK(facet->try_out(call, given));
                return Json{};
            },
            request.deadline);
        if (!tried && tried.error().code() == Errc::invalid) { // otherwise the operation tells
            return tried.error().clone();
        }
    }
    return submit(request, "config.set", "",
                  Json{{"request", Json{{"set", set}, {"unset", unset}}}});
}

} // namespace jackdaw::agent
