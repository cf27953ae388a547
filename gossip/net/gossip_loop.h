#pragma once
// Gossip's waiting: for the sockets, for the core's next wakeup, for records to be kept. What is
// done then is gossip_pass.h's.
//
//   GossipLoop<Core> loop{executor, pass, keep};
//   scope.spawn("gossip", loop.run());
//   core.command(…); loop.changed();      // after every command
//
// Not thread-safe: one strand. A template, since the core's records and events are its own; all of
// it is compiled where the agent is put together.

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <spdlog/spdlog.h>

#include "gossip/net/gossip_pass.h"
#include "proto/runtime/task_scope.h"

namespace jackdaw::gossip {

namespace asio = boost::asio;

/// Waits for a descriptor that is another's: never closes it.
class WatchedDescriptor {
public:
    explicit WatchedDescriptor(const asio::any_io_executor& executor) : descriptor_{executor} {}
    WatchedDescriptor(const WatchedDescriptor&) = delete;
    WatchedDescriptor& operator=(const WatchedDescriptor&) = delete;
    ~WatchedDescriptor() {
        if (descriptor_.is_open()) {
            descriptor_.release();
        }
    }

    /// `unavailable` when the kernel cannot watch it.
    [[nodiscard]] Result<void> watch(int descriptor) {
        boost::system::error_code ec;
        if (descriptor_.assign(descriptor, ec)) {
            return Error{Errc::unavailable, "watch gossip's socket: " + ec.message(), ec};
        }
        return ok();
    }
    [[nodiscard]] asio::posix::stream_descriptor& get() noexcept { return descriptor_; }

private:
    asio::posix::stream_descriptor descriptor_;
};

template <PassCore Core>
class GossipLoop {
public:
    using Pass = GossipPass<Core>;
    /// Makes a record durable; may take its time. Runs on the strand until it waits.
    using Keep = std::function<asio::awaitable<Result<void>>(typename Pass::Record)>;

    static constexpr std::chrono::milliseconds pause_after_error{100};
    static constexpr std::chrono::seconds pause_after_failed_keep{1};

    /// `pass` outlives the loop.
    GossipLoop(asio::any_io_executor executor, Pass& pass, Keep keep)
        : executor_{std::move(executor)},
          pass_{pass},
          keep_{std::move(keep)},
          wakeup_{executor_, asio::steady_timer::time_point::max()},
          record_due_{executor_} {}

    /// Runs until cancelled, or until a descriptor cannot be waited for. Call once.
    asio::awaitable<Result<void>> run() {
        std::list<WatchedDescriptor> watched; // outlives the scope, which waits for its tasks
        for (const auto& socket : pass_.sockets()) {
            JACKDAW_CO_CHECK(watched.emplace_back(executor_).watch(socket.descriptor()));
        }
        runtime::TaskScope scope{executor_};
        changed();
        for (auto& one : watched) {
            scope.spawn("gossip.read", read_loop(&one));
        }
        scope.spawn("gossip.clock", clock_loop());
        scope.spawn("gossip.keep", keep_loop());
        co_return co_await scope.join();
    }

    /// The core was commanded: takes out what it wants and looks anew when it wants to be woken.
    void changed() {
        pass_.drain();
        arm();
    }

private:
    static constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
    using State = asio::cancellation_state;

    [[nodiscard]] static bool is_stopping(const State& state) noexcept {
        return state.cancelled() != asio::cancellation_type::none;
    }

    asio::awaitable<Result<void>> read_loop(WatchedDescriptor* watched) {
        co_await asio::this_coro::throw_if_cancelled(false);
        asio::steady_timer pause{executor_};
        for (;;) {
            const auto [ec] = co_await watched->get().async_wait(
                asio::posix::stream_descriptor::wait_read, as_result);
            if (is_stopping(co_await asio::this_coro::cancellation_state)) {
                co_return ok();
            }
            if (ec) {
                co_return Error{Errc::unavailable, "wait for gossip's socket: " + ec.message(), ec};
            }
            co_await pass_all();
            if (is_failing_) { // of the network or of memory: both pass
                pause.expires_after(pause_after_error);
                co_await pause.async_wait(as_result);
            }
        }
    }

    asio::awaitable<Result<void>> clock_loop() {
        co_await asio::this_coro::throw_if_cancelled(false);
        for (;;) {
            const auto [ec] = co_await wakeup_.async_wait(as_result);
            if (is_stopping(co_await asio::this_coro::cancellation_state)) {
                co_return ok();
            }
            if (!ec) { // else it was set anew
                armed_for_ = never;
                wakeup_.expires_at(asio::steady_timer::time_point::max());
                co_await pass_all();
            }
        }
    }

    /// Until the sockets are empty; others run in between.
    asio::awaitable<void> pass_all() {
        co_await asio::this_coro::throw_if_cancelled(false);
        for (;;) {
            const auto ran = pass_.run();
            arm();
            tell(ran.failed);
            if (!ran.more || is_stopping(co_await asio::this_coro::cancellation_state)) {
                co_return;
            }
            co_await asio::post(executor_, asio::use_awaitable);
        }
    }

    asio::awaitable<Result<void>> keep_loop() {
        co_await asio::this_coro::throw_if_cancelled(false);
        asio::steady_timer pause{executor_};
        bool told = false;
        bool told_silent = false; // a record that is not waited for may fail first
        for (;;) {
            if (pass_.has_record()) {
                auto record = pass_.begin_keep();
                const auto kept = co_await keep_(std::move(record));
                if (kept) {
                    told = told_silent = false;
                    pass_.kept();
                    arm();
                } else {
                    pass_.keep_failed();
                    const bool is_silent = pass_.is_silent();
                    if (!std::exchange(told, true) || (is_silent && !told_silent)) {
                        told_silent = is_silent;
                        spdlog::error("gossip: {}its state is not kept: {}",
                                      is_silent ? "silent until it is; " : "",
                                      kept.error().to_string());
                    }
                    pause.expires_after(pause_after_failed_keep);
                    co_await pause.async_wait(as_result);
                }
            } else {
                record_due_.expires_at(asio::steady_timer::time_point::max());
                co_await record_due_.async_wait(as_result);
            }
            if (is_stopping(co_await asio::this_coro::cancellation_state)) {
                co_return ok();
            }
        }
    }

    /// One timer for the core, and a word to who keeps its records.
    void arm() {
        if (const auto at = pass_.wakeup(); at != armed_for_) {
            armed_for_ = at;
            wakeup_.expires_at(asio::steady_timer::time_point{
                std::chrono::duration_cast<asio::steady_timer::duration>(at.time_since_epoch())});
        }
        if (pass_.has_record()) {
            record_due_.cancel();
        }
    }

    void tell(bool failed) {
        if (failed && !is_failing_) {
            spdlog::warn("gossip: a socket cannot be read; it is tried again ten times a second");
        }
        is_failing_ = failed;
    }

    asio::any_io_executor executor_;
    Pass& pass_;
    Keep keep_;
    asio::steady_timer wakeup_;
    asio::steady_timer record_due_; ///< a condition variable
    Instant armed_for_ = never;
    bool is_failing_ = false;
};

} // namespace jackdaw::gossip
