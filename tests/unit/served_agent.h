#pragma once
// An agent's API for a server over real sockets, whose loop runs on a thread of its own.

#include <exception>
#include <string>
#include <thread>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <catch2/catch.hpp>

#include "agent/api/event_hub.h"
#include "agent/api/router.h"
#include "tests/unit/fake_fleet.h"
#include "tests/unit/life_world.h"

namespace jackdaw::testing {

/// Who inherits has the server, hands its run() to serve(), and calls end() in its destructor.
class ServedAgent {
public:
    ServedAgent(const ServedAgent&) = delete;
    ServedAgent& operator=(const ServedAgent&) = delete;

    /// As the agent tells whoever listens to that operation.
    void tell_changed(const std::string& operation) {
        boost::asio::post(io_, [this, operation] { hub_.changed(operation); });
    }

    LifeWorld world;
    agent::FakeFleet fleet;

protected:
    ServedAgent() = default;
    ~ServedAgent() = default;

    void serve(boost::asio::awaitable<Result<void>> run) {
        boost::asio::co_spawn(
            io_, std::move(run),
            boost::asio::bind_cancellation_slot(
                stop_.slot(), [](const std::exception_ptr& thrown, const Result<void>& ended) {
                    CHECK(thrown == nullptr);
                    CHECK(ended.has_value());
                }));
        thread_ = std::thread{[this] { io_.run(); }};
    }
    void end() {
        boost::asio::post(io_, [this] { stop_.emit(boost::asio::cancellation_type::terminal); });
        thread_.join();
        pool_.join();
    }

private:
    bool started_ = (world.start_agent(), true);
    runtime::Clock clock_;

protected:
    agent::Router router_{{world.life(), clock_, fleet, "0.1.0"}};
    agent::EventHub hub_;
    boost::asio::thread_pool pool_{2};
    boost::asio::io_context io_{1};

private:
    boost::asio::cancellation_signal stop_;
    std::thread thread_;
};

} // namespace jackdaw::testing
