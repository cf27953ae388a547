// FakeHost keeps the promises of every Host.
#include "agent/host/fake_host.h"
#include "tests/unit/host_contract.h"

using namespace jackdaw;
using namespace jackdaw::testing;

TEST_CASE("a machine in memory is a Host") {
    agent::MachineFile machine;
    machine.instance_id = contract_id;
    machine.volume_serial = contract_serial;
    machine.database_uid = machine.database_gid = 47413;
    agent::FakeHost host{machine};
    host.set_job("fake-init", {0, "made\n", false, false, true});

    only_the_machines_own_volume_is_touched(host);
    a_blank_volume_is_formatted_and_mounted_by_its_uuid(host);
    the_stamp_says_whose_it_is(host);
    no_database_starts_before_the_data_folder_is_sealed(host);
    one_database_lives_under_its_guard_until_it_is_stopped(host);
    logs_are_opened_for_reading_and_rotated(
        host, [&](agent::LogOwner owner, const std::string& name, const std::string& text) {
            host.append_log(owner, name, text);
        });
    host.set_log_hostile("slow.log", "a FIFO");
    CHECK(refusal(host.open_log(agent::LogOwner::engine, "slow.log")) == Code::not_allowed);
    CHECK(refusal(host.rotate_log("slow.log", 2)) == Code::not_allowed);
    the_volume_is_given_back(host);
    a_volume_that_holds_something_is_formatted_by_order_only(host);

    // Every refusal that an agent must never provoke was kept as a sentence.
    CHECK(host.violations().size() >= 4);
}
