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

#include "tests/sim/fleet_sim.h"

using namespace jackdaw;
using namespace jackdaw::sim;
using namespace std::chrono_literals;

namespace {

double to_s(Duration d) {
    return std::chrono::duration<double>(d).count();
}

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

class Figures {
public:
    Figures(std::size_t members, std::uint64_t seed, bool light)
        : fleet_{options(members, seed, light)} {
        fleet_.on_event = [this](std::size_t node, const swim::Event& event) {
            const auto subject = fleet_.node_of(event.id);
            if (event.kind == swim::Event::Kind::down && subject && *subject >= slow_) {
                ++downs_;
            }
            if (event.kind == kind_ && (kind_ != swim::Event::Kind::down || is_subject(event.id))) {
                when_.push_back(to_s(fleet_.now() - since_));
                (void)node;
            }
        };
    }

    /// All that join one within 50 ms, until all hold all.
    double join() {
        fleet_.start_all();
        const auto begin = fleet_.now();
        const auto took = fleet_.run_until([&] { return all_hold(fleet_.size()); }, 60s, 10ms);
        joined_bytes = static_cast<double>(fleet_.ip_bytes()) / static_cast<double>(fleet_.size());
        return took ? to_s(*took) + to_s(fleet_.now() - begin - *took) : -1;
    }
    void idle(Duration span) {
        const auto bytes = fleet_.ip_bytes();
        const auto datagrams = fleet_.datagrams();
        fleet_.run_for(span);
        const auto each = to_s(span) * static_cast<double>(up());
        idle_bytes = static_cast<double>(fleet_.ip_bytes() - bytes) / each;
        idle_datagrams = static_cast<double>(fleet_.datagrams() - datagrams) / each;
    }
    /// Kills so many at once; (first, last) at which the others call one of them down.
    std::pair<double, double> kill(std::size_t count) {
        watch(swim::Event::Kind::down);
        subjects_.clear();
        for (std::size_t i = 0; i < count; ++i) {
            const auto node = fleet_.size() - 1 - i;
            subjects_.push_back(fleet_.id_of(node));
            fleet_.kill(node);
        }
        const auto all = (fleet_.size() - count) * count;
        (void)fleet_.run_until([&] { return when_.size() >= all; }, 90s, 50ms);
        if (when_.size() < all) {
            return {-1, -1};
        }
        return {when_.front(), when_.back()};
    }
    /// (half, all) of a hint.
    std::pair<double, double> hint() {
        watch(swim::Event::Kind::hint);
        fleet_.core(0).hint(fleet_.now(), 1, 1, ++version_);
        fleet_.poke(0);
        fleet_.run_for(3s);
        const auto others = up() - 1;
        return {when_.size() <= others / 2 ? -1 : when_[others / 2],
                when_.size() < others ? -1 : when_.back()};
    }
    /// A part is cut off for a time; how long after the end all hold all.
    double cut(std::size_t part, Duration span) {
        fleet_.passes = [part](std::size_t from, std::size_t to) {
            return (from < part) == (to < part);
        };
        fleet_.run_for(span);
        fleet_.passes = nullptr;
        const auto took = fleet_.run_until([&] { return all_hold(up()); }, 60s, 10ms);
        return took ? to_s(*took) : -1;
    }
    void loss(std::uint32_t per_mille, Duration span) {
        fleet_.weather.loss = per_mille;
        const auto wrong = fleet_.wrong_downs();
        const auto bytes = fleet_.ip_bytes();
        fleet_.run_for(span);
        wrong_downs = fleet_.wrong_downs() - wrong;
        loss_bytes =
            static_cast<double>(fleet_.ip_bytes() - bytes) / to_s(span) / static_cast<double>(up());
        fleet_.weather.loss = 0;
    }
    /// A tenth stands still for two seconds, goes on for a moment, and again.
    void slow(Duration span) {
        const auto end = fleet_.now() + span;
        const auto count = std::max<std::size_t>(1, fleet_.size() / 10);
        slow_ = count; // verdicts about those that were never slow
        downs_ = 0;
        while (fleet_.now() < end) {
            for (std::size_t i = 0; i < count; ++i) {
                fleet_.pause(i);
            }
            fleet_.run_for(2s);
            for (std::size_t i = 0; i < count; ++i) {
                fleet_.resume(i);
            }
            fleet_.run_for(50ms);
        }
        wrong_downs = downs_;
    }
    [[nodiscard]] std::size_t view_bytes() const {
        std::size_t bytes = 0;
        for (std::size_t node = 0; node < fleet_.size(); ++node) {
            bytes += fleet_.is_up(node) ? fleet_.core(node).view().bytes() : 0;
        }
        return bytes / std::max<std::size_t>(1, up() * up());
    }
    [[nodiscard]] std::size_t up() const {
        std::size_t count = 0;
        for (std::size_t node = 0; node < fleet_.size(); ++node) {
            count += fleet_.is_up(node) ? 1U : 0U;
        }
        return count;
    }
    [[nodiscard]] bool all_hold(std::size_t members) const {
        for (std::size_t node = 0; node < fleet_.size(); ++node) {
            if (fleet_.is_up(node) && (fleet_.core(node).view().live() != members ||
                                       fleet_.core(node).view().suspects() != 0)) {
                return false;
            }
        }
        return true;
    }
    FleetSim& fleet() { return fleet_; }

    double joined_bytes = 0, idle_bytes = 0, idle_datagrams = 0, loss_bytes = 0;
    std::uint64_t wrong_downs = 0;

private:
    static Options options(std::size_t members, std::uint64_t seed, bool light) {
        Options options;
        options.members = members;
        options.seed = seed;
        if (light) { // of what is only looked at by people
            options.limits.why = 64;
            options.limits.events = 1024;
            // A quarter of what an agent has: a storm drops the most sent sooner, which makes it
            // harder for the core, and ten thousand queues smaller.
            options.limits.news_members = 2048;
        }
        return options;
    }
    [[nodiscard]] bool is_subject(swim::NodeId id) const {
        return std::ranges::find(subjects_, id) != subjects_.end();
    }
    void watch(swim::Event::Kind kind) {
        kind_ = kind;
        when_.clear();
        since_ = fleet_.now();
    }

    FleetSim fleet_;
    swim::Event::Kind kind_ = swim::Event::Kind::overflow;
    std::vector<double> when_;
    std::vector<swim::NodeId> subjects_;
    Instant since_{};
    std::uint64_t version_ = 0;
    std::size_t slow_ = 0;
    std::uint64_t downs_ = 0;
};

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
            one.slow(20s);
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
        one.slow(15s);
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

} // namespace

int main(int argc, char** argv) {
    std::vector<std::size_t> sizes;
    std::size_t rounds = 20;
    bool is_large = false;
    bool is_join = false;
    std::set<std::string_view> steps{steps_of_large.begin(), steps_of_large.end()};
    for (int i = 1; i < argc; ++i) {
        const std::string_view word{argv[i]};
        std::size_t value = 0;
        const bool is_rounds = word.starts_with("--rounds=");
        const auto digits = is_rounds ? word.substr(9) : word;
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (word == "--large") {
            is_large = true;
        } else if (word == "--join") {
            is_join = true;
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
            std::fprintf(
                stderr,
                "usage: figures [--rounds=N] [--large [--steps=STEP,…]|--join] MEMBERS...\n");
            return 2;
        } else if (is_rounds) {
            rounds = value;
        } else {
            sizes.push_back(value);
        }
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
