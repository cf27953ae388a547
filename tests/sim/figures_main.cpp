// tests/sim/figures: what the membership core does at a size, in virtual time. Figures, not tests.
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/fleet_figures.h"

using namespace jackdaw;
using namespace jackdaw::sim;
using namespace std::chrono_literals;

namespace {

double at(std::vector<double> all, double share) {
    if (all.empty()) {
        return -1;
    }
    std::ranges::sort(all);
    const auto index = static_cast<std::size_t>(share * static_cast<double>(all.size() - 1) + 0.5);
    return all[index];
}

double resident_mib() {
    std::ifstream file("/proc/self/statm");
    double pages = 0;
    file >> pages >> pages;
    return pages * 4096 / 1048576;
}

/// Joins alone: (median, longest) s and KiB of each member.
void joins(std::size_t members, std::size_t rounds) {
    std::vector<double> all;
    double kib = 0;
    for (std::uint64_t seed = 1; seed <= rounds; ++seed) {
        Figures one{members, seed, members > 2000};
        all.push_back(one.join());
        kib += one.joined_bytes / 1024 / static_cast<double>(rounds);
    }
    std::printf("%6zu | join s, max %6.2f %6.2f | KiB %5.0f\n", members, at(all, 0.5), at(all, 1),
                kib);
    std::fflush(stdout);
}

void size(std::size_t members, std::size_t rounds) {
    std::vector<double> joins, firsts, lasts, halves, alls, heals;
    double joined_bytes = 0, idle_bytes = 0, idle_datagrams = 0, lossy = 0;
    std::uint64_t wrong = 0, slow_wrong = 0;
    for (std::uint64_t seed = 1; seed <= rounds; ++seed) {
        Figures one{members, seed, members > 2000};
        joins.push_back(one.join());
        joined_bytes += one.joined_bytes / static_cast<double>(rounds);
        one.fleet().run_for(12s);
        one.idle(20s);
        idle_bytes += one.idle_bytes / static_cast<double>(rounds);
        idle_datagrams += one.idle_datagrams / static_cast<double>(rounds);
        const auto [half, all] = one.hint();
        halves.push_back(half);
        alls.push_back(all);
        one.fleet().run_for(
            Duration{static_cast<std::int64_t>(seed * 137'000'000 % 1'000'000'000)});
        const auto [first, last] = one.kill(1);
        firsts.push_back(first);
        lasts.push_back(last);
        if (seed <= 5) {
            one.fleet().run_for(10s);
            heals.push_back(one.cut(one.up() / 2, 60s));
            one.fleet().run_for(10s);
            one.loss(300, 60s);
            lossy += one.loss_bytes / static_cast<double>(std::min<std::size_t>(5, rounds));
            wrong += one.wrong_downs;
            one.fleet().run_for(10s);
            one.slow(std::max<std::size_t>(1, members / 10), 2s, 50ms, 20s);
            slow_wrong += one.wrong_downs;
        }
    }
    std::printf(
        "%6zu | %6.2f %6.2f | %5.0f | %5.0f %4.2f | %5.3f %5.3f | %5.2f %5.2f | %5.2f %5.2f | "
        "%5.2f %5.2f | %llu %5.0f | %llu\n",
        members, at(joins, 0.5), at(joins, 1), joined_bytes / 1024, idle_bytes, idle_datagrams,
        at(halves, 0.5), at(alls, 0.5), at(firsts, 0.5), at(firsts, 0.99), at(lasts, 0.5),
        at(lasts, 0.99), at(heals, 0.5), at(heals, 1), static_cast<unsigned long long>(wrong),
        lossy, static_cast<unsigned long long>(slow_wrong));
    std::fflush(stdout);
}

/// Verdicts against members that run and can be reached: rows 8 and 9 of GOSSIP.md, section 1,
/// where memberlist's rules made 91 and 1587. The latter is Lifeguard's interval experiment (arXiv
/// 1707.00788, section 5).
void verdicts() {
    Figures lossy{64, 1, false};
    (void)lossy.join();
    lossy.fleet().run_for(12s);
    lossy.loss(300, 600s);
    std::printf("30 %% loss, 64 members, 600 s: wrong %llu\n",
                static_cast<unsigned long long>(lossy.wrong_downs));
    constexpr std::array stops{512ms, 2048ms, 8192ms, 16'384ms, 32'768ms};
    constexpr std::array goes{1ms, 4ms, 64ms, 1024ms, 4096ms, 16'384ms};
    std::uint64_t sum = 0;
    for (const std::size_t count : {1U, 4U, 8U, 16U, 32U}) {
        std::uint64_t wrong = 0;
        for (const auto stop : stops) {
            for (const auto go : goes) {
                Figures one{128, count, false};
                (void)one.join();
                one.fleet().run_for(12s);
                one.slow(count, stop, go, 120s);
                wrong += one.wrong_downs;
            }
        }
        sum += wrong;
        std::printf("%2zu of 128 members slow, 120 s, %zu times: wrong %llu\n", count,
                    stops.size() * goes.size(), static_cast<unsigned long long>(wrong));
        std::fflush(stdout);
    }
    std::printf("all of these: wrong %llu\n", static_cast<unsigned long long>(sum));
}

/// What a large fleet is put through after its join, in this order.
constexpr std::array<std::string_view, 6> steps_of_large{"idle", "hint", "kill",
                                                         "loss", "slow", "cut"};

/// One large fleet, step by step, each told as it ends.
void large(std::size_t members, const std::set<std::string_view>& steps) {
    const auto begin = std::chrono::steady_clock::now();
    Figures one{members, 1, true};
    std::uint64_t bytes_before = 0;
    std::uint64_t datagrams_before = 0;
    auto cpu_before = std::clock();
    auto virtual_before = one.fleet().now();
    const auto tell = [&](const char* what, const std::string& figures) {
        const auto passed =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        const auto bytes = one.fleet().ip_bytes();
        const auto datagrams = one.fleet().datagrams();
        const auto lasted = to_s(one.fleet().now() - virtual_before);
        const auto each = static_cast<double>(members) * std::max(lasted, 0.001);
        std::printf("%7.0f s, CPU %6.0f s, %6.0f MiB | virtual %6.2f s, %6.0f B/s, %5.1f dg/s a "
                    "member | %-22s %s\n",
                    passed, static_cast<double>(std::clock() - cpu_before) / CLOCKS_PER_SEC,
                    resident_mib(), lasted, static_cast<double>(bytes - bytes_before) / each,
                    static_cast<double>(datagrams - datagrams_before) / each, what,
                    figures.c_str());
        std::fflush(stdout);
        bytes_before = bytes;
        datagrams_before = datagrams;
        virtual_before = one.fleet().now();
        cpu_before = std::clock();
    };
    const auto text = [](auto... values) {
        std::string all;
        ((all += std::to_string(values) + "  "), ...);
        return all;
    };
    const auto before = resident_mib();
    const auto joined = one.join();
    tell("join, s; KiB each", text(joined, one.joined_bytes / 1024));
    std::printf("         bytes of a view's own entry %zu; of all memory per entry %.0f\n",
                one.view_bytes(),
                (resident_mib() - before) * 1048576 /
                    (static_cast<double>(members) * static_cast<double>(members)));
    one.fleet().run_for(12s);
    if (steps.contains("idle")) {
        one.idle(10s);
        tell("idle B/s, datagrams/s", text(one.idle_bytes, one.idle_datagrams));
    }
    if (steps.contains("hint")) {
        const auto [half, all] = one.hint();
        tell("hint half, all, s", text(half, all));
    }
    for (const std::size_t count : {std::size_t{1}, std::size_t{10}, std::size_t{100}}) {
        if (steps.contains("kill") && count * 4 < one.up()) {
            const auto [first, last] = one.kill(count);
            tell("kill first, last, s", std::to_string(count) + " at once: " + text(first, last));
            one.fleet().run_for(5s);
            for (std::size_t i = 0; i < count; ++i) {
                one.fleet().start(one.fleet().size() - 1 - i, {0});
            }
            const auto back =
                one.fleet().run_until([&] { return one.all_hold(members); }, 60s, 50ms);
            tell("all are back after, s", text(back ? to_s(*back) : -1.0));
            one.fleet().run_for(15s);
        }
    }
    if (steps.contains("loss")) {
        one.loss(300, 15s);
        tell("30 % loss: wrong, B/s", text(one.wrong_downs, one.loss_bytes));
        one.fleet().run_for(10s);
    }
    if (steps.contains("slow")) {
        one.slow(members / 10, 2s, 50ms, 15s);
        tell("10 % slow: wrong", text(one.wrong_downs));
        one.fleet().run_for(10s);
    }
    if (steps.contains("cut")) {
        tell("a third cut for 60 s", text(one.cut(members / 3, 60s)));
    }
    one.fleet().run_for(20s);
    one.idle(10s);
    tell("idle again", text(one.idle_bytes, one.idle_datagrams) +
                           (one.all_hold(members) ? "all hold all" : "NOT ALL HOLD ALL"));
}

/// 0 when it was asked for (on standard output), else 2.
int usage(std::FILE* out) {
    std::fputs(
        "usage: figures [--rounds=N] [--large [--steps=STEP,...]|--join|--verdicts] [MEMBERS]...\n"
        "What a fleet of so many does, in virtual time. Sizes: 2 3 5 16 64 128 1000.\n"
        "\n"
        "A line a size, of N seeds (20; above 500 members 3 at most): medians, and behind\n"
        "them the worst, or what 99 of 100 stay below (p99).\n"
        "  join s       all join one within 50 ms: until all see all; KiB: that each sent\n"
        "  idle         IP bytes and datagrams a second that each sends\n"
        "  hint         until half and all of the others have it, s\n"
        "  kill, last   until the first and the last other calls a killed one down, s\n"
        "and of the first five seeds:\n"
        "  heal s       half is cut off for 60 s: from the end until all see all\n"
        "  30 % loss    how often one that runs is called down in 60 s; B/s that each sends\n"
        "  slow         a tenth stands still for 2 s, runs for 50 ms, and so on for 20 s:\n"
        "               how often one of the others is called down\n"
        "-1: not within 60 s (a kill 90 s, a hint 3 s).\n"
        "\n"
        "--join   only the join, of N seeds at each size\n"
        "--large  one seed, a line a step, with the time, CPU and memory that it took\n"
        "--steps  which of them follow the join: idle, hint, kill (1, 10, 100 at once),\n"
        "         loss (15 s), slow (15 s), cut (a third, for 60 s); all unless named\n"
        "--verdicts  against members that run: of 64 in ten minutes of 30 % loss; of 128,\n"
        "         1 to 32 of which stand still for 0.5 to 33 s and run for 1 ms to 16 s,\n"
        "         again and again for 120 s (Lifeguard's experiment); a few minutes\n"
        "Status: 0, or 2 usage, 3 it could not be built.\n",
        out);
    return out == stdout ? 0 : 2;
}

} // namespace

int main(int argc, char** argv) {
    std::vector<std::size_t> sizes;
    std::size_t rounds = 20;
    bool is_large = false;
    bool is_join = false;
    bool is_verdicts = false;
    std::set<std::string_view> steps{steps_of_large.begin(), steps_of_large.end()};
    for (int i = 1; i < argc; ++i) {
        const std::string_view word{argv[i]};
        std::size_t value = 0;
        const bool is_rounds = word.starts_with("--rounds=");
        const auto digits = is_rounds ? word.substr(9) : word;
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (word == "--help" || word == "-h") {
            return usage(stdout);
        }
        if (word == "--large") {
            is_large = true;
        } else if (word == "--join") {
            is_join = true;
        } else if (word == "--verdicts") {
            is_verdicts = true;
        } else if (word.starts_with("--steps=")) {
            steps.clear();
            for (auto left = word.substr(8); !left.empty();) {
                const auto one = left.substr(0, left.find(','));
                if (std::ranges::find(steps_of_large, one) == steps_of_large.end()) {
                    std::fprintf(stderr, "error: no step '%.*s'; there are",
                                 static_cast<int>(one.size()), one.data());
                    for (const auto step : steps_of_large) {
                        std::fprintf(stderr, " %.*s", static_cast<int>(step.size()), step.data());
                    }
                    std::fputc('\n', stderr);
                    return 2;
                }
                steps.insert(one);
                left.remove_prefix(std::min(left.size(), one.size() + 1));
            }
        } else if (error != std::errc{} || end != digits.data() + digits.size() ||
                   value < (is_rounds ? 1U : 2U) || value > 16'384) {
            std::fprintf(stderr,
                         "error: %.*s is no option, and no size or count from %d to 16384\n",
                         static_cast<int>(word.size()), word.data(), is_rounds ? 1 : 2);
            return usage(stderr);
        } else if (is_rounds) {
            rounds = value;
        } else {
            sizes.push_back(value);
        }
    }
    if (is_verdicts) {
        verdicts();
        return 0;
    }
    if (!is_large && steps.size() != steps_of_large.size()) {
        std::fprintf(stderr, "error: --steps is for --large\n");
        return 2;
    }
    if (sizes.empty()) {
        sizes = {2, 3, 5, 16, 64, 128, 1000};
    }
    if (!is_large && !is_join) {
        std::printf(
            "members| join s, max   | KiB   | idle B/s,dg/s | hint half,all | kill first,p99 | "
            "last, p99     | heal s, max   | 30 %% loss: wrong, B/s | slow: wrong\n");
    }
    for (const auto members : sizes) {
        is_join    ? joins(members, rounds)
        : is_large ? large(members, steps)
                   : size(members, members > 500 ? std::min<std::size_t>(rounds, 3) : rounds);
    }
    return 0;
}
