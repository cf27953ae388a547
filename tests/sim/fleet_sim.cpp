#include "tests/sim/fleet_sim.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace jackdaw::sim {
namespace {

constexpr std::size_t headers_bytes = 28; ///< IPv4 and UDP
constexpr std::size_t receive_buffer_bytes = 1024 * 1024;
constexpr std::size_t held_max = 20'000; ///< datagrams that links keep; what is beyond is lost
constexpr std::uint64_t unix_at_start = 1'764'400'000;

std::uint64_t stir(std::uint64_t hash, std::uint64_t word) noexcept {
    hash ^= word;
    hash *= 0x9E3779B97F4A7C15ULL;
    return hash ^ (hash >> 29U);
}

std::uint64_t hash_of(std::uint64_t seed, std::string_view text) noexcept {
    auto hash = stir(seed, text.size());
    while (text.size() >= 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, text.data(), 8);
        hash = stir(hash, word);
        text.remove_prefix(8);
    }
    for (const char c : text) {
        hash = stir(hash, static_cast<unsigned char>(c));
    }
    return hash;
}

std::string_view view_of(const proto::PublicKey& key) noexcept {
    return {reinterpret_cast<const char*>(key.data()), key.size()};
}

} // namespace

proto::Signature cheap_signature(std::string_view key, std::string_view text) noexcept {
    proto::Signature signature{};
    auto hash = hash_of(hash_of(7, key), text);
    for (std::size_t i = 0; i < signature.size(); i += 8) {
        std::memcpy(signature.data() + i, &hash, 8);
        hash = stir(hash, i);
    }
    return signature;
}

FleetSim::FleetSim(const Options& options)
    : options_{options}, commons_{fleet_}, random_{options.seed}, nodes_(options.members) {
    for (std::size_t node = 0; node < nodes_.size(); ++node) {
        auto& slot = nodes_[node];
        for (std::size_t i = 0; i < slot.key.size(); i += 8) {
            const auto word = stir(options.seed + i, node + 1);
            std::memcpy(slot.key.data() + i, &word, 8);
        }
        slot.id = proto::node_id_of(view_of(slot.key));
        by_id_[proto::raw(slot.id)] = node;
    }
}

FleetSim::~FleetSim() {
    for (auto& node : nodes_) {
        node.swim.reset(); // before the records that they share
    }
}

swim::Crypto FleetSim::crypto_of(std::size_t node) const {
    const auto key = nodes_[node].key;
    return {[key](std::string_view text) { return cheap_signature(view_of(key), text); },
            [](std::string_view by, std::string_view text, std::string_view signature) {
                const auto expected = cheap_signature(by, text);
                return signature.size() == expected.size() &&
                       std::memcmp(signature.data(), expected.data(), expected.size()) == 0;
            }};
}

swim::NetAddress FleetSim::address_of(std::size_t node) const {
    swim::NetAddress address;
    address.ip = {10, static_cast<std::uint8_t>(node >> 16U), static_cast<std::uint8_t>(node >> 8U),
                  static_cast<std::uint8_t>(node)};
    address.ip_bytes = 4;
    address.port = 7412;
    return address;
}

std::optional<std::size_t> FleetSim::node_of(NodeId id) const {
    const auto found = by_id_.find(proto::raw(id));
    return found == by_id_.end() ? std::nullopt : std::optional{found->second};
}

void FleetSim::start(std::size_t node, const std::vector<std::size_t>& seeds) {
    assert(!is_up(node));
    auto& slot = nodes_[node];
    swim::Identity identity;
    identity.key = slot.key;
    identity.name = "db" + std::to_string(node);
    identity.zone = options_.zones > 1 ? "az" + std::to_string(node % options_.zones) : "";
    identity.address = address_of(node);
    identity.fleet = fleet_;
    identity.unix_s =
        unix_at_start +
        static_cast<std::uint64_t>((now_.time_since_epoch() + slot.wall) / std::chrono::seconds{1});
    ++slot.life;
    slot.kept_disk = slot.disk_is_whole;
    slot.disk_is_whole = true;
    slot.swim = std::make_unique<swim::Swim>(options_.config, options_.limits, identity, slot.disk,
                                             crypto_of(node), random_.next(), now_, commons_);
    std::vector<swim::NetAddress> addresses;
    for (const auto seed : seeds) {
        addresses.push_back(address_of(seed));
    }
    slot.swim->join(now_, addresses);
    slot.timer_at = never;
    drain(node, false);
}

void FleetSim::start_all(Duration spread, std::size_t count) {
    const auto begin = now_;
    std::vector<std::pair<Duration, std::size_t>> order;
    for (std::size_t node = 0; node < (count != 0 ? count : nodes_.size()); ++node) {
        order.emplace_back(node == 0 ? Duration{} : random_.below(spread), node);
    }
    std::ranges::sort(order);
    for (const auto& [after, node] : order) {
        run_for(begin + after - now_);
        start(node, {0});
    }
}

void FleetSim::kill(std::size_t node, bool between) {
    auto& slot = nodes_[node];
    if (between) { // news beyond what is reserved: made durable, and then the power went
        for (std::uint32_t version = 2; version < 2 * swim::reserve_step; ++version) {
            slot.swim->set_ring(now_, version, 1);
        }
        while (const auto record = slot.swim->poll_persist()) {
            if (record->kind == swim::Persist::Kind::reserve) {
                slot.disk.incarnation_reserved = record->incarnation;
            }
        }
    }
    slot.swim.reset();
    slot.paused = false;
    for (const auto packet : slot.inbox) {
        free_packet(packet);
    }
    slot.inbox.clear();
    slot.inbox_bytes = 0;
}

void FleetSim::pause(std::size_t node) {
    nodes_[node].paused = true;
}

void FleetSim::resume(std::size_t node) {
    auto& slot = nodes_[node];
    slot.paused = false;
    const auto waiting = std::exchange(slot.inbox, {});
    slot.inbox_bytes = 0;
    if (slot.lost != 0) {
        slot.swim->lost_input(now_, std::exchange(slot.lost, 0));
    }
    for (const auto packet : waiting) { // input before timers
        receive(node, packets_[packet]);
        free_packet(packet);
    }
    if (is_up(node)) {
        slot.swim->tick(now_);
        drain(node, true);
    }
}

void FleetSim::leave(std::size_t node) {
    nodes_[node].swim->leave(now_);
    drain(node, false);
}

void FleetSim::wipe_disk(std::size_t node) {
    nodes_[node].disk = {};
    nodes_[node].disk_is_whole = false;
}
void FleetSim::save_disk(std::size_t node) {
    nodes_[node].saved = nodes_[node].disk;
}
void FleetSim::restore_disk(std::size_t node) {
    nodes_[node].disk = nodes_[node].saved;
    nodes_[node].disk_is_whole = false;
}
void FleetSim::clone_key(std::size_t from, std::size_t to) {
    nodes_[to].key = nodes_[from].key;
    nodes_[to].id = nodes_[from].id;
}

void FleetSim::free_packet(std::uint32_t packet) {
    commons_.buffers.push_back(std::move(packets_[packet].bytes));
    free_packets_.push_back(packet);
}

void FleetSim::put(std::uint32_t from, std::uint32_t to, std::string_view bytes) {
    std::uint32_t index = 0;
    if (free_packets_.empty()) {
        index = static_cast<std::uint32_t>(packets_.size());
        packets_.emplace_back();
    } else {
        index = free_packets_.back();
        free_packets_.pop_back();
    }
    auto& packet = packets_[index];
    packet.from = from;
    packet.to = to;
    packet.size = static_cast<std::uint32_t>(bytes.size());
    packet.bytes = commons_.take_buffer();
    std::ranges::copy(bytes, packet.bytes->begin());
    if (holds && holds(from, to)) {
        if (held_.size() < held_max) {
            held_.push_back(index);
        } else {
            free_packet(index);
        }
        return;
    }
    const auto spread = weather.delay_max - weather.delay_min;
    const auto delay =
        weather.delay_min + (spread.count() > 0 ? random_.below(spread) : Duration{});
    heap_.push_back({now_ + delay, ++order_, to, index + 1});
    std::ranges::push_heap(heap_, std::greater{});
}

void FleetSim::send(std::size_t from, const swim::Outgoing& out) {
    assert(out.bytes.size() + proto::gossip_seal_bytes <= proto::gossip_datagram_bytes_max);
    ++datagrams_;
    ip_bytes_ += out.bytes.size() + proto::gossip_seal_bytes + headers_bytes;
    const auto& ip = out.to.ip;
    const std::size_t to = std::size_t{ip[1]} << 16U | std::size_t{ip[2]} << 8U | ip[3];
    if (ip[0] != 10 || to >= nodes_.size()) {
        return;
    }
    if ((passes && !passes(from, to)) || is_chance(weather.loss)) {
        return;
    }
    const auto copies = is_chance(weather.duplicates) ? 2 : 1;
    for (int copy = 0; copy < copies; ++copy) {
        put(static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to), out.bytes);
    }
}

void FleetSim::release_held() {
    for (const auto packet : std::exchange(held_, {})) {
        heap_.push_back({now_ + weather.delay_min, ++order_, packets_[packet].to, packet + 1});
        std::ranges::push_heap(heap_, std::greater{});
    }
}

void FleetSim::inject(std::size_t from, std::size_t to, std::string_view bytes) {
    put(static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to), bytes);
}

void FleetSim::drain(std::size_t node, bool is_tick, std::optional<std::size_t> from,
                     std::string_view received) {
    auto& slot = nodes_[node];
    while (const auto record = slot.swim->poll_persist()) {
        switch (record->kind) {
        case swim::Persist::Kind::reserve:
            slot.disk.incarnation_reserved = record->incarnation;
            break;
        case swim::Persist::Kind::boot: slot.disk.boot = record->boot; break;
        case swim::Persist::Kind::addresses: slot.disk.addresses = record->addresses; break;
        }
        slot.swim->persisted(now_, *record);
    }
    Step step{node, is_tick, 0, received};
    const auto asker = from ? address_of(*from) : swim::NetAddress{};
    while (const auto out = slot.swim->poll_send()) {
        step.answers += from && out->to == asker ? 1U : 0U;
        send(node, *out);
        ++step.sent;
    }
    while (const auto event = slot.swim->poll_event()) {
        if (event->kind == swim::Event::Kind::down) {
            const auto subject = node_of(event->id);
            const bool runs =
                subject && is_up(*subject) && !is_paused(*subject) && !core(*subject).is_silent();
            wrong_downs_ += runs && (!passes || (passes(node, *subject) && passes(*subject, node)));
        }
        if (on_event) {
            on_event(node, *event);
        }
    }
    if (after_step) {
        after_step(step);
    }
    arm(node);
}

void FleetSim::arm(std::size_t node) {
    auto& slot = nodes_[node];
    const auto next = std::max(now_, slot.swim->next_wakeup());
    if (next < slot.timer_at) {
        slot.timer_at = next;
        heap_.push_back({next, ++order_, static_cast<std::uint32_t>(node), 0});
        std::ranges::push_heap(heap_, std::greater{});
    }
}

void FleetSim::receive(std::size_t node, const Packet& packet) {
    auto& slot = nodes_[node];
    if (slot.swim == nullptr) {
        return;
    }
    std::string_view bytes{packet.bytes->data(), packet.size};
    if (tamper) {
        scratch_ = bytes;
        tamper(node, scratch_);
        bytes = scratch_;
    }
    trace_ =
        stir(trace_, hash_of(static_cast<std::uint64_t>(now_.time_since_epoch().count()), bytes));
    if (slot.full != 0 && is_chance(slot.full)) {
        ++slot.lost;
        return;
    }
    if (slot.lost != 0) { // its count came with this one
        slot.swim->lost_input(now_, std::exchange(slot.lost, 0));
    }
    slot.swim->receive(now_, address_of(packet.from), bytes);
    drain(node, false, packet.from, bytes);
}

void FleetSim::deliver(std::uint32_t packet) {
    auto& slot = nodes_[packets_[packet].to];
    if (slot.swim != nullptr && slot.paused) {
        if (slot.inbox_bytes + packets_[packet].size > receive_buffer_bytes) {
            ++slot.lost;
            free_packet(packet);
            return;
        }
        slot.inbox_bytes += packets_[packet].size;
        slot.inbox.push_back(packet);
        return;
    }
    if (slot.swim == nullptr) {                   // the host stands, the process does not
        auto stray = std::move(packets_[packet]); // what answers may move the rest
        free_packets_.push_back(packet);
        if (on_stray) {
            on_stray(stray.to, stray.from, {stray.bytes->data(), stray.size});
        }
        commons_.buffers.push_back(std::move(stray.bytes));
        return;
    }
    auto held = std::move(packets_[packet]); // the core's answers may move the rest
    free_packets_.push_back(packet);
    receive(held.to, held);
    commons_.buffers.push_back(std::move(held.bytes));
}

void FleetSim::run_for(Duration span) {
    const auto end = now_ + span;
    while (!heap_.empty() && heap_.front().at <= end) {
        const auto next = heap_.front();
        std::ranges::pop_heap(heap_, std::greater{});
        heap_.pop_back();
        now_ = std::max(now_, next.at);
        if (next.packet != 0) {
            deliver(next.packet - 1);
            continue;
        }
        auto& slot = nodes_[next.node];
        if (slot.swim == nullptr || next.at != slot.timer_at) {
            continue; // of an earlier life, or another came before it
        }
        slot.timer_at = never;
        if (slot.paused) {
            continue; // resume() ticks
        }
        if (slot.no_timer_before > now_) {
            slot.timer_at = slot.no_timer_before;
            heap_.push_back({slot.timer_at, ++order_, next.node, 0});
            std::ranges::push_heap(heap_, std::greater{});
            continue;
        }
        if (slot.swim->next_wakeup() <= now_) {
            slot.swim->tick(now_);
            drain(next.node, true);
        } else {
            arm(next.node);
        }
    }
    now_ = end;
}

std::optional<Duration> FleetSim::run_until(const std::function<bool()>& done, Duration limit,
                                            Duration step) {
    const auto begin = now_;
    while (now_ - begin < limit) {
        if (done()) {
            return now_ - begin;
        }
        run_for(step);
    }
    return done() ? std::optional{now_ - begin} : std::nullopt;
}

std::optional<Standing> FleetSim::seen(std::size_t viewer, std::size_t subject) const {
    const auto* const entry = core(viewer).find(id_of(subject));
    return entry == nullptr ? std::nullopt : std::optional{entry->state};
}

bool FleetSim::all_see_all() const {
    std::size_t up = 0;
    for (std::size_t node = 0; node < nodes_.size(); ++node) {
        up += is_up(node) && !core(node).is_silent() ? 1U : 0U;
    }
    for (std::size_t viewer = 0; viewer < nodes_.size(); ++viewer) {
        if (!is_up(viewer) || core(viewer).is_silent()) {
            continue;
        }
        const auto& view = core(viewer).view();
        if (view.live() != up || view.suspects() != 0) {
            return false;
        }
        for (std::size_t i = 0; i < view.live(); ++i) {
            const auto node = node_of(view.live_at(i).id());
            if (!node || !is_up(*node)) {
                return false;
            }
        }
    }
    return true;
}

std::string FleetSim::picture() const {
    std::string text =
        "rows see columns (A alive, S suspect, D down, L left, . unknown, # not running)\n";
    for (std::size_t viewer = 0; viewer < nodes_.size(); ++viewer) {
        for (std::size_t subject = 0; subject < nodes_.size(); ++subject) {
            if (!is_up(viewer)) {
                text += '#';
            } else {
                const auto state = seen(viewer, subject);
                text += viewer == subject ? 'o' : state ? "ASDL"[static_cast<int>(*state)] : '.';
            }
        }
        text += '\n';
    }
    return text;
}

} // namespace jackdaw::sim
