// What an undo of a grant or a revoke gives back.

#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "agent/life/grant_part.h"

using namespace jackdaw;

namespace {

proto::Grant on_shop(std::vector<std::string> privileges, bool option = false) {
    return {std::move(privileges), "shop", "", option};
}

proto::Grant part_of(std::vector<proto::Grant> has, const proto::Grant& asked) {
    proto::UserDetails user;
    user.grants = std::move(has);
    return agent::present_part(user, asked);
}

} // namespace

TEST_CASE("of single rights an account has those that it has, all of them if it has ALL") {
    const auto has = on_shop({"SELECT", "DROP"}, true);
    CHECK(part_of({has}, on_shop({"SELECT", "INSERT"})) == on_shop({"SELECT"}, true));
    CHECK(part_of({on_shop({"ALL"})}, on_shop({"SELECT", "INSERT"})) ==
          on_shop({"SELECT", "INSERT"}));
    CHECK(part_of({}, on_shop({"SELECT"})) == on_shop({}));
    CHECK(part_of({{{"SELECT"}, "other", "", true}, {{"SELECT"}, "shop", "items", true}},
                  on_shop({"SELECT"})) == on_shop({}));
}

TEST_CASE("rights on columns are found whichever way the columns are written") {
    const proto::Grant has{{"INSERT", "SELECT (`a`, `b`)"}, "shop", "items", false};
    const auto found = [&](const char* wanted) {
        return part_of({has}, {{wanted}, "shop", "items", false}).privileges;
    };
    CHECK(found("SELECT (b,a)") == std::vector<std::string>{"SELECT (b,a)"});
    CHECK(found("SELECT").empty());
    CHECK(found("UPDATE (a)").empty());
    CHECK(found("INSERT (a)").empty()); // which is one on the table
}

TEST_CASE("of ALL an account has each right that it has") {
    for (const std::string all : {"ALL", "ALL PRIVILEGES"}) {
        INFO(all);
        CHECK(part_of({on_shop({"SELECT", "INSERT"})}, on_shop({all})) ==
              on_shop({"SELECT", "INSERT"}));
        CHECK(part_of({on_shop({"ALL"}, true)}, on_shop({all})) == on_shop({"ALL"}, true));
        CHECK(part_of({{{"USAGE"}, "", "", false}}, {{all}, "", "", false}).privileges.empty());
    }
    // By two patterns that have one name.
    CHECK(part_of({on_shop({"SELECT", "DROP"}), on_shop({"DROP", "EVENT"})}, on_shop({"ALL"})) ==
          on_shop({"SELECT", "DROP", "EVENT"}));
    CHECK(part_of({on_shop({"SELECT"}), on_shop({"ALL"})}, on_shop({"ALL"})) == on_shop({"ALL"}));
    CHECK(part_of({{{"SELECT (`a`)", "INSERT"}, "shop", "items", false}},
                  {{"ALL"}, "shop", "items", false})
              .privileges == std::vector<std::string>{"SELECT (`a`)", "INSERT"});
}

TEST_CASE("what is taken at one level may be there at another") {
    const auto held = [](std::vector<proto::Grant> has, const proto::Grant& taken) {
        proto::UserDetails user;
        user.grants = std::move(has);
        return agent::held_elsewhere(user, taken);
    };
    using Texts = std::vector<std::string>;
    const proto::Grant on_table{{"SELECT"}, "shop", "items", false};
    CHECK(held({on_shop({"SELECT", "DROP"})}, on_table) == Texts{"SELECT on shop.*"});
    CHECK(held({on_shop({"ALL"})}, on_table) == Texts{"SELECT on shop.*"});
    CHECK(held({{{"SELECT"}, "", "", false}}, on_table) == Texts{"SELECT on *.*"});
    CHECK(held({on_table, {{"SELECT (`a`)"}, "shop", "items", false}}, on_shop({"SELECT"})) ==
          Texts{"SELECT on shop.items", "SELECT (`a`) on shop.items"});
    CHECK(held({{{"USAGE"}, "", "", false}, {{"INSERT"}, "other", "", false}, on_shop({"DROP"})},
               on_table)
              .empty());
    CHECK(held({on_table}, {{"ALL"}, "shop", "", false}) == Texts{"SELECT on shop.items"});
    CHECK(held({on_shop({"SELECT"})}, on_shop({"SELECT"})).empty()); // the level itself
}

TEST_CASE("what is taken may reach roles, proxies and routines, which no revoke takes") {
    proto::UserDetails user;
    user.others = {{"a role", {}, ""}, {"a routine", {"EXECUTE"}, "shop"}, {"b", {"EXECUTE"}, "x"}};
    const auto held = [&](const proto::Grant& taken) { return agent::held_otherwise(user, taken); };
    using Texts = std::vector<std::string>;
    CHECK(held({{"ALL"}, "", "", false}) == Texts{"a role", "a routine", "b"});
    CHECK(held({{"EXECUTE"}, "", "", false}) == Texts{"a routine", "b"});
    CHECK(held(on_shop({"ALL"})) == Texts{"a routine"});
    CHECK(held(on_shop({"SELECT", "EXECUTE"})) == Texts{"a routine"});
    CHECK(held(on_shop({"SELECT"})).empty());
    CHECK(held({{"ALL"}, "shop", "items", false}).empty());
}

TEST_CASE("a grant option hands on all that is held at its level") {
    const auto besides = [](std::vector<proto::Grant> has, const proto::Grant& given) {
        proto::UserDetails user;
        user.grants = std::move(has);
        return agent::handed_on_besides(user, given);
    };
    const auto has = on_shop({"SELECT", "INSERT", "DROP"}, true);
    CHECK(besides({has}, on_shop({"INSERT"}, true)) == std::vector<std::string>{"SELECT", "DROP"});
    CHECK(besides({has}, on_shop({"INSERT"})).empty());
    CHECK(besides({on_shop({"ALL"}, true)}, on_shop({"ALL"}, true)).empty());
    CHECK(besides({{{"SELECT"}, "other", "", true}}, on_shop({"INSERT"}, true)).empty());
}
