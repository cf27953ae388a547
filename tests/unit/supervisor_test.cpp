// agent/core/supervisor.h: when an ended database is started again.
#include <catch2/catch.hpp>

#include "agent/core/supervisor.h"

using namespace jackdaw;
using namespace jackdaw::agent;
using namespace std::chrono_literals;

namespace {
Instant at(Duration since) {
    return Instant{} + since;
}
} // namespace

TEST_CASE("supervisor: pauses grow from nothing, and a crash loop ends them", "[supervisor]") {
    Supervisor supervisor{SupervisorConfig{0s, 1s, 30s, 5, 5min}};
    CHECK(supervisor.next_wakeup() == never);
    const Duration pauses[] = {0s, 1s, 2s, 4s};
    Duration now = 1h;
    for (const auto pause : pauses) {
        supervisor.ended(at(now));
        CHECK(supervisor.next_wakeup() == at(now + pause));
        CHECK_FALSE(supervisor.start_due(at(now + pause - 1ns)));
        CHECK(supervisor.start_due(at(now + pause)));
        supervisor.start_taken();
        CHECK_FALSE(supervisor.start_due(at(now + 1h)));
        now += 10s;
    }
    supervisor.ended(at(now));
    CHECK(supervisor.gave_up());
    CHECK(supervisor.next_wakeup() == never);
    supervisor.forgive();
    CHECK_FALSE(supervisor.gave_up());
    supervisor.ended(at(now + 1s));
    CHECK(supervisor.start_due(at(now + 1s)));
}

TEST_CASE("supervisor: deaths far apart never add up to a crash loop", "[supervisor]") {
    Supervisor supervisor{SupervisorConfig{0s, 1s, 30s, 3, 5min}};
    for (int death = 0; death < 50; ++death) {
        supervisor.ended(at(death * 6min));
        CHECK_FALSE(supervisor.gave_up());
        CHECK(supervisor.next_wakeup() == at(death * 6min));
        supervisor.start_taken();
    }
}

TEST_CASE("supervisor: the pause has a ceiling", "[supervisor]") {
    Supervisor supervisor{SupervisorConfig{0s, 1s, 30s, 100, 24h}};
    for (int death = 0; death < 20; ++death) {
        supervisor.ended(at(death * 1s));
        CHECK(supervisor.next_wakeup() <= at(death * 1s + 30s));
        supervisor.start_taken();
    }
}
