// What an operator does to the fleet's membership and its keys, and to the fleet itself.

#include <sys/resource.h>

#include <algorithm>
#include <string>

#include <sodium.h>

#include "coordinator/profile/op_journal.h"
#include "coordinator/profile/profile.h"
#include "proto/base/ids.h"
#include "proto/wire/gossip_codec.h"
#include "tests/unit/cli_scene.h"

using namespace jackdaw;
using namespace jackdaw::cli;
using proto::Json;

namespace {

struct FleetScene : Scene {
    int run(std::vector<std::string> words) { return world.jackdaw(std::move(words)).value_or(-1); }
    void add_member(const std::string& name, const std::string& id, const std::string& status,
                    std::uint32_t ring = 1, std::uint32_t sealing = 1) {
        proto::MemberShape member;
        member.name = name;
        member.id = id;
        member.status = status;
        member.incarnation = 41;
        member.ring = ring;
        member.sealing = sealing;
        world.members.push_back(std::move(member));
    }
    proto::GossipRing ring() { return *read_gossip_ring(world.folders, "f1"); }
    std::string ring_text() { return std::string{gossip_ring_text(ring()).reveal()}; }
    /// The profile's keys of these versions, then others, each of one hex digit.
    std::string other_ring(const std::vector<std::uint32_t>& same,
                           const std::vector<std::pair<std::uint32_t, char>>& others) {
        auto kept = ring();
        kept.drop([&](std::uint32_t one) { return std::ranges::count(same, one) == 0; });
        auto text = std::string{gossip_ring_text(kept).reveal()};
        for (const auto& [version, digit] : others) {
            text += fmt::format("{} {}\n", version, std::string(64, digit));
        }
        return text;
    }
    std::vector<std::uint32_t> versions() {
        std::vector<std::uint32_t> all;
        const auto held = ring();
        for (const auto& [version, key] : held.keys()) {
            all.push_back(version);
        }
        return all;
    }
};
using Versions = std::vector<std::uint32_t>;

} // namespace

TEST_CASE_METHOD(FleetScene, "a member's changes are shown with what led to them") {
    make_fleet({"db1"});
    add_member("db1", "0011223344556677", "suspect");
    const std::string seen = "2026-01-01T00:00:00.000Z";
    world.members[0].since = seen;
    world.members[0].rtt_ms = 1.5;
    REQUIRE(run({"member", "show", "db1"}) == 0);
    CHECK(out().find("1.5 ms, mean of its zone") != std::string::npos);
    REQUIRE(run({"member", "why", "db1"}) == 0);
    CHECK(out().find("probe") != std::string::npos);
    CHECK(out().find("db7") != std::string::npos);
    CHECK(err() == "note: seen by the agent of 'db1' since it began, at " + seen + "\n");
    REQUIRE(run({"member", "why", "db1", "-o", "json"}) == 0);
    CHECK(err().empty());
    CHECK(json().at("items").at(0).at("pings") == 3);
    CHECK(run({"member", "why", "none"}) == 5);
    world.members[0].status = "alive";
    REQUIRE(run({"member", "why", "db1"}) == 0);
    CHECK(err().find("no change of it is known there; no agent keeps its own") !=
          std::string::npos);
    for (auto* const verb : {"show", "why", "forget"}) { // and not what the list of all says
        CHECK(run({"member", verb, ""}) == 2);
        CHECK(err().find("a member's name or id is not empty") != std::string::npos);
    }
}

TEST_CASE_METHOD(FleetScene, "who hears no other is asked last, and its view is told to be old") {
    make_fleet({"db1", "db2"});
    add_member("db1", "0011223344556677", "alive");
    add_member("db2", "8899aabbccddeeff", "alive");
    world.agents["db1"].is_isolated = true;
    REQUIRE(run({"member", "list"}) == 0);
    CHECK(err().starts_with("note: seen by the agent of 'db2'"));
    CHECK(err().find("hears no other") == std::string::npos);
    world.agents["db2"].is_isolated = true;
    REQUIRE(run({"member", "list"}) == 0);
    CHECK(err().starts_with("note: seen by the agent of 'db1'"));
    CHECK(err().find("it hears no other now") != std::string::npos);
}

TEST_CASE_METHOD(FleetScene, "instances that an agent knows of from before alone are told so") {
    make_fleet({"db1", "db2", "db3"});
    const std::string note = "note: seen by the agent of 'db1'; it hears no other now: this is "
                             "what it knew before, and `jackdaw doctor";
    world.agents["db1"].is_isolated = true;
    REQUIRE(run({"instance", "list"}) == 0); // db2 tells
    CHECK(err().empty());
    world.agents["db2"].is_isolated = world.agents["db3"].is_isolated = true;
    REQUIRE(run({"instance", "list"}) == 0); // each of itself
    CHECK(err().empty());
    world.agents["db2"].owned = world.agents["db3"].owned = false; // nobody answers there
    REQUIRE(run({"instance", "list"}) == 0);
    CHECK(err().starts_with(note));
    CHECK(out().find("db3") != std::string::npos);
    REQUIRE(run({"instance", "list", "-o", "json"}) == 0);
    CHECK(err().empty());
    for (auto& machine : world.machines) {
        machine.state = machine.name == "db1" ? machine.state : cloud::MachineState::off;
    }
    REQUIRE(run({"instance", "list"}) == 0); // that is the provider's word
    CHECK(err().empty());

    world.agents["local"] = world.agents["db1"];
    REQUIRE(run({"instance", "list", "--local"}) == 0);
    CHECK(err().starts_with(note + " --local`"));
    world.agents["local"].is_isolated = false;
    REQUIRE(run({"instance", "list", "--local"}) == 0);
    CHECK(err().empty());
}

TEST_CASE_METHOD(FleetScene, "a member that is gone is forgotten by the operator's signature") {
    make_fleet({"db1"});
    add_member("db1", "0011223344556677", "alive");
    add_member("db9", "8899aabbccddeeff", "down");
    CHECK(run({"member", "forget", "db1"}) == 6); // it would say that it lives
    CHECK(err().find("`jackdaw member list -o wide` tells the ids") != std::string::npos);
    world.members[1].status = "suspect"; // switched off a moment ago, maybe
    CHECK(run({"member", "forget", "db9"}) == 6);
    CHECK(err().find("again once `jackdaw member list` shows it down") != std::string::npos);
    world.members[1].status = "down";
    REQUIRE(run({"member", "forget", "db9", "--dry-run"}) == 0);
    CHECK(world.agents["db1"].last_change.path != "/v1/members/8899aabbccddeeff/forget");
    REQUIRE(run({"member", "forget", "db9"}) == 0);
    const auto& order = world.agents["db1"].last_change;
    CHECK(order.path == "/v1/members/8899aabbccddeeff/forget");
    CHECK(order.body.at("incarnation") == 41);

    std::array<char, 32> body{};
    const std::string_view text{
        body.data(), proto::encode_left_body(proto::NodeId{0x8899aabbccddeeff}, 41, body)};
    const auto words = proto::to_sign(proto::SignedAs::forget, ring().fleet, text);
    const auto signature = *from_hex(order.body.at("signature").get<std::string>());
    const auto key = *from_hex(order.body.at("operator_key").get<std::string>());
    CHECK(crypto_sign_verify_detached(reinterpret_cast<const unsigned char*>(signature.data()),
                                      reinterpret_cast<const unsigned char*>(words.data()),
                                      words.size(),
                                      reinterpret_cast<const unsigned char*>(key.data())) == 0);
    CHECK(load_profile(world.folders, "f1")->operator_key ==
          order.body.at("operator_key").get<std::string>());
}

TEST_CASE_METHOD(FleetScene, "a key is made and handed to all; who missed it gets it next time") {
    make_fleet({"db1", "db2"});
    for (auto* const name : {"db1", "db2"}) {
        world.agents[name].ring = std::string{gossip_ring_text(ring()).reveal()};
    }
    REQUIRE(run({"key", "rotate", "--dry-run"}) == 0);
    CHECK(ring().newest() == 1);
    REQUIRE(run({"key", "rotate"}) == 0);
    CHECK(ring().newest() == 2);
    CHECK(ring().keys().front().first == 1); // agents use the new one when all have it
    const auto given = world.agents["db1"].ring;
    CHECK(given == std::string{gossip_ring_text(ring()).reveal()});
    CHECK(world.agents["db2"].ring == given);
    CHECK(out().find(given.substr(given.size() - 65, 64)) == std::string::npos);

    world.agents["db2"].ring.clear();
    REQUIRE(run({"key", "rotate"}) == 0);
    CHECK(ring().newest() == 2);
    CHECK(world.agents["db2"].ring == given);

    add_member("db1", "0011223344556677", "alive", 2, 2);
    add_member("db2", "8899aabbccddeeff", "alive", 2, 1);
    add_member("db3", "8899aabbccddee00", "down", 1, 1);
    REQUIRE(run({"key", "list", "-o", "json"}) == 0);
    CHECK(json().at("items").at(0).at("sealing") == 2);
    CHECK(json().at("items").at(0).at("holders") == proto::Json::array({"db1", "db2", "db3"}));
    CHECK(json().at("items").at(0).at("missing").empty());
    CHECK(json().at("items").at(0).at("unasked") == proto::Json::array({"db3"}));
    CHECK(json().at("items").at(1).at("held") == 2);
    CHECK(json().at("items").at(1).at("members") == 3);
    CHECK(json().at("items").at(1).at("missing") == proto::Json::array({"db3"})); // down, not gone
    REQUIRE(run({"key", "list", "-o", "name"}) == 0);
    CHECK(out() == "1\n2\n");
    REQUIRE(run({"key", "list"}) == 0);
    CHECK(out().find("MISSED BY") != std::string::npos);
    CHECK(err().find("db3 was not asked") != std::string::npos);

    CHECK(run({"key", "remove", "one"}) == 2);
    CHECK(run({"key", "remove", "2"}) == 6); // the newest
    CHECK(run({"key", "remove", "1"}) == 6); // db2 seals with it
    world.members[1].sealing = 2;
    CHECK(run({"key", "remove", "1"}) == 6); // db3 would hear nobody when it is back
    CHECK(err().find("1 of 3 members seal with key 1: db3") != std::string::npos);
    CHECK(ring().keys().size() == 2);
    REQUIRE(run({"key", "remove", "1", "--force"}) == 0);
    CHECK(ring().keys().size() == 1);
    CHECK(world.agents["db2"].ring == std::string{gossip_ring_text(ring()).reveal()});

    world.agents["db2"].ring = given; // it was frozen while key 1 was taken from the others
    REQUIRE(run({"key", "list", "-o", "json"}) == 0);
    CHECK(json().at("items").at(0).at("holders") == proto::Json::array({"db2", "db3"}));
}

TEST_CASE_METHOD(FleetScene, "who was not asked may have the keys of before its newest, and is not "
                             "told to miss them") {
    make_fleet({"db1"});
    world.agents["db1"].ring = std::string{gossip_ring_text(ring()).reveal()};
    REQUIRE(run({"key", "rotate"}) == 0);
    REQUIRE(run({"key", "rotate"}) == 0);
    REQUIRE(run({"key", "rotate"}) == 0);
    add_member("db1", "0011223344556677", "alive", 4, 4);
    add_member("plain", "8899aabbccddeeff", "alive", 3, 2); // none of the fleet's machines
    REQUIRE(run({"key", "list", "-o", "json"}) == 0);
    const Json plain = Json::array({"plain"});
    const auto of = [&](std::size_t version) { return json().at("items").at(version - 1); };
    CHECK(of(1).at("unknown") == plain);
    CHECK(of(1).at("missing").empty());
    for (const std::size_t version : {2U, 3U}) {
        CHECK(of(version).at("held") == 2);
        CHECK(of(version).at("unknown").empty());
    }
    CHECK(of(4).at("missing") == plain); // newer than any that it told of
    REQUIRE(run({"key", "list"}) == 0);
    CHECK(err().find("older ones count as neither held nor missed") != std::string::npos);
}

TEST_CASE_METHOD(FleetScene, "a full ring loses its oldest key to the next, unless it is used") {
    make_fleet({"db1"});
    world.agents["db1"].ring = std::string{gossip_ring_text(ring()).reveal()};
    add_member("db1", "0011223344556677", "alive", 1, 1);
    for (std::uint32_t newest = 2; newest <= 4; ++newest) {
        REQUIRE(run({"key", "rotate"}) == 0);
        CHECK(ring().newest() == newest);
    }
    CHECK(run({"key", "rotate"}) == 6);
    CHECK(err().find("key 1 of it still seals for db1") != std::string::npos);
    CHECK(ring().keys().size() == 4);
    world.members[0].sealing = 4;
    world.members[0].ring = 4;
    for (std::uint32_t newest = 5; newest <= 9; ++newest) {
        REQUIRE(run({"key", "rotate"}) == 0);
        CHECK(ring().newest() == newest);
        CHECK(ring().keys().size() == 4);
        world.members[0].sealing = newest;
    }
    REQUIRE(run({"key", "rotate", "--leak"}) == 0); // also of a full one
    CHECK(ring().newest() == 10);
    CHECK(ring().keys().size() == 1);
}

TEST_CASE_METHOD(FleetScene, "a key that an agent was not given is there all the same, and told") {
    make_fleet({"db1"});
    world.agents["db1"].ring = std::string{gossip_ring_text(ring()).reveal()};
    world.agents["db1"].lost_answers = 1;
    CHECK(run({"key", "rotate"}) != 0);
    CHECK(err().find("'db1' was not given the ring") != std::string::npos);
    CHECK(ring().newest() == 2);
    world.agents["db1"].ring.clear();
    REQUIRE(run({"key", "rotate"}) == 0);
    CHECK(ring().newest() == 2);
    CHECK(world.agents["db1"].ring == std::string{gossip_ring_text(ring()).reveal()});
}

TEST_CASE_METHOD(FleetScene, "who does not answer may miss a new key when nobody else hears it") {
    make_fleet({"db1", "db2", "db3"});
    for (auto* const name : {"db1", "db2", "db3"}) {
        world.agents[name].ring = std::string{gossip_ring_text(ring()).reveal()};
        add_member(name, std::string{"00112233445566"} + name[2] + "0", "alive");
    }
    const auto old = world.agents["db3"].ring;
    world.agents["db3"].owned = false;
    for (auto* const heard : {"alive", "suspect"}) {
        world.members[2].status = heard;
        CHECK(run({"key", "rotate", "--dry-run"}) == 8);
        CHECK(run({"key", "rotate"}) == 8);
        CHECK(err().find("no new key was made: db3 does not answer here, and other agents still "
                         "hear it") != std::string::npos);
        CHECK(err().find("jackdaw doctor db3") != std::string::npos);
        CHECK(ring().newest() == 1);
        CHECK(world.agents["db1"].ring == old);
    }
    world.unreachable = true;
    CHECK(run({"key", "rotate"}) == 8);
    CHECK(err().find("no new key was made: db1, db2, db3 do not answer here, and no agent answers "
                     "that could tell of them") != std::string::npos);
    world.unreachable = false;

    world.members[2].status = "down";
    REQUIRE(run({"key", "rotate", "--dry-run"}) == 0);
    CHECK(out().find("make and hand key 2 to 2 agents") != std::string::npos);
    REQUIRE(run({"key", "rotate"}) == 0);
    CHECK(out().find("every agent that answers (2)") != std::string::npos);
    CHECK(err().find("note: key 2 was missed by db3") != std::string::npos);
    CHECK(ring().newest() == 2);
    const auto given = std::string{gossip_ring_text(ring()).reveal()};
    CHECK(world.agents["db1"].ring == given);
    CHECK(world.agents["db2"].ring == given);
    CHECK(world.agents["db3"].ring == old);

    world.agents["db3"].owned = true; // back, and handed what it missed; not another one
    REQUIRE(run({"key", "rotate"}) == 0);
    CHECK(ring().newest() == 2);
    CHECK(world.agents["db3"].ring == given);

    world.agents["db3"].stopped = true; // takes connections, as a stopped process's kernel does
    const auto known = world.members.back();
    world.members.pop_back();
    REQUIRE(run({"key", "rotate"}) == 0);
    CHECK(ring().newest() == 3);
    CHECK(world.agents["db3"].ring == given);
    CHECK(err().find("note: key 3 was missed by db3") != std::string::npos);

    // Who fell silent before it, and who has it and is cut off since.
    world.agents["db1"].ring = given;
    REQUIRE(run({"key", "rotate"}) == 0); // nobody tells of db3
    CHECK(ring().newest() == 3);
    CHECK(err().find("note: key 3 was missed by db3") != std::string::npos);
    world.members.push_back(known);
    world.members.back().ring = 3;
    world.agents["db1"].ring = given;
    REQUIRE(run({"key", "rotate"}) == 0);
    CHECK(ring().newest() == 3);
    CHECK(world.agents["db1"].ring != given);
    CHECK(err().find("missed by") == std::string::npos);
    world.members.back().key_id = "0000abcd"; // not that key 3
    world.agents["db1"].ring = given;
    REQUIRE(run({"key", "rotate"}) == 0);
    CHECK(err().find("note: key 3 was missed by db3") != std::string::npos);
}

TEST_CASE_METHOD(FleetScene, "no newer key is made while who is off has not the newest") {
    make_fleet({"db1", "db2", "db3"});
    for (auto* const name : {"db1", "db2", "db3"}) {
        world.agents[name].ring = std::string{gossip_ring_text(ring()).reveal()};
        add_member(name, std::string{"00112233445566"} + name[2] + "0", "alive");
    }
    world.machines[1].state = cloud::MachineState::frozen;
    world.machines[2].state = cloud::MachineState::off;
    world.members[2].status = "down";
    REQUIRE(run({"key", "rotate"}) == 0);
    CHECK(ring().newest() == 2);
    CHECK(out().find("machines that are off: 1, frozen: 1, `jackdaw key rotate` again once they "
                     "are on") != std::string::npos);
    world.machines[1].state = cloud::MachineState::on;
    for (int again = 0; again < 4; ++again) { // the first gives it to db2
        REQUIRE(run({"key", "rotate"}) == 0);
        CHECK(ring().newest() == 2);
    }
    CHECK(world.agents["db2"].ring == world.agents["db1"].ring);
    CHECK(out().find("no newer one is made until db3 has it, or is forgotten") !=
          std::string::npos);
    REQUIRE(run({"key", "rotate", "--dry-run"}) == 0);
    CHECK(out().find("hand key 2 to 2 agents; no newer one") != std::string::npos);

    world.machines[2].state = cloud::MachineState::on;
    REQUIRE(run({"key", "rotate"}) == 0);
    CHECK(world.agents["db3"].ring == world.agents["db1"].ring);
    world.machines[2].state = cloud::MachineState::off; // it has key 2, and may miss the next
    world.members[2].ring = 2;
    REQUIRE(run({"key", "rotate"}) == 0);
    CHECK(ring().newest() == 3);
    REQUIRE(run({"key", "rotate"}) == 0);
    CHECK(ring().newest() == 3);
    world.members.pop_back(); // forgotten
    REQUIRE(run({"key", "rotate"}) == 0);
    CHECK(ring().newest() == 4);
}

TEST_CASE_METHOD(FleetScene, "two keys of one version are named, and give way to a newer one") {
    make_fleet({"db1", "db2", "db3"});
    for (auto* const name : {"db1", "db2", "db3"}) {
        world.agents[name].ring = ring_text();
        add_member(name, std::string{"00112233445566"} + name[2] + "0", "alive", 1, 1);
    }
    REQUIRE(run({"key", "rotate"}) == 0);
    world.agents["db3"].ring = other_ring({1}, {{2, 'a'}}); // another operator's, at the same time
    for (auto& member : world.members) {
        member.ring = 2;
    }
    REQUIRE(run({"key", "list", "-o", "json"}) == 0);
    const auto ids = json().at("items").at(1).at("ids");
    REQUIRE(ids.size() == 2);
    const auto other = std::ranges::find(ids, Json::array({"db3"}));
    REQUIRE(other != ids.end());
    CHECK(json().at("items").at(0).at("ids").size() == 1);
    CHECK(err().find("warning: two keys are called 2: ") != std::string::npos);
    CHECK(err().find("db1, db2, this host's profile hold ") != std::string::npos);
    CHECK(err().find("db3 holds " + other.key()) != std::string::npos);
    CHECK(err().find("no agent seals with them; `jackdaw key rotate`") != std::string::npos);
    CHECK(world.jackdaw({"doctor"}) == 3);
    CHECK(out().find("two keys are called 2: ") != std::string::npos);

    REQUIRE(run({"key", "rotate", "--dry-run"}) == 0);
    CHECK(out().find("make and hand key 3 to 3 agents; in place of key 2, of which another copy of "
                     "the fleet's profile made one, too") != std::string::npos);
    CHECK(versions() == Versions{1, 2});
    REQUIRE(run({"key", "rotate"}) == 0);
    CHECK(out().find("in place of key 2") != std::string::npos);
    CHECK(versions() == Versions{1, 3}); // the older one goes on sealing
    for (auto* const name : {"db1", "db2", "db3"}) {
        CHECK(world.agents[name].ring == ring_text());
        CHECK_FALSE(world.agents[name].last_change.body.contains("keep_own"));
    }
    REQUIRE(run({"key", "rotate"}) == 0); // as ever
    CHECK(versions() == Versions{1, 3, 4});
    CHECK(out().find("another copy") == std::string::npos);
}

TEST_CASE_METHOD(FleetScene, "agents that seal with two keys of one version keep theirs until all "
                             "have the newer one") {
    make_fleet({"db1", "db2", "db3"});
    for (auto* const name : {"db1", "db2", "db3"}) {
        world.agents[name].ring = ring_text();
    }
    REQUIRE(run({"key", "rotate"}) == 0);
    // A day after they were cut off from each other: nobody has key 1 any more.
    world.agents["db1"].ring = world.agents["db2"].ring = other_ring({2}, {});
    world.agents["db3"].ring = other_ring({}, {{2, 'a'}});
    REQUIRE(run({"key", "rotate"}) == 0);
    CHECK(versions() == Versions{3});
    for (auto* const name : {"db1", "db2", "db3"}) {
        CHECK(world.agents[name].ring == ring_text());
        CHECK(world.agents[name].last_change.body.value("keep_own", false));
        CHECK_FALSE(world.agents[name].last_change.body.contains("use_now"));
    }
}

TEST_CASE_METHOD(FleetScene, "a copy of the profile that is behind makes a key newer than all") {
    make_fleet({"db1", "db2", "db3"});
    for (auto* const name : {"db1", "db2", "db3"}) { // key 1 leaked, and was taken from all
        world.agents[name].ring = other_ring({}, {{2, 'a'}, {3, 'b'}});
        add_member(name, std::string{"00112233445566"} + name[2] + "0", "alive", 3, 2);
    }
    CHECK(world.jackdaw({"doctor"}) == 3); // who asks is not root
    CHECK(out().find("db1, db2, db3 hold key 3, which another copy of the fleet's profile made; "
                     "the newest of this host's is 1") != std::string::npos);
    world.agents["db3"].owned = false; // does not answer here; that is told by who hands out
    CHECK(run({"key", "rotate"}) != 0);
    CHECK(err().find("'db3' was not given the ring") != std::string::npos);
    CHECK(versions() == Versions{4}); // key 1 comes back to nobody
    CHECK(world.agents["db1"].last_change.body.value("keep_own", false));
    CHECK(world.agents["db1"].ring == ring_text());
    world.agents["db3"].owned = true;
    REQUIRE(run({"key", "rotate"}) == 0);
    CHECK(versions() == Versions{4}); // the same one
    CHECK(world.agents["db3"].ring == ring_text());

    world.agents["db1"].ring = other_ring({}, {{4'000'000'000, 'c'}}); // no rotation made that
    REQUIRE(run({"key", "rotate"}) == 0);
    CHECK(ring().newest() == 5);
}

TEST_CASE_METHOD(FleetScene, "a leak is ended by a key newer than two of one version") {
    make_fleet({"db1", "db2", "db3"});
    for (auto* const name : {"db1", "db2", "db3"}) {
        world.agents[name].ring = ring_text();
    }
    REQUIRE(run({"key", "rotate"}) == 0);
    world.agents["db3"].ring = other_ring({}, {{2, 'a'}});
    REQUIRE(run({"key", "rotate", "--leak", "--dry-run"}) == 0);
    CHECK(out().find("make and hand key 3 to 3 agents, and take the others from them; in place of "
                     "key 2") != std::string::npos);
    REQUIRE(run({"key", "rotate", "--leak"}) == 0);
    CHECK(versions() == Versions{3});
    for (auto* const name : {"db1", "db2", "db3"}) {
        CHECK(world.agents[name].ring == ring_text());
        CHECK_FALSE(world.agents[name].last_change.body.contains("keep_own")); // at the end
    }
}

TEST_CASE_METHOD(FleetScene, "an old key is taken from all but who is gone for the others, too") {
    make_fleet({"db1", "db2", "db3"});
    for (auto* const name : {"db1", "db2", "db3"}) {
        world.agents[name].ring = std::string{gossip_ring_text(ring()).reveal()};
        add_member(name, std::string{"00112233445566"} + name[2] + "0", "alive", 2, 2);
    }
    REQUIRE(run({"key", "rotate"}) == 0);
    const auto both = world.agents["db3"].ring;
    world.agents["db3"].stopped = true; // takes connections, and answers nothing
    CHECK(run({"key", "remove", "1", "--dry-run"}) == 8);
    CHECK(run({"key", "remove", "1"}) == 8);
    CHECK(err().find("key 1 was not removed: db3 does not answer here, and other agents still "
                     "hear it") != std::string::npos);
    CHECK(err().find("jackdaw doctor db3") != std::string::npos);
    CHECK(ring().keys().size() == 2);
    CHECK(world.agents["db1"].ring == both);

    world.members[2].status = "down";
    REQUIRE(run({"key", "remove", "1", "--dry-run"}) == 0);
    CHECK(out().find("take key 1 from 2 agents") != std::string::npos);
    REQUIRE(run({"key", "remove", "1"}) == 0);
    CHECK(out().find("no agent that answers has key 1 any more") != std::string::npos);
    CHECK(err().find("note: key 1 was not taken from db3, down for the others, too: `jackdaw key "
                     "remove 1`") != std::string::npos);
    CHECK(ring().keys().size() == 1);
    const auto rest = std::string{gossip_ring_text(ring()).reveal()};
    CHECK(world.agents["db1"].ring == rest);
    CHECK(world.agents["db3"].ring == both);

    world.agents["db3"].stopped = false; // back: the same command, and no other key
    REQUIRE(run({"key", "remove", "1"}) == 0);
    CHECK(err().empty());
    CHECK(ring().newest() == 2);
    CHECK(world.agents["db3"].ring == rest);
}

TEST_CASE_METHOD(FleetScene, "after a leak the next key is used at once, and the others go when "
                             "most agents have it") {
    make_fleet({"db1", "db2", "db3"});
    for (auto* const name : {"db1", "db2", "db3"}) {
        world.agents[name].ring = std::string{gossip_ring_text(ring()).reveal()};
    }
    const auto leaked = ring().keys().front().second;
    add_member("db1", "0011223344556677", "alive", 1, 1);
    for (int fake = 0; fake < 9; ++fake) { // of whoever has the key that leaked
        add_member("fake" + std::to_string(fake), "00000000000000f" + std::to_string(fake), "alive",
                   1, 1);
    }
    REQUIRE(run({"key", "rotate", "--leak", "--dry-run"}) == 0);
    CHECK(ring().newest() == 1);
    world.agents["db2"].owned = false; // nobody answers there
    world.agents["db3"].owned = false;
    CHECK(run({"key", "rotate", "--leak"}) == 6);
    CHECK(err().find("1 of 3 machines' agents have key 2: key 1 stays in use") !=
          std::string::npos);
    CHECK(ring().keys().size() == 2);
    CHECK(ring().keys().front().first == 2); // in use
    CHECK(world.agents["db1"].ring == std::string{gossip_ring_text(ring()).reveal()});
    CHECK(world.agents["db1"].last_change.body.value("use_now", false));

    world.agents["db3"].owned = true;
    CHECK(run({"key", "rotate", "--leak"}) != 0); // not all have it, and most do
    CHECK(err().find("'db2' was not given the ring") != std::string::npos);
    REQUIRE(ring().keys().size() == 1);
    CHECK(ring().newest() == 2); // the same leak, not another key
    CHECK(ring().keys().front().second != leaked);
    for (auto* const name : {"db1", "db3"}) {
        CHECK(world.agents[name].ring == std::string{gossip_ring_text(ring()).reveal()});
    }
    world.agents["db2"].owned = true;
    REQUIRE(run({"key", "rotate", "--leak"}) == 0); // the next leak is another key
    CHECK(ring().newest() == 3);
    CHECK(ring().keys().size() == 1);
}

TEST_CASE_METHOD(FleetScene, "a leak is ended also while no machine is on") {
    make_fleet({"db1", "db2"});
    for (auto& machine : world.machines) {
        machine.state = cloud::MachineState::off;
    }
    REQUIRE(run({"key", "rotate", "--leak"}) == 0);
    CHECK(ring().keys().size() == 1);
    CHECK(out().find("machines that are off: 2") != std::string::npos);
}

TEST_CASE_METHOD(FleetScene,
                 "a create that is taken back leaves the fleet before its machine goes") {
    REQUIRE(run({"fleet", "init", "f1"}) == 0);
    world.agents["db1"].refuses = proto::shape_of(Error{Code::bad_name, "no"});
    CHECK(run({"instance", "create", "db1", "--datastore", "mariadb", "--volume", "1G",
               "--wait"}) != 0);
    CHECK(world.machines.empty());
    const auto left = std::ranges::find(world.calls, "POST /v1/gossip/leave");
    REQUIRE(left != world.calls.end());
    CHECK(std::find(left, world.calls.end(), "delete_machine") != world.calls.end());
}

TEST_CASE_METHOD(FleetScene,
                 "each fleet has an id of its own; one of before has that of its name") {
    REQUIRE(run({"fleet", "init", "f1"}) == 0);
    REQUIRE(run({"fleet", "init", "f2"}) == 0);
    const auto other = read_gossip_ring(world.folders, "f2");
    REQUIRE(other);
    CHECK(other->fleet != ring().fleet);
    CHECK(ring().fleet != proto::fleet_id_of_name("f1"));
}

TEST_CASE_METHOD(FleetScene, "a fleet's destruction holds no lock of what is long gone") {
    make_fleet({"db1"});
    const OpJournal journal{world.folders.ops("f1")};
    const auto all = journal.load_all();
    REQUIRE(all.size() == 1);
    constexpr int gone = 150;
    for (int number = 0; number < gone; ++number) {
        auto record = all.front();
        record.operation.id = new_uuid(world.clock, world.entropy);
        record.instance_id = new_uuid(world.clock, world.entropy);
        record.request.name = "gone" + std::to_string(number);
        record.deletion = record.operation;
        record.deletion->status = "done";
        REQUIRE(journal.save(record));
    }
    {
        const auto lock = journal.lock("gone7"); // who makes it anew
        REQUIRE(lock);
        CHECK(run({"fleet", "destroy", "f1", "--yes"}) == 6);
        CHECK(err().find("E-OPERATION-RUNNING") != std::string::npos);
    }
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    auto few = before;
    few.rlim_cur = gone / 2;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
    const auto status = run({"fleet", "destroy", "f1", "--yes"});
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(status == 0);
    CHECK(world.machines.empty());
}
