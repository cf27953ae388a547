#pragma once
// What the files of the contract suite say alike.

#include <algorithm>
#include <csignal>
#include <optional>
#include <string>

#include <catch2/catch.hpp>

#include "tests/real/datastore_contract.h"

namespace jackdaw::test {

inline std::string why(const Result<void>& result) {
    return result ? std::string{} : result.error().to_string();
}

template <class T>
std::string why(const Result<T>& result) {
    return result ? std::string{} : result.error().to_string();
}

inline std::optional<proto::UserSpec> find_user(plugins::Datastore& store,
                                                const std::string& name) {
    const auto list = store.users()->list(plenty());
    REQUIRE(list.has_value());
    const auto found =
        std::find_if(list->begin(), list->end(), [&](const auto& one) { return one.name == name; });
    return found == list->end() ? std::nullopt : std::optional{*found};
}

inline std::string verifier(plugins::Datastore& store, const std::string& password) {
    auto made = store.users()->make_verifier(Secret{std::string{password}});
    REQUIRE(made.has_value());
    return *made;
}

/// Stopped for as long as it lives, also when an assertion fails.
struct Stopped {
    explicit Stopped(const Server& one) : server{one} { server.signal(SIGSTOP); }
    ~Stopped() { server.signal(SIGCONT); }
    Stopped(const Stopped&) = delete;
    Stopped& operator=(const Stopped&) = delete;
    const Server& server;
};

} // namespace jackdaw::test

#define REQUIRE_OK(...)                                                                            \
    do {                                                                                           \
        auto&& outcome = (__VA_ARGS__);                                                            \
        INFO(why(outcome));                                                                        \
        REQUIRE(outcome.has_value());                                                              \
    } while (false)

/// The section's server, its driver, and the agent's uid for as long as the section runs.
#define FOR_EACH_DATASTORE(server, store)                                                          \
    for (const auto& datastore : datastores)                                                       \
        DYNAMIC_SECTION(datastore)                                                                 \
    if (Server* server_pointer = server_of(datastore); server_pointer != nullptr)                  \
        for (bool first = true; first;)                                                            \
            for (Server& server = *server_pointer; first;)                                         \
                for (plugins::Datastore& store = server.store(); first; first = false)
