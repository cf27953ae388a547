#include "proto/runtime/clock.h"

#include <time.h>

#include <chrono>
#include <fstream>
#include <utility>

namespace jackdaw::runtime {
namespace {

std::string kernel_boot_id() {
    std::ifstream file{"/proc/sys/kernel/random/boot_id"};
    std::string id;
    std::getline(file, id);
    return id;
}

} // namespace

Clock::Clock(std::string machine_boot, std::string faults_file)
    : boot_id_{kernel_boot_id() + (machine_boot.empty() ? "" : "/" + machine_boot)},
      faults_file_{std::move(faults_file)} {}

Moment Clock::now() const {
    return Moment{boot_id_, boottime_ns(), wall_ms()};
}

std::int64_t Clock::wall_ms() const {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
#ifdef JACKDAW_FAULTS
    if (!faults_file_.empty()) {
        std::ifstream file{faults_file_};
        for (std::string word; file >> word;) {
            if (std::int64_t seconds = 0; word == "wall" && file >> seconds) {
                ms += seconds * 1000;
            }
        }
    }
#endif
    return ms;
}

std::int64_t Clock::boottime_ns() {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

Instant Clock::instant() {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return Instant{std::chrono::duration_cast<Duration>(since)};
}

} // namespace jackdaw::runtime
