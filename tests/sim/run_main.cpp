// tests/sim/run: whole fleets in virtual time, seed by seed.
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/sim/fleet_faults.h"

using namespace jackdaw::sim;

namespace {

int usage() {
    std::string faults;
    for (const auto fault : all_faults()) {
        faults.append(faults.empty() ? "" : "|").append(name_of(fault));
    }
    std::fprintf(stderr,
                 "usage: run [--seeds A..B] [--members N] [--fault %s]... [--tell]\n"
                 "Runs one fleet per seed through ten faults each and checks every step.\n"
                 "Status: 0 everything held, 1 something did not, 2 usage.\n",
                 faults.c_str());
    return 2;
}

bool number(std::string_view text, std::uint64_t& into) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
    return error == std::errc{} && end == text.data() + text.size();
}

} // namespace

int main(int argc, char** argv) {
    std::uint64_t first = 1;
    std::uint64_t last = 100;
    Run run;
    std::vector<Fault> chosen;
    for (int i = 1; i < argc; ++i) {
        const std::string_view option{argv[i]};
        if (option == "--tell") {
            run.tell = true;
            continue;
        }
        if (i + 1 == argc) {
            return usage();
        }
        const std::string_view value{argv[++i]};
        std::uint64_t members = 0;
        if (option == "--seeds") {
            const auto dots = value.find("..");
            const auto to = dots == std::string_view::npos ? value : value.substr(dots + 2);
            if (!number(value.substr(0, dots), first) || !number(to, last)) {
                return usage();
            }
        } else if (option == "--members" && number(value, members) && members >= 2 &&
                   members <= 10'000) {
            run.members = members;
        } else if (option == "--fault") {
            const auto before = chosen.size();
            for (const auto fault : all_faults()) {
                if (name_of(fault) == value) {
                    chosen.push_back(fault);
                }
            }
            if (chosen.size() == before) {
                return usage();
            }
        } else {
            return usage();
        }
    }
    if (!chosen.empty()) {
        run.faults = chosen;
    }
    std::uint64_t failed = 0;
    std::uint64_t datagrams = 0;
    for (auto seed = first; seed <= last; ++seed) {
        run.seed = seed;
        const auto outcome = run_faults(run);
        datagrams += outcome.datagrams;
        if (!outcome.breach.empty()) {
            ++failed;
            std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed),
                        outcome.breach.c_str());
            std::fflush(stdout);
        }
    }
    std::printf("%llu seeds, %llu failed, %llu datagrams\n",
                static_cast<unsigned long long>(last - first + 1),
                static_cast<unsigned long long>(failed),
                static_cast<unsigned long long>(datagrams));
    return failed == 0 ? 0 : 1;
}
