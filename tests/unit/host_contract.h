#pragma once
// What every Host promises, whoever stands behind it: FakeHost (tests/unit/host_contract_test.cpp)
// and jackdaw-host in a real machine (tests/real/host_test.cpp). Each function is one promise; it
// leaves the machine as it found it but for what its name says, and they are called in the order in
// which they stand.

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <catch2/catch.hpp>

#include "agent/host/host.h"

namespace jackdaw::testing {

inline constexpr const char* contract_serial = "vol-0001";
inline constexpr const char* contract_id = "018f3c1e-0000-7000-8000-000000000001";
inline constexpr const char* contract_stranger = "018f3c1e-0000-7000-8000-0000000000ff";
inline constexpr const char* contract_uuid = "6e8bc430-9c3a-41d9-9669-0800200c9a66";
inline constexpr const char* contract_other_uuid = "7f8bc430-9c3a-41d9-9669-0800200c9a66";

template <class T>
T must(Result<T> result) {
    if (!result) {
        FAIL(result.error().to_string());
    }
    return *std::move(result);
}
inline void must(const Result<void>& result) {
    if (!result) {
        FAIL(result.error().to_string());
    }
}

template <class T>
Code refusal(const Result<T>& result) {
    REQUIRE_FALSE(result);
    return result.error().id();
}

/// Runs a job to its end and releases it; what it said.
inline std::string finish(std::unique_ptr<agent::GuardLink> link) {
    REQUIRE(link);
    const auto end = must(link->wait_end(std::chrono::seconds{60}, -1));
    const auto output = must(link->output());
    INFO(output);
    REQUIRE(end.succeeded());
    must(link->release());
    return output;
}

inline plugins::Job contract_job(const std::string& script) {
    plugins::Job job;
    job.name = "fake-init";
    job.argv = {"/bin/sh", "-c", script};
    job.environment = {"PATH=/usr/bin:/bin"};
    job.working_folder = "/";
    return job;
}

inline plugins::LaunchSpec contract_database() {
    plugins::LaunchSpec spec;
    spec.argv = {"/bin/sleep", "100000"};
    spec.environment = {"PATH=/usr/bin:/bin"};
    spec.working_folder = std::string{agent::data_folder};
    spec.stop = {{15, std::chrono::seconds{10}}};
    return spec;
}

inline void only_the_machines_own_volume_is_touched(agent::Host& host) {
    CHECK(must(host.machine_file()).volume_serial == contract_serial);
    CHECK_FALSE(host.inspect_volume("vol-other"));
    CHECK_FALSE(host.mount_volume("vol-other", contract_uuid));
    CHECK_FALSE(host.spawn_mkfs("op-1", {"vol-other", "xfs", contract_uuid, true}));
    CHECK(must(host.facts()).cores >= 1);
}

inline void a_blank_volume_is_formatted_and_mounted_by_its_uuid(agent::Host& host) {
    auto info = must(host.inspect_volume(contract_serial));
    CHECK(info.blank);
    CHECK(info.uuid.empty());
    CHECK_FALSE(info.mounted);
    CHECK_FALSE(host.mount_volume(contract_serial, ""));
    CHECK(refusal(host.read_stamp()) == Code::conflict);
    (void)finish(must(host.spawn_mkfs("op-1", {contract_serial, "xfs", contract_uuid, false})));
    info = must(host.inspect_volume(contract_serial));
    CHECK_FALSE(info.blank);
    CHECK(info.uuid == contract_uuid);
    // An earlier agent's mkfs may be done over: the UUID was journalled, nothing was mounted.
    (void)finish(must(host.spawn_mkfs("op-1", {contract_serial, "xfs", contract_uuid, false})));
    CHECK(refusal(host.mount_volume(contract_serial, contract_other_uuid)) == Code::volume_foreign);
    must(host.mount_volume(contract_serial, contract_uuid));
    must(host.mount_volume(contract_serial, contract_uuid));
    info = must(host.inspect_volume(contract_serial));
    CHECK(info.mounted);
    CHECK(info.filesystem_bytes > 0);
    CHECK_FALSE(info.device.empty());
}

inline void the_stamp_says_whose_it_is(agent::Host& host) {
    CHECK_FALSE(must(host.read_stamp()));
    CHECK_FALSE(host.write_stamp({contract_stranger, "fake", "1.0", false}, ""));
    must(host.write_stamp({contract_id, "fake", "1.0", false}, ""));
    const auto stamp = must(host.read_stamp());
    REQUIRE(stamp);
    CHECK(stamp->instance_id == contract_id);
    CHECK(stamp->datastore == "fake");
    CHECK(stamp->version == "1.0");
    CHECK_FALSE(stamp->sealed);
    must(host.erase_stamp());
    CHECK_FALSE(must(host.read_stamp()));
    must(host.erase_stamp());
    must(host.write_stamp({contract_id, "fake", "1.0", false}, ""));
}

inline void no_database_starts_before_the_data_folder_is_sealed(agent::Host& host) {
    must(host.prepare_folders());
    must(host.prepare_folders());
    must(host.wipe_data());
    CHECK(refusal(host.spawn_database(contract_database())) == Code::conflict);
    CHECK(finish(must(host.spawn_job("op-2", "fake", contract_job("echo made")))).find("made") !=
          std::string::npos);
    must(host.sync_volume());
    CHECK(refusal(host.spawn_database(contract_database())) == Code::conflict);
    must(host.write_config({{"my.cnf", "[mysqld]\n"}, {"extra.cnf", ""}}));
    must(host.write_config({{"my.cnf", "[mysqld]\nport=1\n"}}));
    must(host.write_stamp({contract_id, "fake", "1.0", true}, ""));
    CHECK(refusal(host.wipe_data()) == Code::conflict);
}

inline void one_database_lives_under_its_guard_until_it_is_stopped(agent::Host& host) {
    CHECK_FALSE(must(host.connect_guard("database")));
    auto link = must(host.spawn_database(contract_database()));
    const auto status = must(link->status());
    CHECK(status.phase == agent::GuardPhase::running);
    CHECK(status.child_pid > 0);
    CHECK(refusal(host.spawn_database(contract_database())) == Code::conflict);
    link.reset(); // an agent goes, the next one comes
    link = must(host.connect_guard("database"));
    REQUIRE(link);
    CHECK(must(link->status()).child_pid == status.child_pid);
    CHECK(must(host.list_guards()) == std::vector<std::string>{"database"});
    CHECK(link->wait_end(std::chrono::milliseconds{0}, -1).error().code() == Errc::deadline);
    must(link->request_stop(agent::StopKind::clean));
    const auto end = must(link->wait_end(std::chrono::seconds{60}, -1));
    CHECK(end.phase == agent::GuardPhase::ended);
    must(link->release());
    link.reset();
    CHECK_FALSE(must(host.connect_guard("database")));
}

/// How a test writes a log as the engine does: behind what is there.
using WriteLog = std::function<void(agent::LogOwner, const std::string&, const std::string&)>;

inline std::string content_of(const UniqueFd& fd) {
    std::string text(4096, '\0');
    const auto got = ::pread(fd.get(), text.data(), text.size(), 0);
    REQUIRE(got >= 0);
    text.resize(static_cast<std::size_t>(got));
    return text;
}

inline void logs_are_opened_for_reading_and_rotated(agent::Host& host, const WriteLog& write) {
    using agent::LogOwner;
    must(host.prepare_folders());
    CHECK(refusal(host.open_log(LogOwner::engine, "slow.log")) == Code::not_found);
    must(host.rotate_log("slow.log", 2)); // nothing to rotate
    for (const auto* name : {"", ".", "..", ".hidden", "../data/x", "a/b", "Slow.log", "-x", "a b",
                             "1234567890123456789012345678901234567890123456789012345678901"}) {
        INFO(name);
        CHECK(refusal(host.open_log(LogOwner::engine, name)) == Code::invalid);
        CHECK(refusal(host.open_log(LogOwner::guard, name)) == Code::invalid);
        CHECK_FALSE(host.rotate_log(name, 2));
    }
    CHECK(refusal(host.open_log(LogOwner::guard, "agent.log")) == Code::invalid);
    CHECK_FALSE(host.rotate_log("slow.log", 0));
    CHECK_FALSE(host.rotate_log("slow.log", agent::log_keep_max + 1));

    for (const auto* text : {"first\n", "second\n", "third\n"}) {
        write(LogOwner::engine, "slow.log", text);
        const auto fd = must(host.open_log(LogOwner::engine, "slow.log"));
        CHECK(content_of(fd) == text);
        CHECK(::write(fd.get(), "x", 1) < 0);
        CHECK((::fcntl(fd.get(), F_GETFL) & O_NONBLOCK) != 0);
        must(host.rotate_log("slow.log", 2));
        CHECK(refusal(host.open_log(LogOwner::engine, "slow.log")) == Code::not_found);
        must(host.rotate_log("slow.log", 2)); // again, before anything was written: no change
        CHECK(content_of(fd) == text);        // one that is open is not hurt
    }
    CHECK(content_of(must(host.open_log(LogOwner::engine, "slow.log.1"))) == "third\n");
    CHECK(content_of(must(host.open_log(LogOwner::engine, "slow.log.2"))) == "second\n");
    CHECK(refusal(host.open_log(LogOwner::engine, "slow.log.3")) == Code::not_found);
    write(LogOwner::engine, "slow.log", "fourth\n");
    must(host.rotate_log("slow.log", 1)); // fewer than before
    CHECK(content_of(must(host.open_log(LogOwner::engine, "slow.log.1"))) == "fourth\n");
    CHECK(refusal(host.open_log(LogOwner::engine, "slow.log.2")) == Code::not_found);

    write(LogOwner::guard, "database.log", "said\n");
    CHECK(content_of(must(host.open_log(LogOwner::guard, "database.log"))).ends_with("said\n"));
}

inline void the_volume_is_given_back(agent::Host& host) {
    must(host.unmount_volume(contract_serial));
    must(host.unmount_volume(contract_serial));
    CHECK_FALSE(must(host.inspect_volume(contract_serial)).mounted);
}

inline void a_volume_that_holds_something_is_formatted_by_order_only(agent::Host& host) {
    CHECK(refusal(host.spawn_mkfs("op-3", {contract_serial, "ext4", contract_other_uuid, false})) ==
          Code::volume_not_blank);
    CHECK(must(host.inspect_volume(contract_serial)).uuid == contract_uuid);
    (void)finish(
        must(host.spawn_mkfs("op-3", {contract_serial, "ext4", contract_other_uuid, true})));
    CHECK(must(host.inspect_volume(contract_serial)).uuid == contract_other_uuid);
}

} // namespace jackdaw::testing
