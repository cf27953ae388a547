#include "agent/faults.h"

#ifdef JACKDAW_FAULTS
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>
#endif

namespace jackdaw::agent {

#ifdef JACKDAW_FAULTS

void FaultFile::at(std::string_view action, std::string_view step, std::string_view point) const {
    std::ifstream file{path_};
    if (!file) {
        return;
    }
    std::vector<std::string> kept;
    std::string taken;
    long pause_ms = 0;
    const auto matches = [](const std::string& pattern, std::string_view value) {
        return pattern == "*" || pattern == value;
    };
    for (std::string line; std::getline(file, line);) {
        std::istringstream words{line};
        std::string what;
        std::string wanted_action;
        std::string wanted_step;
        std::string wanted_point;
        words >> what >> wanted_action >> wanted_step >> wanted_point;
        if (taken.empty() && (what == "kill" || what == "pause") &&
            matches(wanted_action, action) && matches(wanted_step, step) &&
            matches(wanted_point, point)) {
            taken = what;
            words >> pause_ms;
            continue;
        }
        kept.push_back(line);
    }
    if (taken.empty()) {
        return;
    }
    file.close();
    {
        std::ofstream out{path_ + ".new"};
        for (const auto& line : kept) {
            out << line << '\n';
        }
    }
    if (::rename((path_ + ".new").c_str(), path_.c_str()) != 0) {
        return; // a line that cannot be taken out would kill every agent for ever
    }
    if (taken == "kill") {
        ::kill(::getpid(), SIGKILL);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{pause_ms});
}

#else

void FaultFile::at(std::string_view, std::string_view, std::string_view) const {}

#endif

} // namespace jackdaw::agent
