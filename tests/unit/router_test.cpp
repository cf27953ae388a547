// The API as a caller meets it: every route, and everything that is wrong about a request.
#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <iterator>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "agent/api/openapi.h"
#include "agent/api/router.h"
#include "tests/unit/fake_fleet.h"
#include "tests/unit/life_world.h"
#include "tests/unit/state_folder.h"

using namespace jackdaw;
using agent::ApiRequest;
using agent::ApiResponse;
using agent::Json;
using jackdaw::testing::clear_password;
using jackdaw::testing::LifeWorld;
using jackdaw::testing::other_password;
using jackdaw::testing::test_spec;

namespace {

const std::string operation_id = "018f3c1e-0000-7000-8000-0000000000aa";

struct SomeFleet : agent::FakeFleet {
    SomeFleet() {
        add("db1", "00000000000000a1");
        add_instance("db1", test_spec().id);
        add_instance("db9", operation_id);
    }
};

class Api {
public:
    ApiResponse ask(std::string method, std::string target, std::string body = {}) {
        ApiRequest request;
        request.method = std::move(method);
        request.target = std::move(target);
        request.body = std::move(body);
        request.caller = caller;
        request.idempotency_key = std::exchange(key, {});
        auto response = router.handle(request);
        everything += response.body;
        // Whatever is answered is a JSON object, and a failure says which.
        const auto json = Json::parse(response.body, nullptr, false);
        REQUIRE(json.is_object());
        CHECK((json.contains("error") && !json.contains("kind")) == (response.status >= 400));
        return response;
    }
    Json get(const std::string& target) {
        const auto response = ask("GET", target);
        INFO(target << " " << response.body);
        REQUIRE(response.status == 200);
        return Json::parse(response.body);
    }
    /// An accepted change, at its end.
    proto::Operation change(const std::string& method, const std::string& target,
                            const Json& body = Json::object()) {
        const auto response = ask(method, target, body.dump());
        INFO(method << " " << target << " " << response.body);
        REQUIRE(response.status == 202);
        const auto json = Json::parse(response.body);
        CHECK(json.at("kind") == "Operation");
        CHECK(json.at("no_op") == false);
        auto end = world.wait_ended(json.at("id").get<std::string>());
        CHECK(end.status == "done");
        return end;
    }
    /// The failure of a request: "404 E-NOT-FOUND".
    std::string failure(const std::string& method, const std::string& target,
                        const std::string& body = {}) {
        const auto response = ask(method, target, body);
        const auto json = Json::parse(response.body);
        if (json.contains("kind")) {
            return fmt::format("{}", response.status);
        }
        CHECK_FALSE(json["error"]["message"].get<std::string>().empty());
        return fmt::format("{} {}", response.status, json["error"]["code"].get<std::string>());
    }

    [[nodiscard]] static Json spec_body() {
        auto body = proto::to_json(test_spec());
        body["users"][0].erase("verifier");
        body["users"][0]["password"] = clear_password;
        return body;
    }

    LifeWorld world;
    bool started = (world.start_agent(), true); ///< before the router, which holds its life
    runtime::Clock clock;
    agent::Caller caller{"uid 0", true};
    std::string key;
    std::string everything; ///< all that was ever answered
    SomeFleet fleet;
    agent::Router router{{world.life(), clock, fleet, "0.0.1-test"}};
};

} // namespace

TEST_CASE("every route answers") {
    Api api;
    CHECK(api.get("/v1/version").at("version") == "0.0.1-test");
    CHECK(api.failure("GET", "/v1/instance") == "404 E-NOT-FOUND");
    CHECK(api.failure("GET", "/v1/load") == "404 E-NOT-FOUND");
    CHECK(api.get("/v1/doctor").at("kind") ==
          "FindingList"); // an agent without one has findings, too

    auto body = Api::spec_body();
    body["operation_id"] = operation_id;
    const auto made = api.change("PUT", "/v1/instance", body);
    CHECK(made.id == operation_id);
    CHECK(made.caller == "uid 0");
    const auto again = api.ask("PUT", "/v1/instance", Api::spec_body().dump());
    CHECK(again.status == 200);
    CHECK(Json::parse(again.body).at("no_op") == true);
    CHECK(Json::parse(again.body).at("id") == operation_id);

    const auto view = api.get("/v1/instance");
    CHECK(view.at("kind") == "Instance");
    CHECK(view.at("name") == "db1");
    CHECK(api.get("/v1/instances").at("items").size() == 2);
    CHECK(api.get("/v1/members").at("items").size() == 1);
    CHECK(api.get("/v1/members/db1").at("id") == "00000000000000a1");
    CHECK(api.get("/v1/members/00000000000000a1").at("name") == "db1");
    CHECK(api.failure("GET", "/v1/members/nobody") == "404 E-NOT-FOUND");

    const auto load = api.get("/v1/load");
    CHECK(load.at("kind") == "Load");
    CHECK(load.at("name") == "db1");
    CHECK(load.at("machine").at("cores").get<int>() > 0);
    CHECK(load.at("database").is_null()); // this engine counts nothing
    CHECK(load.at("agent").at("memory_bytes").get<std::uint64_t>() > 0);
    CHECK(api.get("/v1/load").at("clock_us").get<std::uint64_t>() >
          load.at("clock_us").get<std::uint64_t>());
    const auto state_of = [&](const char* name) {
        const auto list = api.get("/v1/doctor");
        for (const auto& one : list.at("items")) {
            if (one.at("name") == name) {
                return one.at("state").get<std::string>();
            }
        }
        return std::string{"not there"};
    };
    CHECK(state_of("database") == "ok");
    CHECK(state_of("agent's account") == "ok");

    CHECK(api.change("POST", "/v1/instance/stop").action == "instance.stop");
    CHECK(state_of("database") == "bad");
    CHECK(state_of("agent's account") == "unknown");
    CHECK(api.get("/v1/load").at("status") == "stopped");
    CHECK(api.failure("GET", "/v1/databases") == "503 E-DATABASE-DOWN");
    CHECK(api.change("POST", "/v1/instance/start").action == "instance.start");
    CHECK(api.change("POST", "/v1/instance/restart", {{"force", true}}).action ==
          "instance.restart");
    CHECK(api.change("POST", "/v1/instance/protect").action == "instance.protect");
    CHECK(api.failure("DELETE", "/v1/instance") == "409 E-PROTECTED");
    (void)api.change("POST", "/v1/instance/unprotect");
    CHECK(api.change("POST", "/v1/instance/repair").action == "instance.repair");
    const auto renamed = api.change("POST", "/v1/instance/rename", {{"name", "sales"}});
    CHECK(renamed.action == "instance.rename");
    CHECK(renamed.target == "db1");
    CHECK(api.get("/v1/instance").at("name") == "sales");
    CHECK(api.failure("POST", "/v1/instance/rename", R"({"name": "Sales"})") == "400 E-BAD-NAME");
    CHECK(api.failure("POST", "/v1/instance/rename", R"({"name": "db9"})") == "409 E-NAME-TAKEN");
    CHECK(api.failure("POST", "/v1/instance/rename", R"({"name": "db2", "from": "db1"})") ==
          "404 E-NOT-FOUND"); // another rename was first
    (void)api.change("POST", "/v1/instance/rename", {{"name", "db1"}, {"from", "sales"}});
    CHECK(api.failure("POST", "/v1/instance/grow", R"({"size_bytes": 5})") ==
          "400 E-VOLUME-SHRINK");
    CHECK(
        api.change("POST", "/v1/instance/grow", {{"size_bytes", std::uint64_t{1} << 30}}).action ==
        "volume.grow");

    (void)api.change("POST", "/v1/databases", {{"name", "caf\u00e9 %"}});
    CHECK(api.get("/v1/databases").at("items").size() == 2);
    (void)api.change("DELETE", "/v1/databases/caf%C3%A9%20%25");
    CHECK(api.get("/v1/databases").at("items").size() == 1);

    (void)api.change(
        "POST", "/v1/users",
        {{"name", "bob"}, {"host", "10.%"}, {"databases", {"app"}}, {"password", other_password}});
    CHECK(api.get("/v1/users").at("items").size() == 2);
    const auto old = api.world.engine.users().at("bob@10.%").verifier;
    (void)api.change("POST", "/v1/users/bob/password?host=10.%25", {{"password", clear_password}});
    CHECK(api.world.engine.users().at("bob@10.%").verifier != old);
    (void)api.change("DELETE", "/v1/users/bob?host=10.%25");
    CHECK_FALSE(api.world.engine.users().contains("bob@10.%"));

    CHECK(api.get("/v1/operations").at("items").size() > 10);
    CHECK(api.get("/v1/operations?limit=2").at("items").size() == 2);
    CHECK(api.get("/v1/operations/" + operation_id).at("status") == "done");
    CHECK(api.failure("POST", "/v1/operations/" + operation_id + "/abort") == "409 E-CONFLICT");
    CHECK(api.failure("POST", "/v1/operations/" + operation_id + "/resume") == "409 E-CONFLICT");

    for (const auto* unclear : {"keep_volume=yes", "keep_volume=", "keep-volume=1", "keep"}) {
        INFO(unclear);
        CHECK(api.failure("DELETE", std::string{"/v1/instance?"} + unclear) == "400 E-INVALID");
    }
    (void)api.change("DELETE", "/v1/instance?keep_volume=true");
    CHECK(api.world.host.volume().stamp);
    CHECK(api.failure("GET", "/v1/instance") == "404 E-NOT-FOUND");
    CHECK(api.everything.find(clear_password) == std::string::npos);
    CHECK(api.everything.find(other_password) == std::string::npos);
    CHECK(api.world.host.violations().empty());
}

TEST_CASE("an operation that failed is resumed, one that runs is aborted, over the API") {
    Api api;
    api.world.engine.fail("probe", 1);
    auto body = Api::spec_body();
    body["operation_id"] = operation_id;
    REQUIRE(api.ask("PUT", "/v1/instance", body.dump()).status == 202);
    REQUIRE(api.world.wait_ended(operation_id).status == "failed");
    CHECK(api.ask("POST", "/v1/operations/" + operation_id + "/resume").status == 202);
    REQUIRE(api.world.wait_ended(operation_id).status == "done");

    api.world.engine.hold("databases.create");
    const auto held = api.ask("POST", "/v1/databases", R"({"name":"one"})");
    REQUIRE(held.status == 202);
    const auto id = Json::parse(held.body).at("id").get<std::string>();
    api.world.engine.wait_held();
    CHECK(api.ask("POST", "/v1/operations/" + id + "/abort").status == 202);
    CHECK(api.world.wait_ended(id).status == "undone");
}

TEST_CASE("the same idempotency key is answered with the same operation") {
    Api api;
    (void)api.change("PUT", "/v1/instance", Api::spec_body());
    api.key = "k1";
    const auto first = api.change("POST", "/v1/users", {{"name", "bob"}, {"password", "one-1"}});
    api.key = "k1"; // members in another order are the same request
    const auto again = api.ask("POST", "/v1/users", R"({"password":"one-1", "name":"bob"})");
    CHECK(Json::parse(again.body).at("id") == first.id);
    for (const auto* other : {R"({"name":"eve","password":"one-1"})",
                              R"({"name":"bob","password":"two-2"})"}) { // it would not be set
        api.key = "k1";
        CHECK(api.failure("POST", "/v1/users", other) == "409 E-CONFLICT");
    }
    for (const auto& wrong : {std::string(129, 'k'), std::string{"k\xff"}}) { // cut, one is another
        api.key = wrong;
        CHECK(api.failure("DELETE", "/v1/users/bob") == "400 E-INVALID");
    }
    CHECK(api.world.engine.users().contains("bob@%"));
    std::ifstream file{api.world.state_folder() + "/state.mdb", std::ios::binary};
    const std::string journal{std::istreambuf_iterator<char>{file}, {}};
    CHECK(journal.find("request_mac") != std::string::npos);
    CHECK(journal.find("one-1") == std::string::npos);

    api.key = "k2";
    const auto gone = api.change("DELETE", "/v1/instance");
    api.key = "k2"; // its answer was lost
    const auto told = api.ask("DELETE", "/v1/instance", "{}");
    CHECK(told.status == 202);
    CHECK(Json::parse(told.body).at("id") == gone.id);
    CHECK(api.failure("DELETE", "/v1/instance", "{}") == "404 E-NOT-FOUND");
}

TEST_CASE("a rehearsal makes the checks of a change, tells what it found and changes nothing") {
    Api api;
    const auto rehearse = [&](const char* method, const char* target, Json body = nullptr) {
        return Json{{"method", method}, {"target", target}, {"body", std::move(body)}}.dump();
    };
    const auto refusal = [&](const char* method, const char* target, Json body = nullptr) {
        return api.failure("POST", "/v1/rehearsals", rehearse(method, target, std::move(body)));
    };
    CHECK(refusal("POST", "/v1/databases", {{"name", "new"}}) == "404 E-NOT-FOUND");
    (void)api.change("PUT", "/v1/instance", Api::spec_body());
    const auto before = api.world.life().operations(100).size();
    const auto made = Json::parse(
        api.ask("POST", "/v1/rehearsals", rehearse("POST", "/v1/databases", {{"name", "new"}}))
            .body);
    CHECK(made.at("kind") == "Rehearsal");
    CHECK(made.at("action") == "database.create");
    CHECK(made.at("notes").at(0) == "database 'new' is not there yet");
    CHECK(refusal("POST", "/v1/databases", {{"name", ""}}) == "400 E-BAD-NAME");
    CHECK(refusal("POST", "/v1/databases", {{"name", "system"}}) == "400 E-RESERVED-NAME");
    CHECK(refusal("POST", "/v1/databases", {{"name", "app"}, {"charset", "latin1"}}) ==
          "409 E-CONFLICT");
    CHECK(refusal("DELETE", "/v1/databases/app") == "200");
    CHECK(refusal("DELETE", "/v1/databases/gone") == "404 E-NOT-FOUND");
    CHECK(refusal("POST", "/v1/users", {{"name", "app"}, {"password", "p"}}) == "409 E-NAME-TAKEN");
    CHECK(refusal("POST", "/v1/users", {{"name", "bob"}, {"password", ""}}) ==
          "400 E-BAD-PASSWORD");
    CHECK(refusal("POST", "/v1/users",
                  {{"name", "bob"}, {"password", "p"}, {"databases", {"gone"}}}) ==
          "404 E-NOT-FOUND");
    CHECK(refusal("POST", "/v1/users",
                  {{"name", "bob"}, {"password", "p"}, {"databases", {"app"}}}) == "200");
    CHECK(refusal("POST", "/v1/users/app/password", {{"password", "p"}}) == "200");
    CHECK(refusal("DELETE", "/v1/users/nobody") == "404 E-NOT-FOUND");
    api.world.engine.give_sessions();
    CHECK(refusal("DELETE", "/v1/sessions/7") == "200");
    const auto own = api.ask("POST", "/v1/rehearsals", rehearse("DELETE", "/v1/sessions/1"));
    CHECK(own.status == 403);
    CHECK(own.body.find("it is not killed, whoever asks") != std::string::npos);
    for (const auto* target : {"/v1/instance/stop", "/v1/operations/x/abort", "/v1/rehearsals",
                               "/v1/gossip/leave", "/v1"}) {
        INFO(target);
        CHECK(refusal("POST", target, Json::object()) == "422 E-UNSUPPORTED");
    }
    CHECK(refusal("GET", "/v1/databases") == "422 E-UNSUPPORTED");
    CHECK(api.world.life().operations(100).size() == before);
    CHECK(api.world.engine.databases() == std::vector<std::string>{"app"});
    (void)api.change("POST", "/v1/instance/stop");
    CHECK(refusal("DELETE", "/v1/databases/app") == "503 E-DATABASE-DOWN");
}

TEST_CASE("who may only look is refused every change, and looks") {
    Api api;
    (void)api.change("PUT", "/v1/instance", Api::spec_body());
    const auto before = api.world.life().operations(100).size();
    api.caller = {"agent db2", false};
    for (const auto& [method, target] : std::vector<std::pair<std::string, std::string>>{
             {"PUT", "/v1/instance"},
             {"DELETE", "/v1/instance"},
             {"POST", "/v1/instance/start"},
             {"POST", "/v1/instance/stop"},
             {"POST", "/v1/instance/restart"},
             {"POST", "/v1/instance/grow"},
             {"POST", "/v1/instance/protect"},
             {"POST", "/v1/instance/unprotect"},
             {"POST", "/v1/instance/rename"},
             {"POST", "/v1/instance/repair"},
             {"POST", "/v1/rehearsals"},
             {"POST", "/v1/databases"},
             {"DELETE", "/v1/databases/app"},
             {"POST", "/v1/users"},
             {"DELETE", "/v1/users/app"},
             {"POST", "/v1/users/app/password"},
             {"POST", "/v1/operations/" + operation_id + "/abort"},
             {"POST", "/v1/operations/" + operation_id + "/resume"},
             {"PATCH", "/v1/nothing"},
             {"get", "/v1/instance"}}) {
        INFO(method << " " << target);
        CHECK(api.failure(method, target, Api::spec_body().dump()) == "403 E-NOT-ALLOWED");
    }
    for (const auto* const target : {"/v1/version", "/v1/instance", "/v1/instances", "/v1/members",
                                     "/v1/databases", "/v1/users", "/v1/operations"}) {
        (void)api.get(target);
    }
    CHECK(api.world.life().operations(100).size() == before);
    CHECK(api.everything.find(clear_password) == std::string::npos);
}

TEST_CASE("a path that nothing answers to is not found") {
    Api api;
    (void)api.change("PUT", "/v1/instance", Api::spec_body());
    for (const auto& [method, target] :
         std::vector<std::pair<std::string, std::string>>{{"GET", "/"},
                                                          {"GET", "/v1"},
                                                          {"GET", "/v2/version"},
                                                          {"GET", "/v1/nothing"},
                                                          {"GET", "/v1//instance"},
                                                          {"GET", "/v1/version/more"},
                                                          {"POST", "/v1/instance/dance"},
                                                          {"POST", "/v1/instance/start/now"},
                                                          {"GET", "/v1/members/db1/more"},
                                                          {"POST", "/v1/users/app/name"},
                                                          {"GET", "/v1/operations/none"},
                                                          {"POST", "/v1/operations/none/abort"},
                                                          {"POST", "/v1/operations/none/resume"},
                                                          {"POST", "/v1/operations/none/repeat"}}) {
        INFO(method << " " << target);
        CHECK(api.failure(method, target) == "404 E-NOT-FOUND");
    }
}

TEST_CASE("a method that a path does not have is refused with those that it has") {
    Api api;
    (void)api.change("PUT", "/v1/instance", Api::spec_body());
    for (const auto& [method, target, allow] :
         std::vector<std::array<std::string, 3>>{{"POST", "/v1/version", "GET"},
                                                 {"PATCH", "/v1/instance", "GET, PUT, DELETE"},
                                                 {"GET", "/v1/instance/start", "POST"},
                                                 {"POST", "/v1/instances", "GET"},
                                                 {"DELETE", "/v1/members/db1", "GET"},
                                                 {"PUT", "/v1/databases", "GET, POST"},
                                                 {"GET", "/v1/databases/app", "DELETE"},
                                                 {"PUT", "/v1/users", "GET, POST"},
                                                 {"PUT", "/v1/users/app", "GET, PATCH, DELETE"},
                                                 {"PUT", "/v1/users/app/password", "POST"},
                                                 {"DELETE", "/v1/operations", "GET"},
                                                 {"POST", "/v1/operations/none/events", "GET"},
                                                 {"", "/v1/version", "GET"},
                                                 {"GE", "/v1/version", "GET"}}) {
        INFO(method << " " << target);
        const auto refused = api.ask(method, target);
        CHECK(refused.status == 405);
        CHECK(refused.allow == allow);
        CHECK(Json::parse(refused.body).at("error").at("code") == "E-INVALID");
    }
    api.caller = {"agent db2", false};
    CHECK(api.ask("POST", "/v1/version").status == 403); // who may not change learns no more
}

TEST_CASE("a request whose time is over is not begun") {
    Api api;
    (void)api.change("PUT", "/v1/instance", Api::spec_body());
    const auto before = api.world.life().operations(100).size();
    ApiRequest late;
    late.method = "POST";
    late.target = "/v1/instance/restart";
    late.caller = api.caller;
    late.deadline = std::chrono::steady_clock::now();
    const auto refused = api.router.handle(late);
    CHECK(refused.status == 504);
    CHECK(Json::parse(refused.body).at("error").at("code") == "E-DEADLINE");
    CHECK(api.world.life().operations(100).size() == before);
}

TEST_CASE("a target that is no target is refused") {
    Api api;
    const std::string nul{"/v1/members/a\0b", 15};
    for (const auto& target : std::vector<std::string>{
             "", "v1/version", "*", "http://h/v1/version", "/v1/members/%", "/v1/members/%4",
             "/v1/members/%4g", "/v1/members/%-1", "/v1/members/a%00b", nul, "/1/2/3/4/5/6/7/8/9",
             "/v1/operations?limit=%zz", "/v1/operations?limit=0", "/v1/operations?limit=-1",
             "/v1/operations?limit=10001", "/v1/operations?limit=1x",
             "/v1/operations?limit=", "/v1/version?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q"}) {
        INFO(target);
        CHECK(api.failure("GET", target) == "400 E-INVALID");
    }
    CHECK(agent::parse_target("/v1/version?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p")); // 16 are allowed
    CHECK_FALSE(agent::parse_target("/v1/version?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q"));
    (void)api.get("/v1/version/");
}

TEST_CASE("escapes are decoded once, '+' only in the query") {
    const auto target = agent::parse_target("/v1/a%2Fb/c+d/%2525?x=1+2&y=%2B&y=%26&z");
    REQUIRE(target);
    CHECK(target->segments == std::vector<std::string>{"v1", "a/b", "c+d", "%25"});
    CHECK(target->query.at("x") == "1 2");
    CHECK(target->query.at("y") == "&"); // the last one wins
    CHECK(target->query.at("z").empty());
}

TEST_CASE("a body that is no request is refused, and changes nothing") {
    Api api;
    std::string deep(200, '[');
    deep.append(200, ']');
    auto wide = Api::spec_body();
    wide["fleet"] = std::string(proto::json_bytes_max, 'x');
    auto wrong_id = Api::spec_body();
    wrong_id["operation_id"] = "mine";
    auto many = Api::spec_body();
    many["users"] = Json::array();
    for (int i = 0; i < 300; ++i) {
        many["users"].push_back({{"name", fmt::format("u{}", i)}, {"password", clear_password}});
    }
    auto no_password = Api::spec_body();
    no_password["users"][0].erase("password");
    auto odd_password = Api::spec_body();
    odd_password["users"][0]["password"] = {{"clear", clear_password}};
    for (const auto& body : std::vector<std::string>{
             "", "{}", "[]", "null", "5", "\"text\"", "{", "nul", "{\"name\":\"\xff\"}",
             "{\"name\": 5}", "{\"users\": {}}", "{\"users\": [5]}", "{\"users\": [[]]}",
             "{\"x\":" + deep + "}", deep, wide.dump(), wrong_id.dump(), many.dump(),
             odd_password.dump()}) {
        INFO(body.substr(0, 100));
        const auto seen = api.failure("PUT", "/v1/instance", body);
        CHECK((seen == "400 E-INVALID" || seen == "400 E-BAD-NAME"));
    }
    wrong_id["operation_id"] = "ff7ac10b-58cc-4372-a567-0e02b2c3d479"; // without a time in it
    CHECK(api.failure("PUT", "/v1/instance", wrong_id.dump()) == "400 E-INVALID");
    CHECK(api.failure("PUT", "/v1/instance", no_password.dump()) == "400 E-BAD-PASSWORD");
    CHECK(api.world.life().spec() == nullptr);
    CHECK(api.world.life().operations(10).empty());

    (void)api.change("PUT", "/v1/instance", Api::spec_body());
    CHECK(api.failure("POST", "/v1/instance/stop", R"({"force":"yes"})") == "400 E-INVALID");
    CHECK(api.failure("POST", "/v1/instance/stop", "[]") == "400 E-INVALID");
    CHECK(api.failure("POST", "/v1/instance/grow", R"({"size_bytes":-1})") == "400 E-INVALID");
    CHECK(api.failure("POST", "/v1/databases") == "400 E-BAD-NAME");
    CHECK(api.failure("POST", "/v1/databases", R"({"name":"a\u0000b"})") == "400 E-BAD-NAME");
    CHECK(api.failure("POST", "/v1/databases", R"({"name":"system"})") == "400 E-RESERVED-NAME");
    CHECK(api.failure("POST", "/v1/databases", R"({"name":["a"]})") == "400 E-INVALID");
    CHECK(api.failure("POST", "/v1/users", R"({"name":"bob"})") == "400 E-BAD-PASSWORD");
    CHECK(api.failure("POST", "/v1/users", R"({"name":"root","password":"x"})") ==
          "400 E-RESERVED-NAME");
    CHECK(api.failure("POST", "/v1/users", R"({"name":"b","password":"x","databases":[""]})") ==
          "400 E-BAD-NAME");
    CHECK(api.failure("POST", "/v1/users/bob/password", R"({"password":7})") == "400 E-INVALID");
    CHECK(api.failure("DELETE", "/v1/users/root") == "400 E-RESERVED-NAME");
    CHECK(api.world.life().operations(10).size() == 1);
    CHECK(api.everything.find(clear_password) == std::string::npos);
}

TEST_CASE("a password does not come back in the error of a body that was cut off") {
    Api api;
    (void)api.change("PUT", "/v1/instance", Api::spec_body());
    const std::string user = fmt::format(R"({{"name":"bob","password":"{}"}})", other_password);
    for (std::size_t length = 1; length < user.size(); ++length) {
        const auto response = api.ask("POST", "/v1/users", user.substr(0, length));
        CHECK(response.status == 400);
        CHECK(response.body.find("batt") == std::string::npos);
    }
    CHECK(api.failure("POST", "/v1/users",
                      fmt::format("{{\"name\":\"bob\",\"password\":\"{}\n\"}}", other_password)) ==
          "400 E-INVALID");
    CHECK(api.everything.find("batt") == std::string::npos);
}

TEST_CASE("a field that a body does not know is refused by its name, and changes nothing") {
    Api api;
    (void)api.change("PUT", "/v1/instance", Api::spec_body());
    const auto before = api.world.life().operations(100).size();
    const auto schemas = agent::openapi_document("0").at("components").at("schemas");
    for (const auto& row : agent::Router::rows()) {
        if (row.body.empty()) {
            continue;
        }
        INFO(row.method << " " << row.pattern);
        CHECK(schemas.at(std::string{row.body}).at("additionalProperties") == false);
        const auto target =
            fmt::format("/v1/{}", row.pattern); // '*': what it names is looked at later
        const auto refused = api.ask(std::string{row.method}, target,
                                     fmt::format(R"({{"nmae":"{}"}})", other_password));
        CHECK(refused.status == 400);
        CHECK(refused.body.find("'nmae'") != std::string::npos);
        CHECK(refused.body.find("there are: ") != std::string::npos);
    }
    CHECK(api.failure("POST", "/v1/instance/protect", R"({"force":true})") == "400 E-INVALID");
    const auto deep = api.ask("PUT", "/v1/instance", R"({"users":[{"name":"a"},{"hots":"b"}]})");
    CHECK(deep.body.find("'users[1].hots'") != std::string::npos);
    const auto rehearsed = api.ask("POST", "/v1/rehearsals",
                                   R"({"method":"POST","target":"/v1/users","body":{"nmae":"x"}})");
    CHECK(rehearsed.body.find("'body.nmae'") == std::string::npos); // by what it rehearses
    CHECK(rehearsed.body.find("'nmae'") != std::string::npos);
    CHECK(api.world.life().operations(100).size() == before);
    CHECK(api.everything.find(other_password) == std::string::npos);
}

TEST_CASE("every reaction has its status") {
    for (const auto& row : all_codes()) {
        const auto response = agent::error_response(Error{row.code, "why"});
        INFO(row.name);
        CHECK(response.status >= 400);
        CHECK(response.status <= 599);
        CHECK(Json::parse(response.body).at("error").at("code") == row.name);
        CHECK(Json::parse(response.body).at("error").at("cause") == "why");
    }
}

TEST_CASE("names of members are labels: one that stands for several is refused by id") {
    Api api;
    api.fleet.add("db1", "00000000000000b2", "down");
    CHECK(api.get("/v1/members/db1").at("id") == "00000000000000a1"); // the one alive
    api.fleet.add("db1", "00000000000000c3", "suspect");
    const auto refused = api.ask("GET", "/v1/members/db1");
    CHECK(refused.status == 409);
    CHECK(refused.body.find("00000000000000a1 (alive), 00000000000000c3 (suspect)") !=
          std::string::npos);
    api.fleet.add("db7", "00000000000000d4", "down", "2026-01-01T00:00:00.000Z");
    api.fleet.add("db7", "00000000000000e5", "left", "2026-01-02T00:00:00.000Z");
    const auto gone = api.ask("GET", "/v1/members/db7"); // which of them is to be forgotten?
    CHECK(gone.status == 409);
    CHECK(gone.body.find("00000000000000d4 (down since 2026-01-01T00:00:00.000Z), "
                         "00000000000000e5 (left since 2026-01-02T00:00:00.000Z)") !=
          std::string::npos);
    CHECK(api.get("/v1/members/00000000000000c3").at("status") == "suspect");
    CHECK(api.failure("GET", "/v1/members/db1/why") == "409 E-CONFLICT");
    const auto why = api.get("/v1/members/00000000000000b2/why");
    CHECK(why.at("items").at(0).at("cause") == "probe");
    CHECK(api.fleet.asked_why == 0xb2);
}

TEST_CASE("membership is changed by who may change, with what is whole") {
    Api api;
    const std::string key(64, 'a');
    const std::string good(128, '0');
    std::string signature;
    for (int i = 0; i < 64; ++i) {
        signature += "01";
    }
    const auto order = [&](const std::string& by) {
        return Json{{"incarnation", 5}, {"operator_key", key}, {"signature", by}}.dump();
    };
    CHECK(api.failure("POST", "/v1/members/db1/forget") == "400 E-INVALID");
    CHECK(api.failure("POST", "/v1/members/db1/forget", order("01")) == "400 E-INVALID");
    CHECK(api.failure("POST", "/v1/members/db1/forget", order(good)) == "403 E-NOT-ALLOWED");
    CHECK(api.failure("POST", "/v1/members/nobody/forget", order(signature)) == "404 E-NOT-FOUND");
    CHECK(api.fleet.forgotten.empty());
    CHECK(api.failure("POST", "/v1/members/db1/forget", order(signature)) == "200");
    REQUIRE(api.fleet.forgotten.size() == 1);
    CHECK(api.fleet.forgotten.front().id == 0xa1);
    CHECK(api.fleet.forgotten.front().incarnation == 5);

    for (const auto* const body :
         {"{}", R"({"addresses":[]})", R"({"addresses":[5]})", R"({"addresses":"10.0.0.1:1"})"}) {
        CHECK(api.failure("POST", "/v1/gossip/join", body) == "400 E-INVALID");
    }
    CHECK(api.failure("POST", "/v1/gossip/leave") == "200");
    CHECK(api.get("/v1/gossip").at("state") == "left");
    // What it knew when it left is not told as what is so now.
    for (const auto* const list : {"/v1/members", "/v1/instances", "/v1/members/db1"}) {
        CHECK(api.failure("GET", list) == "503 E-UNAVAILABLE");
    }
    CHECK(api.failure("POST", "/v1/gossip/join", R"({"addresses":["10.0.0.1:1"]})") == "200");
    CHECK(api.fleet.joined == std::vector<std::string>{"10.0.0.1:1"});
    CHECK(api.get("/v1/gossip").at("state") == "member");
    CHECK(api.failure("POST", "/v1/gossip/hint", R"({"topic":256,"key":1,"version":1})") ==
          "400 E-INVALID");
    CHECK(api.failure("POST", "/v1/gossip/hint", R"({"topic":1,"version":1})") == "400 E-INVALID");
    CHECK(api.failure("POST", "/v1/gossip/hint", R"({"topic":1,"key":2,"version":3})") == "200");
    CHECK(api.fleet.hinted == std::vector<std::uint64_t>{1, 2, 3});
    CHECK(api.failure("POST", "/v1/gossip/ring", "{}") == "400 E-INVALID");
    CHECK(api.failure("POST", "/v1/gossip/ring", R"({"ring":"1 secret-words"})") == "200");
    CHECK(api.fleet.ring == "1 secret-words");
    CHECK_FALSE(api.fleet.ring_use.use_now);
    CHECK_FALSE(api.fleet.ring_use.keep_own);
    CHECK(api.failure("POST", "/v1/gossip/ring", R"({"ring":"2 secret-words","use_now":1})") ==
          "400 E-INVALID");
    CHECK(api.fleet.ring == "1 secret-words");
    CHECK(api.failure("POST", "/v1/gossip/ring", R"({"ring":"2 secret-words","use_now":true})") ==
          "200");
    CHECK(api.fleet.ring_use.use_now);
    CHECK_FALSE(api.fleet.ring_use.keep_own);
    CHECK(api.failure("POST", "/v1/gossip/ring", R"({"ring":"2 secret-words","keep_own":true})") ==
          "200");
    CHECK(api.fleet.ring_use.keep_own);
    CHECK(api.everything.find("secret-words") == std::string::npos);

    api.caller.may_change = false;
    for (const auto* const path :
         {"members/db1/forget", "gossip/join", "gossip/leave", "gossip/hint", "gossip/ring"}) {
        CHECK(api.failure("POST", std::string{"/v1/"} + path) == "403 E-NOT-ALLOWED");
    }
    CHECK(api.get("/v1/gossip").at("figures").at("probes_ok") == 7);
}

TEST_CASE("events are asked for by kind, weight and time") {
    Api api;
    jackdaw::testing::StateFolder folder;
    const auto store = agent::StateStore::open({folder.path(), jackdaw::testing::small_map, true});
    REQUIRE(store);
    agent::Timeline timeline{{**store, api.clock, [](std::function<void()> work) { work(); }, {}}};
    for (const auto* kind :
         {"volume.pressure", "volume.relief", "database.ended", "agent.started"}) {
        timeline.add(kind, "db1", "text");
    }
    const agent::Router router{{api.world.life(), api.clock, api.fleet, "t", &timeline}};
    const auto request = [&](const std::string& query) {
        ApiRequest asked;
        asked.method = "GET";
        asked.target = "/v1/events" + query;
        asked.caller = api.caller;
        return asked;
    };
    using Kinds = std::vector<std::string>;
    const auto kinds = [&](const std::string& query) {
        const auto response = router.handle(request(query));
        INFO(query << " " << response.body);
        REQUIRE(response.status == 200);
        Kinds all;
        const auto body = Json::parse(response.body);
        for (const auto& item : body.at("items")) {
            all.push_back(item.at("kind").get<std::string>());
        }
        return all;
    };
    CHECK(kinds("").size() == 4);
    CHECK(kinds("?kind=volume") == Kinds{"volume.pressure", "volume.relief"});
    CHECK(kinds("?kind=volume.relief") == Kinds{"volume.relief"});
    CHECK(kinds("?weight=warning") == Kinds{"volume.pressure", "database.ended"});
    CHECK(kinds("?weight=error") == Kinds{"database.ended"});
    CHECK(kinds("?kind=volume&weight=error").empty());
    CHECK(kinds("?kind=volume&limit=1") == Kinds{"volume.relief"});           // the newest
    CHECK(kinds("?kind=volume&after=0&limit=1") == Kinds{"volume.pressure"}); // the next one
    CHECK(kinds("?kind=volume&after=1") == Kinds{"volume.relief"});
    CHECK(kinds("?since=2000-01-01T00:00:00Z").size() == 4);
    CHECK(kinds("?since=2999-01-01T00:00:00.000Z").empty());
    for (const auto* wrong :
         {"?kind=vol", "?kind=nonsense", "?kind=volume.", "?weight=grave", "?since=yesterday",
          "?since=2026-13-01T00:00:00Z", "?since=2026-01-01T00:00:00%2B01:00",
          "?since=2026-01-01T00:00:00.Z"}) {
        INFO(wrong);
        CHECK(router.handle(request(wrong)).status == 400);
    }
    const auto stream = router.stream(request("/stream?after=0&kind=volume"));
    REQUIRE(stream.has_value());
    CHECK(stream->next().items.size() == 2);
    CHECK(stream->next().items.empty());
    for (int number = 0; number < 120; ++number) { // more than are told at a time
        timeline.add("volume.relief", "db1", "text");
    }
    const auto first = stream->next();
    CHECK(first.items.size() == 100);
    CHECK(first.has_more); // nobody wakes it for the rest
    const auto rest = stream->next();
    CHECK(rest.items.size() == 20);
    CHECK_FALSE(rest.has_more);
    CHECK_FALSE(rest.ended);
    CHECK_FALSE(router.stream(request("/stream?kind=vol")).has_value());
}
