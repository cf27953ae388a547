#pragma once
// offload(): runs blocking work on a pool and resumes the coroutine at home. The coroutine itself
// never runs on the pool's threads, so its cancellation state stays with one thread.

#include <type_traits>
#include <utility>

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace jackdaw::runtime {

namespace asio = boost::asio;

/// `work` takes nothing, returns a value, does not throw, and owns or outlives what it uses. Not
/// cancellable: the coroutine resumes when the work has ended.
template <class Work>
asio::awaitable<std::invoke_result_t<Work>> offload(asio::thread_pool& pool, Work work) {
    using Value = std::invoke_result_t<Work>;
    const auto home = co_await asio::this_coro::executor;
    auto initiate = [&pool, home](auto handler, Work todo) {
        asio::post(pool, [handler = std::move(handler), todo = std::move(todo), home]() mutable {
            auto value = todo();
            asio::post(home, [handler = std::move(handler), value = std::move(value)]() mutable {
                std::move(handler)(std::move(value));
            });
        });
    };
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(Value)>(
        std::move(initiate), asio::use_awaitable, std::move(work));
}

} // namespace jackdaw::runtime
