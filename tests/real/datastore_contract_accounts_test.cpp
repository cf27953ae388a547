// What every driver promises of grants, root and sessions (plugins/api/facets.h).

#include <algorithm>
#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/real/datastore_contract_checks.h"
#include "tests/unit/present.h"

using namespace jackdaw;
using namespace jackdaw::test;
using jackdaw::testing::present;
using namespace std::chrono_literals;

namespace {

/// Two privileges of a database and one of everything that anybody may have, by datastore.
struct Words {
    std::string read, write, harmless, dangerous, reserved;
};
Words words_of(const std::string& datastore) {
    return datastore == "mariadb" ? Words{"SELECT", "INSERT", "SHOW DATABASES", "SUPER", "mysql"}
                                  : Words{"READ", "WRITE", "STATUS", "SHUTDOWN", "system"};
}

proto::Grant grant_of(const std::string& database, std::vector<std::string> privileges,
                      bool option = false) {
    return {std::move(privileges), database, "", option};
}

/// What is granted on that database; nullopt: nothing.
std::optional<proto::Grant> granted(plugins::Datastore& store, const std::string& name,
                                    const std::string& host, const std::string& database) {
    const auto shown = store.grants()->show(plenty(), name, host);
    INFO(why(shown));
    REQUIRE(shown.has_value());
    for (auto grant : shown->grants) {
        if (grant.database == database && grant.table.empty()) {
            std::sort(grant.privileges.begin(), grant.privileges.end());
            return grant;
        }
    }
    return std::nullopt;
}

template <class T>
void require_code(const Result<T>& result, Code code) {
    INFO(why(result));
    REQUIRE_FALSE(result.has_value());
    REQUIRE(result.error().id() == code);
}

/// Looked at for at most five seconds.
bool within_five_seconds(const std::function<bool()>& holds) {
    for (int i = 0; i < 100; ++i) {
        if (holds()) {
            return true;
        }
        std::this_thread::sleep_for(50ms);
    }
    return false;
}

std::optional<proto::SessionShape> session_of(plugins::Datastore& store, const std::string& user,
                                              bool running = false) {
    const auto list = store.sessions()->list(plenty());
    INFO(why(list));
    REQUIRE(list.has_value());
    for (const auto& one : *list) {
        if (one.user == user && (!running || !one.query.empty())) {
            return one;
        }
    }
    return std::nullopt;
}

/// A database and a user on it with no grant, gone at the end.
struct Home {
    Home(plugins::Datastore& one, std::string user_name, std::string database_name)
        : store{one}, user{std::move(user_name)}, database{std::move(database_name)} {
        REQUIRE_OK(store.databases()->create(plenty(), {database, "", ""}));
        REQUIRE_OK(store.users()->create(plenty(), {user, "%", {}, verifier(store, "home-word")}));
    }
    ~Home() {
        // A case that failed half-way may have renamed it.
        (void)store.users()->drop(plenty(), user, "%").has_value();
        (void)store.databases()->drop(plenty(), database).has_value();
    }
    Home(const Home&) = delete;
    Home& operator=(const Home&) = delete;
    plugins::Datastore& store;
    std::string user, database;
};

} // namespace

TEST_CASE("what is granted is shown, what is revoked is not, and each may be repeated") {
    FOR_EACH_DATASTORE(server, store) {
        const AsAgent agent;
        const auto words = words_of(datastore);
        Home home{store, "keeper", "house"};
        auto& grants = *store.grants();
        REQUIRE_FALSE(granted(store, "keeper", "%", "house").has_value());
        for (int round = 0; round < 2; ++round) {
            REQUIRE_OK(grants.grant(plenty(), "keeper", "%", grant_of("house", {words.read})));
            REQUIRE(present(granted(store, "keeper", "%", "house")) ==
                    grant_of("house", {words.read}));
        }
        for (int round = 0; round < 2; ++round) {
            REQUIRE_OK(
                grants.grant(plenty(), "keeper", "%", grant_of("house", {words.write}, true)));
            auto both = grant_of("house", {words.read, words.write}, true);
            if (datastore == "fake") {
                both.privileges = {"ALL"};
            }
            std::sort(both.privileges.begin(), both.privileges.end());
            REQUIRE(present(granted(store, "keeper", "%", "house")) == both);
        }
        REQUIRE(present(find_user(store, "keeper")).databases == std::vector<std::string>{"house"});
        for (int round = 0; round < 2; ++round) {
            REQUIRE_OK(grants.revoke(plenty(), "keeper", "%", grant_of("house", {words.read})));
            REQUIRE(present(granted(store, "keeper", "%", "house")) ==
                    grant_of("house", {words.write}, true));
        }
        REQUIRE_OK(grants.grant(plenty(), "keeper", "%", grant_of("house", {"ALL"})));
        REQUIRE(present(granted(store, "keeper", "%", "house")) ==
                grant_of("house", {"ALL"}, true));
        for (int round = 0; round < 2; ++round) { // ALL takes the option along
            REQUIRE_OK(grants.revoke(plenty(), "keeper", "%", grant_of("house", {"ALL"})));
            REQUIRE_FALSE(granted(store, "keeper", "%", "house").has_value());
        }
        const auto option = grant_of("house", {}, true); // alone
        REQUIRE_OK(grants.grant(plenty(), "keeper", "%", option));
        REQUIRE(present(granted(store, "keeper", "%", "house")).with_grant_option);
        REQUIRE_OK(grants.grant(plenty(), "keeper", "%", grant_of("house", {words.read})));
        REQUIRE_OK(grants.revoke(plenty(), "keeper", "%", option));
        REQUIRE(present(granted(store, "keeper", "%", "house")) == grant_of("house", {words.read}));
        REQUIRE_OK(grants.revoke(plenty(), "keeper", "%", grant_of("house", {words.read})));
        REQUIRE_OK(grants.grant(plenty(), "keeper", "%", grant_of("", {words.harmless})));
        REQUIRE(present(granted(store, "keeper", "%", "")).privileges ==
                std::vector<std::string>{words.harmless});
        REQUIRE_OK(grants.revoke(plenty(), "keeper", "%", grant_of("", {words.harmless})));
        // What check() does not give may still be taken away.
        REQUIRE_OK(grants.revoke(plenty(), "keeper", "%", grant_of("", {words.dangerous})));
        REQUIRE_OK(grants.revoke(plenty(), "keeper", "%", grant_of("never-made", {words.read})));
    }
}

TEST_CASE("grants that cannot be, or must not be, are refused before anything is touched") {
    FOR_EACH_DATASTORE(server, store) {
        const AsAgent agent;
        const auto words = words_of(datastore);
        Home home{store, "keeper", "house"};
        auto& grants = *store.grants();
        const auto before = grants.show(plenty(), "keeper", "%");
        REQUIRE_OK(before);
        const std::vector<std::pair<proto::Grant, Code>> cases{
            {grant_of("house", {}), Code::invalid},
            {grant_of("house", {"NONSENSE"}), Code::invalid},
            {grant_of("house", {"ALL; DROP DATABASE house; --"}), Code::invalid},
            {grant_of("house", {words.dangerous}), Code::invalid}, // not on a database
            {grant_of("house", std::vector<std::string>(100, words.read)), Code::invalid},
            {{{words.read}, "", "table", false}, Code::invalid},
            {grant_of(words.reserved, {words.read}), Code::reserved_name},
            {grant_of(std::string{"a\0b", 3}, {words.read}), Code::bad_name},
            {grant_of("\xff\xfe", {words.read}), Code::bad_name},
            {grant_of(std::string(300, 'x'), {words.read}), Code::bad_name},
            {grant_of("", {words.dangerous}), Code::not_allowed},
            {grant_of("", {"ALL"}), Code::not_allowed},
            {grant_of("", {words.harmless}, true), Code::not_allowed},
        };
        for (const auto& [grant, code] : cases) {
            INFO(grant.database << " " << (grant.privileges.empty() ? "" : grant.privileges[0]));
            require_code(grants.check(grant), code);
            require_code(grants.grant(plenty(), "keeper", "%", grant), code);
            REQUIRE_FALSE(grants.check(grant).error().hint().empty());
        }
        const auto fine = grant_of("house", {words.read});
        require_code(grants.grant(plenty(), "nobody-here", "%", fine), Code::not_found);
        require_code(grants.revoke(plenty(), "nobody-here", "%", fine), Code::not_found);
        require_code(grants.show(plenty(), "nobody-here", "%"), Code::not_found);
        REQUIRE_FALSE(find_user(store, "nobody-here").has_value()); // a GRANT makes nobody
        require_code(grants.grant(plenty(), "keeper", "%", grant_of("never-made", {words.read})),
                     Code::not_found);
        for (const std::string name : {"root", "jackdawd", ""}) {
            require_code(grants.grant(plenty(), name, "%", fine), Code::reserved_name);
            require_code(grants.revoke(plenty(), name, "localhost", fine), Code::reserved_name);
            require_code(grants.show(plenty(), name, "localhost"), Code::reserved_name);
            require_code(grants.alter(plenty(), name, "localhost", {}), Code::reserved_name);
        }
        const auto after = grants.show(plenty(), "keeper", "%");
        REQUIRE_OK(after);
        REQUIRE(after->grants == before->grants);
        REQUIRE(after->statements == before->statements);
    }
}

TEST_CASE("a user is renamed, moved, locked and limited, once or again") {
    FOR_EACH_DATASTORE(server, store) {
        const AsAgent agent;
        const auto words = words_of(datastore);
        Home home{store, "keeper", "house"};
        auto& grants = *store.grants();
        REQUIRE_OK(grants.grant(plenty(), "keeper", "%", grant_of("house", {words.read})));
        REQUIRE_OK(grants.alter(plenty(), "keeper", "%", {}));

        proto::UserAttributes change;
        change.locked = true;
        for (int round = 0; round < 2; ++round) {
            REQUIRE_OK(grants.alter(plenty(), "keeper", "%", change));
            REQUIRE_FALSE(Clients(server, "keeper", "home-word").log_in());
            REQUIRE(grants.show(plenty(), "keeper", "%")->attributes.locked == true);
        }
        change.locked = false;
        change.connections_max = 1;
        for (int round = 0; round < 2; ++round) {
            REQUIRE_OK(grants.alter(plenty(), "keeper", "%", change));
            {
                Clients crowd{server, "keeper", "home-word"};
                REQUIRE(within_five_seconds([&] { return crowd.log_in(); }));
                REQUIRE_FALSE(crowd.log_in());
            }
            REQUIRE(grants.show(plenty(), "keeper", "%")->attributes.connections_max == 1U);
        }
        change.connections_max = 0;
        REQUIRE_OK(grants.alter(plenty(), "keeper", "%", change));
        {
            Clients crowd{server, "keeper", "home-word"};
            REQUIRE(crowd.log_in());
            REQUIRE(crowd.log_in());
        }
        change.connections_max = 1ULL << 40U;
        require_code(grants.alter(plenty(), "keeper", "%", change), Code::invalid);

        // As after a kill between the call's effect and its end: the second one finds it done.
        proto::UserAttributes move;
        move.name = "housekeeper";
        move.host = "127.0.0.1";
        move.locked = true;
        for (int round = 0; round < 2; ++round) {
            REQUIRE_OK(grants.alter(plenty(), "keeper", "%", move));
            REQUIRE_FALSE(find_user(store, "keeper").has_value());
            REQUIRE(present(find_user(store, "housekeeper")).host == "127.0.0.1");
            REQUIRE(present(granted(store, "housekeeper", "127.0.0.1", "house")) ==
                    grant_of("house", {words.read}));
        }
        proto::UserAttributes unlock;
        unlock.locked = false;
        REQUIRE_OK(grants.alter(plenty(), "housekeeper", "127.0.0.1", unlock));
        REQUIRE(Clients(server, "housekeeper", "home-word").log_in());

        REQUIRE_OK(
            store.users()->create(plenty(), {"other", "%", {}, verifier(store, "other-word")}));
        proto::UserAttributes onto;
        onto.name = "other";
        onto.host = "%";
        require_code(grants.alter(plenty(), "housekeeper", "127.0.0.1", onto), Code::conflict);
        REQUIRE(find_user(store, "housekeeper").has_value());
        REQUIRE(Clients(server, "other", "other-word").log_in());
        for (const std::string name : {"root", "jackdawd", ""}) {
            onto.name = name;
            require_code(grants.alter(plenty(), "housekeeper", "127.0.0.1", onto),
                         Code::reserved_name);
        }
        onto.name = std::string{"a\0b", 3};
        require_code(grants.alter(plenty(), "housekeeper", "127.0.0.1", onto), Code::bad_name);
        onto.name = "nobody-either";
        require_code(grants.alter(plenty(), "nobody-here", "%", onto), Code::not_found);
        REQUIRE_OK(store.users()->drop(plenty(), "other", "%"));
        REQUIRE_OK(store.users()->drop(plenty(), "housekeeper", "127.0.0.1"));
    }
}

TEST_CASE("root comes in two levels, is nobody's user, and goes with its sessions") {
    FOR_EACH_DATASTORE(server, store) {
        const AsAgent agent;
        auto& root = *store.root();
        REQUIRE_OK(root.disable(plenty()));
        REQUIRE(root.status(plenty())->level == "off");
        REQUIRE(root.describe("off").level == "off");
        REQUIRE(root.describe("nonsense").level == "off");
        require_code(root.enable(plenty(), "nonsense", verifier(store, "r")), Code::invalid);
        require_code(root.enable(plenty(), "standard", "r"), Code::bad_password);
        require_code(root.enable(plenty(), "standard", ""), Code::bad_password);
        REQUIRE(root.status(plenty())->level == "off");

        int round = 0;
        for (const std::string level :
             {"standard", "standard", "superuser", "superuser", "standard"}) {
            const auto password = "root-word-" + std::to_string(++round);
            REQUIRE_OK(root.enable(plenty(), level, verifier(store, password)));
            const auto status = root.status(plenty());
            REQUIRE_OK(status);
            REQUIRE(status->level == level);
            REQUIRE(status->name == "root");
            REQUIRE(status->gives == root.describe(level).gives);
            REQUIRE_FALSE(status->gives.empty());
            REQUIRE(Clients(server, "root", password).log_in());
            REQUIRE_FALSE(Clients(server, "root", "root-word-0").log_in());
            REQUIRE_FALSE(find_user(store, "root").has_value());
            require_code(
                store.users()->create(plenty(), {"root", "%", {}, verifier(store, "mine")}),
                Code::reserved_name);
        }
        Clients inside{server, "root", "root-word-5"};
        REQUIRE(inside.log_in());
        REQUIRE(inside.is_alive());
        for (int again = 0; again < 2; ++again) {
            REQUIRE_OK(root.disable(plenty()));
            REQUIRE_FALSE(inside.is_alive());
            REQUIRE_FALSE(Clients(server, "root", "root-word-5").log_in());
            // The one that was just refused may still be going.
            REQUIRE(within_five_seconds([&] { return !session_of(store, "root").has_value(); }));
            REQUIRE(root.status(plenty())->level == "off");
        }
    }
}

TEST_CASE("a lowered root keeps no session of the level before") {
    FOR_EACH_DATASTORE(server, store) {
        const AsAgent agent;
        auto& root = *store.root();
        const std::string mighty =
            datastore == "mariadb" ? "SET GLOBAL long_query_time = 10" : "STATUS";
        REQUIRE_OK(root.enable(plenty(), "superuser", verifier(store, "high-word")));
        Clients high{server, "root", "high-word"};
        REQUIRE(high.log_in());
        REQUIRE(high.run(mighty));
        REQUIRE_OK(root.enable(plenty(), "standard", verifier(store, "low-word")));
        REQUIRE_FALSE(high.run(mighty));
        REQUIRE_FALSE(high.is_alive());
        Clients low{server, "root", "low-word"};
        REQUIRE(low.log_in());
        REQUIRE_FALSE(low.run(mighty));
        REQUIRE_OK(root.disable(plenty()));
    }
}

TEST_CASE("sessions are listed, the longest first, and the agent's own marked and safe") {
    FOR_EACH_DATASTORE(server, store) {
        const AsAgent agent;
        Home home{store, "guest", "house"};
        Clients guest{server, "guest", "home-word"};
        REQUIRE(guest.log_in());
        const auto list = store.sessions()->list(plenty());
        REQUIRE_OK(list);
        REQUIRE(std::is_sorted(list->begin(), list->end(),
                               [](const auto& a, const auto& b) { return a.seconds > b.seconds; }));
        const auto own =
            std::count_if(list->begin(), list->end(), [](const auto& one) { return one.own; });
        REQUIRE(own >= 1);
        const auto seen = session_of(store, "guest");
        REQUIRE(seen.has_value());
        REQUIRE_FALSE(seen->own);
        REQUIRE(seen->host.starts_with("127.0.0.1"));
        for (const auto& one : *list) {
            if (one.own) {
                require_code(store.sessions()->kill(plenty(), one.id, false), Code::not_allowed);
                require_code(store.sessions()->kill(plenty(), one.id, true), Code::not_allowed);
            }
        }
        REQUIRE(store.probe(plenty())->answers);

        REQUIRE_OK(store.sessions()->kill(plenty(), seen->id, true)); // runs nothing: stays
        REQUIRE(guest.is_alive());
        REQUIRE_OK(store.sessions()->kill(plenty(), seen->id, false));
        REQUIRE_FALSE(session_of(store, "guest").has_value());
        REQUIRE_FALSE(guest.is_alive());
        require_code(store.sessions()->kill(plenty(), seen->id, false), Code::not_found);
        for (const std::uint64_t id : {0ULL, 4'000'000'000ULL, ~0ULL}) {
            require_code(store.sessions()->kill(plenty(), id, false), Code::not_found);
            require_code(store.sessions()->kill(plenty(), id, true), Code::not_found);
        }
    }
}

TEST_CASE("a statement is ended without its session, a session with its statement") {
    FOR_EACH_DATASTORE(server, store) {
        const AsAgent agent;
        Home home{store, "guest", "house"};
        const std::string long_one = datastore == "mariadb" ? "SELECT SLEEP(40)" : "WAIT 40000";
        for (const bool query_only : {true, false}) {
            Clients guest{server, "guest", "home-word"};
            REQUIRE(guest.log_in());
            std::atomic<int> fine{-1};
            std::thread runs{[&] { fine = guest.run(long_one) ? 1 : 0; }};
            std::optional<proto::SessionShape> seen;
            const bool found = within_five_seconds([&] {
                seen = session_of(store, "guest", true);
                return seen.has_value();
            });
            std::string outcome;
            if (found) {
                const auto killed = store.sessions()->kill(plenty(), present(seen).id, query_only);
                outcome = why(killed);
            }
            runs.join();
            REQUIRE(found);
            REQUIRE(outcome.empty());
            REQUIRE(present(seen).query == long_one);
            REQUIRE(fine == 0);
            REQUIRE(guest.is_alive() == query_only);
        }
    }
}

TEST_CASE(
    "odd names of users and databases are granted, shown, renamed and revoked to the letter") {
    FOR_EACH_DATASTORE(server, store) {
        const AsAgent agent;
        const auto words = words_of(datastore);
        auto& grants = *store.grants();
        for (const std::string name :
             {"a'b",   "a`b",    "a\"b", "-- x", "/* x", "a;b", "a\\",
              "\\",    "a_b",    "100%", "\\_",  "%",    "_",   "select",
              "größe", "日本語", " a",   "a@b",  "``",   "''",  "ON *.* TO"}) {
            INFO(name);
            const auto user = "u" + name;
            REQUIRE_OK(store.databases()->create(plenty(), {name, "", ""}));
            REQUIRE_OK(store.users()->create(plenty(), {user, "%", {}, verifier(store, "p")}));
            REQUIRE_OK(grants.grant(plenty(), user, "%", grant_of(name, {words.read}, true)));
            REQUIRE(present(granted(store, user, "%", name)) == grant_of(name, {words.read}, true));
            proto::UserAttributes move;
            const auto new_name = "v" + name;
            move.name = new_name;
            REQUIRE_OK(grants.alter(plenty(), user, "%", move));
            REQUIRE_FALSE(find_user(store, user).has_value());
            REQUIRE(present(granted(store, new_name, "%", name)) ==
                    grant_of(name, {words.read}, true));
            REQUIRE_OK(grants.revoke(plenty(), new_name, "%", grant_of(name, {words.read}, true)));
            REQUIRE_FALSE(granted(store, new_name, "%", name).has_value());
            REQUIRE_OK(store.users()->drop(plenty(), new_name, "%"));
            REQUIRE_OK(store.databases()->drop(plenty(), name));
        }
    }
}

TEST_CASE("what is shown of a user has no verifier in it") {
    FOR_EACH_DATASTORE(server, store) {
        const AsAgent agent;
        Home home{store, "keeper", "house"};
        const auto words = words_of(datastore);
        REQUIRE_OK(
            store.grants()->grant(plenty(), "keeper", "%", grant_of("house", {words.read}, true)));
        const auto shown = store.grants()->show(plenty(), "keeper", "%");
        REQUIRE_OK(shown);
        REQUIRE_FALSE(shown->statements.empty());
        const auto secret = verifier(store, "home-word");
        for (const auto& statement : shown->statements) {
            INFO(statement);
            REQUIRE(statement.find(secret) == std::string::npos);
            REQUIRE(statement.find(secret.substr(4, 12)) == std::string::npos);
            REQUIRE(statement.find("IDENTIFIED") == std::string::npos);
        }
    }
}

TEST_CASE("grants, root and sessions keep to the deadline and a cancellation too") {
    FOR_EACH_DATASTORE(server, store) {
        const Stopped stopped_server{server};
        const AsAgent agent;
        const auto began = std::chrono::steady_clock::now();
        require_code(store.sessions()->list(within(200ms)), Code::deadline);
        require_code(store.sessions()->kill(within(200ms), 1, false), Code::deadline);
        require_code(store.root()->status(within(200ms)), Code::deadline);
        require_code(store.grants()->show(within(200ms), "keeper", "%"), Code::deadline);
        const std::atomic<bool> cancel{true};
        require_code(store.root()->disable(within(1h, &cancel)), Code::cancelled);
        require_code(store.sessions()->list(within(1h, &cancel)), Code::cancelled);
        REQUIRE(std::chrono::steady_clock::now() - began < 5s);
    }
}

TEST_CASE("a driver that was never adopted says so of accounts and sessions, too") {
    for (const auto& datastore : datastores) {
        INFO(datastore);
        const auto words = words_of(datastore);
        const auto store = load_staged(datastore).make();
        const auto grant = grant_of("house", {words.read});
        require_code(store->grants()->show(plenty(), "keeper", "%"), Code::unavailable);
        require_code(store->grants()->grant(plenty(), "keeper", "%", grant), Code::unavailable);
        require_code(store->grants()->revoke(plenty(), "keeper", "%", grant), Code::unavailable);
        require_code(store->grants()->alter(plenty(), "keeper", "%", {}), Code::unavailable);
        require_code(store->root()->status(plenty()), Code::unavailable);
        require_code(store->root()->enable(plenty(), "standard", verifier(*store, "w")),
                     Code::unavailable);
        require_code(store->root()->disable(plenty()), Code::unavailable);
        require_code(store->sessions()->list(plenty()), Code::unavailable);
        require_code(store->sessions()->kill(plenty(), 1, false), Code::unavailable);
    }
}
