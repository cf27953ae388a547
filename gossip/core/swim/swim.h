#pragma once
// SWIM membership as a plain state machine: no socket, no thread, no clock, no chance of its own
// (GOSSIP.md). Who is probably alive, where, and with what status: hints, never authority.
//
//     receive(now, from, bytes) ──────────┐             ┌──> poll_persist()  to be durable, then
//     persisted(), unreachable(),         ├──>  Swim  ──┼──> poll_send()     to be sealed and sent
//     lost_input(), join(), leave(), set_…│             ├──> poll_event()    to tell the agent
//     tick(now) ──────────────────────────┘             └──> next_wakeup()   when to tick again
//
// The parts are files of their own: config, records (what members signed), states (precedence), own
// (incarnations, boots), view (the members), estimates (round trips, health), probing, suspicion,
// ears (whose silence it is), detours, news_queue, hints, anti_entropy, join, outbox, why; and what
// keeps others out: replay, strangers, forgers. This class routes between them; its files are named
// for what they route.
//
// What a shell owes it:
//  1. After each call drain persist, then sends, then events. poll_send() gives nothing while
//     what it would tell is not durable.
//  2. Input before timers: let t be the clock before a read that found the socket empty; only
//     tick(t) may follow. Input without end (2048 datagrams or 250 ms): lost_input(now, 1), then
//     tick.
//  3. After any call re-arm one timer from next_wakeup(). One strand.
// Same seed and same inputs give the same outputs, byte for byte.

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gossip/core/swim/anti_entropy.h"
#include "gossip/core/swim/config.h"
#include "gossip/core/swim/counters.h"
#include "gossip/core/swim/detours.h"
#include "gossip/core/swim/ears.h"
#include "gossip/core/swim/estimates.h"
#include "gossip/core/swim/events.h"
#include "gossip/core/swim/forgers.h"
#include "gossip/core/swim/hints.h"
#include "gossip/core/swim/join.h"
#include "gossip/core/swim/news_queue.h"
#include "gossip/core/swim/outbox.h"
#include "gossip/core/swim/own.h"
#include "gossip/core/swim/probing.h"
#include "gossip/core/swim/random.h"
#include "gossip/core/swim/strangers.h"
#include "gossip/core/swim/suspicion.h"
#include "gossip/core/swim/token_bucket.h"
#include "gossip/core/swim/view.h"
#include "gossip/core/swim/why.h"
#include "proto/base/error.h"

namespace jackdaw::swim {

struct Identity {
    proto::PublicKey key{}; ///< Ed25519; the id comes from it and must not be 0
    std::string name;       ///< at most 63 bytes of plain UTF-8: a label
    std::string zone;       ///< at most 16 bytes; from the cloud, may be empty
    NetAddress address{};
    std::uint32_t caps = 0;
    proto::FleetId fleet{};
    std::uint64_t unix_s = 0; ///< wall clock at the start, for `boot` alone
    std::uint32_t ring = 1;   ///< newest version of the key ring held
    std::uint32_t sealing = 1;
};

/// Ed25519, or a stand-in of a simulation; deterministic.
struct Crypto {
    std::function<proto::Signature(std::string_view text)> sign;
    std::function<bool(std::string_view key, std::string_view text, std::string_view signature)>
        verify;
};

class Swim {
public:
    /// Requires config.validate(). `commons` outlives it.
    Swim(const Config& config, const Limits& limits, Identity identity, const Snapshot& kept,
         Crypto crypto, std::uint64_t seed, Instant now, Commons& commons);
    Swim(const Swim&) = delete;
    Swim& operator=(const Swim&) = delete;

    // --- Inputs -------------------------------------------------------------------------------
    /// One opened datagram. What is wrong with it is counted and changes nothing.
    void receive(Instant now, const NetAddress& from, std::string_view plain);
    void persisted(Instant now, const Persist& record);
    /// The kernel says that nobody listens there.
    void unreachable(Instant now, const NetAddress& address);
    /// The kernel dropped datagrams before they were read.
    void lost_input(Instant now, std::uint64_t count);

    void join(Instant now, std::span<const NetAddress> addresses);
    void leave(Instant now);
    /// `invalid` over 200 bytes. `urgent`: at most 1 per s, burst 5; else 1 per 30 s, newest wins.
    [[nodiscard]] Result<void> set_status(Instant now, std::string bytes, bool urgent);
    void hint(Instant now, std::uint8_t topic, std::uint64_t key, std::uint64_t version);
    void set_address(Instant now, const NetAddress& address);
    /// As Identity::name.
    void set_name(Instant now, std::string name);
    /// `not_found` for a member not held, `conflict` at another incarnation than held,
    /// `not_allowed` for a key that is no operator's, or a signature that is not its.
    [[nodiscard]] Result<void> forget(Instant now, NodeId id, std::uint64_t incarnation,
                                      std::string_view operator_key, std::string_view signature);
    /// `exhausted`, with nothing changed, for more than 64.
    [[nodiscard]] Result<void> set_operators(std::vector<proto::PublicKey> keys);
    void set_ring(Instant now, std::uint32_t version, std::uint32_t sealing);
    /// What comes in does not open: that nobody is heard is no copy of this disk's doing, and a
    /// later boot would only have the others take it for alive until they ask it.
    void set_shut_out(bool shut_out) noexcept { shut_out_ = shut_out; }

    /// Runs what has come due by `now`. Early and repeated calls are harmless.
    void tick(Instant now);

    // --- Outputs ------------------------------------------------------------------------------
    [[nodiscard]] std::optional<Persist> poll_persist() { return own_.poll(); }
    [[nodiscard]] std::optional<Outgoing> poll_send();
    [[nodiscard]] std::optional<Event> poll_event();
    [[nodiscard]] Instant next_wakeup() const;

    // --- Views --------------------------------------------------------------------------------
    [[nodiscard]] NodeId id() const noexcept { return id_; }
    [[nodiscard]] const View& view() const noexcept { return view_; }
    [[nodiscard]] const Entry* find(NodeId id) const noexcept { return view_.find(id); }
    [[nodiscard]] const Entry& self() const noexcept { return *self_; }
    [[nodiscard]] std::vector<Change> why(NodeId id) const { return why_.of(id); }
    [[nodiscard]] const Counters& counters() const noexcept { return counters_; }
    [[nodiscard]] const Own& own() const noexcept { return own_; }
    [[nodiscard]] const NewsQueue& news() const noexcept { return queue_; }
    [[nodiscard]] const Hints& hints() const noexcept { return hints_; }
    [[nodiscard]] const Doubts& doubts() const noexcept { return doubts_; }
    [[nodiscard]] const Suspicions& suspicions() const noexcept { return suspicions_; }
    /// Members that answer others and not this one.
    [[nodiscard]] std::span<const Detour> detours() const noexcept { return detours_.all(); }
    /// Senders whose datagrams cannot be read, of the last minutes, and when each was heard last.
    [[nodiscard]] const std::map<NodeId, Instant>& incompatible() const noexcept {
        return incompatible_;
    }
    [[nodiscard]] const Limits& limits() const noexcept { return limits_; }
    [[nodiscard]] std::uint8_t health() const noexcept { return health_.value(); }
    [[nodiscard]] std::uint32_t period() const noexcept { return period_.own(); }
    [[nodiscard]] std::size_t unverified() const noexcept { return unverified_.size(); }
    [[nodiscard]] bool is_silent() const noexcept { return silent_; }
    [[nodiscard]] bool is_isolated() const noexcept { return isolated_; }
    /// How many addresses of others it was given or has kept, and how often it has asked them by
    /// now without any answer; no rounds when it does not ask.
    [[nodiscard]] std::size_t known_addresses() const noexcept {
        return joiner_.addresses().size();
    }
    [[nodiscard]] std::uint32_t unanswered() const noexcept { return joiner_.unanswered(); }
    /// Nobody heard: verdicts would be about this member, not about others (section 5).
    [[nodiscard]] bool is_deaf(Instant now) const noexcept;
    /// Nobody heard for so long that it judges by itself; it may be the one that was cut off.
    [[nodiscard]] bool hears_nobody(Instant now) const noexcept {
        return ears_.silence(now) > config_.deaf_hold;
    }
    [[nodiscard]] Duration rto(Instant now, const Entry& entry) const noexcept {
        return estimates_.rto(now, entry.zone, config_);
    }
    /// Of the entry's zone: members have none of their own.
    [[nodiscard]] std::optional<Duration> round_trip(Instant now,
                                                     const Entry& entry) const noexcept {
        return estimates_.round_trip(now, entry.zone);
    }

private:
    /// Somebody should have been heard by now: it is deaf, or one of the few that are left, or the
    /// only one.
    [[nodiscard]] bool misses_others(Instant now) const noexcept;

    enum class Via : std::uint8_t { news, sync, page };
    struct Source {
        Instant now;
        NodeId from;
        Via via;
    };
    struct Waiting { ///< news whose signature, or that of earlier news of its id, is to be verified
        std::string bytes;
        NewsItem item;
        NodeId from;
        Via via;
    };
    enum class Check : std::uint8_t { good, bad, wait };

    // swim_receive.cpp: one datagram
    [[nodiscard]] bool admit(Instant now, const NetAddress& from, Entry* sender);
    [[nodiscard]] bool admit_boot(Instant now, const NetAddress& from, Entry& sender);
    void tell_stale_boot(Instant now, const NetAddress& from, Entry& sender);
    [[nodiscard]] bool admit_stranger() const;
    void heard(Instant now, NodeId sender);
    /// It was heard, here or by a helper: who asked this member to look is told.
    void end_doubt(Instant now, NodeId about);
    void dispatch(Instant now, const NetAddress& from);
    void on_ping(Instant now, const NetAddress& from, Entry* sender);
    void on_ack(Instant now, const NetAddress& from, Entry* sender);
    void on_ping_req(Instant now, const NetAddress& from);
    void on_indirect(Instant now);
    void on_stale_boot(Instant now);
    void note_incompatible(std::uint8_t version);

    // swim_news.cpp: what is told of members
    void take(const Source& source, const NewsItem& item);
    void take_alive(const Source& source, const NewsItem& item);
    void take_own(const Source& source, const NewsItem& item);
    /// What suspect or down changes, and of whom: `replace`, `accuse`, or else nothing (counted; or
    /// refuted, when it is about this member).
    [[nodiscard]] Verdict weigh(const Source& source, const NewsItem& item, const Claim& claim,
                                Entry*& about);
    void take_suspect(const Source& source, const NewsItem& item);
    void take_down(const Source& source, const NewsItem& item);
    void take_left(const Source& source, const NewsItem& item);
    void take_status(const Source& source, const NewsItem& item);
    void take_hint(const Source& source, const NewsItem& item);
    [[nodiscard]] Check verify(const Source& source, const NewsItem& item, const Entry* held);
    void forged(const Source& source);
    [[nodiscard]] bool is_operator(std::string_view key) const;
    void wait(const Source& source, const NewsItem& item);
    void take_verified(Instant now);
    void bury_member(Instant now, Entry& entry);
    /// No more graves than `most`: the oldest go.
    void drop_graves(std::size_t most);

    // swim_change.cpp: what a change entails
    void set_state(Instant now, Entry& entry, Claim claim, Cause cause, NodeId who);
    void note_why(Instant now, const Entry& entry, std::optional<Standing> from, Cause cause,
                  NodeId who);
    void tell(Event event);
    void tell(Event::Kind kind, const Entry& entry);
    void spread(const Source& source, News news);
    void queue(Instant now, News news);
    /// There is something to tell, or somebody to tell it to, and there was not.
    void wake_gossip(Instant now);
    void view_changed(Instant now) { changed_at_ = now; }
    void refute(Instant now, const Claim& claim);
    /// When the refutation that was put off is due; never: none was.
    [[nodiscard]] Instant postponed_at() const noexcept;
    void publish_self(Instant now);
    void publish_status(Instant now);
    void new_boot(Instant now, std::uint32_t boot);
    /// Because of what others say, so once a minute at most; false when it is too soon.
    [[nodiscard]] bool take_later_boot(Instant now, std::uint32_t boot);
    void check_names();
    void reap(Instant now);
    void remember(Instant now, const NetAddress& lost);
    void remember_unmet(Instant now);
    void keep_addresses(Instant now);

    // swim_probe.cpp: probes, doubts, suspicions
    void run_period(Instant now);
    void run_probes(Instant now);
    void run_doubts(Instant now);
    void run_suspicions(Instant now);
    /// Who accuses asks the accused, who hears of it by that, and answers if it lives.
    void ask_accused(Instant now);
    /// What it thought of others in a silence that was its own, once it hears `heard`.
    void withdraw(Instant now, NodeId heard);
    void start_probe(Instant now, const Entry& target, ProbeFor purpose, Claim rumour = {},
                     NodeId rumour_by = {});
    void ping(Instant now, const Entry& target, std::uint32_t number);
    void ping_probe(Instant now, const Probe& probe);
    void ask_helpers(Instant now, const Probe& probe);
    void probe_ok(Instant now, const Probe& probe, bool indirect);
    void probe_failed(Instant now, const Probe& probe);
    void open_doubt(Instant now, Entry& about);
    void ask_observers(Instant now, Doubt& doubt);
    void publish_alone(Instant now, Entry& about, Instant since);
    /// `before`: what it was until this suspicion, if it is the first of it.
    void accuse(Instant now, Entry& about, NodeId accuser, Instant since, NodeId from,
                Standing before = Standing::alive);
    void on_confirm(Instant now, const NetAddress& from, NodeId sender);
    void on_clear(NodeId sender);
    /// Asks many at once while hardly anybody is heard: the living find each other by it.
    void sound(Instant now);
    void heal(Instant now);
    void ask_lost(Instant now);
    void forgive(Instant now);
    void late(Instant now, Instant due);
    [[nodiscard]] std::uint32_t confirmers() const noexcept;
    [[nodiscard]] Entry* pick_helper(const Probe& probe, std::optional<std::uint8_t> zone);
    [[nodiscard]] std::size_t items_about(Instant now, const Entry& entry,
                                          std::array<NewsItem, accusers_max + 2>& into) const;

    // swim_send.cpp: datagrams out, gossip
    std::size_t send(Instant now, const NetAddress& to, Entry* who, const proto::DatagramBody& body,
                     std::span<const NewsItem> first = {}, bool fill = true);
    [[nodiscard]] proto::DatagramBody& body_of(proto::DatagramKind kind);
    [[nodiscard]] const proto::DatagramBody& ping_body(Instant now, std::uint32_t number);
    void run_gossip(Instant now);
    [[nodiscard]] std::size_t pick_targets(std::span<Entry*> into);
    [[nodiscard]] Entry* random_live(NodeId except = {});
    [[nodiscard]] std::uint16_t quiet_ms(Instant now) const noexcept;

    // swim_sync.cpp: anti-entropy, join, leave
    void compare_digest(Instant now, const NetAddress& from, Entry* sender);
    void start_sync(Instant now, const NetAddress& to, Entry* who);
    void run_syncs(Instant now);
    void on_tree(Instant now, const NetAddress& from, Entry* sender);
    void on_leaf(Instant now, const NetAddress& from, Entry* sender);
    void on_want(Instant now, const NetAddress& from, Entry* sender);
    void send_records(Instant now, const NetAddress& to, Entry* who, std::span<const NodeId> ids,
                      std::size_t datagrams);
    [[nodiscard]] bool affords_bulk(Instant now) noexcept;
    [[nodiscard]] bool send_bulk(Instant now, const NetAddress& to, Entry* who,
                                 const proto::DatagramBody& body,
                                 std::span<const NewsItem> items = {});
    void append_record(const Entry& entry, std::vector<NewsItem>& into) const;
    void serve_pages(Instant now, const NetAddress& from, Entry* sender, std::uint64_t cursor);
    void send_busy(Instant now, const NetAddress& from, Entry* sender);
    void on_page(Instant now, const NetAddress& from, Entry* sender);
    void run_join(Instant now);
    void run_leave(Instant now);

    const Config config_;
    const Limits limits_;
    Identity identity_;
    Crypto crypto_;
    Commons& commons_;
    Random random_;
    const NodeId id_;
    Own own_;
    View view_;
    Entry* self_ = nullptr;
    std::uint32_t seq_ = 0;

    Estimates estimates_;
    Health health_;
    Period period_;
    Probes probes_;
    Relays relays_;
    std::uint32_t probe_number_ = 0;
    Doubts doubts_;
    Detours detours_;
    TokenBucket observing_{4, 8};
    Suspicions suspicions_;
    NewsQueue queue_;
    Hints hints_;
    Why why_;
    std::optional<Probe> evidence_; ///< the failed probe that led to what is being noted
    Joiner joiner_;

    Outbox outbox_;
    std::deque<Event> events_;
    Counters counters_;

    // Input.
    TokenBucket input_;
    TokenBucket verifying_;
    Strangers strangers_;
    Forgers forgers_;
    std::deque<Waiting> unverified_;
    std::map<NodeId, std::uint32_t> waiting_ids_;
    const NewsItem* trusted_ = nullptr; ///< verified already, in the datagram being received
    bool accused_ = false;              ///< the datagram being received has news about this member
    bool asked_sender_ = false;         ///< its sender was being probed
    Instant rate_lost_at_{};
    std::vector<proto::PublicKey> operators_;
    /// Where others may be whom nobody here knows any more, or not yet.
    struct Lost {
        NetAddress address;
        Instant since;
    };
    std::vector<Lost> lost_;
    std::map<NodeId, Instant> incompatible_;
    std::map<NodeId, Instant> stale_told_; ///< whom `stale_boot` was sent to, in the last second
    TokenBucket jumps_{4, 4};              ///< refutations that wait for the disk
    TokenBucket refuting_{8, 32};          ///< those that do not
    /// Losses of input that are forgiven: three, and one in ten seconds.
    static constexpr std::uint64_t forgiveness = 10;
    TokenBucket losses_{1, 3 * forgiveness};
    /// Late ticks that are forgiven although something was heard: three, and one a minute.
    static constexpr std::uint64_t late_forgiveness = 60;
    TokenBucket lates_{1, 3 * late_forgiveness};
    std::optional<Claim> postponed_; ///< the highest that is to be refuted by the next such
    std::optional<Instant> new_boot_at_;
    std::optional<Instant> unheard_boot_at_; ///< last later boot taken because nobody answered
    bool shut_out_ = false;                  ///< by its keys
    std::optional<Instant> twin_seen_;

    // Time.
    Instant now_;
    Ears ears_;
    Instant judges_from_{}; ///< it was deaf until then
    Instant changed_at_;
    Instant next_period_;
    Instant early_period_ = never; ///< it is run then, since this member is awake
    Instant next_gossip_;
    Instant flush_at_ = never;
    Instant flushed_at_;
    Instant synced_at_;
    Instant sync_soon_at_ = never;
    Instant join_sync_at_ = never; ///< of a newcomer whose digest nobody had yet
    std::uint32_t join_syncs_left_ = 0;
    bool lags_ = false; ///< a newcomer that was never told a page of which it knew half
    Instant reap_at_;
    Instant unmet_until_; ///< addresses that were given, and are no member's, are lost ones
    Instant addresses_at_;
    bool addresses_dirty_ = false;
    bool names_dirty_ = false;
    std::set<std::pair<NodeId, NodeId>> conflicts_;
    bool isolated_ = false;

    // Budgets.
    TokenBucket gossip_bytes_;
    TokenBucket sync_bytes_;
    TokenBucket sync_news_{16, 16};

    // Own status.
    std::string status_next_;
    bool status_waits_ = false;
    Instant status_at_ = never;
    std::optional<Instant> status_sent_;
    TokenBucket urgent_{1, 5};
    std::uint32_t status_counter_ = 0;

    // Leaving.
    bool silent_ = false;
    bool leaving_ = false;
    bool agreed_ = false; ///< somebody's digest was this one's, in this boot
    SignedRef left_;
    Instant leave_at_ = never;
    Instant leave_ends_ = never;
    std::set<NodeId> leave_told_;
    std::set<NodeId> leave_acked_;
};

} // namespace jackdaw::swim
