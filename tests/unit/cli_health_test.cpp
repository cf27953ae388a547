// jackdaw doctor and jackdaw top: what is said of a fleet, and how it is shown.

#include <algorithm>
#include <fstream>

#include <catch2/catch.hpp>

#include "coordinator/core/fleet_health.h"
#include "coordinator/core/load_rates.h"
#include "proto/wire/gossip_seal.h"
#include "proto/wire/health_json.h"
#include "tests/unit/cli_scene.h"

using namespace jackdaw;
using namespace jackdaw::cli;
using proto::FindingShape;
using proto::Json;

namespace {

/// One key of each version, as all know it.
proto::KeyIds keys_of(std::initializer_list<std::uint32_t> versions) {
    proto::KeyIds keys;
    for (const auto version : versions) {
        keys[version] = proto::key_id_text(version);
    }
    return keys;
}

FleetHealth healthy() {
    FleetHealth seen;
    seen.fleet = "f1";
    seen.version = "1.0";
    seen.subnet = "10.9.0.0/24";
    seen.network_present = true;
    seen.members_told = true;
    seen.keys_folder = "/keys";
    seen.ring = keys_of({2, 3});
    for (const auto* name : {"db1", "db2"}) {
        MachineHealth machine;
        machine.name = name;
        machine.id = std::string{"id-"} + name;
        machine.state = "on";
        machine.wanted_on = true;
        machine.agent_version = "1.0";
        machine.keys = keys_of({2, 3});
        seen.machines.push_back(machine);
        proto::MemberShape member;
        member.name = name;
        member.instance = machine.id;
        member.status = "alive";
        seen.members.push_back(member);
    }
    return seen;
}

/// Without the one that is always there: that there is one operator.
std::vector<FindingShape> not_well(const FleetHealth& seen) {
    auto all = examine_fleet(seen);
    std::erase_if(
        all, [](const FindingShape& one) { return one.state == "ok" || one.name == "operators"; });
    return all;
}

proto::LoadShape load_of(std::uint64_t clock_us, std::uint64_t cpu_us, std::uint64_t queries) {
    proto::LoadShape load;
    load.id = "i";
    load.name = "db1";
    load.status = "running";
    load.clock_us = clock_us;
    load.database_pid = 5;
    load.database_cpu_us = cpu_us;
    load.database = proto::DatabaseLoad{3, 100, 1, queries, 0};
    return load;
}

} // namespace

TEST_CASE("a fleet that is well has nothing to mend but a copy of its key to be made") {
    CHECK(not_well(healthy()).empty());
    const auto all = examine_fleet(healthy());
    const auto operators = std::ranges::find(all, "operators", &FindingShape::name);
    REQUIRE(operators != all.end());
    CHECK(operators->mend == "cp -a /keys A-SAFE-PLACE");
    CHECK(operators->severity == "info");
}

TEST_CASE("each thing that is wrong with a fleet is told with what mends it") {
    struct Case {
        const char* name;
        const char* subject;
        const char* severity;
        const char* mend;
        std::function<void(FleetHealth&)> break_it;
    };
    const std::vector<Case> cases{
        {"operator's keys", "", "error", "chmod 0600",
         [](auto& s) {
             s.keys = proto::ErrorShape{"E-NOT-ALLOWED", "read it", "others may", "chmod 0600", ""};
         }},
        {"network", "10.9.0.0/24", "error", "jackdaw fleet up f1",
         [](auto& s) { s.network_present = false; }},
        {"network", "", "error", "jackdaw fleet up f1", [](auto& s) { s.subnet.clear(); }},
        {"volume", "v1", "error", "v1.json", [](auto& s) { s.damaged_volumes = {"v1"}; }},
        {"journal", "/j", "warning", "restore", [](auto& s) { s.unreadable = {"/j"}; }},
        {"unfinished create", "db3", "warning", "jackdaw fleet gc f1",
         [](auto& s) { s.unfinished = {{"db3", "op", false, false}}; }},
        {"unfinished delete", "db3", "warning", "jackdaw instance delete db3",
         [](auto& s) { s.unfinished = {{"db3", "op", true, false}}; }},
        {"orphans", "volume v2", "warning", "jackdaw fleet gc f1",
         [](auto& s) { s.garbage = {{"volume v2", "it belongs to no machine"}}; }},
        {"member", "db2", "error", "jackdaw key rotate",
         [](auto& s) { s.members[1].status = "down"; }},
        {"member", "db2", "warning", "jackdaw member why db2",
         [](auto& s) { s.members[1].status = "suspect"; }},
        {"gossip keys", "db2", "error", "jackdaw key rotate",
         [](auto& s) { // it was off while the others rotated
             s.members[0].ring = s.members[0].sealing = 2;
             s.members[1].ring = s.members[1].sealing = 1;
         }},
        {"gossip keys", "", "error", "jackdaw key rotate",
         [](auto& s) { s.machines[1].keys[3] = "a1b2c3d4"; }}, // two operators rotated at once
        {"gossip keys", "", "warning", "jackdaw key rotate",   // the one here did not
         [](auto& s) { s.machines[0].keys = s.machines[1].keys = keys_of({3, 4}); }},
        {"left the fleet", "db2", "warning", "jackdaw machine power-off db2",
         [](auto& s) { s.members[1].status = "left"; }},
        {"agent without machine", "db2", "info", "jackdaw member show db2",
         [](auto& s) { s.machines.pop_back(); }},
        {"member versions", "", "warning", "jackdaw image build",
         [](auto& s) {
             s.members[0].version = "1.0";
             s.members[1].version = "1.1";
         }},
        {"name conflict", "db1", "error", "jackdaw member list -o wide",
         [](auto& s) { s.members[1].name = "db1"; }},
        {"machine", "db1", "error", "jackdaw machine power-on db1",
         [](auto& s) { s.machines[0].state = "off"; }},
        {"machine", "db1", "error", "jackdaw machine heal db1",
         [](auto& s) { s.machines[0].cut = true; }},
        {"machine", "db1", "error", "jackdaw machine thaw db1",
         [](auto& s) { s.machines[0].state = "frozen"; }},
        {"machine", "db1", "error", "jackdaw instance delete db1",
         [](auto& s) { s.machines[0].state = "damaged"; }},
        {"machine", "db1", "warning", "jackdaw instance create db1",
         [](auto& s) { s.machines[0].state = "making"; }},
        {"machine limits", "db1", "warning", "jackdaw doctor",
         [](auto& s) { s.machines[0].warnings = {"no memory limit"}; }},
        {"agent", "db1", "error", "jackdaw machine shell db1 -- tail",
         [](auto& s) {
             s.machines[0].silent = proto::ErrorShape{"E-UNAVAILABLE", "reach it", "none", "", ""};
         }},
        {"version", "db1", "info", "jackdaw image build",
         [](auto& s) { s.machines[0].agent_version = "0.9"; }},
        {"instance", "db1", "error", "jackdaw instance delete db1",
         [](auto& s) { s.machines[0].has_no_instance = true; }},
        {"clock", "db1", "warning", "timedatectl",
         [](auto& s) { s.machines[0].clock_ahead_ms = -5'000; }},
        {"removed key", "db2", "warning", "jackdaw key remove 1",
         [](auto& s) { s.machines[1].keys = keys_of({1, 2, 3}); }},
        {"rotation", "db2", "warning", "jackdaw key rotate",
         [](auto& s) { s.machines[1].keys = keys_of({2}); }},
    };
    for (const auto& one : cases) {
        INFO(one.name << " " << one.mend);
        auto seen = healthy();
        one.break_it(seen);
        const auto found = not_well(seen);
        REQUIRE(found.size() == 1);
        CHECK(found[0].name == one.name);
        CHECK(found[0].subject == one.subject);
        CHECK(found[0].severity == one.severity);
        CHECK(found[0].mend.find(one.mend) != std::string::npos);
        CHECK_FALSE(found[0].cause.empty());
    }
    auto seen = healthy();
    seen.members[1].status = "left"; // and is no more
    seen.machines.pop_back();
    CHECK(not_well(seen).empty());
    seen = healthy();
    seen.machines[0].state = "off";
    seen.machines[0].wanted_on = false; // by an operator's order
    const auto off = not_well(seen);
    REQUIRE(off.size() == 1);
    CHECK(off[0].severity == "error"); // its database answers nobody
    seen = healthy();
    seen.unfinished = {{"db3", "op", false, true}}; // somebody is at it
    CHECK(not_well(seen).empty());
    seen = healthy();
    seen.garbage_unknown = proto::ErrorShape{"E-NOT-ALLOWED", "look", "not root", "", ""};
    seen.machines[0].untold = seen.garbage_unknown;
    const auto unknown = not_well(seen);
    REQUIRE(unknown.size() == 2);
    CHECK(std::ranges::all_of(unknown, [](const auto& one) { return one.state == "unknown"; }));
}

TEST_CASE_METHOD(Scene, "doctor exits 3 for an error and names what mends it, on a bare host too") {
    CHECK(world.jackdaw({"doctor"}) == 3);
    CHECK(out() == "AREA  WHAT  OF  STATE  WHY       MEND WITH\n"
                   "host  root  -   error  uid 1000  sudo jackdaw\n");
    CHECK(err() == "looked at 2: 1 with an error, 0 with a warning, 0 to know\n");
    CHECK(world.jackdaw({"doctor", "-o", "wide"}) == 3);
    CHECK(out().find("loop devices") != std::string::npos);
    CHECK(world.jackdaw({"doctor", "-o", "json"}) == 3);
    CHECK(json().at("items").size() == 2);
    CHECK(json().at("items")[0].at("state") == "ok");
    CHECK(json().at("items")[0].at("severity") == "info"); // it would be an error, were it bad
    CHECK(json().at("items")[1].at("state") == "bad");
    CHECK(json().at("items")[1].at("severity") == "error");
    CHECK(err().empty());
    CHECK(world.jackdaw({"doctor", "-o", "name"}) == 3);
    CHECK(out() == "host/-/root\n");              // only what is not well
    CHECK(world.jackdaw({"doctor", "db1"}) == 4); // of which fleet?
}

TEST_CASE("two keys of one version are told once, with who holds which") {
    auto seen = healthy();
    const auto cause = [&] {
        const auto found = not_well(seen);
        REQUIRE(found.size() == 1);
        CHECK(found[0].name == "gossip keys");
        return found[0].cause;
    };
    seen.machines[1].keys[3] = "a1b2c3d4";
    seen.machines[1].told = {{"agent", "gossip keys", "", "bad", "error", "two keys are called 3",
                              "jackdaw key rotate"}};
    CHECK(cause() == "two keys are called 3: db1, this host's profile hold 00000003, db2 holds "
                     "a1b2c3d4; no agent seals with them");
    seen.machines[1].keys.clear(); // not asked: gossip tells of its newest
    seen.machines[1].told.clear();
    seen.members[1].ring = 3;
    seen.members[1].key_id = "a1b2c3d4";
    seen.members[1].sealing = 3;
    CHECK(cause().find("db2 holds a1b2c3d4; who has one does not hear who seals with the other") !=
          std::string::npos);
    const std::vector<std::string> many{"n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8"};
    CHECK(proto::key_clashes(
              {{1, {{"0a", {"n1"}}}}, {2, {{"0a", many}, {"0b", {"x"}}, {"0c", {"y"}}}}}, {1}) ==
          "3 keys are called 2: n0, n1, n2, n3, n4, n5, n6, n7 and 1 more hold 0a, x holds 0b, y "
          "holds 0c; no agent seals with them");
    seen.ring.erase(2); // of older ones that the fleet does not have, only that they are held
    seen.members[1].key_id = "00000003";
    seen.machines[0].keys[2] = "a1b2c3d4";
    seen.machines[1].keys = keys_of({2, 3});
    const auto found = not_well(seen);
    REQUIRE(found.size() == 2);
    CHECK(found[0].name == "removed key");
    CHECK(found[1].name == "removed key");
}

TEST_CASE("what brings a member back is what its machine lacks") {
    const auto mend_of = [](const std::function<void(FleetHealth&)>& break_it) {
        auto seen = healthy();
        seen.members[1].status = "down";
        break_it(seen);
        const auto found = not_well(seen);
        const auto at = std::ranges::find(found, "member", &FindingShape::name);
        return at == found.end() ? std::string{"nothing is told"} : at->mend;
    };
    CHECK(mend_of([](auto& s) { s.machines[1].state = "off"; }) == "jackdaw machine power-on db2");
    CHECK(mend_of([](auto& s) { s.machines[1].state = "frozen"; }) == "jackdaw machine thaw db2");
    CHECK(mend_of([](auto& s) { s.machines[1].cut = true; }) == "jackdaw machine heal db2");
    CHECK(mend_of([](auto& s) { s.machines[1].state = "damaged"; }) == "jackdaw doctor db2");
    CHECK(mend_of([](auto& s) { s.machines.pop_back(); }) == "jackdaw member forget db2");
    CHECK(mend_of([](auto& s) { s.machines[1].silent = proto::ErrorShape{}; }) ==
          "jackdaw doctor db2");
    CHECK(mend_of([](auto& s) { s.machines[1].keys = keys_of({2}); }) == "jackdaw key rotate");
}

TEST_CASE("a member that has told no status is the machine of its name, or at its address") {
    auto seen = healthy();
    auto& lost = seen.members[1]; // forgotten, powered on, and shut out: it missed a key
    lost.status = "down";
    lost.id = "00000000000000b2";
    lost.instance.clear();
    seen.machines[1].keys = keys_of({2});
    const auto mend = [&] {
        const auto found = not_well(seen);
        const auto at = std::ranges::find(found, "member", &FindingShape::name);
        return at == found.end() ? std::string{"nothing is told"} : at->mend;
    };
    CHECK(mend() == "jackdaw key rotate");
    seen.machines[1].state = "off";
    CHECK(mend() == "jackdaw machine power-on db2");
    seen.machines[1].state = "on";
    lost.name = "before"; // it was renamed meanwhile
    CHECK(mend() == "jackdaw member forget before");
    seen.machines[1].address = "10.9.0.3";
    lost.address = "10.9.0.33:7946";
    CHECK(mend() == "jackdaw member forget before");
    lost.address = "10.9.0.3:7946";
    CHECK(mend() == "jackdaw key rotate");
    lost.name = "db2";
    auto heard = seen.members[1]; // its machine is that of another, who is heard
    heard.status = "alive";
    heard.id = "00000000000000c3";
    heard.instance = "id-db2";
    seen.members.push_back(heard);
    CHECK(mend() == "jackdaw member forget 00000000000000b2"); // db2 would be the living one
}

TEST_CASE("a create that its agent failed is resumed or taken back, not started") {
    auto seen = healthy();
    seen.machines[0].told = {
        {"agent", "database", "db1", "bad", "error", "failed", "jackdaw instance start db1"},
        {"agent", "connections", "db1", "unknown", "warning", "stopped", "jackdaw instance show"}};
    CHECK(not_well(seen).size() == 2);
    seen.machines[0].failed_create = "ID";
    const auto found = not_well(seen);
    REQUIRE(found.size() == 1);
    CHECK(found[0].mend.find("jackdaw op abort ID") != std::string::npos);
    CHECK(found[0].mend.find("instance start") == std::string::npos);
}

TEST_CASE_METHOD(Scene, "a member is not to be forgotten since its machine's record is damaged") {
    make_fleet({"db1", "db2"});
    proto::MemberShape member;
    member.name = "db2";
    member.instance = world.machines.at(1).id;
    member.status = "down";
    world.members.push_back(member);
    world.machines.at(1).state = cloud::MachineState::damaged;
    world.machines.at(1).id.clear(); // only its folder's name is left
    CHECK(world.jackdaw({"doctor"}) == 3);
    CHECK(out().find("jackdaw doctor db2") != std::string::npos);
    CHECK(out().find("member forget") == std::string::npos);
}

TEST_CASE("of one machine its fleet's findings are told, too, and nobody else's") {
    auto seen = healthy();
    seen.members[1].status = "down";
    seen.members[1].name = "before"; // it was renamed while nobody heard it
    seen.members[1].ring = 1;
    seen.members[0].ring = seen.members[0].sealing = 2;
    seen.machines[1].keys = keys_of({2});
    seen.unfinished = {{"db3", "op", false, false}};
    const auto bad = [&](std::size_t which) {
        auto all = examine_one(seen, seen.machines.at(which));
        std::erase_if(all, [](const FindingShape& one) { return one.state == "ok"; });
        std::vector<std::string> names;
        for (const auto& one : all) {
            names.push_back(one.name);
        }
        return names;
    };
    CHECK(bad(1) == std::vector<std::string>{"member", "gossip keys", "rotation"});
    CHECK(bad(0).empty());
    seen.unfinished[0].name = "db1";
    CHECK(bad(0) == std::vector<std::string>{"unfinished create"});
}

TEST_CASE_METHOD(Scene, "doctor of one name tells how the others see it, and exits for that") {
    make_fleet({"db1", "db2"});
    proto::MemberShape member;
    member.name = "db2";
    member.instance = world.machines.at(1).id;
    member.status = "down";
    world.members.push_back(member);
    world.agents["db2"].members.emplace(); // it itself says nothing of it
    CHECK(world.jackdaw({"doctor", "db2"}) == 3);
    CHECK(out().find("the others see it as down") != std::string::npos);
    CHECK(world.jackdaw({"doctor", "db1"}) == 0);
    CHECK(out().find("down") == std::string::npos);
    world.agents["db2"].stopped = true;
    CHECK(world.jackdaw({"doctor", "db2"}) == 3);
    CHECK(out().find("jackdaw doctor db2") == std::string::npos); // that is what was asked
}

TEST_CASE_METHOD(Scene, "who hears no other is not asked about others while another answers") {
    make_fleet({"db1", "db2"});
    proto::MemberShape member;
    member.name = "db2";
    member.instance = world.machines.at(1).id;
    member.status = "down";
    world.members.push_back(member);
    world.agents["db1"].is_isolated = true;
    world.agents["db2"].members.emplace(); // it hears others, and nobody that is down
    REQUIRE(world.jackdaw({"doctor"}) == 3);
    CHECK(out().find("see it as down") == std::string::npos);
    world.agents["db2"].is_isolated = true; // what was known before is all there is
    REQUIRE(world.jackdaw({"doctor"}) == 3);
    CHECK(out().find("see it as down") != std::string::npos);
}

TEST_CASE_METHOD(Scene, "doctor asks every agent, and tells of those that do not answer") {
    make_fleet({"db1", "db2"});
    world.agents["db1"].findings = {
        {"agent", "volume", "db1", "bad", "error", "full", "jackdaw instance resize db1"}};
    CHECK(world.jackdaw({"doctor", "db2"}) == 0);
    CHECK(out() == "AREA  WHAT  OF  STATE  WHY  MEND WITH\n");
    CHECK(world.jackdaw({"doctor", "db1"}) == 3);
    CHECK(out().find("jackdaw instance resize db1") != std::string::npos);
    CHECK(world.jackdaw({"doctor", "db3"}) == 5);
    // What mends it is for the fleet that was named, alone or within a sentence.
    world.agents["db1"].findings[0].mend = "jackdaw machine shell db1 -- tail /var/log/messages";
    CHECK(world.jackdaw({"--fleet", "f1", "doctor", "db1"}) == 3);
    CHECK(out().find("jackdaw machine shell db1 --fleet f1 -- tail") != std::string::npos);
    world.agents["db1"].findings[0].mend = "`jackdaw op list db1`, or wait";
    CHECK(world.jackdaw({"--fleet", "f1", "doctor", "db1"}) == 3);
    CHECK(out().find("`jackdaw op list db1 --fleet f1`, or wait") != std::string::npos);
    world.agents["db1"].findings[0].mend = "jackdaw instance resize db1";
    CHECK(world.jackdaw({"--fleet", "f1", "doctor", "db1"}) == 3);
    CHECK(out().find("jackdaw instance resize db1 --fleet f1\n") != std::string::npos);
    const auto spec = world.agents["db2"].spec;
    world.agents["db2"].spec.reset(); // deleted on its machine
    CHECK(world.jackdaw({"doctor", "db2"}) == 3);
    CHECK(out().find("jackdaw instance delete db2") != std::string::npos);
    world.agents["db2"].spec = spec;

    const auto found = [&](const std::string& name) {
        Json all = Json::array();
        const auto list = json();
        for (const auto& one : list.at("items")) {
            if (one.at("name") == name && one.at("state") != "ok") {
                all.push_back(one);
            }
        }
        return all;
    };
    world.agents["db2"].stopped = true;
    CHECK(world.jackdaw({"doctor", "-o", "json"}) == 3);
    REQUIRE(found("agent").size() == 1);
    CHECK(found("agent")[0].at("subject") == "db2");
    CHECK(found("volume").size() == 1);
    CHECK(found("orphans").empty());
    CHECK(found("operators").size() == 1);

    // What the journal cannot read is told of, and changed by nobody.
    const auto broken = world.folders.ops("f1") / "01890000-0000-7000-8000-000000000009.json";
    std::ofstream{broken} << "{";
    CHECK(world.jackdaw({"doctor", "-o", "json"}) == 3);
    REQUIRE(found("journal").size() == 1);
    CHECK(found("journal")[0].at("subject") == broken.string());
    CHECK(std::filesystem::file_size(broken) == 1);

    std::ofstream{world.folders.fleet("f1") / "fleet.json"} << "{";
    CHECK(world.jackdaw({"doctor", "-o", "json"}) ==
          3); // a profile that cannot be read is a finding
    CHECK(found("profile").size() == 1);
}

TEST_CASE_METHOD(Scene, "doctor on a machine speaks of its agent alone") {
    proto::InstanceSpec spec;
    spec.name = "here";
    world.agents["local"].spec = spec;
    world.agents["local"].findings = {{"agent", "gossip", "", "bad", "info", "c", "m"}};
    CHECK(world.jackdaw({"--local", "doctor"}) == 0);
    CHECK(out().find("gossip") != std::string::npos);
    world.agents["local"].findings[0].mend = "jackdaw log tail here error";
    CHECK(world.jackdaw({"--local", "doctor"}) == 0);
    CHECK(out().find("jackdaw log tail here error --local\n") != std::string::npos);
    CHECK(out().find("host") == std::string::npos);
    CHECK(world.jackdaw({"--local", "doctor", "other"}) == 5);
}

TEST_CASE(
    "rates are differences by the agent's clock, and none where there is nothing to compare") {
    const auto before = load_of(1'000'000, 100'000, 50);
    const auto now = load_of(3'000'000, 600'000, 70);
    const auto rates = rates_between(before, now);
    CHECK(rates.seconds == 2.0);
    CHECK(rates.cpu_percent == 25.0);
    CHECK(rates.queries_per_second == 10.0);
    CHECK(rates.slow_per_second == 0.0);

    auto other = now;
    other.database_pid = 6; // it was started anew
    CHECK_FALSE(rates_between(before, other).cpu_percent);
    CHECK_FALSE(rates_between(before, other).queries_per_second);
    CHECK(rates_between(before, other).seconds == 2.0);
    CHECK_FALSE(rates_between(now, before).seconds);
    auto back = now;
    back.database->queries = 10; // FLUSH STATUS
    CHECK_FALSE(rates_between(before, back).queries_per_second);
    CHECK(rates_between(before, back).cpu_percent);
    other = now;
    other.id = "another instance of this name";
    CHECK_FALSE(rates_between(before, other).seconds);
}

TEST_CASE("rows are filtered, and sorted by any column with the unknown last") {
    const auto sample = [](const char* name, std::optional<std::uint64_t> connections) {
        LoadSample one{name, load_of(1, 1, 1), true};
        one.load.database->connections = connections;
        return one;
    };
    const std::vector<LoadSample> now{sample("c", 5), sample("a", std::nullopt), sample("b", 9)};
    auto rows = load_rows({}, now, {});
    const auto names = [&] {
        std::string all;
        for (const auto& row : rows) {
            all += row.sample.name;
        }
        return all;
    };
    REQUIRE(sort_rows(rows, "connections", false));
    CHECK(names() == "bca");
    REQUIRE(sort_rows(rows, "connections", true));
    CHECK(names() == "cba");
    REQUIRE(sort_rows(rows, "name", false));
    CHECK(names() == "abc");
    REQUIRE(sort_rows(rows, "name", true));
    CHECK(names() == "cba");
    for (const auto column : load_columns()) {
        CHECK(sort_rows(rows, column, false));
    }
    const auto refused = sort_rows(rows, "colour", false);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().hint().find("connections") != std::string::npos);
    CHECK(load_rows({}, now, {"b"}).size() == 1);
    CHECK(load_rows({}, now, {"b", "c"}).empty());
}

TEST_CASE("what is going on: an operation first, then what is not as usual") {
    auto load = load_of(1, 1, 1);
    CHECK(doing(load).empty());
    load.pending_restart = 2;
    CHECK(doing(load) == "2 parameters wait for a restart");
    load.pending_restart = 1;
    CHECK(doing(load) == "1 parameter waits for a restart");
    load.status = "stopped";
    CHECK(doing(load) == "1 parameter waits for the next start");
    load.maintenance_until = "T";
    CHECK(doing(load) == "maintenance until T");
    load.reason = "the volume is full";
    CHECK(doing(load) == "the volume is full");
    load.work = proto::CurrentWork{"id", "volume.grow", "filesystem.grow", 0.25, 90.0};
    CHECK(doing(load) == "volume.grow 25 % filesystem.grow, 1 m 30 s left");
}

TEST_CASE_METHOD(Scene, "top prints one look for a script, and as many as are asked for") {
    make_fleet({"db1", "db2"});
    world.agents["db1"].load = load_of(0, 0, 0);
    CHECK(world.jackdaw({"top", "-o", "json"}) == 0);
    const auto item = json().at("items")[0];
    CHECK(item.at("name") == "db1");
    CHECK(item.at("answered") == true);
    CHECK(item.at("rates").at("queries_per_second") == 20.0); // the fake counts 20 a second
    CHECK(json().at("items")[1].at("answered") == false);
    CHECK(json().at("unreachable") == Json::array({"db2"}));

    CHECK(world.jackdaw({"top", "-n", "3", "--interval", "1s", "-o", "json"}) == 0);
    std::istringstream lines{out()};
    int sets = 0;
    for (std::string line; std::getline(lines, line); ++sets) {
        CHECK(Json::parse(line).at("kind") == "LoadList");
    }
    CHECK(sets == 3);
    CHECK(world.jackdaw({"top", "dbx", "y", "-n", "2"}) == 0);
    CHECK(err() == "note: of 2 instances, the name of none has 'dbx' and 'y' in it\n");
    CHECK(world.jackdaw({"top", "db1", "--iterations=2", "-o", "jsonl"}) == 0);
    CHECK(std::ranges::count(out(), '\n') == 2);
    CHECK(world.jackdaw({"top", "-n1", "--sort", "name", "-o", "name"}) == 0);
    CHECK(out() == "db1\ndb2\n");
    CHECK(world.jackdaw({"top"}) == 0);
    CHECK(out().find("3/100") != std::string::npos);
    CHECK(out().find("unreachable") != std::string::npos);
    CHECK(world.jackdaw({"top", "--sort", "colour"}) == 2);
    CHECK(world.jackdaw({"top", "--interval", "1ms"}) == 2);
    CHECK(world.jackdaw({"top", "-n", "0"}) == 2);
    world.terminal.broken = true;
    CHECK(world.jackdaw({"top", "-n", "1000000"}) == 1);
}

TEST_CASE_METHOD(Scene, "top lives on a terminal: keys sort, turn, look now and end it") {
    make_fleet({"db1", "db2"});
    world.agents["db1"].load = load_of(0, 0, 0);
    world.terminal.interactive = true;
    using Wake = Screen::Wake;
    world.terminal.keys = {{Wake::key, '>'},   {Wake::key, 'r'}, {Wake::key, ' '},
                           {Wake::resized, 0}, {Wake::time, 0},  {Wake::key, 'q'}};
    CHECK(world.jackdaw({"top", "--interval", "5s"}) == 0);
    const auto& frames = world.terminal.frames;
    REQUIRE(frames.size() == 6);
    CHECK(frames[0][0].find("1 of 2 instances answer, every 5.0 s, by cpu") != std::string::npos);
    CHECK(frames[1][0].find("by memory") != std::string::npos);
    CHECK(frames[2][0].find("by memory (turned)") != std::string::npos);
    CHECK(frames[0][4].find("20.0") == std::string::npos); // one look has no rates
    CHECK(frames[3][4].find("20.0") != std::string::npos);
    CHECK(out().empty());
    CHECK(world.terminal.spans.front() == std::chrono::seconds{1}); // the second look comes soon
    CHECK(world.terminal.spans.back() == std::chrono::seconds{5});
    world.terminal.frames.clear();
    world.terminal.keys = {{Wake::gone, 0}};
    CHECK(world.jackdaw({"top"}) == 0);
    CHECK(world.terminal.frames.size() == 1);
    world.terminal.frames.clear(); // nobody ends it: the terminal does
    CHECK(world.jackdaw({"top"}) == 0);
    CHECK(world.terminal.frames.size() == 100);
}
