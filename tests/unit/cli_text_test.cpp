// What people and programs read of the command line, and what it reads of an agent: tables, YAML,
// errors, progress, HTTP answers, command lines, help.

#include <catch2/catch.hpp>

#include "coordinator/client/api_client.h"
#include "coordinator/client/http_reader.h"
#include "coordinator/commands/changes.h"
#include "coordinator/commands/command_table.h"
#include "coordinator/render/error_text.h"
#include "coordinator/render/output.h"
#include "coordinator/render/progress.h"
#include "coordinator/render/table.h"
#include "coordinator/render/yaml.h"

using namespace jackdaw;
using namespace jackdaw::cli;
using proto::Json;

namespace {

struct HttpAnswer {
    std::string body;
    int status = 0;
    bool complete = false;
    bool refused = false;
};

HttpAnswer read_http(std::string_view bytes, std::size_t at_a_time, bool closes = true) {
    HttpAnswer answer;
    HttpReader reader{[&](std::string_view piece) {
        answer.body += piece;
        return ok();
    }};
    for (std::size_t i = 0; i < bytes.size() && !answer.refused; i += at_a_time) {
        answer.refused = !reader.feed(bytes.substr(i, at_a_time));
    }
    if (closes && !answer.refused) {
        answer.refused = !reader.end();
    }
    answer.status = reader.status();
    answer.complete = reader.complete();
    return answer;
}

} // namespace

TEST_CASE("an HTTP answer reads the same whatever pieces it comes in") {
    const std::string by_length = "HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\nX: y\r\n\r\nhello";
    const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                                "chunked\r\n\r\n3\r\nhel\r\n2;x=1\r\nlo\r\n0\r\nT: r\r\n\r\n";
    const std::string until_end = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello";
    const std::string interim = "HTTP/1.1 100 Continue\r\n\r\n" + by_length;
    for (const std::size_t size : {1U, 2U, 7U, 4096U}) {
        for (const auto& text : {by_length, chunked, until_end, interim}) {
            const auto answer = read_http(text, size);
            CHECK_FALSE(answer.refused);
            CHECK(answer.complete);
            CHECK(answer.body == "hello");
        }
    }
    CHECK(read_http(by_length, 4096).status == 202);
    CHECK(read_http("HTTP/1.1 204 No\r\n\r\n", 4096, false).complete);
}

TEST_CASE("what is not HTTP, cut off or over its bounds is refused") {
    const std::string head = "HTTP/1.1 200 OK\r\n";
    for (const auto& bad :
         {std::string{"SSH-2.0-x\r\n\r\n"}, std::string{"HTTP/1.1 abc\r\n\r\n"},
          head + "nocolon\r\n\r\n", head + "Content-Length: -1\r\n\r\n",
          head + "Content-Length: 99999999999\r\n\r\n", head + "Content-Length: 5\r\n\r\nhel",
          head + "Transfer-Encoding: gzip\r\n\r\n",
          head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
          head + "Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n", std::string(70'000, 'x'),
          head + "A: " + std::string(70'000, 'x')}) {
        INFO(bad.substr(0, 60));
        CHECK(read_http(bad, 4096).refused);
    }
}

TEST_CASE("events are cut at blank lines; comments and other fields are passed over") {
    std::vector<std::string> seen;
    SseReader reader{[&](std::string_view event, std::string_view data) -> Result<bool> {
        seen.push_back(std::string{event} + "=" + std::string{data});
        return seen.size() < 3;
    }};
    const std::string text = ": hi\n\nevent: operation\r\ndata: {\"a\":\r\ndata: 1}\r\nid: "
                             "7\r\n\r\ndata:x\n\nevent: none\n\n";
    for (const char c : text) {
        REQUIRE(reader.feed({&c, 1}).value_or(false));
    }
    CHECK(seen == std::vector<std::string>{"operation={\"a\":\n1}", "message=x"});
    CHECK_FALSE(reader.feed("data: y\n\n").value_or(true)); // the sink ended it
    SseReader endless{[](std::string_view, std::string_view) -> Result<bool> { return true; }};
    CHECK_FALSE(endless.feed("data: " + std::string(sse_event_bytes_max + 1, 'x')));
}

TEST_CASE("a refusal is the agent's own error, or a general one by the status") {
    const ApiResponse told{
        409, Json{{"error",
                   {{"code", "E-NAME-TAKEN"}, {"message", "m"}, {"cause", "c"}, {"hint", "h"}}}}};
    CHECK(refusal(told).id() == Code::name_taken);
    CHECK(refusal({404, nullptr}).code() == Errc::not_found);
    CHECK(refusal({503, Json{{"error", 5}}}).code() == Errc::unavailable);
    CHECK(refusal({418, Json::array()}).code() == Errc::internal);
    // What an older agent does not know is no absence.
    const ApiResponse old{
        404, Json{{"error",
                   {{"code", "E-NOT-FOUND"},
                    {"message", "nothing answers GET /v1/news"},
                    {"cause", ""},
                    {"hint", "this agent's version is 0.0.9; a `jackdaw` of another"}}}}};
    CHECK(refusal(old).code() == Errc::unsupported);
    CHECK(refusal(old).message() == "agent too old (0.0.9): nothing answers GET /v1/news");
    CHECK(refusal(old).hint().find("upgrade it") != std::string::npos);
    const Json whole{{"a", 1}, {"b", {{"c", 2}, {"d", 3}}}};
    CHECK(untold(Json{{"b", {{"d", nullptr}}}}, whole) == std::vector<std::string>{"/a", "/b/c"});
    CHECK(untold(Json{{"a", 0}, {"b", nullptr}, {"e", 1}}, whole).empty());
    CHECK(percent_encoded("a b%/ü'") == "a%20b%25%2F%C3%BC%27");
}

TEST_CASE("a table is aligned, ends no line with a blank and shows no control characters") {
    const Table table{
        {{"NAME"}, {"SIZE", false, true}, {"ID", true}},
        {{{"db1"}, {"20"}, {"x"}}, {{"a\x1b[31mb\n"}, {"5"}, {""}}, {{"日本"}, {""}, {"y"}}}};
    CHECK(render_table(table, false, false) == "NAME      SIZE\n"
                                               "db1         20\n"
                                               "a?[31mb?     5\n"
                                               "日本         -\n");
    CHECK(render_table(table, true, false).find("ID") != std::string::npos);
    CHECK(render_table({{{"NAME"}}, {}}, false, false) == "NAME\n");
    CHECK(render_table({{{"N"}}, {{{"x", Style::good}}}}, false, true) ==
          "\x1b[1mN\x1b[0m\n\x1b[32mx\x1b[0m\n");
    CHECK(printable("a\xff"
                    "b\x7f\xc2\x9b") == "a?b??");
    CHECK(printable("ok\xe2\x80\xae") == "ok?"); // U+202E turns the rest around
    CHECK(beginning("four", 4) == "four");
    CHECK(beginning("four\x1b", 4) == "four…");
    CHECK(beginning("日本語", 5) == "日本…"); // cut by columns, between code points
    CHECK(beginning("日本", 1) == "…");
}

TEST_CASE("YAML keeps the shape and quotes what could be taken for something else") {
    const Json json{
        {"name", "db1"},
        {"n", 3},
        {"none", nullptr},
        {"empty", Json::array()},
        {"list", {"no", "1.5", "a: b", "plain"}},
        {"items", Json::array({Json{{"a", 1}, {"b", Json{{"c", "x y"}}}}, Json{{"a", 2}}})}};
    CHECK(to_yaml(json) == "name: db1\n"
                           "\"n\": 3\n"
                           "none: null\n"
                           "empty: []\n"
                           "list:\n"
                           "  - \"no\"\n"
                           "  - \"1.5\"\n"
                           "  - \"a: b\"\n"
                           "  - plain\n"
                           "items:\n"
                           "  - a: 1\n"
                           "    b:\n"
                           "      c: \"x y\"\n"
                           "  - a: 2\n");
}

TEST_CASE("an error is three lines for people and one object for programs") {
    const proto::ErrorShape error{"E-VOLUME-FULL", "start db1", "no space\nleft", "grow it", ""};
    CHECK(error_text(error, false) ==
          "error: start db1 (E-VOLUME-FULL)\ncause: no space?left\nhint: grow it\n");
    CHECK(
        error_json(error).dump() ==
        R"({"apiVersion":"jackdaw/v1","kind":"Error","code":"E-VOLUME-FULL","message":"start db1",)"
        R"("cause":"no space\nleft","hint":"grow it","operation":null})");
    const auto general = proto::shape_of(Error{Code::volume_full, "no space left"});
    CHECK(error_json(general).at("message") == "no space left"); // as people see it
    CHECK(error_json(general).at("cause") == "");
    CHECK(exit_status_of("E-VOLUME-FULL") == 6);
    CHECK(exit_status_of("E-OF-TOMORROW") == 1);
}

TEST_CASE("every row of the table of errors has an exit status that CLI.md lists") {
    for (const auto& row : all_codes()) {
        INFO(row.name);
        CHECK((row.exit_status == 130 || (row.exit_status >= 1 && row.exit_status <= 8)));
        CHECK(row.name.starts_with("E-"));
        CHECK_FALSE(row.text.empty());
        CHECK_FALSE(row.hint.empty());
    }
}

TEST_CASE("lists come in every format") {
    const auto list =
        proto::list_json("Thing", Json::array({Json{{"name", "a"}}, Json{{"name", "b\n"}}}), "t");
    const Table table{{{"NAME"}}, {{{"a"}}, {{"b"}}}};
    CHECK(render_list(list, table, Format::name, false) == "a\nb?\n");
    const std::string head = "{\"apiVersion\":\"jackdaw/v1\",\"kind\":\"Thing\",\"name\":";
    CHECK(render_list(list, table, Format::jsonl, false) ==
          head + "\"a\"}\n" + head + "\"b\\n\"}\n");
    CHECK(render_list(list, table, Format::table, false) == "NAME\na\nb\n");
    auto whole = list; // each item is what a program may find alone
    for (auto& item : whole["items"]) {
        item = Json{{"apiVersion", "jackdaw/v1"}, {"kind", "Thing"}, {"name", item.at("name")}};
    }
    CHECK(Json::parse(render_list(list, table, Format::json, false)) == whole);
    const auto events =
        proto::list_json("Event", Json::array({Json{{"kind", "instance.renamed"}}}), "t");
    CHECK(Json::parse(render_list(events, table, Format::json, false)).at("items").at(0) ==
          Json{{"apiVersion", "jackdaw/v1"}, {"kind", "instance.renamed"}});
    CHECK_FALSE(parse_format("xml"));
    const Json strange{{"kind", 5}, {"items", Json::array()}}; // an agent's answer may be anything
    CHECK(Json::parse(render_list(strange, table, Format::json, false)) == strange);
}

TEST_CASE("progress is one line per ended step elsewhere, and one bar on a terminal") {
    proto::Operation operation;
    operation.steps.resize(2);
    operation.steps[0].name = "first";
    operation.steps[0].status = "running";
    operation.steps[1].name = "second";
    ProgressView plain{false, 80};
    CHECK(plain.update(operation) == "  running  first\n");
    CHECK(plain.update(operation).empty());
    operation.steps[0].status = "done";
    operation.steps[0].duration_us = 250'000;
    operation.steps[1].status = "running";
    operation.progress = 0.5;
    operation.seconds_left = 65;
    CHECK(plain.update(operation) == "  done     first  0.2 s\n  running  second\n");
    CHECK(plain.clear().empty());

    ProgressView bar{true, 80};
    CHECK(bar.update(operation) ==
          "  done     first  0.2 s\n[############............]  50 %  1 m 05 s left  second");
    CHECK(bar.update(operation).starts_with("\r\x1b[K["));
    CHECK(bar.clear() == "\r\x1b[K");
    operation.progress = std::numeric_limits<double>::quiet_NaN();
    operation.seconds_left = -1;
    ProgressView narrow{true, 30};
    CHECK(narrow.update(operation).find("[........................]") != std::string::npos);
}

TEST_CASE("a command line is taken apart, shared options standing anywhere") {
    const auto parsed = parse_command_line(
        {"--fleet", "f1", "instance", "-o", "json", "create", "db1", "--datastore", "mariadb",
         "--volume=1G", "--user", "a", "--user", "b/x", "--no-wait", "--timeout", "2m"});
    REQUIRE(parsed);
    REQUIRE(parsed->command != nullptr);
    CHECK(parsed->command->verb == "create");
    CHECK(parsed->fleet == "f1");
    CHECK(parsed->format == Format::json);
    CHECK(parsed->text("NAME") == "db1");
    CHECK(parsed->text("--volume") == "1G");
    CHECK(parsed->all("--user") == std::vector<std::string>{"a", "b/x"});
    CHECK(parsed->wait == false);
    CHECK(parsed->timeout == std::chrono::minutes{2});
    CHECK_FALSE(parsed->has("--protect"));
}

TEST_CASE("a short form stands for the option that its command has") {
    CHECK(parse_command_line({"log", "tail", "-n5", "-f"})->text("--lines") == "5");
    CHECK(parse_command_line({"log", "tail", "-f"})->has("--follow"));
    CHECK(parse_command_line({"events", "-n", "5"})->text("--limit") == "5");
    CHECK(parse_command_line({"top", "-n=5"})->text("--iterations") == "5");
    CHECK(parse_command_line({"top", "-o=json"})->format == Format::json);
    CHECK_FALSE(parse_command_line({"log", "tail", "-fn"}));
    CHECK_FALSE(parse_command_line({"instance", "list", "-n", "5"}));
    CHECK_FALSE(parse_command_line({"instance", "list", "-f"}));
}

TEST_CASE("a command for a machine's shell may look like options") {
    const auto parsed = parse_command_line({"machine", "shell", "db1", "--", "ls", "-l", "--yes"});
    REQUIRE(parsed);
    CHECK(parsed->all("COMMAND") == std::vector<std::string>{"ls", "-l", "--yes"});
}

TEST_CASE("the instance may stand before the name, and be left out") {
    const auto both = parse_command_line({"user", "create", "db1", "app", "--no-wait"});
    REQUIRE(both);
    CHECK(both->text("INSTANCE") == "db1");
    CHECK(both->all("NAME") == std::vector<std::string>{"app"});
    const auto one = parse_command_line({"user", "create", "app"});
    REQUIRE(one);
    CHECK_FALSE(one->has("INSTANCE"));
    CHECK(one->text("NAME") == "app");
    CHECK_FALSE(parse_command_line({"user", "create", "db1", "app", "more"}));
    CHECK_FALSE(parse_command_line({"user", "create"}));
    CHECK(parse_command_line({"database", "list", "db1"})->text("INSTANCE") == "db1");
}

TEST_CASE("wrong words are refused with exit 2 and the word that was meant") {
    const auto refused = [](std::vector<std::string> words) {
        auto parsed = parse_command_line(words);
        REQUIRE_FALSE(parsed);
        CHECK(row_of(parsed.error().id()).exit_status == 2);
        return parsed.error().to_string() + " | " + parsed.error().hint();
    };
    CHECK(refused({"instnace", "list"}).find("did you mean 'instance'") != std::string::npos);
    CHECK(refused({"instance", "lst"}).find("did you mean 'list'") != std::string::npos);
    CHECK(refused({"forget", "db1"}).find("the thing comes first: `jackdaw member forget`") !=
          std::string::npos);
    CHECK(refused({"create", "db1"}).find("`jackdaw instance create`, ") != std::string::npos);
    CHECK(refused({"instance", "connect", "db1"}).find("`jackdaw connect --help`") !=
          std::string::npos);
    CHECK(refused({"instance", "create", "x", "--datastore", "m", "--volum", "1G"})
              .find("--volume") != std::string::npos);
    CHECK(refused({"instance", "show"}).find("NAME") != std::string::npos);
    CHECK(refused({"instance", "show", "a", "b"}).find("'b'") != std::string::npos);
    CHECK(refused({"instance", "list", "-o", "xml"}).find("table, wide, json") !=
          std::string::npos);
    CHECK(refused({"instance", "stop", "a", "--wait", "--no-wait"}).find("exclude") !=
          std::string::npos);
    CHECK(refused({"instance", "stop", "a", "--timeout", "soon"}).find("not a time") !=
          std::string::npos);
    CHECK(refused({"instance", "list", "--local", "--fleet", "f"}).find("exclude") !=
          std::string::npos);
    CHECK(refused({"--fleet", "f"}).find("without a command") != std::string::npos);
    CHECK(refused({"config", "set", "a=1"}).find("'a=1' is no name of an instance") !=
          std::string::npos);
    CHECK(refused({"user", "create", "a", "--password", "x"}).find("--password") !=
          std::string::npos);
    CHECK(refused({std::string(word_bytes_max + 1, 'x')}).size() < 400);
    CHECK(format_asked({"instance", "lst", "-o", "json"}) == Format::json);
    CHECK(format_asked({"instance", "lst", "--output=yaml"}) == Format::yaml);
    CHECK(format_asked({"instance", "lst", "-o=json"}) == Format::json);
    CHECK_FALSE(format_asked({"instance", "lst"}));
}

TEST_CASE("no option of any command takes a password") {
    for (const auto& row : command_table()) {
        for (const auto& option : row.options) {
            INFO(row.noun << " " << row.verb << " " << option.flag);
            const bool names_one = option.flag.find("password") != std::string_view::npos;
            CHECK((!names_one || option.flag == "--password-stdin" ||
                   option.flag == "--password-file"));
        }
    }
}

TEST_CASE("every command has a noun, a handler and a help that names all its options") {
    for (const auto& row : command_table()) {
        INFO(row.noun << " " << row.verb);
        CHECK(row.handler != nullptr);
        const auto text = help_text(row.noun, row.verb);
        for (const auto& option : row.options) {
            CHECK(text.find(option.flag) != std::string::npos);
        }
        CHECK(help_text("", "").find(row.noun) != std::string::npos);
        CHECK(help_text(row.noun, "").find(row.verb) != std::string::npos);
        CHECK(row.nature.change == (text.find("--dry-run") != std::string::npos));
    }
}

TEST_CASE("cli: the commands that a message names are for the fleet that was named") {
    Invocation invocation;
    const std::string hint = "`jackdaw op abort 3f2a` or `jackdaw instance delete db1`";
    CHECK(of_same_fleet(hint, invocation) == hint);
    invocation.fleet = "f1";
    CHECK(of_same_fleet(hint, invocation) ==
          "`jackdaw op abort 3f2a --fleet f1` or `jackdaw instance delete db1 --fleet f1`");
    CHECK(of_same_fleet("`jackdaw connect db1 -- --vertical`", invocation) ==
          "`jackdaw connect db1 --fleet f1 -- --vertical`");
    for (const auto* as_it_is :
         {"`jackdaw fleet list` shows the names", "`jackdaw explain E-BUSY`", "--fleet f2",
          "`jackdaw instance list --help`", "`jackdaw op list --fleet f2`", "`jackdaw op list",
          "see `SHOW GRANTS`", "`jackdaw image list` and ``", ""}) {
        CHECK(of_same_fleet(as_it_is, invocation) == as_it_is);
    }
    invocation.fleet = "no; label";
    CHECK(of_same_fleet(hint, invocation) == hint);
    invocation.fleet.clear();
    invocation.local = true;
    CHECK(of_same_fleet("`jackdaw op list`", invocation) == "`jackdaw op list --local`");
    CHECK(of_same_fleet("`jackdaw key list`, `jackdaw key rotate`, `jackdaw key remove 1`",
                        invocation) ==
          "`jackdaw key list --local`, `jackdaw key rotate`, `jackdaw key remove 1`");
}
