// agent/core/concerns.h: what is told once when it begins, and once when it has ended.
#include <algorithm>

#include <catch2/catch.hpp>

#include "agent/core/concerns.h"

using namespace jackdaw;
using namespace jackdaw::agent;

namespace {

struct Look {
    Concerns concerns;
    std::int64_t now_ms = 1'000'000;

    /// What is told of these figures, a second after the last ones.
    std::vector<std::string> at(const Figures& figures, std::int64_t after_ms = 1000) {
        now_ms += after_ms;
        std::vector<std::string> events;
        for (const auto& change : concerns.look(now_ms, "since", "db1", figures)) {
            events.push_back(change.event);
            CHECK_FALSE(change.text.empty());
        }
        return events;
    }
    std::vector<std::string> kinds() const {
        std::vector<std::string> all;
        for (const auto& warning : concerns.warnings()) {
            all.push_back(warning.kind);
        }
        return all;
    }
};

using Words = std::vector<std::string>;

Figures well() {
    Figures figures;
    figures.inside =
        Figures::Inside{"", std::vector<std::string>{}, Figures::Connections{10, 100, 0}, {}};
    figures.memory_bytes = 100U << 20U;
    figures.memory_bytes_max = 1000U << 20U;
    return figures;
}

Figures with_connections(std::uint64_t connections, std::uint64_t refused = 0) {
    auto figures = well();
    figures.inside->connections->now = connections;
    figures.inside->connections->refused = refused;
    return figures;
}

} // namespace

TEST_CASE("concerns: all is well", "[concerns]") {
    Look look;
    CHECK(look.at(well()).empty());
    CHECK(look.at(Figures{}).empty());
    CHECK(look.kinds().empty());
}

TEST_CASE("concerns: pressure begins at 90 percent and ends below 80, after a calm", "[concerns]") {
    Look look;
    CHECK(look.at(with_connections(89)).empty());
    CHECK(look.at(with_connections(90)) == Words{"connections.pressure"});
    CHECK(look.concerns.warnings().at(0).text == "90 of 100 connections are taken");
    CHECK(look.concerns.warnings().at(0).since == "since");
    CHECK(look.concerns.warnings().at(0).mend.starts_with("`jackdaw session list db1`, "));
    for (int i = 0; i < 100; ++i) { // around the mark: nothing
        CHECK(look.at(with_connections(i % 2 == 0 ? 95 : 81)).empty());
    }
    CHECK(look.at(with_connections(79)).empty());
    CHECK(look.at(with_connections(79), 8'000).empty());
    CHECK(look.kinds() == Words{"connections"});
    CHECK(look.at(with_connections(79), 2'000) == Words{"connections.relief"});
    CHECK(look.kinds().empty());
    CHECK(look.at(with_connections(85)).empty());
}

TEST_CASE("concerns: a refused connection is pressure whatever the number", "[concerns]") {
    Look look;
    CHECK(look.at(with_connections(50, 7)).empty()); // from before
    CHECK(look.at(with_connections(50, 8)) == Words{"connections.pressure"});
    CHECK(look.concerns.warnings().at(0).text.find("refused") != std::string::npos);
    CHECK(look.at(with_connections(50, 8), 11'000).empty()); // the first good look
    CHECK(look.at(Figures{}).empty());                       // none between the examinations
    CHECK(look.at(with_connections(50, 8), 9'000) == Words{"connections.relief"});
}

TEST_CASE("concerns: a server that lets in nobody over the network", "[concerns]") {
    Look look;
    auto closed = well();
    closed.inside->connections->closed = "TLS alone, and it has none";
    closed.inside->connections->mend = "jackdaw config set INSTANCE tls=OFF";
    CHECK(look.at(closed) == Words{"connections.pressure"});
    CHECK(look.concerns.warnings().at(0).text == "TLS alone, and it has none");
    CHECK(look.concerns.warnings().at(0).mend == "jackdaw config set db1 tls=OFF");
    CHECK(look.at(well()).empty());
    CHECK(look.at(well(), 10'000) == Words{"connections.relief"});
}

TEST_CASE("concerns: what nobody can look at neither begins nor ends", "[concerns]") {
    Look look;
    CHECK(look.at(with_connections(95)) == Words{"connections.pressure"});
    CHECK(look.at(Figures{}, 60'000).empty());
    CHECK(look.kinds() == Words{"connections"});
    auto crowded = Figures{};
    crowded.crowded_out = "Too many connections";
    CHECK(look.at(crowded).empty());
    CHECK(look.concerns.warnings().at(0).mend == "jackdaw instance restart db1");
    CHECK(look.at(well()).empty());
    CHECK(look.at(well(), 10'000) == Words{"connections.relief"});
}

TEST_CASE("concerns: the account, by how the agent can still mend it", "[concerns]") {
    Look look;
    auto changed = well();
    changed.inside->access = "somebody changed it";
    CHECK(look.at(changed) == Words{"access.lost"});
    CHECK(look.concerns.warnings().at(0).mend == "jackdaw instance repair db1");
    Figures refused;
    refused.refused = "access denied";
    CHECK(look.at(refused).empty()); // it got worse, and was told
    CHECK(look.concerns.warnings().at(0).mend == "jackdaw instance restart db1");
    for (int i = 0; i < 50; ++i) { // taken away each time it was made anew
        CHECK(look.at(i % 2 == 0 ? well() : changed, 5'000).empty());
    }
    CHECK(look.at(well()).empty());
    CHECK(look.at(well(), 10'000) == Words{"access.regained"});
    CHECK(look.kinds().empty());
}

TEST_CASE("concerns: what cannot be looked at is told after three looks, the rest goes on",
          "[concerns]") {
    Look look;
    auto blind = with_connections(95);
    blind.inside->look_alikes.reset();
    blind.inside->unseen.push_back(
        {"accounts", "session 7 holds a lock", "`jackdaw session kill INSTANCE 7` ends it"});
    CHECK(look.at(blind) == Words{"connections.pressure"}); // what could be read is kept
    CHECK(look.at(blind).empty());
    CHECK(look.at(well()) == Words{}); // two in a row are a short lock
    for (int i = 0; i < 2; ++i) {
        CHECK(look.at(blind).empty());
    }
    CHECK(look.at(Figures{}).empty()); // between examinations
    CHECK(look.at(blind) == Words{"sight.lost"});
    CHECK(look.at(blind).empty());
    REQUIRE(look.kinds() == Words{"connections", "sight"});
    const auto warning = look.concerns.warnings().at(1);
    CHECK(warning.text == "cannot look at accounts: session 7 holds a lock");
    CHECK(warning.mend == "`jackdaw session kill db1 7` ends it");
    auto others = with_connections(95);
    others.inside->look_alikes = std::vector<std::string>{"''@'%'"};
    CHECK(look.at(others) == Words{"accounts.doubtful"});
    CHECK(look.at(blind, 60'000).empty()); // unseen is not gone
    CHECK(look.kinds() == Words{"connections", "accounts", "sight"});
    CHECK(look.at(others).empty());
    CHECK(look.at(others, 10'000) == Words{"sight.regained"});
    CHECK(look.kinds() == Words{"connections", "accounts"});
}

TEST_CASE("concerns: what the agent switched off is shown until it is settled", "[concerns]") {
    Look look;
    auto off = well();
    off.inside->switches_known = true;
    off.inside->switched_off = Figures::SwitchedOff{"it was switched off", "events", "ON"};
    CHECK(look.at(off).empty()); // who did it has told it
    REQUIRE(look.kinds() == Words{"scheduler"});
    CHECK(look.concerns.warnings().at(0).mend == "jackdaw config set db1 events=ON");
    CHECK(look.at(well(), 60'000).empty()); // it was not looked at
    CHECK(look.kinds() == Words{"scheduler"});
    auto on = well();
    on.inside->switches_known = true;
    CHECK(look.at(on).empty());
    CHECK(look.at(on, 10'000) == Words{"scheduler.settled"});
    CHECK(look.kinds().empty());
}

TEST_CASE("concerns: three lost sessions in a minute are a hunt, two are not", "[concerns]") {
    Look look;
    auto figures = well();
    figures.sessions_ended = 4; // before anybody looked
    Figures silent;             // says nothing of sessions
    silent.asked = false;
    CHECK(look.at(figures).empty());
    for (int i = 0; i < 10; ++i) { // two a minute
        ++figures.sessions_ended;
        CHECK(look.at(figures, 30'001).empty());
        CHECK(look.at(silent, 0).empty());
    }
    ++figures.sessions_ended;
    CHECK(look.at(figures) == Words{"session.hunted"});
    figures.sessions_ended += 100;
    CHECK(look.at(figures).empty());
    CHECK(look.at(figures, 60'000).empty());
    CHECK(look.at(figures, 10'001).empty());
    CHECK(look.at(figures, 10'000) == Words{"session.calm"});
    figures.sessions_ended = 0; // another server
    CHECK(look.at(figures).empty());
}

TEST_CASE("concerns: files in memory count, and one folder's that fill it are told", "[concerns]") {
    Look look;
    auto figures = well();
    figures.memory_folders = {{"/tmp", 10U << 20U, 32U << 20U}, {"/run", 1U << 20U, 8U << 20U}};
    CHECK(look.at(figures).empty());
    figures.memory_folders[0].used_bytes = 31U << 20U;
    CHECK(look.at(figures) == Words{"memory.pressure"});
    const auto warning = look.concerns.warnings().at(0);
    CHECK(warning.text == "the database and files in memory hold 132 of the machine's 1000 MiB of "
                          "memory; such files: /tmp 31 MiB");
    CHECK(warning.mend.starts_with("`jackdaw machine shell db1 -- ls -la /tmp`, "));
    figures.memory_folders[0].used_bytes = 0;
    CHECK(look.at(figures).empty());
    CHECK(look.at(figures, 10'000) == Words{"memory.relief"});

    figures.memory_folders[0] = {"/tmp", 500U << 20U,
                                 std::uint64_t{8000} << 20U}; // of an older machine
    CHECK(look.at(figures) == Words{"memory.pressure"});
    figures.memory_folders[0].used_bytes = 190U << 20U; // around its mark: nothing
    CHECK(look.at(figures, 20'000).empty());
    CHECK(look.at(figures, 20'000).empty());
    CHECK(look.kinds() == Words{"memory"});
    figures.memory_folders = {{"/tmp", 150U << 20U, 0}};
    figures.memory_bytes = 800U << 20U;
    CHECK(look.at(figures).empty()); // not over: both together
    CHECK(look.concerns.warnings().at(0).text ==
          "the database and files in memory hold 950 of the machine's 1000 MiB of memory");
}

TEST_CASE("concerns: memory and volume, the gravest first; a new server forgets", "[concerns]") {
    Look look;
    auto figures = with_connections(99);
    figures.memory_bytes = 950U << 20U;
    figures.volume_percent = 90;
    figures.inside->look_alikes = std::vector<std::string>{"''@'%'"};
    const auto told = look.at(figures);
    CHECK(told == Words{"connections.pressure", "memory.pressure", "accounts.doubtful"});
    CHECK(look.kinds() == Words{"connections", "volume", "memory", "accounts"});
    figures.volume_full = true;
    CHECK(look.at(figures).empty());
    CHECK(look.concerns.warnings().at(1).text == "the volume is full");
    Words ended;
    for (const auto& change : look.concerns.forget()) {
        ended.push_back(change.event);
    }
    CHECK(ended == Words{"connections.relief", "memory.relief", "accounts.clear"});
    CHECK(look.kinds() == Words{"volume"});
    figures = well();
    CHECK(look.at(figures).empty()); // the volume's own events are told elsewhere
    CHECK(look.kinds().empty());
    for (const auto* kind : proto::warning_kinds) {
        CHECK(std::string{kind}.size() <= 12);
    }
}
