// Names through the API: whatever bytes they are made of, what is refused changes nothing, and what
// is accepted comes back byte for byte and is dropped alone.
#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "agent/api/router.h"
#include "agent/core/utf8.h"
#include "tests/unit/fake_fleet.h"
#include "tests/unit/life_world.h"

using namespace jackdaw;
using agent::Json;
using jackdaw::testing::LifeWorld;

namespace {

constexpr std::size_t name_bytes_max = 64; ///< of the engine in memory
constexpr int rounds = 400;

class Names {
public:
    Names() { (void)world.must_create(); }

    agent::ApiResponse ask(std::string method, std::string target, std::string body = {}) {
        agent::ApiRequest request;
        request.method = std::move(method);
        request.target = std::move(target);
        request.body = std::move(body);
        request.caller = {"uid 0", true};
        return router.handle(request);
    }
    /// Every name of a kind as the API lists it, and that is what the engine has.
    std::set<std::string> listed(const std::string& kind) {
        const auto response = ask("GET", "/v1/" + kind);
        REQUIRE(response.status == 200);
        const auto json = Json::parse(response.body);
        std::set<std::string> names;
        for (const auto& one : json.at("items")) {
            names.insert(one.at("name").get<std::string>());
        }
        CHECK(names.size() == json.at("items").size());
        std::set<std::string> held;
        if (kind == "databases") {
            const auto all = world.engine.databases();
            held.insert(all.begin(), all.end());
        } else {
            for (const auto& [account, spec] : world.engine.users()) {
                held.insert(spec.name);
            }
        }
        CHECK(names == held);
        return names;
    }
    [[nodiscard]] std::size_t operations() { return world.life().operations(10'000).size(); }
    /// What a change came to: the status of its refusal, or 202 and its operation is done.
    int change(const std::string& method, const std::string& target, const std::string& body = {}) {
        const auto before = operations();
        const auto response = ask(method, target, body);
        const auto json = Json::parse(response.body, nullptr, false);
        REQUIRE(json.is_object());
        if (response.status != 202) {
            CHECK(json.at("error").at("code").get<std::string>().starts_with("E-"));
            CHECK_FALSE(json.at("error").at("hint").get<std::string>().empty());
            CHECK(response.body.size() < 4096);
            CHECK(operations() == before); // refused before anything was begun
            return response.status;
        }
        const auto end = world.wait_ended(json.at("id").get<std::string>());
        return end.status == "done" ? 202 : 500;
    }

    LifeWorld world;

private:
    bool started_ = (world.start_agent(), true);
    runtime::Clock clock_;

public:
    agent::FakeFleet fleet;
    agent::Router router{{world.life(), clock_, fleet, "0.1.0"}};
};

std::mt19937 seeded() {
    const auto* const given = std::getenv("JACKDAW_TEST_SEED"); // NOLINT(concurrency-mt-unsafe)
    const auto seed = given != nullptr
                          ? static_cast<std::uint32_t>(std::strtoul(given, nullptr, 10))
                          : std::random_device{}();
    UNSCOPED_INFO("replay with JACKDAW_TEST_SEED=" << seed);
    fmt::print("replay with JACKDAW_TEST_SEED={}\n", seed);
    return std::mt19937{seed};
}

std::size_t roll(std::mt19937& dice, std::size_t sides) {
    return std::uniform_int_distribution<std::size_t>{0, sides - 1}(dice);
}

/// Pieces that mean something to somebody on the way: JSON, URLs, SQL, the journal, terminals.
std::string odd_name(std::mt19937& dice) {
    static const std::string pieces[] = {"a",
                                         "Z",
                                         "0",
                                         "_",
                                         "-",
                                         " ",
                                         ".",
                                         "..",
                                         "/",
                                         "\\",
                                         "'",
                                         "''",
                                         "\"",
                                         "`",
                                         ";",
                                         "--",
                                         "-- ",
                                         "#",
                                         "/*",
                                         "*/",
                                         "/*!",
                                         "%",
                                         "%%",
                                         "%00",
                                         "%2e",
                                         "%2F",
                                         "+",
                                         "&",
                                         "=",
                                         "?",
                                         "@",
                                         "@%",
                                         ":",
                                         ",",
                                         "(",
                                         ")",
                                         "{",
                                         "}",
                                         "[",
                                         "]",
                                         "<",
                                         ">",
                                         "|",
                                         "$",
                                         "~",
                                         "!",
                                         "\n",
                                         "\r\n",
                                         "\t",
                                         "\x01",
                                         "\x1b[31m",
                                         "\x7f",
                                         "select",
                                         "DROP TABLE x",
                                         "null",
                                         "true",
                                         "OR 1=1",
                                         "\xc3\xa4",
                                         "\xe2\x82\xac",
                                         "\xf0\x9f\x90\xa6",
                                         "\xe2\x80\xae",
                                         "\xef\xbb\xbf",
                                         "e\xcc\x81",
                                         "\xc2\xa0",
                                         "app",
                                         "users",
                                         "grants",
                                         "v1"};
    std::string name;
    const auto count = 1 + roll(dice, 6);
    for (std::size_t i = 0; i < count; ++i) {
        name += pieces[roll(dice, std::size(pieces))];
    }
    if (roll(dice, 8) == 0) { // at the border of what is allowed, on both sides
        name.resize(name_bytes_max - 1 + roll(dice, 3), 'x');
    }
    return name;
}

/// A path segment: what must be escaped is, the rest at random, in either case of the digits.
std::string escaped(std::mt19937& dice, const std::string& name) {
    std::string out;
    for (const char c : name) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        if (plain && roll(dice, 3) != 0) {
            out += c;
        } else {
            out += roll(dice, 2) == 0 ? fmt::format("%{:02x}", static_cast<unsigned char>(c))
                                      : fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return out;
}

/// A JSON string in ASCII or in UTF-8.
std::string quoted(std::mt19937& dice, const std::string& name) {
    return Json(name).dump(-1, ' ', roll(dice, 2) == 0);
}

} // namespace

TEST_CASE("odd names of databases and users come back as they were, and go alone") {
    auto dice = seeded();
    Names names;
    int accepted = 0;
    for (int round = 0; round < rounds; ++round) {
        const std::string kind = roll(dice, 2) == 0 ? "databases" : "users";
        const auto before_databases = names.listed("databases");
        const auto before_users = names.listed("users");
        const auto& before = kind == "databases" ? before_databases : before_users;
        const auto name = odd_name(dice);
        if (!agent::is_utf8(name) || before.contains(name)) {
            continue;
        }
        INFO("round " << round << ", " << kind << ": " << Json(name).dump(-1, ' ', true));
        const auto body =
            kind == "databases"
                ? fmt::format(R"({{"name":{}}})", quoted(dice, name))
                : fmt::format(R"({{"name":{},"host":"%","databases":[],"password":"p"}})",
                              quoted(dice, name));
        const auto status = names.change("POST", "/v1/" + kind, body);
        if (name.size() > name_bytes_max) {
            CHECK(status == 400);
            CHECK(names.listed("databases") == before_databases);
            CHECK(names.listed("users") == before_users);
            continue;
        }
        REQUIRE(status == 202);
        ++accepted;
        auto with = before;
        with.insert(name);
        CHECK(names.listed(kind) == with);
        CHECK(names.listed(kind == "databases" ? "users" : "databases") ==
              (kind == "databases" ? before_users : before_databases));
        REQUIRE(names.change("DELETE", fmt::format("/v1/{}/{}", kind, escaped(dice, name))) == 202);
        CHECK(names.listed("databases") == before_databases);
        CHECK(names.listed("users") == before_users);
    }
    CHECK(accepted > rounds / 2);
}

TEST_CASE("names that are none are refused in every form, and nothing is begun") {
    Names names;
    const auto databases = names.listed("databases");
    const auto users = names.listed("users");
    const std::string long_name(name_bytes_max + 1, 'a');
    for (const auto& bad :
         {std::string{R"("")"}, std::string{R"("a\u0000b")"}, std::string{R"("\ud800")"},
          std::string{"\"\xff\""}, std::string{"\"\xc3\""}, std::string{"\"\xc0\xaf\""},
          std::string{"\"\xed\xa0\x80\""}, std::string{"\"a\nb\""}, std::string{"7"},
          std::string{"null"}, std::string{R"(["a"])"}, std::string{R"({"a":1})"},
          "\"" + long_name + "\"", "\"" + std::string(1U << 16U, '%') + "\""}) {
        INFO(bad.substr(0, 80));
        CHECK(names.change("POST", "/v1/databases", "{\"name\":" + bad + "}") == 400);
        CHECK(names.change("POST", "/v1/users", "{\"name\":" + bad + ",\"password\":\"p\"}") ==
              400);
    }
    for (const std::string& bad :
         {std::string{"%00"}, std::string{"a%00"}, std::string{"%"}, std::string{"%f"},
          std::string{"%zz"}, std::string{"%-1"}, std::string{"%+1"}, std::string{"% 1"},
          std::string{"%ff"}, std::string{"%c3"}, std::string{"%c0%af"}, std::string{"%ed%a0%80"},
          std::string{"\xff"}, long_name}) {
        for (const auto* target : {"/v1/databases/{}", "/v1/users/{}", "/v1/users/app?host={}"}) {
            const auto whole = fmt::format(fmt::runtime(target), bad);
            if (bad == long_name && whole.find("host=") != std::string::npos) {
                continue; // a long host is the driver's to refuse
            }
            INFO(Json(whole).dump(-1, ' ', true, Json::error_handler_t::replace));
            CHECK(names.change("DELETE", whole) == 400);
        }
    }
    CHECK(names.listed("databases") == databases);
    CHECK(names.listed("users") == users);
}

TEST_CASE("dots and slashes in a path are a name's only when they are escaped") {
    Names names;
    for (const std::string& name :
         {std::string{"."}, std::string{".."}, std::string{"../.."}, std::string{"a/b"},
          std::string{"/"}, std::string{"../users/app"}, std::string{"app?host=x"},
          std::string{"app#x"}}) {
        INFO(name);
        const auto before = names.listed("databases");
        REQUIRE(names.change("POST", "/v1/databases", Json{{"name", name}}.dump()) == 202);
        std::string all;
        for (const char c : name) {
            all += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
        CHECK(names.change("DELETE", "/v1/databases/" + all) == 202);
        CHECK(names.listed("databases") == before);
    }
    const auto users = names.listed("users");
    // Nothing is folded away: these are other paths, and a database of that name is not there.
    CHECK(names.ask("DELETE", "/v1/databases/../users/app").status == 404);
    CHECK(names.ask("DELETE", "/v1/databases//app").status == 404);
    CHECK(names.ask("DELETE", "/v1/databases/a/b").status == 404);
    CHECK(names.ask("DELETE", "/v1//databases/app").status == 404);
    CHECK(names.ask("GET", "/v1/./databases").status == 404);
    CHECK(names.listed("users") == users);
}

TEST_CASE("a parameter that a request does not take is refused by its name, with those it takes") {
    Names names;
    const auto before = names.operations();
    for (const auto& row : agent::Router::rows()) {
        std::string target{"/v1/"};
        for (const char c : row.pattern) {
            target += c == '*' ? 'x' : c;
        }
        INFO(row.method << " " << target);
        const auto refused = names.ask(std::string{row.method}, target + "?limt=5");
        CHECK(refused.status == 400);
        const auto error = Json::parse(refused.body).at("error");
        CHECK(error.at("code") == "E-INVALID");
        CHECK(error.at("cause").get<std::string>().find("takes no 'limt'") != std::string::npos);
        const auto hint = error.at("hint").get<std::string>();
        CHECK(row.query.empty() == (hint == "it takes none"));
        for (const auto& one : row.query) {
            CHECK(hint.find(one.name) != std::string::npos);
        }
    }
    CHECK(names.operations() == before);
    const auto made = names.world.submit("instance.protect", Json{{"protect", false}});
    REQUIRE(made);
    agent::ApiRequest stream;
    stream.method = "GET";
    stream.target = "/v1/operations/" + made->operation.id + "/events";
    stream.caller = {"uid 0", true};
    CHECK(names.router.stream(stream).has_value());
    stream.target += "?from=1";
    CHECK(agent::Router::is_stream(stream));
    CHECK_FALSE(names.router.stream(stream).has_value()); // handle() says what is wrong with it
    CHECK(names.router.handle(stream).status == 400);
    CHECK(names.ask("GET", "/v1/operations?limit=5").status == 200);
    CHECK(names.ask("GET", "/v1/version?").status == 200);
}
