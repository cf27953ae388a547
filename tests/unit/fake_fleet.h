#pragma once
// A fleet's membership in memory, for the Router.

#include <string>
#include <vector>

#include "agent/api/fleet_api.h"

namespace jackdaw::agent {

class FakeFleet : public FleetApi {
public:
    Result<std::vector<proto::MemberShape>> members() override { return all; }
    Result<std::vector<proto::Instance>> instances() override { return running; }
    Result<void> may_list() override {
        return has_left ? Result<void>{Error{Errc::unavailable, "this agent left its fleet"}}
                        : ok();
    }
    Result<std::vector<proto::MetricFamily>> figures() override {
        return std::vector<proto::MetricFamily>{
            {"jackdaw_gossip_probes_ok", "counter", "probes", {{"_total", {}, 7}}}};
    }
    Result<GossipHealth> health() override { return told_health; }
    Result<proto::Json> gossip() override {
        return proto::Json{{"apiVersion", proto::api_version},
                           {"kind", "Gossip"},
                           {"state", has_left ? "left" : "member"},
                           {"id", "00000000000000a1"},
                           {"name", "db1"},
                           {"address", "10.0.0.1:7412"},
                           {"figures", {{"probes_ok", 7}}}};
    }
    Result<proto::Json> why(std::uint64_t id) override {
        asked_why = id;
        return proto::Json::array({{{"at", "2026-01-01T00:00:00.000Z"},
                                    {"from", "alive"},
                                    {"to", "suspect"},
                                    {"incarnation", 5},
                                    {"cause", "probe"},
                                    {"who", nullptr},
                                    {"accusers", {{{"name", "db2"}, {"since", "t"}}}},
                                    {"pings", 3},
                                    {"helpers", 2},
                                    {"nacks", 1},
                                    {"health", 0},
                                    {"rto_ms", 50.0}}});
    }
    Result<void> join(std::vector<std::string> addresses) override {
        joined = std::move(addresses);
        has_left = false;
        return ok();
    }
    Result<void> leave() override {
        has_left = true;
        return ok();
    }
    Result<void> hint(std::uint8_t topic, std::uint64_t key, std::uint64_t version) override {
        hinted = {topic, key, version};
        return ok();
    }
    Result<void> forget(Forget order) override {
        if (order.signature != std::string(64, '\1')) {
            return Error{Errc::not_allowed, "no operator signed that"};
        }
        forgotten.push_back(std::move(order));
        return ok();
    }
    Result<void> set_ring(Secret text, RingUse use) override {
        ring_use = use;
        ring = std::string{text.reveal()};
        return ok();
    }

    /// A member as `members` tells it.
    void add(std::string name, std::string id, std::string status = "alive",
             std::string since = {}) {
        auto& one = all.emplace_back();
        one.name = std::move(name);
        one.id = std::move(id);
        one.status = std::move(status);
        one.since = std::move(since);
    }
    void add_instance(std::string name, std::string id) {
        auto& one = running.emplace_back();
        one.name = std::move(name);
        one.id = std::move(id);
    }

    std::vector<proto::MemberShape> all;
    std::vector<proto::Instance> running;
    GossipHealth told_health;
    std::vector<std::string> joined;
    std::vector<std::uint64_t> hinted;
    std::vector<Forget> forgotten;
    std::string ring;
    std::uint64_t asked_why = 0;
    bool has_left = false;
    RingUse ring_use;
};

} // namespace jackdaw::agent
