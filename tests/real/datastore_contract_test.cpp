// What every driver promises (plugins/api/datastore.h), held against real servers.

#include <algorithm>
#include <csignal>
#include <string>

#include <catch2/catch.hpp>

#include "tests/real/datastore_contract_checks.h"

using namespace jackdaw;
using namespace jackdaw::test;
using namespace std::chrono_literals;

namespace {

bool has_database(plugins::Datastore& store, const std::string& name) {
    const auto list = store.databases()->list(plenty());
    REQUIRE(list.has_value());
    return std::any_of(list->begin(), list->end(),
                       [&](const auto& one) { return one.name == name; });
}

} // namespace

TEST_CASE("the installed version is read from the program's own output") {
    FOR_EACH_DATASTORE(server, store) {
        const auto ended = server.run(store.version_job(server.place()));
        REQUIRE(ended.status == 0);
        const auto version = store.parse_version(ended.output);
        REQUIRE_OK(version);
        const AsAgent agent;
        const auto seen = store.probe(plenty());
        REQUIRE_OK(seen);
        REQUIRE(seen->answers);
        REQUIRE(seen->version == *version);
        REQUIRE_FALSE(store.parse_version("").has_value());
        REQUIRE_FALSE(store.parse_version("bash: command not found").has_value());
    }
}

TEST_CASE(
    "the rendered configuration passes its own check, and a broken one is refused with its line") {
    FOR_EACH_DATASTORE(server, store) {
        const auto files = store.render(server.place());
        REQUIRE_OK(files);
        const auto job = store.check_config_job(server.place());
        REQUIRE(job.has_value());
        const auto fine = server.run(*job);
        INFO(fine.output);
        REQUIRE_OK(store.judge_config(fine.status, fine.output));

        auto broken = *files;
        broken.front().content = datastore == "mariadb"
                                     ? broken.front().content + "innodb_flush_method = bogus\n"
                                     : "[other]\n";
        server.write_config(broken);
        const auto refused = server.run(*job);
        const auto judged = store.judge_config(refused.status, refused.output);
        REQUIRE_FALSE(judged.has_value());
        REQUIRE(judged.error().id() == Code::config_refused);
        REQUIRE(judged.error().message().find(datastore == "mariadb" ? "bogus" : "line 1") !=
                std::string::npos);
        server.write_config(*files);
    }
}

TEST_CASE("adopt, probe and secure may be repeated") {
    FOR_EACH_DATASTORE(server, store) {
        const AsAgent agent;
        for (int round = 0; round < 3; ++round) {
            REQUIRE_OK(store.adopt(plenty(), server.place()));
            REQUIRE_OK(store.secure(plenty()));
            const auto seen = store.probe(plenty());
            REQUIRE_OK(seen);
            REQUIRE(seen->answers);
            store.release();
        }
    }
}

TEST_CASE("a database is made once, found again, and another charset is a conflict") {
    FOR_EACH_DATASTORE(server, store) {
        const AsAgent agent;
        auto& databases = *store.databases();
        REQUIRE_OK(databases.create(plenty(), {"app", "", ""}));
        REQUIRE_OK(databases.create(plenty(), {"app", "", ""}));
        REQUIRE_OK(databases.create(plenty(), {"app", "utf8mb4", ""}));
        const auto other = databases.create(plenty(), {"app", "latin1", ""});
        REQUIRE_FALSE(other.has_value());
        REQUIRE(other.error().code() == Errc::conflict);
        REQUIRE(has_database(store, "app"));
        REQUIRE_OK(databases.create(plenty(), {"App", "latin1", ""})); // another one: case counts
        REQUIRE_OK(databases.drop(plenty(), "App"));
        REQUIRE(has_database(store, "app"));
        REQUIRE_OK(databases.drop(plenty(), "app"));
        REQUIRE_FALSE(has_database(store, "app"));
        const auto again = databases.drop(plenty(), "app");
        REQUIRE_FALSE(again.has_value());
        REQUIRE(again.error().code() == Errc::not_found);
        const auto unknown = databases.check({"app", "ebcdic", ""});
        REQUIRE_FALSE(unknown.has_value());
        REQUIRE(unknown.error().code() == Errc::invalid);
    }
}

TEST_CASE("odd names are kept to the letter or refused before anything is touched") {
    FOR_EACH_DATASTORE(server, store) {
        const AsAgent agent;
        auto& databases = *store.databases();
        for (const std::string name : {"a'b", "a`b", "a\"b; DROP DATABASE mysql; --", "a\\b",
                                       "a_b%", "größe", "日本語", "a b", "..", "-", "a/b"}) {
            INFO(name);
            REQUIRE_OK(databases.check({name, "", ""}));
            REQUIRE_OK(databases.create(plenty(), {name, "", ""}));
            REQUIRE(has_database(store, name));
            const proto::UserSpec user{"u" + name, "%", {name}, verifier(store, "pass")};
            REQUIRE_OK(store.users()->create(plenty(), user));
            const auto found = find_user(store, user.name);
            REQUIRE(found.has_value());
            REQUIRE(found->databases == user.databases);
            REQUIRE(found->verifier.empty());
            REQUIRE_OK(store.users()->drop(plenty(), user.name, "%"));
            REQUIRE_OK(databases.drop(plenty(), name));
        }
        const auto before = databases.list(plenty());
        REQUIRE_OK(before);
        for (const std::string& name :
             {std::string{}, std::string{"a\nb"}, std::string{"a\0b", 3}, std::string{"\xff\xfe"},
              std::string(65536, 'x'), std::string(65, 'x')}) {
            INFO(name.size());
            const auto refused = databases.create(plenty(), {name, "", ""});
            REQUIRE_FALSE(refused.has_value());
            REQUIRE(refused.error().id() == Code::bad_name);
            REQUIRE(refused.error().message().size() < 1000);
            REQUIRE_FALSE(databases.drop(plenty(), name).has_value());
            const auto user = store.users()->create(
                plenty(), {name + std::string(16, 'y'), name, {}, verifier(store, "p")});
            REQUIRE_FALSE(user.has_value());
            REQUIRE(user.error().id() == Code::bad_name);
        }
        const auto after = databases.list(plenty());
        REQUIRE_OK(after);
        REQUIRE(*after == *before);
    }
}

TEST_CASE("names of the datastore and of the agent are reserved and never listed") {
    FOR_EACH_DATASTORE(server, store) {
        const AsAgent agent;
        for (const std::string name : {"", "root", "jackdawd"}) {
            const auto refused =
                store.users()->create(plenty(), {name, "%", {}, verifier(store, "p")});
            REQUIRE_FALSE(refused.has_value());
            REQUIRE(refused.error().id() == Code::reserved_name);
            REQUIRE_FALSE(store.users()->drop(plenty(), name, "localhost").has_value());
            REQUIRE_FALSE(store.users()
                              ->set_verifier(plenty(), name, "localhost", verifier(store, "p"))
                              .has_value());
            REQUIRE_FALSE(find_user(store, name).has_value());
        }
        for (const std::string& name :
             datastore == "mariadb"
                 ? std::vector<std::string>{"mysql", "MySQL", "information_schema",
                                            "performance_schema", "sys", "test"}
                 : std::vector<std::string>{"system"}) {
            const auto refused = store.databases()->create(plenty(), {name, "", ""});
            REQUIRE_FALSE(refused.has_value());
            REQUIRE(refused.error().id() == Code::reserved_name);
            REQUIRE_FALSE(has_database(store, name));
        }
    }
}

TEST_CASE("a user logs in over the network with the password, and only with that") {
    FOR_EACH_DATASTORE(server, store) {
        const AsAgent agent;
        REQUIRE_OK(store.databases()->create(plenty(), {"shop", "", ""}));
        const proto::UserSpec user{"clerk", "%", {"shop"}, verifier(store, "first-word")};
        REQUIRE_OK(store.users()->create(plenty(), user));
        REQUIRE_OK(store.users()->create(plenty(), user));
        REQUIRE(Clients(server, "clerk", "first-word").log_in());
        REQUIRE_FALSE(Clients(server, "clerk", "other-word").log_in());
        REQUIRE_FALSE(Clients(server, "clerk", "").log_in());

        REQUIRE_OK(
            store.users()->set_verifier(plenty(), "clerk", "%", verifier(store, "other-word")));
        REQUIRE(Clients(server, "clerk", "other-word").log_in());
        REQUIRE_FALSE(Clients(server, "clerk", "first-word").log_in());
        REQUIRE(find_user(store, "clerk")->databases == std::vector<std::string>{"shop"});

        REQUIRE_OK(store.users()->drop(plenty(), "clerk", "%"));
        REQUIRE_FALSE(Clients(server, "clerk", "other-word").log_in());
        const auto again = store.users()->drop(plenty(), "clerk", "%");
        REQUIRE_FALSE(again.has_value());
        REQUIRE(again.error().code() == Errc::not_found);
        REQUIRE_OK(store.databases()->drop(plenty(), "shop"));
    }
}

TEST_CASE("no error tells a password or a verifier, and none is taken that is not one") {
    FOR_EACH_DATASTORE(server, store) {
        const AsAgent agent;
        auto& users = *store.users();
        const auto good = verifier(store, "hidden-word");
        const auto absent = users.set_verifier(plenty(), "nobody-here", "%", good);
        REQUIRE_FALSE(absent.has_value());
        REQUIRE(absent.error().code() == Errc::not_found);
        REQUIRE(absent.error().to_debug_string().find(good) == std::string::npos);
        const auto no_database = users.create(plenty(), {"nobody-here", "%", {"not-there"}, good});
        REQUIRE_FALSE(no_database.has_value());
        REQUIRE(no_database.error().code() == Errc::not_found);
        REQUIRE(no_database.error().to_debug_string().find(good) == std::string::npos);
        REQUIRE_FALSE(find_user(store, "nobody-here").has_value());
        for (const std::string& bad :
             {std::string{}, std::string{"hidden-word"}, "x' OR " + good}) {
            const auto refused = users.create(plenty(), {"nobody-here", "%", {}, bad});
            REQUIRE_FALSE(refused.has_value());
            REQUIRE(refused.error().id() == Code::bad_password);
            REQUIRE(refused.error().to_debug_string().find("hidden-word") == std::string::npos);
        }
        for (const std::string& password :
             {std::string{}, std::string(513, 'p'), std::string{"a\0b", 3}}) {
            const auto refused = users.make_verifier(Secret{std::string{password}});
            REQUIRE_FALSE(refused.has_value());
            REQUIRE(refused.error().id() == Code::bad_password);
        }
        REQUIRE_OK(users.make_verifier(Secret{std::string(512, 'p')}));
    }
}

TEST_CASE(
    "a server that has stopped answering holds nobody beyond the deadline or a cancellation") {
    FOR_EACH_DATASTORE(server, store) {
        REQUIRE(server.is_running());
        {
            const Stopped stopped_server{server};
            const AsAgent agent;
            for (const bool released :
                 {false, true}) { // with a session, and when it must first connect
                if (released) {
                    store.release();
                }
                const auto seen = store.probe(within(300ms));
                REQUIRE_OK(seen);
                REQUIRE_FALSE(seen->answers);
                const auto late = store.databases()->list(within(300ms));
                REQUIRE_FALSE(late.has_value());
                REQUIRE(late.error().code() == Errc::deadline);
                // An hour: only the cancellation can end it.
                const std::atomic<bool> cancel{true};
                const auto stopped = store.secure(within(1h, &cancel));
                REQUIRE_FALSE(stopped.has_value());
                REQUIRE(stopped.error().code() == Errc::cancelled);
            }
        }
        const AsAgent agent;
        const auto seen = store.probe(plenty()); // nobody adopts again: the driver opens by itself
        REQUIRE_OK(seen);
        REQUIRE(seen->answers);
        REQUIRE_OK(store.databases()->list(plenty()));
    }
}

TEST_CASE("a server without a free connection still answers the agent, also after the agent's "
          "session was lost") {
    FOR_EACH_DATASTORE(server, store) {
        const AsAgent agent;
        REQUIRE_OK(
            store.users()->create(plenty(), {"crowd", "%", {}, verifier(store, "crowd-word")}));
        {
            Clients crowd{server, "crowd", "crowd-word"};
            int in = 0;
            while (in < 3000 && crowd.log_in()) {
                ++in;
            }
            REQUIRE(in >= 16);
            REQUIRE(in < 3000);
            for (int round = 0; round < 3; ++round) {
                const auto seen = store.probe(plenty());
                REQUIRE_OK(seen);
                INFO(seen->detail);
                REQUIRE(seen->answers);
                REQUIRE_FALSE(seen->version.empty());
                REQUIRE_OK(store.databases()->list(plenty()));
                store.release();
            }
        }
        REQUIRE_OK(store.users()->drop(plenty(), "crowd", "%"));
    }
}

TEST_CASE(
    "after kill -9 and a restart what was acknowledged is there, and no new adoption is needed") {
    FOR_EACH_DATASTORE(server, store) {
        {
            const AsAgent agent;
            REQUIRE_OK(store.databases()->create(plenty(), {"kept", "", ""}));
        }
        server.stop(SIGKILL);
        {
            const AsAgent agent;
            const auto seen = store.probe(plenty());
            REQUIRE_OK(seen);
            REQUIRE_FALSE(seen->answers);
            const auto list = store.databases()->list(plenty());
            REQUIRE_FALSE(list.has_value());
            REQUIRE(list.error().id() == Code::database_down);
        }
        server.start();
        const AsAgent agent;
        REQUIRE(has_database(store, "kept"));
        REQUIRE_OK(store.databases()->drop(plenty(), "kept"));
    }
}

TEST_CASE("the LaunchSpec's signal is a clean end") {
    FOR_EACH_DATASTORE(server, store) {
        const auto spec = store.launch(server.place());
        REQUIRE(spec.stop.size() >= 1);
        REQUIRE(server.stop(spec.stop.front().signal) == 0);
    }
}

TEST_CASE("a driver that was never adopted says so and touches nothing") {
    for (const auto& datastore : datastores) {
        const auto store = load_staged(datastore).make();
        store->release();
        const auto list = store->databases()->list(plenty());
        REQUIRE_FALSE(list.has_value());
        REQUIRE(list.error().code() == Errc::unavailable);
        REQUIRE_FALSE(store->secure(plenty()).has_value());
    }
}
