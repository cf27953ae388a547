#pragma once
// What this agent knows of its fleet: who else is there, what those run, and what it tells of
// itself. The glue between gossip, which knows nothing of databases, and the API.
//
// One life of gossip is a Node; who left and comes back, begins another with a higher boot.
//
//   open()      socket, ring, identity                 run()      until cancelled
//   refresh()   what the instance says, into gossip    FleetApi   from the worker pool, posted here
//
// fleet.cpp: lives, records, own status. fleet_events.cpp: what gossip tells, into log and
// timeline. fleet_view.cpp: members and instances. fleet_ring.cpp: the key ring. fleet_api.cpp:
// requests.

#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include "agent/api/fleet_api.h"
#include "agent/core/answer_watch.h"
#include "agent/core/flaps.h"
#include "agent/core/key_watch.h"
#include "agent/core/load_meter.h"
#include "agent/core/steady_wall.h"
#include "agent/gossip_records.h"
#include "agent/identity/identity.h"
#include "agent/state/store.h"
#include "gossip/core/swim/config.h"
#include "gossip/net/swim_pass.h"
#include "proto/base/unique_fd.h"
#include "proto/runtime/clock.h"
#include "proto/wire/gossip_ring.h"
#include "proto/wire/member_status.h"

namespace jackdaw::agent {

namespace asio = boost::asio;

/// What makes this agent a member, from the hand-over or a plain member's files.
struct Membership {
    std::string fleet;
    Secret ring;
    std::string instance_id;                      ///< of the machine; empty: it has none
    std::optional<proto::PublicKey> operator_key; ///< none: nobody can make a member forgotten
    std::vector<std::string> seeds;               ///< ADDRESS:PORT
};

class Fleet final : public FleetApi {
public:
    struct Parts {
        const Identity& identity;
        StateStore& store;
        const runtime::Clock& clock;
        std::string version;
        std::function<std::optional<proto::Instance>()> instance; ///< thread-safe
        /// Thread-safe: the instance was deleted, and this machine waits for its own end.
        std::function<bool()> deleted;
        std::uint32_t cores = 1; ///< of the machine
        /// Into the timeline; does not wait. May be empty.
        std::function<void(std::string_view kind, std::string subject, std::string text)> tell;
        /// Before and after a record is durable (agent/faults.h), from the pool. May be empty.
        std::function<void(std::string_view record, std::string_view point)> fault_point;
        asio::any_io_executor executor; ///< the loop's
        asio::thread_pool& pool;        ///< for commits
    };
    struct Label {
        std::string name;    ///< unless the instance has one
        std::string address; ///< numeric
        std::uint16_t port = 0;
        std::string profile; ///< local, lan or wan
        swim::Config config; ///< the profile's, with what the settings change
    };
    Fleet(Parts parts, Label label);
    ~Fleet() override;

    /// Begins the first life with duplicates of the bound UDP sockets, one per address family,
    /// which outlive run(); that is next. After a failure it may be called again. `corrupt` for an
    /// unreadable ring or records, `invalid` for an address that others could not reach.
    [[nodiscard]] Result<void> open(std::span<const UniqueFd> sockets, Membership membership);
    [[nodiscard]] bool is_open() const noexcept { return node_ != nullptr; }
    /// On the loop, before open(): `why` a ring that the settings name makes it no member; empty:
    /// it does, or none is named. Whoever asks about the fleet is told so.
    void is_kept_out(std::string why) { kept_out_ = std::move(why); }
    /// Another machine holds this agent's keys, and this one has fallen silent.
    [[nodiscard]] bool has_twin() const noexcept { return twin_; }
    /// Waits, a second at most, until a first life may take the wall clock's second for its boot;
    /// before open().
    asio::awaitable<void> wait_for_boot() const;
    asio::awaitable<Result<void>> run();

    /// On the loop: takes what the instance says into gossip.
    void refresh();

    [[nodiscard]] Result<std::vector<proto::MemberShape>> members() override;
    [[nodiscard]] Result<std::vector<proto::Instance>> instances() override;
    [[nodiscard]] Result<std::vector<proto::MetricFamily>> figures() override;
    [[nodiscard]] Result<GossipHealth> health() override;
    [[nodiscard]] Result<proto::Json> gossip() override;
    [[nodiscard]] Result<proto::Json> why(std::uint64_t id) override;
    [[nodiscard]] Result<void> join(std::vector<std::string> addresses) override;
    [[nodiscard]] Result<void> leave() override;
    [[nodiscard]] Result<void> may_list() override;
    [[nodiscard]] Result<void> hint(std::uint8_t topic, std::uint64_t key,
                                    std::uint64_t version) override;
    [[nodiscard]] Result<void> forget(Forget order) override;
    [[nodiscard]] Result<void> set_ring(Secret text, RingUse use) override;

private:
    struct Node;
    [[nodiscard]] Result<std::unique_ptr<Node>> make_node();
    [[nodiscard]] asio::awaitable<Result<void>> care_loop();
    [[nodiscard]] asio::awaitable<Result<void>> keep(swim::Persist record);
    void fault(const swim::Persist& record, std::string_view point) const;
    [[nodiscard]] swim::Swim& core() noexcept;
    void changed();
    void start_again();
    void ask_seeds();
    [[nodiscard]] proto::MemberStatus own_status() const;
    void tell_status();
    void measure_load();

    // fleet_events.cpp
    void on_event(const swim::Event& event);
    void on_member(std::string_view word, std::string_view kind, const swim::Event& event);
    void on_refuted(const swim::Event& event);
    void on_joined(const swim::Event& event);
    void on_left(const swim::Event& event);
    void on_twin();

    // fleet_view.cpp
    Instant look_at_clocks(); ///< now, and the wall clock's times are by it
    [[nodiscard]] std::vector<proto::MemberShape> member_shapes();
    [[nodiscard]] std::vector<proto::Instance> instance_shapes();
    [[nodiscard]] GossipHealth health_facts();
    [[nodiscard]] std::string_view own_state() const;
    [[nodiscard]] proto::Json gossip_shape() const;
    [[nodiscard]] proto::Json why_shape(swim::NodeId id);

    // fleet_ring.cpp
    [[nodiscard]] Result<void> take_kept_ring();
    [[nodiscard]] Result<void>
    change_ring(std::function<Result<std::optional<proto::GossipRing>>()> make);
    [[nodiscard]] Result<std::optional<proto::GossipRing>> next_ring();
    [[nodiscard]] Result<std::optional<proto::GossipRing>> merged_ring(proto::GossipRing given,
                                                                       RingUse use);
    [[nodiscard]] bool all_have_newest() const;
    [[nodiscard]] asio::awaitable<Result<void>> rotate();
    void watch_keys();
    void watch_answers();
    void watch_reach();
    [[nodiscard]] bool hears_nobody() const;

    /// Runs `work` on the loop and waits for its Result. `work` owns what it uses, but for this
    /// object: it may run after the waiting was given up.
    template <class Work>
    auto on_loop(Work work) -> std::invoke_result_t<Work&> {
        using Outcome = std::invoke_result_t<Work&>;
        auto task = std::make_shared<std::packaged_task<Outcome()>>(std::move(work));
        auto answer = task->get_future();
        asio::post(parts_.executor, [task] { (*task)(); });
        if (answer.wait_for(loop_limit) != std::future_status::ready) {
            return Error{Errc::deadline, "the agent's loop does not answer"};
        }
        return answer.get();
    }
    [[nodiscard]] Error not_handed_over() const;
    /// On the loop, before a change: there is a fleet, and this agent's keys are its alone.
    [[nodiscard]] Result<void> may_speak() const;
    static constexpr std::chrono::seconds loop_limit{5};
    static constexpr std::chrono::milliseconds leave_limit{1'500};

    Parts parts_;
    const std::int64_t made_s_; ///< the wall clock's second
    Label label_;
    Membership membership_;
    proto::GossipRing ring_;
    std::span<const UniqueFd> sockets_; ///< each life has duplicates
    std::string kept_out_;              ///< on the loop
    std::unique_ptr<Node> node_;
    std::optional<asio::steady_timer> care_due_;
    std::optional<proto::MemberStatus> told_;
    std::set<swim::NodeId> long_left_; ///< joined for this agent, and about to be told to have left
    LoadMeter load_;
    KeyWatch key_watch_;              ///< of this life
    ReachWatch reach_watch_;          ///< of this life
    AnswerWatch answer_watch_;        ///< of this life
    std::uint64_t accused_again_ = 0; ///< the core's count at the last look, of this life
    FlapBook flaps_;
    SteadyWall wall_;           ///< on the loop
    bool again_ = false;        ///< this life is over, another is to begin
    bool left_ = false;         ///< asked to leave, in this life
    std::int64_t left_ms_ = 0;  ///< the wall clock's, then
    bool is_left_told_ = false; ///< others know, or it was said for long enough
    std::vector<std::shared_ptr<std::promise<void>>> leavers_; ///< who wait for that
    bool leave_wanted_ = false;                                ///< by a request, not by a delete
    bool had_instance_ = false;                                ///< when that request came
    bool twin_ = false;
    std::mutex ring_changes_; ///< one at a time; held over a commit, so never on the loop
    proto::AllSeal all_seal_;
};

} // namespace jackdaw::agent
