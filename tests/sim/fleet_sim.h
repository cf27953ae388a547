#pragma once
// A fleet of real membership cores on a simulated network, in virtual time, from one seed: real
// core, real codec, no seal. Nothing sleeps or reads a clock; a failure replays from its seed, byte
// for byte.
//
// What a shell owes its core (gossip/core/swim/swim.h) is done here as the agent does it: persist,
// then send, then events; input before timers. Faults are set from outside, between run_for()
// calls.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "gossip/core/swim/swim.h"

namespace jackdaw::sim {

using swim::NodeId;
using swim::Standing;

/// What the network does to each datagram; per mille, so that no rounding differs between machines.
struct Weather {
    std::uint32_t loss = 0;
    std::uint32_t duplicates = 0;
    Duration delay_min = std::chrono::microseconds{250};
    Duration delay_max = std::chrono::microseconds{500};
};

struct Options {
    std::uint64_t seed = 1;
    std::size_t members = 3; ///< places for members; none runs yet
    swim::Config config = swim::Config::lan();
    swim::Limits limits{};
    /// Zones that members are spread over in turn.
    std::size_t zones = 1;
    /// Look at every core after each step (tests/sim/fleet_checks.h). Costs O(members) a step.
    bool check = true;
};

/// What a step did, for who wants to look at it.
struct Step {
    std::size_t node;
    bool is_tick;
    std::size_t sent; ///< datagrams
    /// Of a datagram that was received: its bytes, and how many of those sent went to its sender.
    std::string_view received{};
    std::size_t answers = 0;
};

class FleetSim {
public:
    explicit FleetSim(const Options& options);
    ~FleetSim();
    FleetSim(const FleetSim&) = delete;
    FleetSim& operator=(const FleetSim&) = delete;

    Weather weather;
    /// May the datagram pass? Null: all may. Called for each when it is sent.
    std::function<bool(std::size_t from, std::size_t to)> passes;
    /// Is the datagram kept by its link, until release_held()? Null: none is.
    std::function<bool(std::size_t from, std::size_t to)> holds;
    /// What comes to a place where no member runs.
    std::function<void(std::size_t to, std::size_t from, std::string_view bytes)> on_stray;
    /// Seen before it is delivered; may change the bytes. Null: nobody looks.
    std::function<void(std::size_t to, std::string& bytes)> tamper;
    /// Of each core, as it comes.
    std::function<void(std::size_t node, const swim::Event&)> on_event;
    /// After each call of a core, when its outputs were taken.
    std::function<void(const Step&)> after_step;

    // --- Members ------------------------------------------------------------------------------
    /// Starts it with what its disk holds; asks `seeds` for the others.
    void start(std::size_t node, const std::vector<std::size_t>& seeds);
    /// The first `count`, all if none, within `spread`; each asks the first.
    void start_all(Duration spread = std::chrono::milliseconds{50}, std::size_t count = 0);
    /// kill -9. `between`: it had news for which incarnations were made durable, and nobody heard
    /// it.
    void kill(std::size_t node, bool between = false);
    void pause(std::size_t node);
    void resume(std::size_t node);
    void leave(std::size_t node);
    /// All that links kept comes at once, in the order in which it was sent.
    void release_held();
    /// Its clock on the wall, from its next start on, against that of the others.
    void set_wall(std::size_t node, std::chrono::seconds ahead) { nodes_[node].wall = ahead; }
    /// It hears what comes, but its timers run only then, late.
    void delay_timers(std::size_t node, Duration span) {
        nodes_[node].no_timer_before = now_ + span;
    }
    /// So many of the datagrams to it find its socket full; its kernel counts them.
    void fill_socket(std::size_t node, std::uint32_t per_mille) { nodes_[node].full = per_mille; }
    /// The disk: empty, or what it was at `save_disk`.
    void wipe_disk(std::size_t node);
    void save_disk(std::size_t node);
    void restore_disk(std::size_t node);
    /// The second place runs with the key, name and address rules of the first.
    void clone_key(std::size_t from, std::size_t to);

    /// Takes what a command to a core left, and arms its timer: call after each.
    void poke(std::size_t node) { drain(node, false); }
    void run_for(Duration span);
    /// Until `done`, looked at every `step`, or `limit` passed; the time it took, or nothing.
    [[nodiscard]] std::optional<Duration> run_until(const std::function<bool()>& done,
                                                    Duration limit,
                                                    Duration step = std::chrono::milliseconds{5});

    // --- Looking ------------------------------------------------------------------------------
    [[nodiscard]] Instant now() const noexcept { return now_; }
    [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }
    [[nodiscard]] bool is_up(std::size_t node) const { return nodes_[node].swim != nullptr; }
    [[nodiscard]] bool is_paused(std::size_t node) const { return nodes_[node].paused; }
    [[nodiscard]] swim::Swim& core(std::size_t node) { return *nodes_[node].swim; }
    [[nodiscard]] const swim::Swim& core(std::size_t node) const { return *nodes_[node].swim; }
    [[nodiscard]] NodeId id_of(std::size_t node) const { return nodes_[node].id; }
    [[nodiscard]] std::optional<std::size_t> node_of(NodeId id) const;
    [[nodiscard]] swim::NetAddress address_of(std::size_t node) const;
    /// How `viewer` holds `subject`.
    [[nodiscard]] std::optional<Standing> seen(std::size_t viewer, std::size_t subject) const;
    [[nodiscard]] bool all_see_all() const;
    [[nodiscard]] const swim::Snapshot& disk(std::size_t node) const { return nodes_[node].disk; }
    [[nodiscard]] std::uint64_t life(std::size_t node) const { return nodes_[node].life; }
    /// Did its present life begin with all that its last one made durable?
    [[nodiscard]] bool kept_disk(std::size_t node) const { return nodes_[node].kept_disk; }
    /// Verdicts (down) about members that ran, and were not paused, at that moment.
    [[nodiscard]] std::uint64_t wrong_downs() const noexcept { return wrong_downs_; }
    [[nodiscard]] std::uint64_t datagrams() const noexcept { return datagrams_; }
    /// As IP carries them: seal and headers of UDP and IPv4 counted.
    [[nodiscard]] std::uint64_t ip_bytes() const noexcept { return ip_bytes_; }
    [[nodiscard]] std::uint64_t trace() const noexcept { return trace_; }
    [[nodiscard]] std::string picture() const;
    [[nodiscard]] swim::Random& chance() noexcept { return random_; }
    [[nodiscard]] proto::FleetId fleet() const noexcept { return fleet_; }
    [[nodiscard]] swim::Crypto crypto_of(std::size_t node) const;
    [[nodiscard]] const proto::PublicKey& key_of(std::size_t node) const {
        return nodes_[node].key;
    }
    /// Puts bytes on the network as if `from` had sent them.
    void inject(std::size_t from, std::size_t to, std::string_view bytes);
    [[nodiscard]] const Options& options() const noexcept { return options_; }

private:
    struct Packet {
        std::uint32_t from = 0;
        std::uint32_t to = 0;
        std::uint32_t size = 0;
        std::unique_ptr<swim::Buffer> bytes;
    };
    struct Happening {
        Instant at;
        std::uint64_t order = 0;
        std::uint32_t node = 0;
        std::uint32_t packet = 0; ///< + 1; 0: its timer
        friend bool operator>(const Happening& a, const Happening& b) noexcept {
            return a.at != b.at ? a.at > b.at : a.order > b.order;
        }
    };
    struct Node {
        std::unique_ptr<swim::Swim> swim;
        proto::PublicKey key{};
        NodeId id{};
        swim::Snapshot disk;
        swim::Snapshot saved;
        bool paused = false;
        Instant timer_at = never;         ///< the earliest happening queued for it
        std::vector<std::uint32_t> inbox; ///< packets that came while it was paused
        std::size_t inbox_bytes = 0;
        std::uint64_t lost = 0; ///< dropped by a full buffer, not told yet
        std::uint32_t full = 0; ///< per mille of what comes that finds it so
        std::chrono::seconds wall{};
        Instant no_timer_before{};
        std::uint64_t life = 0;
        bool disk_is_whole = true;
        bool kept_disk = true;
    };

    void drain(std::size_t node, bool is_tick, std::optional<std::size_t> from = {},
               std::string_view received = {});
    void send(std::size_t from, const swim::Outgoing& out);
    void deliver(std::uint32_t packet);
    void receive(std::size_t node, const Packet& packet);
    void arm(std::size_t node);
    void put(std::uint32_t from, std::uint32_t to, std::string_view bytes);
    void free_packet(std::uint32_t packet);
    [[nodiscard]] bool is_chance(std::uint32_t per_mille) {
        return per_mille != 0 && random_.below(1000) < per_mille;
    }

    Options options_;
    proto::FleetId fleet_{0x1A2B3C4D5E6F7788};
    swim::Commons commons_;
    swim::Random random_;
    Instant now_{std::chrono::seconds{1000}};
    std::vector<Node> nodes_;
    std::unordered_map<std::uint64_t, std::size_t> by_id_;
    std::vector<Packet> packets_;
    std::vector<std::uint32_t> free_packets_;
    std::vector<Happening> heap_;
    std::vector<std::uint32_t> held_; ///< packets
    std::uint64_t order_ = 0;
    std::uint64_t wrong_downs_ = 0;
    std::uint64_t datagrams_ = 0;
    std::uint64_t ip_bytes_ = 0;
    std::uint64_t trace_ = 1469598103934665603ULL;
    std::string scratch_;
};

/// The stand-in for Ed25519 in simulations: keyed by the public key, so anybody could sign for
/// anybody; the adversary of a test does not.
[[nodiscard]] proto::Signature cheap_signature(std::string_view key,
                                               std::string_view text) noexcept;

} // namespace jackdaw::sim
