// proto/base and the shapes' JSON: what every program shares.
#include <set>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "proto/base/ids.h"
#include "proto/base/rfc3339.h"
#include "proto/base/secret.h"
#include "proto/base/size.h"
#include "proto/wire/shapes_json.h"

using namespace jackdaw;

TEST_CASE("error: one line tells what was done, what happened and how to react", "[error]") {
    const auto outer = Error{Code::volume_full, "no room for 4096 bytes"}
                           .while_doing("write a row")
                           .while_doing("create db1");
    CHECK(outer.to_string() == "create db1: write a row: no room for 4096 bytes [exhausted]");
    CHECK(outer.code() == Errc::exhausted);
    CHECK(outer.hint() == "`jackdaw instance resize NAME --volume SIZE`");
    CHECK(Error{Errc::busy, "x"}.id() == Code::busy);
    const auto invalid = Error{Errc::invalid, "x"}.hint(); // who asked may be no command line
    CHECK(invalid.find("--help") != std::string::npos);
    CHECK(invalid.find("/v1/openapi.json") != std::string::npos);
}

TEST_CASE(
    "error: the table has no name twice, a hint in every row, and an exit status that CLI.md lists",
    "[error]") {
    std::set<std::string_view> names;
    for (const auto& row : all_codes()) {
        CAPTURE(row.name);
        CHECK(names.insert(row.name).second);
        CHECK(row.name.starts_with("E-"));
        CHECK_FALSE(row.hint.empty());
        CHECK_FALSE(row.text.empty());
        const std::set<int> listed{1, 2, 4, 5, 6, 7, 8, 130};
        CHECK(listed.contains(row.exit_status));
        CHECK(find_code(row.name)->code == row.code);
        CHECK(row_of(row.code).name == row.name);
    }
    CHECK(find_code("E-NO-SUCH") == nullptr);
}

TEST_CASE("error: it travels as JSON and comes back with its code, cause and hint",
          "[error][shapes]") {
    const auto sent =
        Error{Code::volume_foreign, "stamped for 42"}.with_hint("look").while_doing("create db1");
    const auto shape = proto::error_shape_from(proto::to_json(proto::shape_of(sent, "op-1")));
    REQUIRE(shape);
    CHECK(shape->operation == "op-1");
    const auto received = proto::to_error(*shape);
    CHECK(received.id() == Code::volume_foreign);
    CHECK(received.hint() == "look");
    CHECK(received.to_string() == sent.to_string());
}

TEST_CASE("sizes and times: what people write is read, what makes no sense is refused", "[size]") {
    struct Row {
        const char* text;
        std::uint64_t bytes;
    };
    const auto row = GENERATE(values<Row>({{"20G", 20ULL << 30U},
                                           {"320M", 320ULL << 20U},
                                           {"4096", 4096},
                                           {"1.5G", 3ULL << 29U},
                                           {"1TiB", 1ULL << 40U},
                                           {"0", 0},
                                           {"7B", 7}}));
    CAPTURE(row.text);
    REQUIRE(parse_size(row.text));
    CHECK(*parse_size(row.text) == row.bytes);
    for (const char* bad :
         {"", "G", "-1G", "1X", "1Gx", "1 G", "nan", "inf", "1e99", "99999999999T", "0x10"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_size(bad));
    }
    CHECK(*parse_duration("1h30m") == std::chrono::minutes{90});
    CHECK(*parse_duration("500ms") == std::chrono::milliseconds{500});
    for (const char* bad : {"", "0s", "10", "m", "1w", "-1s", "999999999999h", "31d"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_duration(bad));
    }
}

TEST_CASE("ids: UUIDv7 carries its time, sorts by it and is told from other text", "[ids]") {
    std::array<std::byte, 10> ones{};
    ones.fill(std::byte{0xff});
    const std::array<std::byte, 10> zeros{};
    const auto early = make_uuid7(0x017f22e279b0, ones);
    CHECK(early == "017f22e2-79b0-7fff-bfff-ffffffffffff"); // RFC 9562, appendix A.6 has this time
    CHECK(early < make_uuid7(0x017f22e279b1, zeros));
    CHECK(is_uuid(early));
    CHECK_FALSE(is_uuid("017F22e2-79b0-7fff-bfff-ffffffffffff"));
    CHECK_FALSE(is_uuid("017f22e2-79b0-7fff-bfff-fffffffffff"));
    CHECK(volume_serial("0123456789abcdef01234567") == "0123456789abcdef0123");
    CHECK(rfc3339(1'732'445'460'123) == "2024-11-24T10:51:00.123Z");
    CHECK(rfc3339(-1) == "1969-12-31T23:59:59.999Z");
    CHECK(check_label("db-1", "instance"));
    for (const char* bad : {"", "1db", "-a", "a-", "Db", "a_b", "a.b", "../x", "a\n"}) {
        CHECK_FALSE(check_label(bad, "instance"));
    }
}

TEST_CASE("a time of ours is read back, and nothing else is one") {
    CHECK(unix_ms_of("1970-01-01T00:00:01.007Z") == std::int64_t{1007});
    for (const auto* bad : {"", "now", "1970-01-01T00:00:01Z", "1970-01-01T00:00:01.007",
                            "1970-01-01T00:00:01.1234Z"}) {
        CHECK_FALSE(unix_ms_of(bad));
    }
}

TEST_CASE("secret: it is not printed, and the string it was made of is wiped", "[secret]") {
    std::string clear = "correct horse battery staple";
    Secret secret{std::move(clear)};
    CHECK(clear.empty()); // NOLINT(bugprone-use-after-move): the promise under test
    CHECK(fmt::format("{}", secret) == "(secret)");
    CHECK(secret.reveal() == "correct horse battery staple");
    Secret moved{std::move(secret)};
    CHECK(secret.empty()); // NOLINT(bugprone-use-after-move)
}

TEST_CASE("shapes: JSON from outside is bounded and typed", "[shapes]") {
    std::string deep;
    for (int i = 0; i < 1000; ++i) {
        deep += "[";
    }
    CHECK_FALSE(proto::parse_json(deep));
    CHECK_FALSE(proto::parse_json(std::string(2U << 20U, ' ')));
    CHECK_FALSE(proto::parse_json("{\"a\":"));
    CHECK_FALSE(proto::parse_json("\"\xff\xfe\""));
    const auto wrong = proto::parse_json(R"({"name": 7})");
    REQUIRE(wrong);
    CHECK(proto::instance_spec_from(*wrong).error().to_string() ==
          "'name' must be text of at most 256 bytes [invalid]");
    CHECK_FALSE(proto::instance_spec_from(*proto::parse_json("[]")));
    CHECK_FALSE(proto::instance_spec_from(*proto::parse_json(R"({"port": 70000})")));
    CHECK_FALSE(proto::instance_spec_from(*proto::parse_json(R"({"volume_size_bytes": -1})")));
}

TEST_CASE("shapes: JSON is bounded in depth and in the keys of an object, and no text counts",
          "[shapes]") {
    const auto nested = [](std::size_t levels) {
        return std::string(levels, '[') + std::string(levels, ']');
    };
    CHECK(proto::parse_json(nested(proto::json_depth_max)));
    CHECK_FALSE(proto::parse_json(nested(proto::json_depth_max + 1)));
    const auto wide = [](std::size_t keys) {
        std::string text = "{";
        for (std::size_t i = 0; i < keys; ++i) {
            text += fmt::format(R"({}"k{}":0)", i == 0 ? "" : ",", i);
        }
        return text + "}";
    };
    const auto widest = wide(proto::json_keys_max);
    CHECK(proto::parse_json(widest));
    CHECK(proto::parse_json("[" + widest + "," + widest + "]")); // each object has its own
    CHECK_FALSE(proto::parse_json(wide(proto::json_keys_max + 1)));
    CHECK_FALSE(proto::parse_json("[0," + wide(proto::json_keys_max + 1) + "]"));
    const std::string inert = R"(\"[{:\\)";
    std::string text = "[\"";
    for (std::size_t i = 0; i <= proto::json_keys_max; ++i) {
        text += inert;
    }
    const auto read = proto::parse_json(text + "\"]");
    REQUIRE(read);
    CHECK(read->at(0).get<std::string>().starts_with("\"[{:\\\"[{:"));
    CHECK_FALSE(proto::parse_json("[]]"));
    CHECK_FALSE(proto::parse_json(":"));
}

TEST_CASE("shapes: an instance, an operation and a spec come back as they went", "[shapes]") {
    proto::InstanceSpec spec;
    spec.name = "db1";
    spec.databases = {{"app", "utf8mb4", ""}};
    spec.users = {{"app", "%", {"app"}, "*AB"}};
    spec.allow = {"10.0.0.0/8"};
    spec.port = 3306;
    const auto spec_back = proto::instance_spec_from(proto::to_json(spec));
    REQUIRE(spec_back);
    CHECK(*spec_back == spec);
    proto::Operation operation;
    operation.id = "1";
    operation.steps.emplace_back().name = "volume.find";
    operation.seconds_left = 1.5;
    operation.error = proto::shape_of(Error{Errc::busy, "x"});
    const auto json = proto::to_json(operation);
    CHECK(proto::to_json(*proto::operation_from(json)) == json);
    proto::Instance instance;
    instance.name = "db1";
    instance.volume_used_bytes = 7;
    instance.connection_uri = "x://";
    for (std::size_t i = 0; i < proto::warnings_max; ++i) { // a newer agent's: kinds unknown here
        instance.warnings.push_back({fmt::format("kind{}", i), "", "", ""});
    }
    const auto view = proto::to_json(instance);
    REQUIRE(proto::instance_from(view));
    CHECK(proto::to_json(*proto::instance_from(view)) == view);
    CHECK(view.at("maintenance").is_null());
    CHECK(view.at("pending_restart").empty());
    instance.warnings.push_back({"one more", "", "", ""});
    CHECK_FALSE(proto::instance_from(proto::to_json(instance)));
    instance.warnings.clear();
    CHECK_FALSE(proto::to_json(instance).at("volume").contains("filled_min"));
    instance.volume_filled_min = 0.625;
    instance.is_upkeep_told = false;
    const auto untold = proto::to_json(instance);
    CHECK_FALSE(untold.contains("maintenance"));
    CHECK_FALSE(untold.contains("pending_restart"));
    CHECK(proto::to_json(*proto::instance_from(untold)) == untold);
    instance.is_upkeep_told = instance.needs_restart = true;
    instance.maintenance_until = "2026-01-01T01:00:00.000Z";
    const auto gossiped = proto::to_json(instance);
    CHECK(gossiped.at("needs_restart") == true);
    CHECK_FALSE(gossiped.contains("pending_restart"));
    CHECK(proto::to_json(*proto::instance_from(gossiped)) == gossiped);
}
