#include "agent/fleet.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <sodium.h>
#include <spdlog/spdlog.h>

#include "agent/api/process_usage.h"
#include "agent/fleet_node.h"
#include "agent/settings.h"
#include "proto/base/rfc3339.h"
#include "proto/runtime/offload.h"
#include "proto/runtime/task_scope.h"

namespace jackdaw::agent {
namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds care_every{
    5}; ///< for what nobody tells: fill of the volume, rotation

const unsigned char* bytes(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

swim::Crypto crypto_of(const Identity& identity) {
    swim::Crypto crypto;
    crypto.sign = [&identity](std::string_view text) {
        proto::Signature signature{};
        crypto_sign_detached(signature.data(), nullptr, bytes(text), text.size(),
                             identity.sign_secret.data());
        return signature;
    };
    crypto.verify = [](std::string_view key, std::string_view text, std::string_view signature) {
        return crypto_sign_verify_detached(bytes(signature), bytes(text), text.size(),
                                           bytes(key)) == 0;
    };
    return crypto;
}

} // namespace

Fleet::Fleet(Parts parts, Label label)
    : parts_{std::move(parts)}, made_s_{parts_.clock.wall_ms() / 1000}, label_{std::move(label)} {}
Fleet::~Fleet() = default;

Error Fleet::not_handed_over() const {
    if (!kept_out_.empty()) {
        return Error{Errc::unavailable, fmt::format("this agent is in no fleet: {}", kept_out_)}
            .with_hint(
                "mend the file that 'ring' in its settings names; `jackdaw doctor` says more");
    }
    return Error{Errc::unavailable, "this agent belongs to no fleet yet"}.with_hint(
        "the hand-over of its machine, or 'ring' in its settings, makes it a member");
}

Result<void> Fleet::may_speak() const {
    if (node_ == nullptr) {
        return not_handed_over();
    }
    if (twin_) {
        return Error{Errc::conflict,
                     "another machine holds this agent's keys, and this one uses them no more"}
            .with_hint("end the copy and remove its state folder, then start again who stays");
    }
    return ok();
}

/// Who lost its state and kept its keys would otherwise take the same second again, and with it the
/// numbers that others have seen: their replay windows would shut it out. What was said was said
/// after the second in which that agent began, so a later second is a later boot.
asio::awaitable<void> Fleet::wait_for_boot() const {
    const auto kept = load_snapshot(parts_.store);
    if (!kept || kept->boot != 0) { // a fault of the records is open()'s to tell
        co_return;
    }
    asio::steady_timer timer{co_await asio::this_coro::executor};
    const auto wall_ms = parts_.clock.wall_ms();
    if (wall_ms / 1000 <= made_s_) { // once: a clock that was set back is waited for no longer
        timer.expires_after(std::chrono::milliseconds{1001 - wall_ms % 1000});
        co_await timer.async_wait(as_result);
    }
}

swim::Swim& Fleet::core() noexcept {
    return node_->core;
}

void Fleet::changed() {
    node_->loop.changed();
}

Result<void> Fleet::open(std::span<const UniqueFd> sockets, Membership membership) {
    JACKDAW_TRY(ring_, proto::parse_gossip_ring(membership.ring.reveal(), membership.fleet));
    JACKDAW_CHECK(take_kept_ring());
    membership.ring = {};
    membership_ = std::move(membership);
    sockets_ = sockets;
    JACKDAW_TRY(node_, make_node());
    ask_seeds();
    refresh();
    return ok();
}

Result<std::unique_ptr<Fleet::Node>> Fleet::make_node() {
    JACKDAW_TRY(const auto kept, load_snapshot(parts_.store));
    JACKDAW_TRY(auto sealing, proto::SealRing::make(ring_.fleet, ring_.keys()));
    const auto address = proto::net_address(label_.address, label_.port);
    if (!address || *address == swim::NetAddress{.ip = {}, .port = label_.port, .ip_bytes = 4} ||
        *address == swim::NetAddress{.ip = {}, .port = label_.port, .ip_bytes = 16}) {
        return Error{Errc::invalid,
                     fmt::format("'{}' is no address that others could reach", label_.address)}
            .with_hint("set 'advertise' to this machine's numeric address");
    }
    std::vector<gossip::DatagramSocket> sockets;
    for (const auto& bound : sockets_) {
        UniqueFd own{::fcntl(bound.get(), F_DUPFD_CLOEXEC, 0)};
        if (!own) {
            return Error{Errc::exhausted, "duplicate gossip's socket",
                         std::error_code{errno, std::system_category()}};
        }
        JACKDAW_TRY(auto socket, gossip::DatagramSocket::adopt(std::move(own)));
        sockets.push_back(std::move(socket));
    }
    const auto is_of_its_family = [&](const gossip::DatagramSocket& socket) {
        return socket.address().ip_bytes == address->ip_bytes;
    };
    if (std::ranges::none_of(sockets, is_of_its_family)) {
        return Error{Errc::invalid,
                     fmt::format("no socket of gossip is of the address family of '{}', by which "
                                 "others are to reach this agent",
                                 label_.address)}
            .with_hint("'listen' and 'advertise' must be of one family, or 'listen' be every "
                       "address and its port free in both");
    }
    swim::Identity identity;
    identity.key = parts_.identity.sign_key;
    const auto instance = parts_.instance();
    identity.name = instance ? instance->name : label_.name;
    identity.address = *address;
    identity.fleet = ring_.fleet;
    identity.unix_s = static_cast<std::uint64_t>(parts_.clock.wall_ms() / 1000);
    identity.ring = sealing.newest();
    identity.sealing = sealing.sealing();
    std::uint64_t seed = 0;
    randombytes_buf(&seed, sizeof seed);
    auto node =
        std::make_unique<Node>(label_.config, std::move(identity), kept, crypto_of(parts_.identity),
                               seed, std::move(sockets), std::move(sealing), *this);
    if (membership_.operator_key) {
        JACKDAW_CHECK(node->core.set_operators({*membership_.operator_key}));
    }
    return node;
}

void Fleet::ask_seeds() {
    std::vector<swim::NetAddress> addresses;
    for (const auto& seed : membership_.seeds) {
        const auto parsed = parse_host_port(seed);
        const auto address = parsed ? proto::net_address(parsed->host, parsed->port) : std::nullopt;
        if (!address) {
            spdlog::warn("gossip: the seed '{}' is no numeric ADDRESS:PORT", seed);
            continue;
        }
        addresses.push_back(*address);
    }
    if (!addresses.empty()) {
        core().join(runtime::Clock::instant(), addresses);
    }
}

asio::awaitable<Result<void>> Fleet::run() {
    co_await asio::this_coro::throw_if_cancelled(false);
    for (;;) {
        care_due_.emplace(parts_.executor);
        runtime::TaskScope scope{parts_.executor};
        scope.spawn("gossip", node_->loop.run());
        scope.spawn("care", care_loop());
        spdlog::info("gossip ready at {}", proto::text_of(core().self().alive->address));
        auto ended = co_await scope.join();
        if (!again_) {
            co_return std::move(ended);
        }
        again_ = false;
        left_ = false;
        is_left_told_ = false;
        told_.reset();
        key_watch_ = {};
        reach_watch_ = {};
        answer_watch_ = {};
        accused_again_ = 0;
        long_left_.clear();
        node_.reset(); // its socket first: two would share what comes in
        JACKDAW_CO_TRY(node_, make_node());
        ask_seeds();
        refresh();
    }
}

/// Ends this life: care_loop() fails, which ends its scope.
void Fleet::start_again() {
    again_ = true;
    care_due_->cancel();
}

asio::awaitable<Result<void>> Fleet::care_loop() {
    co_await asio::this_coro::throw_if_cancelled(false);
    while (!again_) {
        care_due_->expires_after(care_every);
        co_await care_due_->async_wait(as_result);
        const auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none) {
            co_return ok();
        }
        measure_load();
        refresh();
        if (twin_) {
            continue;
        }
        watch_keys();
        watch_answers();
        watch_reach();
        if (const auto rotated = co_await rotate(); !rotated) {
            spdlog::warn("gossip: the next step of the key ring: {}", rotated.error().to_string());
        }
    }
    co_return Error{Errc::conflict, "this life of gossip is over"};
}

asio::awaitable<Result<void>> Fleet::keep(swim::Persist record) {
    auto work = [this, record = std::move(record)]() -> Result<void> {
        fault(record, "begin");
        JACKDAW_CHECK(parts_.store.commit(changes_of(record)));
        fault(record, "done"); // durable, and nothing that depends on it was sent
        return ok();
    };
    co_return co_await runtime::offload(parts_.pool, std::move(work));
}

void Fleet::fault(const swim::Persist& record, std::string_view point) const {
    if (parts_.fault_point && record.kind != swim::Persist::Kind::addresses) {
        parts_.fault_point(record.kind == swim::Persist::Kind::boot ? "boot" : "reserve", point);
    }
}

proto::MemberStatus Fleet::own_status() const {
    proto::MemberStatus status;
    status.agent_version = parts_.version;
    status.instance_id = membership_.instance_id;
    status.load_class = load_.load_class();
    status.key_version = node_->pass.link().ring().newest();
    status.key_id = node_->pass.link().ring().newest_id();
    if (const auto instance = parts_.instance()) {
        status.db_state = instance->status;
        status.db_version = instance->version;
        status.datastore = instance->datastore;
        const auto& host = instance->address.empty() ? label_.address : instance->address;
        status.address = proto::net_address(host, instance->port).value_or(swim::NetAddress{});
        for (const auto& warning : instance->warnings) {
            const auto at = std::ranges::find(proto::warning_kinds, warning.kind);
            if (at != proto::warning_kinds.end()) {
                status.alerts |= 1U << static_cast<unsigned>(at - proto::warning_kinds.begin());
            }
        }
        status.tells_upkeep = instance->is_upkeep_told;
        status.needs_restart = !instance->pending_restart.empty();
        const auto paused_until_ms = unix_ms_of(instance->maintenance_until).value_or(0);
        status.maintenance_until_s =
            static_cast<std::uint64_t>(std::max<std::int64_t>(0, paused_until_ms / 1000));
        status.disk_class =
            proto::eighth_of(instance->volume_used_bytes, instance->volume_size_bytes,
                             told_ ? told_->disk_class : std::uint8_t{0});
    }
    return status;
}

void Fleet::measure_load() {
    const auto instance = parts_.instance();
    const auto pid = instance ? instance->database_pid : 0;
    const auto cpu_us = pid > 0 ? usage_of_process(pid).cpu_us : std::nullopt;
    load_.look(runtime::Clock::instant(), pid, cpu_us, parts_.cores);
}

void Fleet::tell_status() {
    auto status = own_status();
    if (told_ == status) {
        return;
    }
    const bool urgent = !told_ || proto::is_urgent(*told_, status);
    if (const auto set = core().set_status(runtime::Clock::instant(),
                                           proto::encode_member_status(status), urgent);
        !set) {
        spdlog::error("gossip: tell the status: {}", set.error().to_string());
        return;
    }
    told_ = std::move(status);
}

void Fleet::refresh() {
    if (node_ == nullptr || twin_ || again_) {
        return;
    }
    const auto instance = parts_.instance();
    leave_wanted_ = leave_wanted_ && (had_instance_ || !instance);
    if (parts_.deleted() || leave_wanted_) {
        if (!left_) { // the machine goes next: nobody shall take its silence for a death
            spdlog::info("gossip: leaving the fleet{}",
                         leave_wanted_ ? "" : "; the instance was deleted");
            left_ = true;
            left_ms_ = parts_.clock.wall_ms();
            core().leave(runtime::Clock::instant());
            changed();
        }
        return;
    }
    if (left_) { // another create in the same machine, or asked to come back
        start_again();
        return;
    }
    core().set_name(runtime::Clock::instant(), instance ? instance->name : label_.name);
    tell_status();
    changed();
}

} // namespace jackdaw::agent
