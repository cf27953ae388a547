// The API as a caller meets it: every route, and everything that is wrong about a request.
#include <algorithm>
#include <array>
#include <chrono>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "agent/api/router.h"
#include "tests/unit/life_world.h"

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
    agent::Router router{{world.life(), clock,
                          [] {
                              proto::MemberShape member;
                              member.name = "db1";
                              member.id = "a1";
                              member.status = "alive";
                              return std::vector<proto::MemberShape>{member};
                          },
                          [] {
                              proto::Instance instance;
                              instance.name = "db1";
                              instance.id = test_spec().id;
                              auto other = instance;
                              other.name = "db9";
                              other.id = operation_id;
                              return std::vector<proto::Instance>{instance, other};
                          },
                          "0.0.1-test"}};
};

} // namespace

TEST_CASE("every route answers") {
    Api api;
    CHECK(api.get("/v1/version").at("version") == "0.0.1-test");
    CHECK(api.failure("GET", "/v1/instance") == "404 E-NOT-FOUND");

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
    CHECK(api.get("/v1/members/db1").at("id") == "a1");
    CHECK(api.get("/v1/members/a1").at("name") == "db1");
    CHECK(api.failure("GET", "/v1/members/nobody") == "404 E-NOT-FOUND");

    CHECK(api.change("POST", "/v1/instance/stop").action == "instance.stop");
    CHECK(api.failure("GET", "/v1/databases") == "503 E-DATABASE-DOWN");
    CHECK(api.change("POST", "/v1/instance/start").action == "instance.start");
    CHECK(api.change("POST", "/v1/instance/restart", {{"force", true}}).action ==
          "instance.restart");
    CHECK(api.change("POST", "/v1/instance/protect").action == "instance.protect");
    CHECK(api.failure("DELETE", "/v1/instance") == "409 E-PROTECTED");
    (void)api.change("POST", "/v1/instance/unprotect");
    const auto renamed = api.change("POST", "/v1/instance/rename", {{"name", "sales"}});
    CHECK(renamed.action == "instance.rename");
    CHECK(renamed.target == "db1");
    CHECK(api.get("/v1/instance").at("name") == "sales");
    CHECK(api.failure("POST", "/v1/instance/rename", R"({"name": "Sales"})") == "400 E-BAD-NAME");
    CHECK(api.failure("POST", "/v1/instance/rename", R"({"name": "db9"})") == "409 E-NAME-TAKEN");
    (void)api.change("POST", "/v1/instance/rename", {{"name", "db1"}});
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

    (void)api.change("DELETE", "/v1/instance?keep_volume=1");
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
    api.key = "k1"; // a generated password differs each time
    const auto again = api.ask("POST", "/v1/users", R"({"name":"bob","password":"two-2"})");
    CHECK(Json::parse(again.body).at("id") == first.id);
    api.key = "k1";
    CHECK(api.failure("POST", "/v1/users", R"({"name":"eve","password":"one-1"})") ==
          "409 E-CONFLICT");
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
    (void)api.get("/v1/version?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p"); // 16 are allowed
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
