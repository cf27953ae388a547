#pragma once
// A membership core among peers that are written by hand.

#include <array>
#include <cstring>

#include <catch2/catch.hpp>

#include "gossip/core/swim/swim.h"

namespace jackdaw::swim_test {

using namespace jackdaw::swim;
using namespace std::chrono_literals;
using proto::DatagramKind;

inline constexpr proto::FleetId fleet{0x1122334455667788};

inline std::string_view view_of(const proto::PublicKey& key) {
    return {reinterpret_cast<const char*>(key.data()), key.size()};
}

/// A stand-in that depends on every byte of key and text.
inline proto::Signature sign_as(std::string_view key, std::string_view text) {
    proto::Signature signature{};
    std::uint64_t hash = 14695981039346656037ULL;
    for (const auto part : {key, text}) {
        for (const char c : part) {
            hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
        }
    }
    std::memcpy(signature.data(), &hash, sizeof hash);
    return signature;
}

/// Another member, as far as a test plays it.
struct Peer {
    proto::PublicKey key{};
    NodeId id{};
    NetAddress address{};
    std::uint64_t incarnation = 10;
    std::uint32_t boot = 1000;
    std::uint32_t seq = 0;
    std::string name;
    std::string body, signature;

    explicit Peer(std::uint8_t number) : name{"db" + std::to_string(number)} {
        key.fill(number);
        id = proto::node_id_of(view_of(key));
        address.ip = {10, 0, 0, number};
        address.ip_bytes = 4;
        address.port = 7412;
    }
    NewsItem alive() {
        proto::AliveBody fields;
        fields.id = id;
        fields.incarnation = incarnation;
        fields.boot = boot;
        fields.address = address;
        fields.name = name;
        std::array<char, proto::alive_body_bytes_max> bytes{};
        body.assign(bytes.data(), proto::encode_alive_body(fields, bytes));
        return signed_item(NewsKind::alive, proto::SignedAs::alive, view_of(key));
    }
    NewsItem left(NodeId whom, std::uint64_t at, proto::SignedAs as) {
        std::array<char, 32> bytes{};
        body.assign(bytes.data(), proto::encode_left_body(whom, at, bytes));
        return signed_item(NewsKind::left, as, view_of(key));
    }
    NewsItem signed_item(NewsKind kind, proto::SignedAs as, std::string_view by) {
        const auto made = sign_as(by, proto::to_sign(as, fleet, body));
        signature.assign(reinterpret_cast<const char*>(made.data()), made.size());
        NewsItem item;
        item.kind = kind;
        item.bytes = body;
        item.public_key = view_of(key);
        item.signature = signature;
        return item;
    }
};

inline NewsItem accusation(NewsKind kind, NodeId whom, std::uint64_t incarnation, NodeId by) {
    NewsItem item;
    item.kind = kind;
    item.id = whom;
    item.incarnation = incarnation;
    item.by = by;
    return item;
}

struct Heard { ///< a datagram that the core sent
    NetAddress to;
    proto::Datagram read;
    std::string bytes;
};

struct World {
    explicit World(Limits with = Limits{}) : limits{with}, me{200} { make(); }

    void make() {
        Identity identity;
        identity.key = me.key;
        identity.name = "me";
        identity.address = me.address;
        identity.fleet = fleet;
        identity.unix_s = 500;
        Crypto crypto{[this](std::string_view text) { return sign_as(view_of(me.key), text); },
                      [this](std::string_view key, std::string_view text, std::string_view s) {
                          ++verified;
                          const auto expected = sign_as(key, text);
                          return std::memcmp(expected.data(), s.data(), s.size()) == 0;
                      }};
        core = std::make_unique<Swim>(Config::lan(), limits, identity, Snapshot{}, crypto, 5, now,
                                      commons);
    }
    void persist() {
        while (const auto record = core->poll_persist()) {
            core->persisted(now, *record);
        }
    }
    /// All that it has to send, read.
    std::vector<Heard> sent() {
        persist();
        std::vector<Heard> all;
        while (const auto out = core->poll_send()) {
            auto& heard = all.emplace_back();
            heard.to = out->to;
            heard.bytes = out->bytes;
            REQUIRE(proto::decode_gossip(heard.bytes, heard.read) == proto::Decoded::ok);
        }
        return all;
    }
    std::vector<Event> events() {
        std::vector<Event> all;
        while (auto event = core->poll_event()) {
            all.push_back(std::move(*event));
        }
        return all;
    }
    std::size_t count(Event::Kind kind) {
        const auto all = events();
        return static_cast<std::size_t>(std::ranges::count(all, kind, &Event::kind));
    }
    std::string write(Peer& from, DatagramKind kind, const std::vector<NewsItem>& news,
                      proto::DatagramBody body = {}) {
        std::array<char, proto::gossip_plain_bytes_max> bytes{};
        proto::GossipWriter writer{bytes};
        body.kind = kind;
        writer.begin({from.id, from.boot, ++from.seq, 1, from.incarnation, digest}, body);
        for (const auto& item : news) {
            REQUIRE(writer.add(item));
        }
        return {bytes.data(), writer.finish()};
    }
    void say(Peer& from, DatagramKind kind, const std::vector<NewsItem>& news = {},
             const proto::DatagramBody& body = {}) {
        core->receive(now, from.address, write(from, kind, news, body));
    }
    /// What kills at once: who was not suspected before would be asked first.
    void call_down(Peer& by, const Peer& whom) {
        say(by, DatagramKind::gossip,
            {accusation(NewsKind::suspect, whom.id, whom.incarnation, by.id),
             accusation(NewsKind::down, whom.id, whom.incarnation, by.id)});
    }
    /// Each tells that it is there, in this order.
    template <class... Peers>
    void meet(Peers&... peers) {
        const auto one = [&](Peer& peer) {
            say(peer, DatagramKind::gossip, {peer.alive()});
            REQUIRE(core->find(peer.id) != nullptr);
        };
        (one(peers), ...);
    }
    void pass(Duration time) {
        const auto end = now + time;
        while (core->next_wakeup() <= end) {
            now = std::max(now, core->next_wakeup());
            core->tick(now);
            persist();
        }
        now = end;
    }
    [[nodiscard]] std::optional<Standing> state(const Peer& peer) const {
        const auto* const entry = core->find(peer.id);
        return entry == nullptr ? std::nullopt : std::optional{entry->state};
    }

    Limits limits;
    Instant now{1000s};
    std::uint64_t digest = 0; ///< of every peer
    Peer me;
    Commons commons{fleet};
    std::size_t verified = 0;
    std::unique_ptr<Swim> core;
};

inline const Heard* find_kind(const std::vector<Heard>& all, DatagramKind kind) {
    const auto found =
        std::ranges::find_if(all, [&](const Heard& heard) { return heard.read.body.kind == kind; });
    return found == all.end() ? nullptr : &*found;
}
inline const NewsItem* find_news(const Heard& heard, NewsKind kind, NodeId id) {
    const auto found = std::ranges::find_if(
        heard.read.news, [&](const NewsItem& item) { return item.kind == kind && item.id == id; });
    return found == heard.read.news.end() ? nullptr : &*found;
}

} // namespace jackdaw::swim_test
