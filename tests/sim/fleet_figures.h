#pragma once
// One fleet of tests/sim/figures, and what is measured of it, each call after the one before.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "tests/sim/fleet_sim.h"

namespace jackdaw::sim {

using namespace std::chrono_literals;

inline double to_s(Duration d) {
    return std::chrono::duration<double>(d).count();
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
    /// So many stand still for `stop`, go on for `go`, and again.
    void slow(std::size_t count, Duration stop, Duration go, Duration span) {
        const auto end = fleet_.now() + span;
        slow_ = count; // verdicts about those that were never slow
        downs_ = 0;
        while (fleet_.now() < end) {
            for (std::size_t i = 0; i < count; ++i) {
                fleet_.pause(i);
            }
            fleet_.run_for(std::min(stop, end - fleet_.now()));
            for (std::size_t i = 0; i < count; ++i) {
                fleet_.resume(i);
            }
            fleet_.run_for(std::min(go, std::max(Duration{}, end - fleet_.now())));
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

} // namespace jackdaw::sim
