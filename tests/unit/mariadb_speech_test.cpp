// The pure parts of what is said to MariaDB: verifiers and errors.

#include <string>

#include <catch2/catch.hpp>

#include "plugins/mariadb/errors.h"
#include "plugins/mariadb/verifier.h"

using namespace jackdaw;
using namespace jackdaw::mariadb;

TEST_CASE("a verifier is what PASSWORD() of the server makes") {
    // SELECT PASSWORD('…') of MariaDB 10.11.
    CHECK(*native_verifier(Secret{std::string{"password"}}) ==
          "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19");
    CHECK(*native_verifier(Secret{std::string{"mypass"}}) ==
          "*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4");
    for (const std::string& bad : {std::string{}, std::string{"a\0b", 3}, std::string(513, 'x')}) {
        const auto made = native_verifier(Secret{std::string{bad}});
        REQUIRE_FALSE(made.has_value());
        CHECK(made.error().id() == Code::bad_password);
    }
}

TEST_CASE("only the server's own form is a verifier") {
    CHECK(is_native_verifier("*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"));
    for (const char* text :
         {"", "*", "2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19",
          "*2470c0c06dee42fd1618bb99005adca2ec9d1e19", "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E1'",
          "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19A"}) {
        INFO(text);
        CHECK_FALSE(is_native_verifier(text));
    }
}

TEST_CASE("each error number of the server calls for one reaction") {
    const auto id = [](unsigned number, const char* text = "") {
        return error_of(number, text, ServerText::yes).id();
    };
    CHECK(id(1007) == Code::conflict);
    CHECK(id(1008) == Code::not_found);
    CHECK(id(1049) == Code::not_found);
    CHECK(id(1396) == Code::not_found);
    CHECK(id(1044) == Code::not_allowed);
    CHECK(id(1045) == Code::not_allowed);
    CHECK(id(1698) == Code::not_allowed);
    CHECK(id(1040) == Code::exhausted);
    CHECK(id(2002) == Code::database_down);
    CHECK(id(2006) == Code::database_down);
    CHECK(id(2013) == Code::database_down);
    CHECK(id(1053) == Code::database_down);
    CHECK(id(1114) == Code::volume_full);
    CHECK(id(1021) == Code::volume_full);
    CHECK(id(1006, "Can't create database 'x' (errno: 28 \"No space left on device\")") ==
          Code::volume_full);
    CHECK(id(1006, "Can't create database 'x' (errno: 36 \"File name too long\")") ==
          Code::bad_name);
    CHECK(id(1, "Can't create/write to file '/x/y' (Errcode: 28 \"No space left on device\")") ==
          Code::volume_full);
    CHECK(id(3, "Error writing file '/x/y' (Errcode: 28 \"No space left on device\")") ==
          Code::volume_full);
    CHECK(id(20, "Disk is full writing '/x/y' (Errcode: 28 \"No space left on device\")") ==
          Code::volume_full);
    CHECK(id(1, "Can't create/write to file '/x/y' (Errcode: 13 \"Permission denied\")") ==
          Code::internal);
    CHECK(id(1006, "Kann Datenbank 'x' nicht erzeugen (Fehler: 28 \"No space left on device\")") ==
          Code::volume_full);
    CHECK(id(1290) == Code::conflict);
    CHECK(id(1290, "The MariaDB server is running with the --max-session-mem-used option so it "
                   "cannot execute this statement") == Code::exhausted);
    CHECK(id(1207) == Code::conflict);
    CHECK(id(1792) == Code::conflict);
    CHECK(id(1115) == Code::invalid);
    CHECK(id(1273) == Code::invalid);
    CHECK(id(1205) == Code::busy);
    CHECK(id(1133) == Code::not_found);
    CHECK(id(1146) == Code::not_found);
    CHECK(id(1094) == Code::not_found);
    CHECK(id(1144) == Code::invalid);
    CHECK(id(1221) == Code::invalid);
    CHECK(is_nothing_granted(1141));
    CHECK(is_nothing_granted(1147));
    CHECK_FALSE(is_nothing_granted(1045));
    for (const unsigned number : {2000U, 2006U, 2014U, 2027U, 5001U}) {
        INFO(number);
        CHECK(is_library_error(number));
    }
    for (const unsigned number : {0U, 1045U, 1927U, 3024U, 4150U}) {
        INFO(number);
        CHECK_FALSE(is_library_error(number));
    }
    CHECK(is_no_such_session(1094));
    CHECK_FALSE(is_no_such_session(1095));
    CHECK(id(65000) == Code::internal);
}

TEST_CASE("whatever keeps the agent's account out is its account's matter, and no dead server's") {
    // Gone, at another host, locked, blocked, a limit, a password that has expired, no such
    // plug-in.
    for (const unsigned number : {1045U, 1698U, 1130U, 4151U, 4150U, 1226U, 1820U, 1862U, 1524U}) {
        INFO(number);
        CHECK(is_access_denied(number));
        CHECK_FALSE(is_connection_limit(number));
        CHECK(error_of(number, "", ServerText::yes).code() == Errc::not_allowed);
    }
    for (const unsigned number : {1040U, 1203U}) {
        INFO(number);
        CHECK(is_connection_limit(number));
        CHECK_FALSE(is_access_denied(number));
        CHECK(error_of(number, "", ServerText::yes).code() == Errc::exhausted);
    }
}

TEST_CASE("the server's text is cut, cleaned, and left out where a verifier was sent") {
    const auto shown =
        error_of(1064, "near '*ABC'\n\x01" + std::string(5000, 'x'), ServerText::yes);
    CHECK(shown.message().size() < 400);
    CHECK(shown.message().find('\n') == std::string::npos);
    CHECK(shown.message().find("near") != std::string::npos);
    const auto hidden = error_of(1064, "near '*ABC'", ServerText::no);
    CHECK(hidden.message() == "MariaDB error 1064");
}
