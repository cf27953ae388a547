// tests/sim/run: whole fleets in virtual time, seed by seed.
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/sim/fleet_faults.h"

using namespace jackdaw::sim;

namespace {

/// `wrong`: what of the line it was; empty: it was asked for.
int usage(std::string_view wrong = {}) {
    std::string faults;
    for (const auto fault : all_faults()) {
        faults.append(faults.empty() ? "" : "|").append(name_of(fault));
    }
    auto* const out = wrong.empty() ? stdout : stderr;
    if (!wrong.empty()) {
        std::fprintf(out, "error: %.*s\n", static_cast<int>(wrong.size()), wrong.data());
    }
    std::fprintf(
        out,
        "usage: run [--seeds A..B] [--members N] [--fault %s]... [--tell]\n"
        "Runs one fleet per seed through ten faults each and checks every step. Without\n"
        "options: seeds 1..100, 3 to 16 members each, every fault.\n"
        "--tell: each fault as it comes, at its virtual time, and whom it strikes: members\n"
        "by number from 0 (the highest is the adversary), of a part those in it, \"all\"\n"
        "links, or \"nobody\", e.g. when fewer than two run.\n"
        "Status: 0 everything held, 1 something did not, 2 usage, 3 it could not be built.\n",
        faults.c_str());
    return wrong.empty() ? 0 : 2;
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
        if (option == "--help" || option == "-h") {
            return usage();
        }
        if (option != "--seeds" && option != "--members" && option != "--fault") {
            return usage(std::string{option} + " is no option");
        }
        if (i + 1 == argc) {
            return usage(std::string{option} + " needs a value");
        }
        const std::string_view value{argv[++i]};
        std::uint64_t members = 0;
        if (option == "--seeds") {
            const auto dots = value.find("..");
            const auto to = dots == std::string_view::npos ? value : value.substr(dots + 2);
            if (!number(value.substr(0, dots), first) || !number(to, last) || first > last) {
                return usage("--seeds takes A..B, A not above B");
            }
        } else if (option == "--members") {
            if (!number(value, members) || members < 2 || members > 10'000) {
                return usage("--members takes 2 to 10000");
            }
            run.members = members;
        } else {
            const auto before = chosen.size();
            for (const auto fault : all_faults()) {
                if (name_of(fault) == value) {
                    chosen.push_back(fault);
                }
            }
            if (chosen.size() == before) {
                return usage("there is no fault " + std::string{value});
            }
        }
    }
    if (!chosen.empty()) {
        run.faults = chosen;
    }
    std::uint64_t failed = 0;
    std::uint64_t datagrams = 0;
    for (auto seed = first; seed <= last; ++seed) {
        run.seed = seed;
        if (run.tell) {
            std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
        }
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
