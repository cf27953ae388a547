#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "plugins/mariadb/names.h"

using namespace jackdaw;
using namespace jackdaw::mariadb;

TEST_CASE("a database name has 1 to 64 characters, counted as characters") {
    std::string wide;
    for (int i = 0; i < 64; ++i) {
        wide += "語";
    }
    CHECK(check_database_name(wide).has_value());
    CHECK(check_database_name(std::string(64, 'a')).has_value());
    for (const std::string& name :
         {std::string{}, wide + "x", std::string(65, 'a'), std::string(65536, 'a')}) {
        const auto checked = check_database_name(name);
        REQUIRE_FALSE(checked.has_value());
        CHECK(checked.error().id() == Code::bad_name);
    }
}

TEST_CASE("a name that the server would cut, alter or misread is refused") {
    for (const std::string& name :
         {std::string{"a\0b", 3}, std::string{"a\nb"}, std::string{"a\tb"}, std::string{"a\x7f"},
          std::string{"trailing "}, std::string{" "}, std::string{"\xc3"}, std::string{"\xc0\x80"},
          std::string{"\xed\xa0\x80"}, std::string{"\xff"}, std::string{"\xf0\x9f\x90\xa6"},
          std::string{"\xc2\x85"}, std::string{"#mysql50#../mysql"}}) {
        INFO(name);
        const auto checked = check_database_name(name);
        REQUIRE_FALSE(checked.has_value());
        CHECK(checked.error().id() == Code::bad_name);
    }
    for (const std::string name : {"a'b", "a`b", "a\\b", "größe", " leading", "a;b", "%", "_"}) {
        INFO(name);
        CHECK(check_database_name(name).has_value());
    }
}

TEST_CASE("the engine's and the agent's names are reserved in any case of letters") {
    for (const std::string name :
         {"mysql", "MySQL", "information_schema", "PERFORMANCE_SCHEMA", "sys", "test"}) {
        INFO(name);
        const auto checked = check_database_name(name);
        REQUIRE_FALSE(checked.has_value());
        CHECK(checked.error().id() == Code::reserved_name);
    }
    for (const std::string name :
         {"", "root", "Root", "jackdawd", "mysql", "mariadb.sys", "PUBLIC"}) {
        INFO(name);
        const auto checked = check_user_name(name);
        REQUIRE_FALSE(checked.has_value());
        CHECK(checked.error().id() == Code::reserved_name);
    }
    CHECK(check_user_name("roots").has_value());
    CHECK(check_user_name(std::string(80, 'a')).has_value());
    CHECK_FALSE(check_user_name(std::string(81, 'a')).has_value());
}

TEST_CASE("a table name has the rules of a database's, and none is reserved") {
    for (const std::string& name :
         {std::string(64, 't'), std::string{"a`b'c\\"}, std::string{"mysql"}}) {
        INFO(name);
        CHECK(check_table_name(name).has_value());
    }
    for (const std::string& name :
         {std::string{}, std::string(65, 't'), std::string{"a\0b", 3}, std::string{"\xff"},
          std::string{"x "}, std::string{"#mysql50#x"}}) {
        INFO(name);
        const auto checked = check_table_name(name);
        REQUIRE_FALSE(checked.has_value());
        CHECK(checked.error().id() == Code::bad_name);
    }
}

TEST_CASE("a host is an address, a pattern of one, or a network with its mask") {
    for (const std::string host :
         {"%", "localhost", "10.0.0.1", "10.0.%", "10.0.0.1_", "2001:db8::1", "::1", "2001:db8:%",
          "10.0.0.0/255.255.255.0", "10.0.0.5/255.255.255.255"}) {
        INFO(host);
        CHECK(check_host(host).has_value());
    }
    for (const std::string& host :
         {std::string{}, std::string{"db.example.org"}, std::string{"10.0.0.0/24"},
          std::string{"%' OR '1"}, std::string{"10.0.0.256"}, std::string{"10.0.0.1\n"},
          std::string{"10.0.0.1\0", 9}, std::string(256, '1'), std::string{"LOCALHOST"},
          std::string{"2001:DB8:%"}}) {
        INFO(host);
        CHECK_FALSE(check_host(host).has_value());
    }
}

TEST_CASE("a host that no client could ever come from is refused, with how it is written") {
    for (const auto& [host, written] :
         std::vector<std::pair<std::string, std::string>>{{"2001:DB8::1", "2001:db8::1"},
                                                          {"2001:db8:0:0:0:0:0:1", "2001:db8::1"},
                                                          {"2001:0db8::1", "2001:db8::1"},
                                                          {"::ffff:10.0.0.1", "10.0.0.1"}}) {
        INFO(host);
        const auto checked = check_host(host);
        REQUIRE_FALSE(checked.has_value());
        CHECK(checked.error().id() == Code::bad_name);
        CHECK(checked.error().hint() == "write " + written);
        CHECK(check_host(written).has_value());
    }
    CHECK_FALSE(check_host("10.0.0.5/255.255.255.0").has_value());
    CHECK_FALSE(check_host("10.0.0.0/0.0.0.0").has_value());
    CHECK_FALSE(check_host("0.0.0.0/0.0.0.0").has_value());
}

TEST_CASE("an account that somebody made at another host can be named, if not with anything") {
    for (const std::string host : {"db.example.org", "10.0.0.5/255.255.255.0", "%.example.org",
                                   "2001:db8:0::1", "it's", "10.%"}) {
        INFO(host);
        CHECK(check_known_host(host).has_value());
    }
    for (const std::string& host : {std::string{}, std::string{"a\nb"}, std::string{"a\0b", 3},
                                    std::string{"\xff"}, std::string(256, 'a')}) {
        INFO(host);
        const auto checked = check_known_host(host);
        REQUIRE_FALSE(checked.has_value());
        CHECK(checked.error().id() == Code::bad_name);
    }
}

TEST_CASE("a collation belongs to its character set") {
    CHECK(check_charset("", "").has_value());
    CHECK(check_charset("utf8mb4", "utf8mb4_bin").has_value());
    CHECK(check_charset("utf8", "utf8mb3_general_ci").has_value());
    CHECK(check_charset("", "latin1_swedish_ci").has_value());
    CHECK(check_charset("binary", "binary").has_value());
    CHECK_FALSE(check_charset("latin1", "utf8mb4_bin").has_value());
    CHECK_FALSE(check_charset("ebcdic", "").has_value());
    CHECK_FALSE(check_charset("UTF8MB4", "").has_value());
    CHECK_FALSE(check_charset("", "nonsense_ci").has_value());
    CHECK_FALSE(check_charset("", "utf8mb4_bin; DROP DATABASE mysql").has_value());
    const auto hint = [](std::string_view charset, std::string_view collation) {
        return check_charset(charset, collation).error().hint();
    };
    CHECK(hint("UTF8MB4", "") == "did you mean utf8mb4?");
    CHECK(hint("utf8mb", "") == "did you mean utf8mb4?");
    CHECK(hint("utf-8", "") == "did you mean utf8mb4?");
    CHECK(hint("latin-1", "") == "did you mean latin1?");
    CHECK(hint("mojibake_text", "").starts_with("there are: armscii8, ascii, "));
    CHECK(hint(std::string(100'000, 'u'), "").starts_with("there are: "));
    CHECK(hint("", "utf8m4_bin") == "did you mean utf8mb4_bin?");
    CHECK(hint("", "mojibaketext_ci").starts_with("there are: "));
    CHECK(hint("latin1", "utf8mb4_bin").starts_with("those begin with latin1"));
    CHECK(charset_of("", "") == "utf8mb4");
    CHECK(charset_of("", "latin1_swedish_ci") == "latin1");
    CHECK(charset_of("utf8", "") == "utf8mb3");
}

TEST_CASE("quoting doubles the quote and nothing else") {
    CHECK(quote_identifier("a`b'c\\") == "`a``b'c\\`");
    CHECK(quote_value("a'b`c\\") == "'a''b`c\\'");
    CHECK(quote_account("u'", "%") == "'u'''@'%'");
}

TEST_CASE("a grant's pattern means one database, and leads back to its name") {
    CHECK(grant_pattern("a_b%c\\d") == "a\\_b\\%c\\\\d");
    for (const std::string name : {"a_b", "100%", "back\\slash", "plain", "\\_"}) {
        INFO(name);
        CHECK(name_of_pattern(grant_pattern(name)) == name);
    }
    CHECK(name_of_pattern("any_%") == "any_%");
}
