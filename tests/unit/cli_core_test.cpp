// The pure parts of the command line: the words in options, suggestions, the plan of a create, the
// fleet's view.

#include <catch2/catch.hpp>

#include "coordinator/core/create_plan.h"
#include "coordinator/core/fleet_view.h"
#include "coordinator/core/suggest.h"
#include "coordinator/core/words.h"
#include "proto/wire/shapes_json.h"

using namespace jackdaw;
using namespace jackdaw::cli;

TEST_CASE("a datastore is a name and perhaps a version, and nothing a shell or a path could mind") {
    const auto both = parse_datastore("mariadb:10.11");
    REQUIRE(both);
    CHECK(both->first == "mariadb");
    CHECK(both->second == "10.11");
    CHECK(parse_datastore("mariadb")->second.empty());
    for (const auto* bad : {"", ":", "a:", ":1", "a b", "../x", "a:1:2", "a/b", "m\n"}) {
        INFO(bad);
        const auto refused = parse_datastore(bad);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().id() == Code::unknown_datastore);
    }
}

TEST_CASE("a user's word has a host behind its last @ and databases behind its first slash") {
    const auto whole = parse_user("app@10.0.%/shop,stock");
    REQUIRE(whole);
    CHECK(whole->name == "app");
    CHECK(whole->host == "10.0.%");
    CHECK(whole->databases == std::vector<std::string>{"shop", "stock"});
    CHECK(parse_user("app")->host == "%");
    CHECK(parse_user("a@b@c")->name == "a@b");
    CHECK(parse_user("O'Neil; DROP")->name == "O'Neil; DROP"); // quoting is the driver's affair
    for (const auto& bad :
         {std::string{}, std::string{"@h"}, std::string{"a@"}, std::string{"a/"},
          std::string{"a/x,,y"}, std::string{"a\nb"}, std::string{"a\0b", 3},
          std::string{"\xff\xfe"}, std::string(81, 'x'), std::string(65536, 'x')}) {
        const auto refused = parse_user(bad);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().id() == Code::bad_name);
        CHECK(refused.error().to_string().size() < 400); // never echoes 64 KiB
    }
}

TEST_CASE("a database's word has a charset and a collation at most") {
    const auto all = parse_database("shop:utf8mb4:utf8mb4_bin");
    REQUIRE(all);
    CHECK(*all == proto::DatabaseSpec{"shop", "utf8mb4", "utf8mb4_bin"});
    CHECK_FALSE(parse_database("shop:a:b:c"));
    CHECK_FALSE(parse_database("shop:x';--"));
    CHECK_FALSE(parse_database(":utf8"));
}

TEST_CASE("a flavor names cpu and memory in bounds") {
    const auto both = parse_flavor("cpu=1.5,mem=1G");
    REQUIRE(both);
    CHECK(both->cpu_millis == 1500);
    CHECK(both->memory_bytes == 1ULL << 30U);
    CHECK(parse_flavor("cpu=1.001")->cpu_millis == 1001); // else each save of a profile takes some
    CHECK(flavor_text(*both) == "cpu=1.5, mem=1.0 GiB");
    CHECK(flavor_text({500, 0}) == "cpu=0.5"); // and not without memory
    CHECK(flavor_text({0, 1ULL << 30U}) == "mem=1.0 GiB");
    for (const auto* bad :
         {"", "cpu=", "cpu=0", "cpu=-1", "cpu=nan", "cpu=1e9", "mem=1", "mem=x", "big", "cpu=1,"}) {
        INFO(bad);
        CHECK_FALSE(parse_flavor(bad));
    }
}

TEST_CASE("a user file gives users with and without passwords and names the line that is wrong") {
    const auto users = parse_user_file("# people\n\napp@%/shop  s3cret with blanks \r\nother\n");
    REQUIRE(users);
    REQUIRE(users->size() == 2);
    CHECK((*users)[0].user.databases == std::vector<std::string>{"shop"});
    CHECK((*users)[0].password.reveal() == "s3cret with blanks ");
    CHECK((*users)[1].password.empty());
    const auto bad = parse_user_file("ok\n@nobody\n");
    REQUIRE_FALSE(bad);
    CHECK(bad.error().doing() == "line 2");
}

TEST_CASE("a network is four numbers and perhaps a length") {
    CHECK(check_cidr("10.1.0.0/16"));
    CHECK(check_cidr("10.1.2.3"));
    for (const auto* bad : {"", "10", "10.1.2", "10.1.2.256", "10.1.2.3/33", "10.1.2.3.4",
                            "10..2.3", "a.b.c.d", "10.1.2.3/"}) {
        INFO(bad);
        CHECK_FALSE(check_cidr(bad));
    }
}

TEST_CASE("a slip is answered with the nearest word, nonsense with none") {
    const std::vector<std::string> known{"instance", "image", "database"};
    CHECK(nearest("instnace", known) == "instance");
    CHECK(nearest("imag", known) == "image");
    CHECK(nearest("lsit", {"list", "show"}) == "list"); // two letters in the wrong order
    CHECK(edit_distance("", "ab") == 2);
    CHECK(edit_distance("abcd", "badc") == 2);
    CHECK(edit_distance("kitten", "sitting") == 3);
    CHECK(nearest("xyzzy", known).empty());
    CHECK(nearest(std::string(65536, 'i'), known).empty());
    CHECK(edit_distance("kitten", "sitting") == 3);
}

namespace {

CreateRecord some_record() {
    CreateRequest request;
    request.name = "db1";
    request.datastore = "mariadb";
    request.version = "10.11";
    request.volume_size_bytes = 1ULL << 30U;
    request.databases = {{"shop", "", ""}};
    request.users = {{"app", "%", {"shop"}, ""}};
    request.allow = {"10.0.0.0/8"};
    return begin_create(std::move(request), "f1", "01890000-0000-7000-8000-000000000001",
                        "01890000-0000-7000-8000-000000000002", "2026-01-01T00:00:00.000Z",
                        "uid 0");
}

} // namespace

TEST_CASE("the plan goes through its steps in order and then watches") {
    auto record = some_record();
    std::vector<std::string> order;
    for (int i = 0; i < 20 && next_step(record) != CreateStep::watch; ++i) {
        const auto step = next_step(record);
        order.emplace_back(step_name(step));
        step_started(record, step, "t");
        CHECK(next_step(record) == step); // killed inside it: it is due again
        step_done(record, step, "t", 5);
    }
    CHECK(order == std::vector<std::string>{"network", "volume.create", "machine.create",
                                            "machine.boot", "agent.identity", "agent.hand-over",
                                            "agent.submit"});
    record.operation.status = "done";
    CHECK(next_step(record) == CreateStep::ended);
}

TEST_CASE("a record survives its journal whole, without any password") {
    auto record = some_record();
    record.volume_id = "v";
    record.volume_serial = "v";
    record.address = "10.0.0.2";
    record.volume_made = record.agent_has_it = true;
    step_started(record, CreateStep::network, "t1");
    step_done(record, CreateStep::network, "t2", 12);
    record.deletion = proto::Operation{};
    record.deletion->id = "d";
    record.deletion->status = "running";
    const auto text = to_json(record).dump();
    CHECK(text.find("password") == std::string::npos);
    const auto json = proto::parse_json(text);
    REQUIRE(json);
    const auto back = create_record_from(*json);
    REQUIRE(back);
    CHECK(back->request == record.request);
    CHECK(back->instance_id == record.instance_id);
    CHECK(back->volume_id == "v");
    CHECK(back->volume_made);
    CHECK(back->agent_has_it);
    CHECK_FALSE(back->told);
    CHECK(is_being_deleted(*back));
    CHECK(back->deletion->id == "d");
    CHECK(next_step(*back) == CreateStep::ended);
    auto living = *back;
    living.deletion.reset();
    CHECK(next_step(living) == CreateStep::volume);
}

TEST_CASE("a damaged record is refused, one without a step gets it as due") {
    for (const auto* bad : {"{}", "[]", R"({"id":"x","create":1})",
                            R"({"create":{"request":{"volume_size_bytes":-1}}})"}) {
        INFO(bad);
        const auto json = proto::parse_json(bad);
        REQUIRE(json);
        CHECK_FALSE(create_record_from(*json));
    }
    auto record = some_record();
    record.operation.steps.clear();
    const auto back = create_record_from(to_json(record));
    REQUIRE(back);
    CHECK(next_step(*back) == CreateStep::network);
}

TEST_CASE("each thing that makes another instance is a difference, and so is a protection that it "
          "lacks") {
    const auto base = some_record().request;
    CHECK(difference(base, base).empty());
    auto other = base;
    other.protect = true;
    CHECK(difference(other, base) == "--protect"); // it would be taken for protected
    CHECK(difference(base, other).empty());
    const auto differs = [&](auto change) {
        auto changed = base;
        change(changed);
        return difference(changed, base);
    };
    CHECK(differs([](auto& r) { r.version = "11"; }) == "--datastore");
    CHECK(differs([](auto& r) { r.volume_size_bytes += 1; }) == "volume");
    CHECK(differs([](auto& r) { r.filesystem = "ext4"; }) == "--fs");
    CHECK(differs([](auto& r) { r.memory_bytes = 1; }) == "--flavor");
    CHECK(differs([](auto& r) { r.databases.clear(); }) == "--database");
    CHECK(differs([](auto& r) { r.users[0].host = "h"; }) == "--user");
    CHECK(differs([](auto& r) { r.allow.clear(); }) == "--allow");
    CHECK(differs([](auto& r) { r.root_disk_bytes = 1; }) == "--root-disk");
    CHECK(differs([](auto& r) { r.agent_folder = "/x"; }) == "--agent");
    CHECK(differs([](auto& r) { r.take_over_id = "x"; }) == "--take-over");
    CHECK(differs([](auto& r) { r.format_serial = "x"; }) == "--format");
}

TEST_CASE("a volume's stamp is of who made it or took it over, not of who failed to") {
    auto maker = some_record();
    maker.instance_id = "maker";
    maker.volume_id = "v";
    auto failed = maker;
    failed.instance_id = "failed";
    failed.request.attach_serial = "s";
    failed.operation.status = "failed";
    auto taker = failed;
    taker.instance_id = "taker";
    taker.operation.status = "done";
    CHECK(stamped_for({failed, maker}, "v") == "maker");
    CHECK(stamped_for({failed, taker, maker}, "v") == "taker");
    CHECK(stamped_for({failed, maker}, "w").empty());
}

TEST_CASE("what an agent may have seen is never taken back for a passing failure") {
    using enum CreateStep;
    for (const auto step : {boot, identity, hand_over, submit}) {
        for (const auto code :
             {Errc::unavailable, Errc::deadline, Errc::busy, Errc::internal, Errc::conflict}) {
            CHECK_FALSE(takes_back(step, code));
        }
        CHECK(takes_back(step, Errc::invalid));
    }
    CHECK(takes_back(machine, Errc::conflict));
    CHECK(takes_back(volume, Errc::exhausted));
    CHECK_FALSE(takes_back(volume, Errc::unavailable));
}

TEST_CASE("an orphan is what no agent has and no living coordinator works on") {
    auto record = some_record();
    CHECK(is_orphan(record, false));
    CHECK_FALSE(is_orphan(record, true));
    record.agent_has_it = true;
    CHECK_FALSE(is_orphan(record, false));
    record.operation.status = "done";
    record.deletion = proto::Operation{};
    record.deletion->status = "running";
    CHECK(is_orphan(record, false));
    CHECK_FALSE(is_orphan(record, true)); // a living delete removes it itself
    record.deletion->status = "done";
    CHECK(is_orphan(record, true));
    record.deletion.reset();
    record.operation.status = "undone";
    CHECK(is_orphan(record, false));
}

TEST_CASE("an agent's steps stand behind the coordinator's, and its end is the end") {
    auto record = some_record();
    proto::Operation agent;
    agent.status = "running";
    agent.progress = 0.5;
    agent.steps.emplace_back().name = "volume.format";
    const auto whole = merged(record, agent);
    CHECK(whole.id == record.operation.id);
    CHECK(whole.steps.size() == 8);
    CHECK(whole.steps.back().name == "volume.format");
    CHECK(whole.progress > 0.5);
    agent.status = "done";
    CHECK(merged(record, agent).progress == 1);
}

TEST_CASE("machines that are off, and those of which nobody tells, are listed as unreachable") {
    proto::Instance told;
    told.name = "db1";
    told.id = "id-1";
    told.status = "running";
    const auto view = fleet_view({told}, {{"db1", "id-1", "on", "10.0.0.2", "mariadb", "10.11"},
                                          {"db0", "id-0", "off", "10.0.0.3", "mariadb", "10.11"},
                                          {"db2", "id-2", "on", "10.0.0.4", "mariadb", "10.11"}});
    REQUIRE(view.instances.size() == 3);
    CHECK(view.instances[0].name == "db0");
    CHECK(view.instances[0].status == "unreachable");
    CHECK(view.instances[0].reason == "its machine is off");
    CHECK(view.instances[1].status == "running");
    CHECK(view.instances[1].machine_state == "on");
    CHECK(view.instances[2].status == "unreachable");
    CHECK(view.unreachable == std::vector<std::string>{"db0", "db2"});
}

TEST_CASE("whether an unreachable instance is paused or needs a restart is unknown, not denied") {
    proto::Instance told;
    told.name = "db1";
    told.id = "id-1";
    told.status = "running";
    told.needs_restart = true;
    told.maintenance_until = "2026-01-01T01:00:00.000Z";
    const auto json_of = [&](const char* state) {
        const auto view =
            fleet_view({told}, {{"db1", "id-1", state, "10.0.0.2", "mariadb", "10.11"}});
        return proto::to_json(view.instances.at(0));
    };
    const auto on = json_of("on");
    CHECK(on.at("needs_restart") == true);
    CHECK_FALSE(on.contains("pending_restart")); // gossip knows no names
    CHECK(on.at("maintenance").at("until") == "2026-01-01T01:00:00.000Z");
    CHECK_FALSE(on.at("maintenance").contains("by"));
    const auto off = json_of("off");
    for (const auto* key : {"needs_restart", "pending_restart", "maintenance"}) {
        CHECK_FALSE(off.contains(key));
    }
}

TEST_CASE("a machine whose record is damaged is shown with what its agent tells") {
    proto::Instance told;
    told.name = "db1";
    told.id = "id-1";
    told.status = "running";
    const auto view = fleet_view(
        {told}, {{"db1", "", "damaged", "", "", ""}, {"db2", "", "damaged", "", "", ""}});
    REQUIRE(view.instances.size() == 2);
    CHECK(view.instances[0].status == "running");
    CHECK(view.instances[0].machine_state == "damaged");
    CHECK_FALSE(view.instances[0].reason.empty());
    CHECK(view.instances[1].status == "unreachable");
    CHECK(view.instances[1].reason == "its machine is damaged");
}

TEST_CASE("two instances of one name are told apart by their ids") {
    proto::Instance a, b;
    a.name = b.name = "db1";
    a.id = "x-1111";
    b.id = "x-2222";
    const auto view = fleet_view({b, a}, {});
    CHECK(view.instances[0].name == "db1~1111");
    CHECK(view.instances[1].name == "db1~2222");
}
