#pragma once
// An agent's API without a machine, for the targets of its requests: Router and Life as production
// has them, over the machine in memory, with MariaDB's own checks and canned answers in place of a
// server. The life's thread has ended, so one input always does the same; reset() goes back to the
// instance as it was made.

#include <functional>
#include <memory>
#include <string>

#include "agent/api/router.h"
#include "agent/host/fake_host.h"
#include "agent/life/life.h"
#include "agent/state/store.h"
#include "agent/timeline.h"
#include "plugins/api/datastore.h"
#include "proto/runtime/clock.h"
#include "tests/unit/fake_fleet.h"

namespace jackdaw::fuzz {

/// MariaDB's checks; what a server would say is canned.
[[nodiscard]] std::shared_ptr<plugins::Datastore> make_api_datastore();

class ApiWorld {
public:
    ApiWorld();
    ~ApiWorld();
    ApiWorld(const ApiWorld&) = delete;
    ApiWorld& operator=(const ApiWorld&) = delete;

    [[nodiscard]] const agent::Router& router() const { return *router_; }
    [[nodiscard]] agent::Life& life() { return *life_; }
    /// Operations in the journal: what a refused request must leave as it is.
    [[nodiscard]] std::size_t operations() const { return life_->operations(SIZE_MAX).size(); }
    /// Another agent on the state folder as it was after the create, once so much was changed that
    /// nothing more would be taken.
    void reset_if_full();

private:
    void start(const std::string& folder);
    void make_instance();
    void stop();

    std::string root_;
    std::string present_;
    std::string made_id_; ///< of the create
    runtime::Clock clock_;
    agent::FakeHost host_;
    std::unique_ptr<agent::StateStore> store_;
    std::unique_ptr<agent::Timeline> timeline_;
    std::unique_ptr<agent::Life> life_;
    agent::FakeFleet fleet_;
    std::unique_ptr<agent::Router> router_;
};

} // namespace jackdaw::fuzz
