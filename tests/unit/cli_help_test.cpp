// The table as people meet it: help, search, manual pages, completion; and that no option is
// missing in any of them, or untested.

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include <catch2/catch.hpp>

#include "coordinator/commands/command_table.h"
#include "coordinator/commands/completion.h"
#include "coordinator/commands/examples.h"
#include "coordinator/commands/invocation.h"
#include "coordinator/commands/terms.h"
#include "tests/unit/cli_openapi.h"
#include "tests/unit/cli_scene.h"

using namespace jackdaw;
using namespace jackdaw::cli;
using proto::Json;

namespace {

using Words = std::vector<std::string>;

struct Typing : Scene {
    /// The words that are offered, without what they are.
    Words offered(Words words) {
        words.insert(words.begin(), "__complete");
        CHECK(world.jackdaw(words) == 0);
        CHECK(err().empty());
        Words all;
        std::istringstream lines{out()};
        for (std::string line; std::getline(lines, line);) {
            all.push_back(line.substr(0, line.find('\t')));
        }
        return all;
    }
    bool offers(Words words, const std::string& word) {
        const auto all = offered(std::move(words));
        return std::ranges::find(all, word) != all.end();
    }
};

/// The sources of all tests but this one, cut where a statement ends, or a list in it.
Words test_statements() {
    Words all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator{JACKDAW_TESTS_FOLDER}) {
        const auto extension = entry.path().extension();
        if (entry.path().filename() == "cli_help_test.cpp" || !entry.is_regular_file() ||
            (extension != ".cpp" && extension != ".h" && extension != ".sh" && extension != ".py" &&
             entry.path().filename() != "quickstart")) {
            continue;
        }
        std::ifstream file{entry.path()};
        const std::string text{std::istreambuf_iterator<char>{file}, {}};
        const std::string_view ends = extension == ".cpp" || extension == ".h" ? ";}" : "\n";
        for (std::size_t at = 0; at < text.size();) {
            const auto end = std::min(text.find_first_of(ends, at), text.size());
            all.push_back(text.substr(at, end - at));
            at = end + 1;
        }
    }
    return all;
}

bool has_word(const std::string& text, std::string_view word) {
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
        const auto is_part = [](char c) {
            return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-';
        };
        const auto end = at + word.size();
        if ((at == 0 || !is_part(text[at - 1])) && (end == text.size() || !is_part(text[end]))) {
            return true;
        }
    }
    return false;
}

} // namespace

TEST_CASE_METHOD(Typing, "every option of every command is in help, manual page and completion") {
    for (const auto& row : command_table()) {
        const auto text = help_text(row.noun, row.verb);
        Words words{"manual", std::string{row.noun}};
        Words typed{std::string{row.noun}};
        if (!row.verb.empty()) {
            words.emplace_back(row.verb);
            typed.emplace_back(row.verb);
        }
        REQUIRE(world.jackdaw(words) == 0);
        const auto page = out();
        typed.emplace_back("--");
        const auto offered_flags = offered(typed);
        auto options = row.options;
        const auto shared = shared_options(row);
        options.insert(options.end(), shared.begin(), shared.end());
        for (const auto& option : options) {
            INFO(row.noun << " " << row.verb << " " << option.flag);
            CHECK(text.find(option.flag) != std::string::npos);
            std::string escaped;
            for (const char c : option.flag) {
                escaped += c == '-' ? "\\-" : std::string(1, c);
            }
            CHECK(page.find(escaped) != std::string::npos);
            if (const std::string form{short_form(option.flag)}; !form.empty()) {
                CHECK(text.find(form + ", " + std::string{option.flag}) != std::string::npos);
                CHECK(page.find("\\" + form + ", " + escaped) != std::string::npos);
            }
            CHECK(std::ranges::find(offered_flags, option.flag) != offered_flags.end());
        }
        for (const auto& argument : row.arguments) {
            CHECK(text.find(argument.name) != std::string::npos);
            CHECK(page.find(argument.name) != std::string::npos);
        }
        CHECK(offers({std::string{row.noun}.substr(0, 2)}, std::string{row.noun}));
        if (!row.verb.empty()) {
            CHECK(offers({std::string{row.noun}, ""}, std::string{row.verb}));
        }
    }
}

TEST_CASE("every option of every command stands in at least one test of that command") {
    const auto statements = test_statements();
    REQUIRE(statements.size() > 1000);
    for (const auto& row : command_table()) {
        bool tested = false;
        for (const auto& statement : statements) {
            tested = tested || (has_word(statement, row.noun) &&
                                (row.verb.empty() || has_word(statement, row.verb)));
        }
        {
            INFO(row.noun << " " << row.verb);
            CHECK(tested);
        }
        for (const auto& option : row.options) {
            const bool stands = std::ranges::any_of(statements, [&](const std::string& statement) {
                return has_word(statement, row.noun) &&
                       (row.verb.empty() || has_word(statement, row.verb)) &&
                       has_word(statement, option.flag);
            });
            INFO(row.noun << " " << row.verb << " " << option.flag);
            CHECK(stands);
        }
        for (const auto& option : shared_options(row)) {
            INFO(option.flag);
            const bool short_form = option.flag == "--output";
            CHECK(std::ranges::any_of(statements, [&](const std::string& statement) {
                return has_word(statement, option.flag) ||
                       (short_form && has_word(statement, "-o"));
            }));
        }
    }
}

TEST_CASE_METHOD(Typing, "live names are offered by kind") {
    make_fleet({"db1", "db2"});
    auto& agent = world.agents["db1"];
    for (const auto* name : {"app", "ann"}) {
        agent.users[std::string{name} + "@%"] = {name, "%", {}, {}, {}};
    }
    agent.users["bad\x1b@%"] = {"bad\x1b", "%", {}, {}, {}};
    agent.databases = {"shop", "a b"};
    agent.parameters.resize(1);
    agent.parameters[0].name = "sort_buffer_size";
    agent.sessions.resize(1);
    agent.sessions[0].id = 7;
    CHECK(offered({"fleet", "show", ""}) == Words{"f1"});
    CHECK(offered({"instance", "show", "d"}) == Words{"db1", "db2"});
    CHECK(offered({"instance", "create", ""}).empty()); // a new name
    CHECK(offered({"machine", "power-off", ""}) == Words{"db1", "db2"});
    CHECK(offered({"doctor", ""}) == Words{"db1", "db2"});
    proto::MemberShape member;
    member.name = "db7"; // whom any agent knows
    world.members.push_back(member);
    CHECK(offered({"member", "why", ""}) == Words{"db7"});
    CHECK(offered({"user", "show", "db1", "a"}) ==
          Words{"ann", "app"}); // and no control characters
    CHECK(offered({"user", "delete", "--instance", "db1", ""}) == Words{"ann", "app"});
    CHECK(offered({"user", "show", "d"}) == Words{"db1", "db2"});
    CHECK(offered({"database", "delete", "db1", ""}) == Words{"shop", "a b"});
    CHECK(offered({"user", "grant", "db1", "app", "ALL", "--on", "s"}) == Words{"shop"});
    CHECK(offered({"config", "set", "db1", ""}) == Words{"sort_buffer_size="});
    agent.parameters[0].type = "boolean";
    CHECK(offered({"config", "set", "db1", "sort_buffer_size=O"}) ==
          Words{"sort_buffer_size=ON", "sort_buffer_size=OFF"});
    agent.parameters[0].allowed = {"row", "mixed"};
    CHECK(offered({"config", "set", "db1", "x=1", "sort_buffer_size=r"}) ==
          Words{"sort_buffer_size=row"});
    CHECK(offered({"config", "set", "db1", "none="}).empty());
    CHECK(offered({"config", "parameters", "db1", "so"}) == Words{"sort_buffer_size"});
    CHECK(offered({"config", "unset", "db1", ""}).empty()); // nothing is set
    CHECK(offered({"session", "kill", "db1", ""}) == Words{"7"});
    CHECK(offered({"instance", "create", "x", "--datastore", ""}) == Words{"mariadb:10.11.14"});
    CHECK(offered({"datastore", "versions", ""}) == Words{"mariadb"});
    CHECK(offered({"--fleet", ""}) == Words{"f1"});
    CHECK(offered({"--fleet=", "instance", "list", "--fleet=f"}) == Words{"--fleet=f1"});
    CHECK(offered({"instance", "list", "-o", "js"}) == Words{"json", "jsonl"});
    CHECK(offered({"user", "create", "x", "--password-file", ""}) == Words{":files"});
    CHECK(offered({"image", "build", "--programs", ""}) == Words{":folders"});
    CHECK(offered({"completion", ""}) == Words{"bash", "zsh", "fish"});
    CHECK(offered({"user", "grant", "db1", "app", "SEL"}) == Words{"SELECT"});
    CHECK(offered({"user", "revoke", "db1", "app", "SELECT,DEL"}) ==
          Words{"SELECT,DELETE", "SELECT,DELETE HISTORY"}); // the last of a list
    CHECK(offered({"events", "db1", "--weight", ""}) == Words{"info", "warning", "error"});
    agent.events = Json::array({Json{{"sequence", 1}, {"kind", "agent.started"}},
                                Json{{"sequence", 2}, {"kind", "agent.started"}},
                                Json{{"sequence", 3}, {"kind", "database.ended"}}});
    CHECK(offered({"events", "db1", "--kind", "agent"}) == Words{"agent", "agent.started"});
    CHECK(offered({"events", "db1", "--kind", "database."}) == Words{"database.ended"});
    const auto groups = offered({"events", "--kind", ""}); // no instance is named, and two there
    CHECK(std::set<std::string>{groups.begin(), groups.end()} == fakes::event_groups());
    CHECK(offered({"op", "list", "--status", "un"}) == Words{"undone", "unknown"});
    CHECK(offered({"top", "--sort", "c"}) == Words{"cpu", "connections"});
    CHECK(offers({"explain", "E-VOL"}, "E-VOLUME-FULL"));
    CHECK(offers({"manual", "user", "gr"}, "grant"));
    CHECK(offers({"op", "show", ""}, world.agents["db2"].operations.begin()->first));
    CHECK(offered({"nonsense", ""}).empty());
    CHECK(offered({"machine", "shell", "db1", "--", "--"}).empty());
    CHECK_FALSE(offers({"instance", "list", "--local", "--"}, "--local")); // once is enough
    CHECK(offers({"instance", "create", "--user", "a", "--us"}, "--user"));
    CHECK(offers({"log", "tail", "-n", "5", ""}, "db1")); // 5 is what -n takes
}

TEST_CASE_METHOD(Typing, "an agent that is dead or silent costs a completion at most 100 ms") {
    make_fleet({"db1"});
    world.agents["db1"].stopped = true;
    const auto began = world.clock.now();
    CHECK(offered({"user", "show", "db1", ""}).empty());
    CHECK(world.clock.now() - began <= completion_limit);
    CHECK(world.dial_span <= completion_limit);
    CHECK(world.dial_span > std::chrono::milliseconds{0});
    world.unreachable = true;
    CHECK(offered({"user", "show", "db1", ""}).empty());
    CHECK(offered({"instance", "show", ""}) == Words{"db1"}); // what this host knows
    CHECK(world.clock.now() - began <= completion_limit);
}

TEST_CASE_METHOD(Typing, "completion prints a script for each shell, and refuses others") {
    for (const auto* shell : {"bash", "zsh", "fish"}) {
        CHECK(world.jackdaw({"completion", shell}) == 0);
        CHECK(out().find("jackdaw __complete ") != std::string::npos);
    }
    CHECK(world.jackdaw({"completion", "csh"}) == 2);
    CHECK(err().find("bash, zsh or fish") != std::string::npos);
}

TEST_CASE_METHOD(Typing, "help is of a command, or a search in commands, options and error codes") {
    REQUIRE(world.jackdaw({"help"}) == 0);
    CHECK(out() == help_text("", ""));
    CHECK(world.terminal.paged);
    REQUIRE(world.jackdaw({"help", "user", "grant"}) == 0);
    CHECK(out() == help_text("user", "grant"));
    REQUIRE(world.jackdaw({"help", "user"}) == 0);
    CHECK(out() == help_text("user", ""));
    REQUIRE(world.jackdaw({"help", "volume", "full"}) == 0);
    CHECK(out().find("E-VOLUME-FULL") != std::string::npos);
    REQUIRE(world.jackdaw({"help", "take-over", "-o", "json"}) == 0);
    REQUIRE(json().at("items").size() >= 1);
    CHECK(json().at("items").at(0).at("name") == "instance create --take-over");
    REQUIRE(world.jackdaw({"help", "dry-run", "-o", "name"}) == 0); // one that commands share
    CHECK(out() == "--dry-run\n");
    for (auto* const noun : {"key", "member"}) { // by the text of a noun
        INFO(noun);
        REQUIRE(world.jackdaw({"help", "gossip", "-o", "name"}) == 0);
        CHECK(out().find(std::string{noun} + "\n") != std::string::npos);
    }
    CHECK(world.jackdaw({"help", "instnace"}) == 5);
    CHECK(err().find("did you mean 'instance'?") != std::string::npos);
    CHECK(world.jackdaw({"help", "instnace", "-o", "json"}) == 5);
    CHECK(Json::parse(err()).at("hint") == "did you mean 'instance'?");
}

TEST_CASE_METHOD(Typing, "manual pages of all, of a noun, of a command, and no others") {
    REQUIRE(world.jackdaw({"manual"}) == 0);
    CHECK(out().starts_with(".TH JACKDAW 1 "));
    CHECK(out().find("jackdaw\\-user\\-grant") != std::string::npos);
    REQUIRE(world.jackdaw({"manual", "user"}) == 0);
    CHECK(out().find("\\fBuser grant\\fR") != std::string::npos);
    CHECK(out().find("session") == std::string::npos);
    CHECK(world.jackdaw({"manual", "usr"}) == 5);
    CHECK(err().find("did you mean 'user'?") != std::string::npos);
    CHECK(world.jackdaw({"manual", "user", "grnt"}) == 5);
    CHECK(err().find("did you mean 'grant'?") != std::string::npos);
}

TEST_CASE_METHOD(Typing, "what cannot be read says so in this program's own words") {
    const auto refused = [&](Words words) {
        CHECK(world.jackdaw(std::move(words)) == 2);
        return err();
    };
    CHECK(refused({"user", "password", "db1", "app", "geheim"})
              .find("`jackdaw user password` takes at most [INSTANCE] and NAME; a password is "
                    "never given "
                    "on the command line") != std::string::npos);
    CHECK(err().find("geheim") == std::string::npos);
    CHECK(refused({"instance", "create", "db1", "--volume", "1G"})
              .find("`jackdaw instance create` needs --datastore DS[:VERSION]") !=
          std::string::npos);
    CHECK(
        refused({"instance", "show", "a", "--fleet"}).find("--fleet needs a value: --fleet NAME") !=
        std::string::npos);
    CHECK(refused({"instance", "show", "a", "--local=yes"}).find("--local takes no value") !=
          std::string::npos);
    CHECK(refused({"user", "create"}).find("`jackdaw user create` needs NAME") !=
          std::string::npos);
    CHECK(refused({"config", "set", "db1"}).find("needs NAME=VALUE") != std::string::npos);
    CHECK(refused({"instance", "list", "more"}).find("takes at most no argument") !=
          std::string::npos);
}

TEST_CASE_METHOD(Scene, "help on events names every group of kinds that an agent has") {
    REQUIRE(world.jackdaw({"events", "--help"}) == 0);
    for (const auto& group : fakes::event_groups()) {
        INFO(group);
        CHECK(out().find(" " + group) != std::string::npos);
    }
}

TEST_CASE_METHOD(Typing, "what this host has written down of a fleet is offered") {
    make_fleet({"db1"});
    CHECK(offered({"key", "remove", ""}).size() == 1);
    CHECK(offered({"instance", "create", "x", "--attach-volume", ""}).empty());
    const auto id = world.volumes.front().id;
    REQUIRE(world.jackdaw({"instance", "delete", "db1", "--yes", "--keep-volume"}) == 0);
    CHECK(offered({"instance", "create", "x", "--attach-volume", ""}) == Words{id});
    REQUIRE(world.jackdaw({"fleet", "init", "f2", "--flavor", "small=cpu=1,mem=1G"}) == 0);
    CHECK(offered({"--fleet", "f2", "instance", "create", "x", "--flavor", ""}) == Words{"small"});
}

TEST_CASE_METHOD(Typing, "a user of another host than % is offered with it, and hinted at") {
    make_fleet({"db1"});
    world.agents["db1"].users["far@10.%"] = {"far", "10.%", {}, {}, {}};
    CHECK(offered({"user", "show", "db1", "f"}) == Words{"far@10.%"});
    CHECK(offered({"connect", "db1", "--user", "f"}) == Words{"far"});
    CHECK(world.jackdaw({"user", "show", "db1", "far"}) == 5);
    CHECK(err().find("there is 'far@10.%'; `jackdaw user list db1`") != std::string::npos);
    CHECK(world.jackdaw({"user", "show", "db1", "far@10.%"}) == 0);
}

TEST_CASE_METHOD(Typing,
                 "--local is offered only where one agent can do it, and refused elsewhere") {
    for (const auto& row : command_table()) {
        Words words{std::string{row.noun}};
        if (!row.verb.empty()) {
            words.emplace_back(row.verb);
        }
        INFO(row.noun << " " << row.verb);
        const bool has_it = help_text(row.noun, row.verb).find("--local") != std::string::npos;
        CHECK(has_it == !row.nature.of_fleet);
        auto typed = words;
        typed.emplace_back("--loc");
        CHECK(offers(typed, "--local") == has_it);
        if (!has_it) {
            words.emplace_back("--local");
            CHECK(world.jackdaw(words) == 2);
            CHECK(err().find("--local does not go with it") != std::string::npos);
        }
    }
    for (auto* const verb : {"forget", "rotate", "remove"}) {
        const auto row = std::ranges::find(command_table(), verb, &CommandRow::verb);
        REQUIRE(row != command_table().end());
        CHECK(row->nature.of_fleet);
    }
}

TEST_CASE_METHOD(Typing, "the words of an answer stand in help, manual page and search") {
    for (const auto& one : term_table()) {
        INFO(one.term);
        CHECK(help_text(one.noun, one.verb).find(one.text) != std::string::npos);
        Words words{"manual", std::string{one.noun}};
        if (!one.verb.empty()) {
            words.emplace_back(one.verb);
        }
        REQUIRE(world.jackdaw(words) == 0);
        CHECK(out().find(".SH WORDS") != std::string::npos);
        CHECK(out().find("\\fB" + std::string{one.term} + "\\fR") != std::string::npos);
        REQUIRE(world.jackdaw({"help", std::string{one.term}, "-o", "json"}) == 0);
        const auto items = json().at("items");
        CHECK(std::ranges::any_of(items, [&](const Json& item) {
            return item.at("kind") == "Word" && item.at("text") == one.text;
        }));
    }
    CHECK(world.jackdaw({"help", "suspcet"}) == 5);
    CHECK(err().find("did you mean 'suspect'?") != std::string::npos);
}

TEST_CASE_METHOD(Typing, "every example is a command line, and stands in help and manual page") {
    CHECK(example_table().size() >= 20);
    for (const auto& example : example_table()) {
        INFO(example.line);
        Words words;
        std::istringstream line{std::string{example.line}};
        for (std::string word; line >> word;) {
            words.push_back(word);
        }
        REQUIRE(words.front() == "jackdaw");
        words.erase(words.begin());
        const auto parsed = parse_command_line(words);
        REQUIRE(parsed);
        REQUIRE(parsed->command != nullptr);
        CHECK(parsed->command->noun == example.noun);
        CHECK(parsed->command->verb == example.verb);
        CHECK(help_text(example.noun, example.verb).find(example.line) != std::string::npos);
    }
    REQUIRE(world.jackdaw({"manual", "user", "grant"}) == 0);
    CHECK(out().find(".SH EXAMPLES") != std::string::npos);
}
