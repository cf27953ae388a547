// An agent's answers about its fleet.
#include <algorithm>

#include "proto/wire/gossip_ring.h"
#include "tests/unit/cli_fakes.h"

namespace jackdaw::cli::fakes {
namespace {

ApiResponse gossip_of(const World& world, const Agent& agent) {
    auto versions = Json::array(), ids = Json::array();
    if (const auto ring = proto::parse_gossip_ring(agent.ring, "f1")) {
        for (const auto& [version, key] : ring->keys()) {
            versions.push_back(version);
            ids.push_back(proto::key_id_text(proto::key_id(key)));
        }
    }
    const auto sealing = versions.empty() ? Json(0) : versions.front();
    Json gossip{
        {"kind", "Gossip"},
        {"name", agent.spec ? agent.spec->name : ""},
        {"state", agent.has_left      ? "left"
                  : agent.is_isolated ? "isolated"
                                      : "member"},
        {"ring",
         {{"versions", std::move(versions)}, {"sealing", sealing}, {"ids", std::move(ids)}}}};
    const auto self = std::ranges::find_if(world.members, [&](const proto::MemberShape& one) {
        return agent.spec && one.name == agent.spec->name;
    });
    if (self != world.members.end()) {
        gossip["id"] = self->id;
    }
    return {200, std::move(gossip)};
}

} // namespace

std::optional<ApiResponse> answer_fleet(const World& world, Agent& agent,
                                        const ApiRequest& request) {
    const auto& path = request.path;
    if (path.starts_with("/v1/gossip")) {
        if (path == "/v1/gossip/ring") {
            agent.ring = request.body.value("ring", "");
            agent.last_change = request;
        }
        agent.has_left = agent.has_left || path == "/v1/gossip/leave";
        return gossip_of(world, agent);
    }
    if (!path.starts_with("/v1/members")) {
        return std::nullopt;
    }
    Json items = Json::array();
    for (const auto& one : agent.members ? *agent.members : world.members) {
        for (const auto& named : {one.name, one.id}) {
            const auto own = "/v1/members/" + named;
            if (path == own) {
                return ApiResponse{200, proto::to_json(one)};
            }
            if (path == own + "/why" && one.status == "alive") { // nothing ever happened to it
                return ApiResponse{200, proto::list_json("MemberChange", Json::array(), "t")};
            }
            if (path == own + "/why") {
                Json change{{"at", "2026-01-01T00:00:00.000Z"},
                            {"from", "alive"},
                            {"to", "suspect"},
                            {"incarnation", 5},
                            {"cause", "probe"},
                            {"who", nullptr},
                            {"accusers", {{{"name", "db7"}, {"since", "t"}}}},
                            {"pings", 3},
                            {"helpers", 2},
                            {"nacks", 1},
                            {"health", 0},
                            {"rto_ms", 50.0}};
                return ApiResponse{
                    200, proto::list_json("MemberChange", Json::array({std::move(change)}), "t")};
            }
            if (path == own + "/forget") {
                agent.last_change = request;
                return ApiResponse{200, proto::to_json(one)};
            }
        }
        items.push_back(proto::to_json(one));
    }
    return path == "/v1/members"
               ? ApiResponse{200, proto::list_json("Member", std::move(items), "t")}
               : ApiResponse{404, nullptr};
}

} // namespace jackdaw::cli::fakes
