// Who may stay connected: floods of every kind against the bounds, and who is left.
#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include <catch2/catch.hpp>

#include "agent/core/connection_book.h"

using jackdaw::agent::ConnectionBook;
using jackdaw::agent::ConnectionLimits;
using State = jackdaw::agent::ConnectionState;
using Ids = std::vector<ConnectionBook::Id>;

namespace {

constexpr ConnectionBook::Owner mallory = 1000;
constexpr ConnectionBook::Owner alice = 1001;

ConnectionLimits small() {
    ConnectionLimits limits;
    limits.connections_max = 8;
    limits.streams_max = 4;
    limits.working_max = 4;
    limits.bytes_max = 1000;
    return limits;
}

ConnectionBook::Id must_enter(ConnectionBook& book, ConnectionBook::Owner owner, std::int64_t now) {
    Ids gone;
    const auto id = book.enter(owner, now, gone);
    REQUIRE(id);
    return *id;
}

} // namespace

TEST_CASE("a flood of half-sent requests takes its own places, oldest first") {
    ConnectionBook book{small()};
    std::vector<ConnectionBook::Id> flood;
    std::int64_t now = 0;
    for (int i = 0; i < 8; ++i) {
        flood.push_back(must_enter(book, ConnectionBook::root, ++now));
    }
    for (int i = 0; i < 20; ++i) { // also of one owner: root against root
        Ids gone;
        flood.push_back(*book.enter(ConnectionBook::root, ++now, gone));
        CHECK(gone == Ids{flood[static_cast<std::size_t>(i)]});
        CHECK(book.size() == 8);
    }
}

TEST_CASE("who is in work or listens is never the one that goes") {
    ConnectionBook book{small()};
    for (std::int64_t i = 0; i < 4; ++i) {
        CHECK(book.begin_work(must_enter(book, ConnectionBook::root, i), i));
        CHECK(book.begin_stream(must_enter(book, ConnectionBook::root, i), i));
    }
    Ids gone;
    CHECK_FALSE(book.enter(ConnectionBook::root, 9, gone));
    CHECK(gone.empty());
    CHECK(book.take_overdue(1'000'000'000).empty());
}

TEST_CASE("nobody but root has more than half of the places") {
    ConnectionBook book{small()};
    Ids first;
    for (std::int64_t i = 0; i < 4; ++i) {
        first.push_back(must_enter(book, mallory, i));
    }
    Ids gone;
    CHECK(book.enter(mallory, 5, gone));
    CHECK(gone == Ids{first[0]}); // although there is room
    for (std::int64_t i = 6; i < 10; ++i) {
        gone.clear();
        CHECK(book.enter(alice, i, gone));
        CHECK(gone.empty());
    }
    gone.clear();
    const auto root = book.enter(ConnectionBook::root, 11, gone);
    REQUIRE(root);
    CHECK(gone.size() == 1);
    CHECK(book.begin_work(*root, 12));
}

TEST_CASE("the owner with most connections makes room, not the one that waits longest") {
    ConnectionBook book{small()};
    const auto quiet = must_enter(book, alice, 0);
    Ids flood;
    for (std::int64_t i = 1; i < 8; ++i) {
        flood.push_back(must_enter(book, ConnectionBook::root, i));
    }
    Ids gone;
    CHECK(book.enter(alice, 9, gone));
    CHECK(gone == Ids{flood[0]});
    CHECK(book.find(quiet) != nullptr);
}

TEST_CASE("work and streams have bounds of their own, for all and for each") {
    ConnectionBook book{small()};
    const auto one = must_enter(book, mallory, 0);
    const auto two = must_enter(book, mallory, 0);
    const auto three = must_enter(book, mallory, 0);
    CHECK(book.begin_work(one, 1));
    CHECK(book.begin_work(two, 1));
    CHECK_FALSE(book.begin_work(three, 1));
    CHECK(book.begin_work(must_enter(book, alice, 0), 1));
    CHECK(book.begin_work(must_enter(book, ConnectionBook::root, 0), 1));
    CHECK_FALSE(book.begin_work(must_enter(book, ConnectionBook::root, 0), 1));
    book.became(one, State::writing, 2); // its work has ended
    CHECK(book.begin_work(three, 3));
    book.leave(two);
    CHECK(book.begin_stream(one, 4));
    book.became(one, State::writing, 5); // a stream on its way is still one
    const auto four = must_enter(book, mallory, 5);
    CHECK(book.begin_stream(four, 5));
    CHECK_FALSE(book.begin_stream(must_enter(book, mallory, 5), 5));
    CHECK(book.begin_stream(must_enter(book, alice, 5), 5));
}

TEST_CASE("bytes of bodies and answers are bounded together; who holds most makes room") {
    ConnectionBook book{small()};
    Ids gone;
    const auto slow = must_enter(book, ConnectionBook::root, 0);
    REQUIRE(book.hold(slow, 700, gone));
    book.became(slow, State::writing, 1);
    const auto other = must_enter(book, alice, 2);
    REQUIRE(book.hold(other, 300, gone));
    CHECK(gone.empty());
    CHECK(book.bytes() == 1000);
    CHECK_FALSE(book.hold(other, 501, gone)); // more than half is never alice's
    CHECK(gone.empty());
    REQUIRE(book.hold(other, 301, gone));
    CHECK(gone == Ids{slow});
    CHECK(book.bytes() == 301);
    CHECK(book.hold(other, 0, gone));
    CHECK(book.bytes() == 0);
    CHECK_FALSE(book.hold(slow, 1, gone)); // it has gone
}

TEST_CASE("each state has its time") {
    const ConnectionLimits limits;
    const auto over_at = [&](State state, std::int64_t when) {
        ConnectionBook book{limits};
        const auto id = must_enter(book, mallory, 100);
        book.became(id, state, 100);
        return book.take_overdue(100 + when) == Ids{id};
    };
    CHECK_FALSE(over_at(State::fresh, limits.fresh_ms - 1));
    CHECK(over_at(State::fresh, limits.fresh_ms));
    CHECK_FALSE(over_at(State::receiving, limits.receiving_ms - 1));
    CHECK(over_at(State::receiving, limits.receiving_ms));
    CHECK(over_at(State::writing, limits.writing_ms));
    CHECK_FALSE(over_at(State::idle, limits.idle_ms - 1));
    CHECK(over_at(State::idle, limits.idle_ms));
    CHECK_FALSE(over_at(State::streaming, 1'000'000'000));
    CHECK_FALSE(over_at(State::working, 1'000'000'000));
}

TEST_CASE("whatever happens, the sums are those of the entries and no bound is passed") {
    std::mt19937 dice{20261129};
    const auto limits = small();
    ConnectionBook book{limits};
    std::set<ConnectionBook::Id> present;
    std::int64_t now = 0;
    const auto forget = [&](const Ids& gone) {
        for (const auto id : gone) {
            REQUIRE(present.erase(id) == 1);
            REQUIRE(book.find(id) == nullptr);
        }
    };
    for (int round = 0; round < 20'000; ++round) {
        now += static_cast<std::int64_t>(dice() % 5'000);
        Ids gone;
        auto id =
            present.empty()
                ? 0
                : *std::next(present.begin(), static_cast<std::ptrdiff_t>(dice() % present.size()));
        switch (dice() % 7) {
        case 0:
        case 1: {
            const ConnectionBook::Owner owners[] = {ConnectionBook::root, mallory, alice};
            if (const auto entered = book.enter(owners[dice() % 3], now, gone)) {
                present.insert(*entered);
            }
            break;
        }
        case 2: book.leave(id), present.erase(id); break;
        case 3: (void)book.begin_work(id, now); break;
        case 4: (void)book.begin_stream(id, now); break;
        case 5: (void)book.hold(id, dice() % 600, gone); break;
        default:
            if (const auto* entry = book.find(id)) {
                book.became(id, entry->is_stream ? State::writing : State::idle, now);
            }
        }
        forget(gone);
        forget(book.take_overdue(now));
        std::size_t bytes = 0;
        std::size_t working = 0;
        std::size_t streams = 0;
        for (const auto one : present) {
            const auto* entry = book.find(one);
            REQUIRE(entry != nullptr);
            bytes += entry->bytes;
            working += entry->state == State::working ? 1U : 0U;
            streams += entry->is_stream ? 1U : 0U;
        }
        REQUIRE(book.size() == present.size());
        REQUIRE(book.bytes() == bytes);
        REQUIRE(book.size() <= limits.connections_max);
        REQUIRE(bytes <= limits.bytes_max);
        REQUIRE(working <= limits.working_max);
        REQUIRE(streams <= limits.streams_max);
    }
}
