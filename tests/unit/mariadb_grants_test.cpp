// The pure parts of privileges and sessions: what may be granted, what SHOW GRANTS says, what of
// the server's texts goes on.

#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "plugins/mariadb/grant_text.h"
#include "plugins/mariadb/names.h"
#include "plugins/mariadb/privileges.h"
#include "plugins/mariadb/root.h"
#include "plugins/mariadb/text.h"
#include "proto/messages/shapes.h"
#include "tests/unit/present.h"

using namespace jackdaw;
using namespace jackdaw::mariadb;
using jackdaw::testing::present;

namespace {

Result<GrantLine> read(const std::string& line) {
    return parse_grant_line(line, "u`'", "%");
}

const std::string to = " TO `u``'`@`%`";

proto::Grant read_grant(const std::string& line) {
    const auto parsed = read(line);
    INFO(line);
    REQUIRE(parsed.has_value());
    return present(parsed->grant);
}

} // namespace

TEST_CASE("each form of SHOW GRANTS is read") {
    CHECK(read_grant("GRANT USAGE ON *.*" + to) == proto::Grant{{"USAGE"}, "", "", false});
    CHECK(read_grant("GRANT ALL PRIVILEGES ON *.*" + to + " WITH GRANT OPTION") ==
          proto::Grant{{"ALL"}, "", "", true});
    CHECK(read_grant("GRANT SELECT, CREATE TEMPORARY TABLES, READ_ONLY ADMIN ON *.*" + to) ==
          proto::Grant{{"SELECT", "CREATE TEMPORARY TABLES", "READ_ONLY ADMIN"}, "", "", false});
    CHECK(read_grant("GRANT SELECT ON `a\\_b\\%c``\\\\`.*" + to + " WITH GRANT OPTION") ==
          proto::Grant{{"SELECT"}, "a_b%c`\\", "", true});
    CHECK(read_grant("GRANT SELECT ON `any_%`.*" + to) ==
          proto::Grant{{"SELECT"}, "any_%", "", false});
    // Beside a table the database is no pattern.
    CHECK(read_grant("GRANT INSERT (`a,``)`, `b`), SELECT ON `d\\_`.`t.``'`" + to) ==
          proto::Grant{{"INSERT (`a,``)`, `b`)", "SELECT"}, "d\\_", "t.`'", false});
    for (const std::string other :
         {"GRANT `role``` TO `u``'`@`%` WITH ADMIN OPTION", "GRANT PUBLIC TO `u``'`@`%`",
          "GRANT PROXY ON `x`@`%` TO `u``'`@`%` WITH GRANT OPTION",
          "GRANT PROXY ON ''@'%' TO 'u`'''@'%' WITH GRANT OPTION",
          "GRANT EXECUTE ON PROCEDURE `d`.`p` TO `u``'`@`%`",
          "GRANT EXECUTE, ALTER ROUTINE ON FUNCTION `d`.`p` TO `u``'`@`%` WITH GRANT OPTION",
          "GRANT SELECT ON `d`.* TO `somebody`@`%`", "GRANT SELECT ON `d`.* TO PUBLIC",
          "SET DEFAULT ROLE `r` FOR `u``'`@`%`"}) {
        INFO(other);
        const auto parsed = read(other);
        REQUIRE(parsed.has_value());
        CHECK_FALSE(parsed->grant.has_value());
        CHECK(parsed->statement == other);
    }
}

TEST_CASE("what an account has of roles, proxies and routines is told as that") {
    const auto other = [](const std::string& line) {
        const auto parsed = read(line);
        REQUIRE(parsed.has_value());
        return parsed->other;
    };
    for (const std::string line : {"GRANT `r` TO `u``'`@`%` WITH ADMIN OPTION",
                                   "GRANT PROXY ON ''@'%' TO 'u`'''@'%' WITH GRANT OPTION"}) {
        INFO(line);
        const auto found = present(other(line));
        CHECK(found.statement == line);
        CHECK(found.privileges.empty());
        CHECK(found.database.empty());
    }
    const auto routine = present(
        other("GRANT EXECUTE, ALTER ROUTINE ON FUNCTION `d\\_`.`p`" + to + " WITH GRANT OPTION"));
    CHECK(routine.privileges == std::vector<std::string>{"EXECUTE", "ALTER ROUTINE"});
    CHECK(routine.database == "d\\_"); // no pattern
    for (const std::string line :
         {"GRANT SELECT ON `d`.* TO `u``'`@`%`", "GRANT `r` TO `somebody`@`%`",
          "GRANT `r` TO `role`", "SET DEFAULT ROLE `r` FOR `u``'`@`%`",
          "GRANT EXECUTE ON PROCEDURE `d`.`p` TO PUBLIC"}) {
        INFO(line);
        CHECK_FALSE(other(line).has_value());
    }
}

TEST_CASE("no credential stays in a statement, whatever it looks like") {
    const std::string head = "GRANT USAGE ON *.*" + to;
    const std::vector<std::pair<std::string, std::string>> tails{
        {" IDENTIFIED BY PASSWORD '*ABC'", ""},
        {" IDENTIFIED BY PASSWORD '*ABC' WITH GRANT OPTION", " WITH GRANT OPTION"},
        {" IDENTIFIED BY PASSWORD '*ABC' REQUIRE SSL WITH MAX_USER_CONNECTIONS 4",
         " REQUIRE SSL WITH MAX_USER_CONNECTIONS 4"},
        {" IDENTIFIED VIA a USING '*A''BC' OR b OR c USING '*ABC'", ""},
        {" IDENTIFIED VIA a USING '*ABC' REQUIRE ISSUER 'i''' SUBJECT 's' CIPHER 'c'",
         " REQUIRE ISSUER 'i''' SUBJECT 's' CIPHER 'c'"},
        // As a server would print that did not quote: nothing of it, and no option out of it.
        {" IDENTIFIED BY PASSWORD '*ABC' WITH GRANT OPTION MAX_USER_CONNECTIONS 5 '", ""},
        {" IDENTIFIED BY PASSWORD '*ABC' *ABC' WITH GRANT OPTION", " WITH GRANT OPTION"},
        {" IDENTIFIED BY PASSWORD '*ABC", ""},
        {" IDENTIFIED VIA *ABC", ""},
        {" *ABC", ""},
        {" WITH MAX_USER_CONNECTIONS *ABC", ""},
        {" WITH", ""},
    };
    for (const auto& [tail, left] : tails) {
        INFO(tail);
        const auto parsed = read(head + tail);
        REQUIRE(parsed.has_value());
        CHECK(parsed->statement == head + left);
        CHECK(parsed->statement.find("ABC") == std::string::npos);
        CHECK(present(parsed->grant).with_grant_option ==
              (left.find("GRANT OPTION") != std::string::npos));
    }
}

TEST_CASE("anything else is refused, and no word of it goes on") {
    for (const std::string bad : {"",
                                  "GRANT",
                                  "GRANT ",
                                  "GRANT SELECT",
                                  "GRANT SELECT ON",
                                  "GRANT SELECT ON *.*",
                                  "GRANT SELECT ON *.* TO",
                                  "GRANT SELECT ON *.* TO u@h",
                                  "GRANT SELECT ON d.* TO `u`@`%`",
                                  "GRANT SELECT ON `d.* TO `u`@`%`",
                                  "GRANT SELECT ON `d`.* TO `u`@`%` IDENTIFIED BY 'hidden'",
                                  "GRANT SELECT ON `d`.`t` TO `u`@`%` hidden",
                                  "GRANT SELECT (`a ON `d`.`t` TO `u`@`%`",
                                  "GRANT select ON *.* TO `u`@`%`",
                                  "GRANT , ON *.* TO `u`@`%`",
                                  "hidden",
                                  "SET DEFAULT ROLE hidden FOR `u`@`%`",
                                  "GRANT PROXY ON `hidden TO `u`@`%`",
                                  "GRANT PROXY ON 'hidden TO 'u'@'%'",
                                  "GRANT PROXY ON 'x'@'%' TO 'u'@'%' hidden"}) {
        INFO(bad);
        const auto parsed = read(bad);
        REQUIRE_FALSE(parsed.has_value());
        CHECK(parsed.error().code() == Errc::corrupt);
        CHECK(parsed.error().to_debug_string().find("hidden") == std::string::npos);
    }
}

TEST_CASE("a hostile length stays bounded, a control character goes nowhere") {
    const auto line = "GRANT SELECT ON `" + std::string(100'000, 'd') + "\x1b[2J`.*" + to;
    const auto parsed = read(line);
    REQUIRE(parsed.has_value());
    CHECK(parsed->statement.size() <= statement_bytes_max);
    CHECK(present(parsed->grant).database.size() <= 1024);
    const auto control = read("GRANT SELECT ON `d\x1b\n`.*" + to);
    REQUIRE(control.has_value());
    CHECK(present(control->grant).database == "d? ");
    CHECK(control->statement.find('\x1b') == std::string::npos);
}

TEST_CASE("text is made printable and cut between characters") {
    CHECK(printable("plain ö 語 🐦", 100) == "plain ö 語 🐦");
    CHECK(printable("a\x1b[2J\r\n\tb", 100) == "a?[2J   b");
    CHECK(printable("\xff\xfe\xc3", 100) == "???");
    CHECK(printable("\xc2\x85\xe2\x80\xae\xe2\x80\xa8", 100) == "???");
    CHECK(printable("語語", 5) == "語");
    CHECK(printable("語語", 2).empty());
    CHECK(printable("", 5).empty());
}

TEST_CASE("a statement is cut where a password may follow") {
    const auto shown = [](std::string_view text) { return statement_without_secrets(text, 1024); };
    for (const std::string secret :
         {"CREATE USER u IDENTIFIED BY 'hidden'", "alter user u identified\nby 'hidden'",
          "SET PASSWORD = 'hidden'", "set password for u = 'hidden'", "SELECT Password('hidden')",
          "CHANGE MASTER TO MASTER_PASSWORD='hidden'", "SELECT PASSWORD ('hidden')",
          "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (PASSWORD 'hidden')",
          "SET PASSWORD/**/= 'hidden'", "SET PASSWORD -- why\n= 'hidden'",
          "SET PASSWORD #\n= 'hidden'", "SET PASSWORD\fFOR\nu = 'hidden'",
          "UPDATE t SET `password` = 'hidden'", "UPDATE t SET password=\"hidden\"",
          "SELECT OLD_PASSWORD(\"hidden\")", "SELECT '{\"password\": \"hidden\"}'", "IDENTIFIED"}) {
        INFO(secret);
        CHECK(shown(secret).find("hidden") == std::string::npos);
        CHECK(shown(secret).ends_with("(cut: a password may follow)"));
    }
    for (const std::string plain :
         {"SELECT password FROM users", "SELECT password FORMAT_ME FROM users",
          "SELECT unidentified, identified_at FROM t", "SELECT passwords FROM t", "SELECT 1", ""}) {
        INFO(plain);
        CHECK(shown(plain) == plain);
    }
    CHECK(statement_without_secrets(std::string(5000, 'x') + " IDENTIFIED BY 'hidden'", 1024)
              .size() <= 1024);
    CHECK(statement_without_secrets("SET PASSWORD = 'hidden'", 3).size() <= 3);
}

TEST_CASE("what reaches beyond the tenant's data is not granted, and the hint says what is") {
    for (const auto& one : privileges()) {
        INFO(one.name);
        const std::string name{one.name};
        const auto global = check_grant({{name}, "", "", false});
        CHECK(global.has_value() == (one.name == "SHOW DATABASES"));
        if (!global) {
            CHECK(global.error().code() == Errc::not_allowed);
            CHECK_FALSE(global.error().hint().empty());
        }
        CHECK(check_grant({{name}, "app", "", false}).has_value() == one.database);
        CHECK(check_grant({{name}, "app", "t", false}).has_value() == one.table);
        CHECK((one.danger.empty() || !one.database)); // what a database has is the tenant's
        // Taking away is judged by its form alone.
        CHECK(check_form({{name}, "", "", false}).has_value());
    }
    CHECK(check_grant({{"ALL"}, "app", "", true}).has_value());
    CHECK(check_grant({{"ALL PRIVILEGES"}, "app", "t", false}).has_value());
    CHECK(check_grant({{"USAGE"}, "", "", false}).has_value());
    CHECK(check_grant({{"SELECT", "SELECT"}, "app", "", false}).has_value());
    CHECK_FALSE(check_grant({{"ALL", "SELECT"}, "app", "", false}).has_value());
    CHECK_FALSE(check_grant({{"select"}, "app", "", false}).has_value());
    CHECK_FALSE(check_grant({{"GRANT OPTION"}, "app", "", false}).has_value());
    CHECK_FALSE(check_grant({{"PROXY"}, "app", "", false}).has_value());
    CHECK_FALSE(check_grant({{"SELECT", "INSERT (`a`)"}, "app", "t", false}).has_value());
    for (const std::string system : {"mysql", "MySQL", "sys", "information_schema", "test"}) {
        INFO(system);
        const auto checked = check_grant({{"SELECT"}, system, "", false});
        REQUIRE_FALSE(checked.has_value());
        CHECK(checked.error().id() == Code::reserved_name);
        CHECK(check_form({{"SELECT"}, system, "t", false}).has_value());
    }
}

TEST_CASE("all that is shown may be taken, columns among it, and nothing that has another form") {
    const auto taken = [](const char* privilege, const char* database, const char* name) {
        const auto form = taken_form({{privilege}, database, name, false});
        return form ? form->privileges.front() : proto::shape_of(form.error()).code;
    };
    CHECK(taken("SELECT (`a`, `b``c`)", "app", "t") == "SELECT (`a`, `b``c`)"); // as it is shown
    CHECK(taken("UPDATE (a,b c)", "app", "t") == "E-INVALID");
    CHECK(taken("UPDATE(a , b)", "app", "t") == "UPDATE (`a`, `b`)");
    CHECK(taken("SELECT (`a,b`)", "app", "t") == "SELECT (`a,b`)");
    CHECK(taken("SELECT", "mysql", "t") == "SELECT"); // what somebody granted there
    CHECK(taken("SUPER", "", "") == "SUPER");
    CHECK(taken("ALL", "", "") == "ALL");
    for (const auto* bad :
         {"SELECT ()", "SELECT (a", "SELECT (`a)", "SELECT (a,)", "SELECT (,a)", "SELECT (a) x",
          "SELECT (a))", "DROP (a)", "(a)", "SELECT (a) ON *.* FROM root; --", "SELECT (`a` b)"}) {
        INFO(bad);
        CHECK(taken(bad, "app", "t") == "E-INVALID");
    }
    CHECK(taken("SELECT (a)", "app", "") == "E-INVALID"); // of which table
    CHECK_FALSE(taken_form({{std::string{"SELECT (a\0b)", 13}}, "app", "t", false}).has_value());
}

TEST_CASE("a name whose pattern is too long for a grant is refused as one") {
    CHECK(check_grant_pattern(std::string(64, 'a')).has_value());
    CHECK(check_grant_pattern(std::string(32, '_')).has_value());
    CHECK_FALSE(check_grant_pattern(std::string(33, '_')).has_value());
    CHECK_FALSE(check_grant_pattern(std::string(63, 'a') + "%").has_value());
    CHECK(check_grant({{"SELECT"}, std::string(33, '_'), "t", false}).has_value());
    std::string wide;
    for (int i = 0; i < 64; ++i) {
        wide += "語";
    }
    CHECK(check_grant_pattern(wide).has_value());
}

TEST_CASE("what a standard root is said to have is what it is granted") {
    Session closed;
    const auto gives = RootAccount{closed}.describe("standard").gives;
    for (const auto privilege : standard_root_privileges()) {
        INFO(privilege);
        CHECK(gives.find(privilege) != std::string::npos);
    }
    CHECK(gives.find("sys may be read and run") != std::string::npos);
    CHECK(gives.find("REFERENCES") != std::string::npos); // on mysql
    CHECK(gives.find('\n') == std::string::npos);
}
