#include "tests/sim/fleet_faults.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tests/sim/adversary.h"

namespace jackdaw::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::array<std::string_view, faults_count> names{
    "kill",    "torn", "wiped", "old_disk",  "pause", "partition",
    "one_way", "pair", "loss",  "duplicate", "delay", "leave",
    "news",    "held", "wall",  "late",      "full",  "adversary"};
constexpr int faults_per_run = 10;
constexpr std::int64_t year_s = 365 * 86'400;
/// Longest of: a deaf member's silence, a suspicion by one accuser, the backoff of a join.
constexpr Duration calm = 100s;

std::string text_of(const std::set<std::size_t>& nodes) {
    return nodes.empty() ? "nobody" : fmt::format("{}", fmt::join(nodes, ","));
}

class Story {
public:
    explicit Story(const Run& run)
        : run_{run},
          plan_{run.seed * 0x9E3779B97F4A7C15ULL + 1},
          fleet_{options_of(run, plan_)},
          checks_{fleet_},
          adversary_{fleet_, fleet_.size() - 1} {
        fleet_.holds = [this](std::size_t from, std::size_t to) {
            return holding_.contains(from) != holding_.contains(to);
        };
        fleet_.passes = [this](std::size_t from, std::size_t to) {
            return island_.contains(from) == island_.contains(to) && from != muted_ &&
                   !(std::min(from, to) == pair_.first && std::max(from, to) == pair_.second);
        };
    }

    Outcome play() {
        fleet_.start_all(500ms, fleet_.size() - 1);
        fleet_.run_for(3s + plan_.below(5s));
        for (int i = 0; i < faults_per_run && checks_.breach().empty(); ++i) {
            strike(run_.faults[plan_.below(run_.faults.size())]);
            fleet_.run_for(100ms + plan_.below(plan_.below(3) == 0 ? 20s : 3s));
            mend_some();
        }
        mend_all();
        fleet_.run_for(calm);
        auto breach = checks_.at_rest();
        if (breach.empty() && !counted_) {
            breach = "nobody ran";
        }
        return {breach, fleet_.trace(), fleet_.wrong_downs(), fleet_.datagrams()};
    }

private:
    static Options options_of(const Run& run, swim::Random& plan) {
        Options options;
        options.seed = run.seed;
        options.members = run.members != 0 ? run.members : 3 + plan.below(14);
        ++options.members; // the last place is the adversary's
        options.zones = 1 + plan.below(3);
        options.config = plan.below(4) == 0 ? swim::Config::local() : swim::Config::lan();
        return options;
    }

    void say(Fault fault, const std::string& whom) const {
        if (run_.tell) {
            const auto at = fleet_.now().time_since_epoch() - 1000s;
            std::printf("%10.3f s  %-9s %s\n", std::chrono::duration<double>(at).count(),
                        name_of(fault).data(), whom.c_str());
        }
    }

    std::set<std::size_t> some() {
        std::set<std::size_t> chosen;
        for (std::size_t i = 0; i < fleet_.size(); ++i) {
            if (plan_.below(2) == 0) {
                chosen.insert(i);
            }
        }
        return chosen;
    }

    std::size_t someone_up() {
        std::vector<std::size_t> up;
        for (std::size_t node = 0; node < fleet_.size(); ++node) {
            if (fleet_.is_up(node) && !fleet_.is_paused(node) && !fleet_.core(node).is_silent()) {
                up.push_back(node);
            }
        }
        return up.size() < 2 ? fleet_.size() : up[plan_.below(up.size())];
    }

    void strike(Fault fault) {
        const auto node = someone_up();
        switch (fault) {
        case Fault::loss:
            fleet_.weather.loss = static_cast<std::uint32_t>(plan_.below(400));
            say(fault, "all");
            return;
        case Fault::duplicate:
            fleet_.weather.duplicates = static_cast<std::uint32_t>(plan_.below(200));
            say(fault, "all");
            return;
        case Fault::held:
            holding_ = some();
            say(fault, text_of(holding_));
            return;
        case Fault::delay:
            fleet_.weather.delay_max = 1ms + plan_.below(500ms);
            say(fault, "all");
            return;
        case Fault::partition:
            island_ = some();
            say(fault, text_of(island_));
            return;
        default: break;
        }
        if (node == fleet_.size()) {
            say(fault, "nobody"); // one of them must stay
            return;
        }
        if (fault != Fault::pair) {
            say(fault, std::to_string(node));
        }
        switch (fault) {
        case Fault::old_disk:
            fleet_.save_disk(node);
            fleet_.run_for(2s);
            break;
        case Fault::one_way: muted_ = node; return;
        case Fault::pair: {
            const auto other = plan_.below(fleet_.size());
            pair_ = {std::min(node, other), std::max(node, other)};
            say(fault, node == other ? "nobody" : text_of({node, other}));
            return;
        }
        case Fault::pause: fleet_.pause(node); return;
        case Fault::late: fleet_.delay_timers(node, 100ms + plan_.below(5s)); return;
        case Fault::full:
            fleet_.fill_socket(node, static_cast<std::uint32_t>(100 + plan_.below(800)));
            return;
        case Fault::adversary:
            adversary_.appear();
            for (int i = 0; i < 5; ++i) {
                fleet_.run_for(plan_.below(500ms));
                adversary_.strike(static_cast<Attack>(plan_.below(attacks_count)), node);
            }
            return;
        case Fault::news:
            (void)fleet_.core(node).set_status(
                fleet_.now(), std::string(1 + plan_.below(200), static_cast<char>(plan_.next())),
                plan_.below(2) == 0);
            fleet_.core(node).hint(fleet_.now(), 1, plan_.below(4), plan_.below(100));
            fleet_.poke(node);
            return;
        case Fault::leave:
            fleet_.leave(node);
            fleet_.run_for(2s);
            break;
        default: break;
        }
        if (!fleet_.is_up(node)) {
            return;
        }
        fleet_.kill(node, fault == Fault::torn);
        if (fault == Fault::old_disk) {
            fleet_.restore_disk(node);
        } else if (fault == Fault::wiped) {
            fleet_.wipe_disk(node);
        } else if (fault == Fault::wall) {
            const auto ahead = static_cast<std::int64_t>(plan_.below(std::uint64_t{20} * year_s));
            fleet_.set_wall(node, std::chrono::seconds{ahead - 10 * year_s});
            if (plan_.below(2) == 0) {
                fleet_.wipe_disk(node);
            }
        }
    }

    void restart(std::size_t node) {
        std::vector<std::size_t> seeds;
        for (std::size_t other = 0; other < fleet_.size(); ++other) {
            if (other != node && fleet_.is_up(other) && !fleet_.core(other).is_silent()) {
                seeds.push_back(other);
            }
        }
        fleet_.start(node, seeds);
    }

    void mend_some() {
        for (std::size_t node = 0; node + 1 < fleet_.size(); ++node) {
            if (fleet_.is_up(node) && fleet_.is_paused(node) && plan_.below(2) == 0) {
                fleet_.resume(node);
            } else if (!fleet_.is_up(node) && plan_.below(3) == 0) {
                restart(node);
            }
        }
        if (plan_.below(2) == 0) {
            island_.clear();
            muted_ = none;
            pair_ = {none, none};
            adversary_.vanish();
        }
        if (plan_.below(2) == 0) {
            release();
        }
        if (plan_.below(3) == 0) {
            fleet_.weather = Weather{};
        }
    }

    /// What links kept comes; a socket has room again.
    void release() {
        holding_.clear();
        fleet_.release_held();
        for (std::size_t node = 0; node < fleet_.size(); ++node) {
            fleet_.fill_socket(node, 0);
        }
    }

    void mend_all() {
        adversary_.vanish();
        release();
        island_.clear();
        muted_ = none;
        pair_ = {none, none};
        fleet_.weather = Weather{};
        for (std::size_t node = 0; node + 1 < fleet_.size(); ++node) {
            if (fleet_.is_up(node) && fleet_.is_paused(node)) {
                fleet_.resume(node);
            }
            if (!fleet_.is_up(node) && plan_.below(2) == 0) {
                fleet_.run_for(1100ms); // a wiped disk has only the clock for its boot
                restart(node);
            }
            counted_ = counted_ || (fleet_.is_up(node) && !fleet_.core(node).is_silent());
        }
    }

    static constexpr std::size_t none = ~std::size_t{0};

    Run run_;
    swim::Random plan_;
    FleetSim fleet_;
    Checks checks_;
    Adversary adversary_;
    std::set<std::size_t> island_;
    std::set<std::size_t> holding_;
    std::size_t muted_ = none;
    std::pair<std::size_t, std::size_t> pair_{none, none};
    bool counted_ = false;
};

} // namespace

std::string_view name_of(Fault fault) noexcept {
    return names[static_cast<std::size_t>(fault)];
}

std::vector<Fault> all_faults() {
    std::vector<Fault> all;
    for (std::size_t i = 0; i < faults_count; ++i) {
        all.push_back(static_cast<Fault>(i));
    }
    return all;
}

Outcome run_faults(const Run& run) {
    return Story{run}.play();
}

} // namespace jackdaw::sim
