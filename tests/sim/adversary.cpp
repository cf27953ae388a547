#include "tests/sim/adversary.h"

#include <array>

#include "proto/wire/gossip_codec.h"

namespace jackdaw::sim {
namespace {

using proto::DatagramBody;
using proto::DatagramKind;
using proto::NewsItem;
using proto::NewsKind;

constexpr std::size_t heard_max = 64;
constexpr std::uint32_t boot_of_it = 1'764'400'000;
constexpr std::uint64_t leap = swim::incarnation_leap;

std::string_view text_of(const proto::Signature& signature) noexcept {
    return {reinterpret_cast<const char*>(signature.data()), signature.size()};
}

DatagramBody body_of(DatagramKind kind) {
    DatagramBody body;
    body.kind = kind;
    return body;
}

} // namespace

Adversary::Adversary(FleetSim& fleet, std::size_t place)
    : fleet_{fleet},
      place_{place},
      boot_{boot_of_it},
      incarnation_{boot_of_it},
      random_{fleet.options().seed ^ 0xAD0E25A4ULL} {
    fleet_.tamper = [this](std::size_t to, std::string& bytes) {
        heard_.push_back({to, bytes});
        if (heard_.size() > heard_max) {
            heard_.pop_front();
        }
    };
    fleet_.on_stray = [this](std::size_t to, std::size_t from, std::string_view bytes) {
        if (is_there_ && to == place_) {
            answer(from, bytes);
        }
    };
}

std::string_view Adversary::key() const noexcept {
    const auto& key = fleet_.key_of(place_);
    return {reinterpret_cast<const char*>(key.data()), key.size()};
}

Adversary::Said Adversary::as_itself() const {
    return {id(), boot_, period_, 0};
}

void Adversary::say_as(const Said& as, std::size_t to, const DatagramBody& body,
                       std::span<const NewsItem> items) {
    std::array<char, proto::gossip_plain_bytes_max> bytes{};
    proto::GossipWriter writer{bytes};
    writer.begin({as.sender, as.boot, ++seq_, as.period, incarnation_, as.digest}, body);
    for (const auto& item : items) {
        (void)writer.add(item); // what does not fit is not said
    }
    fleet_.inject(place_, to, {bytes.data(), writer.finish()});
}

void Adversary::say(std::size_t to, const DatagramBody& body, std::span<const NewsItem> items) {
    say_as(as_itself(), to, body, items);
}

NewsItem Adversary::alive() {
    proto::AliveBody alive;
    alive.id = id();
    alive.incarnation = incarnation_;
    alive.boot = boot_;
    alive.address = fleet_.address_of(place_);
    alive.name = "mallory";
    alive.version = proto::gossip_version;
    alive.version_min = proto::gossip_version_min;
    std::array<char, proto::alive_body_bytes_max> bytes{};
    body_.assign(bytes.data(), proto::encode_alive_body(alive, bytes));
    signature_ =
        cheap_signature(key(), proto::to_sign(proto::SignedAs::alive, fleet_.fleet(), body_));
    NewsItem item;
    item.kind = NewsKind::alive;
    item.id = id();
    item.incarnation = incarnation_;
    item.bytes = body_;
    item.public_key = key();
    item.signature = text_of(signature_);
    return item;
}

void Adversary::appear() {
    is_there_ = true;
    ++boot_;
    seq_ = 0;
    incarnation_ += leap + 2; // above whatever was said of it
    const auto item = alive();
    for (std::size_t to = 0; to < fleet_.size(); ++to) {
        if (to != place_ && fleet_.is_up(to)) {
            say(to, body_of(DatagramKind::gossip), std::span{&item, 1});
        }
    }
}

void Adversary::vanish() {
    is_there_ = false;
}

void Adversary::answer(std::size_t from, std::string_view bytes) {
    proto::Datagram in;
    if (!fleet_.is_up(from) || proto::decode_gossip(bytes, in) != proto::Decoded::ok ||
        !in.body.known) {
        return;
    }
    auto out = body_of(DatagramKind::ack);
    auto as = as_itself();
    switch (in.body.kind) {
    case DatagramKind::ping:
        out.probe = in.body.probe;
        out.echo = in.body.echo;
        out.quiet_ms = 65'535;
        as.digest = random_.next();
        say_as(as, from, out);
        return;
    case DatagramKind::join:
    case DatagramKind::page_ask:
        out.kind = DatagramKind::page;
        out.cursor = in.body.cursor + 1;
        say(from, out);
        return;
    case DatagramKind::tree:
        out.kind = DatagramKind::tree;
        for (auto node : in.body.trees) {
            for (auto& child : node.children) {
                child = static_cast<std::uint32_t>(random_.next());
            }
            out.trees.push_back(node);
        }
        say(from, out);
        return;
    case DatagramKind::leaf: // wants all of it, again and again
        out.kind = DatagramKind::want;
        for (const auto& brief : in.body.briefs) {
            if (out.ids.size() < proto::want_ids_max) {
                out.ids.push_back(brief.id);
            }
        }
        say(from, out);
        return;
    default: return;
    }
}

void Adversary::strike(Attack attack, std::size_t victim) {
    for (std::size_t to = 0; to < fleet_.size(); ++to) {
        if (to != place_ && fleet_.is_up(to) && fleet_.is_up(victim)) {
            strike_one(attack, victim, to);
        }
    }
}

void Adversary::strike_one(Attack attack, std::size_t victim, std::size_t to) {
    switch (attack) {
    case Attack::accusers: accuse(victim, to, 0); return;
    case Attack::leaps:
        accuse(victim, to, leap);
        accuse(victim, to, leap + 1);
        accuse(victim, to, proto::incarnation_end - 2);
        return;
    case Attack::boots:
        for (const std::uint32_t boot : {0U, 1U, 2U, 4'000'000'000U, 0xFFFF'FFFFU}) {
            auto as = as_itself();
            as.sender = fleet_.id_of(victim);
            as.boot = boot < 3 ? fleet_.core(victim).own().boot() + boot - 1 : boot;
            auto stale = body_of(DatagramKind::stale_boot);
            stale.boot = as.boot;
            say_as(as, to, body_of(DatagramKind::ping));
            say_as(as, to, stale);
        }
        return;
    case Attack::fields: change_fields(victim, to); return;
    case Attack::forget: sign_away(victim, to); return;
    case Attack::periods:
        for (int i = 0; i < 4; ++i) {
            period_ = static_cast<std::uint32_t>(random_.next());
            say(to, body_of(DatagramKind::ping));
        }
        return;
    case Attack::replays:
        for (const auto& heard : heard_) {
            fleet_.inject(place_, heard.to, heard.bytes);
        }
        return;
    case Attack::digests:
        for (int i = 0; i < 4; ++i) {
            auto as = as_itself();
            as.digest = random_.next();
            auto ping = body_of(DatagramKind::ping);
            ping.quiet_ms = 65'535;
            say_as(as, to, ping);
            auto tree = body_of(DatagramKind::tree);
            auto& node = tree.trees.emplace_back();
            for (auto& child : node.children) {
                child = static_cast<std::uint32_t>(random_.next());
            }
            say(to, tree);
        }
        return;
    case Attack::pages: {
        auto page = body_of(DatagramKind::page);
        page.cursor = random_.next() | 1U;
        page.following = 255;
        say(to, page);
        return;
    }
    case Attack::statuses: flood_statuses(victim, to); return;
    case Attack::own_id: {
        auto as = as_itself();
        as.sender = fleet_.id_of(to);
        as.boot = fleet_.core(to).own().boot() + 1;
        say_as(as, to, body_of(DatagramKind::ping));
        return;
    }
    }
}

void Adversary::accuse(std::size_t victim, std::size_t to, std::uint64_t ahead) {
    const auto held = fleet_.core(victim).own().incarnation();
    std::vector<NewsItem> items;
    for (std::size_t i = 0; i < 6; ++i) {
        NewsItem item;
        item.kind = i == 5 ? NewsKind::down : NewsKind::suspect;
        item.id = fleet_.id_of(victim);
        item.incarnation = ahead > proto::incarnation_end / 2 ? ahead : held + ahead;
        item.by =
            i % 2 == 0 ? fleet_.id_of(random_.below(fleet_.size())) : NodeId{random_.next() | 1U};
        item.age_ms = 65'535;
        items.push_back(item);
    }
    say(to, body_of(DatagramKind::gossip), items);
}

void Adversary::change_fields(std::size_t victim, std::size_t to) {
    const auto& record = *fleet_.core(victim).self().alive;
    proto::AliveBody alive;
    alive.id = record.id;
    alive.incarnation = record.incarnation + 1;
    alive.boot = record.boot + 1;
    alive.address = fleet_.address_of(place_);
    alive.name = "another";
    alive.version = record.version;
    alive.version_min = record.version_min;
    std::array<char, proto::alive_body_bytes_max> bytes{};
    auto item = record.as_news();
    const std::string_view changed{bytes.data(), proto::encode_alive_body(alive, bytes)};
    item.bytes = changed;
    item.incarnation = alive.incarnation;
    say(to, body_of(DatagramKind::gossip), std::span{&item, 1});
    item.public_key = key(); // a signature that is good, but another's
    const auto signature =
        cheap_signature(key(), proto::to_sign(proto::SignedAs::alive, fleet_.fleet(), changed));
    item.signature = text_of(signature);
    auto as = as_itself();
    as.sender = record.id;
    as.boot = alive.boot;
    say_as(as, to, body_of(DatagramKind::ping), std::span{&item, 1});
}

void Adversary::sign_away(std::size_t victim, std::size_t to) {
    const auto incarnation = fleet_.core(victim).own().incarnation();
    for (const auto what : {proto::SignedAs::forget, proto::SignedAs::left}) {
        std::array<char, 32> bytes{};
        NewsItem item;
        item.kind = NewsKind::left;
        item.id = fleet_.id_of(victim);
        item.incarnation = incarnation + 1;
        item.bytes = {bytes.data(), proto::encode_left_body(item.id, item.incarnation, bytes)};
        item.public_key = key();
        const auto signature =
            cheap_signature(key(), proto::to_sign(what, fleet_.fleet(), item.bytes));
        item.signature = text_of(signature);
        say(to, body_of(DatagramKind::gossip), std::span{&item, 1});
    }
}

void Adversary::flood_statuses(std::size_t victim, std::size_t to) {
    for (int i = 0; i < 8; ++i) {
        std::vector<NewsItem> items;
        const std::string text(200, static_cast<char>('a' + i));
        for (const auto of : {victim, place_}) {
            NewsItem item;
            item.kind = NewsKind::status;
            item.id = fleet_.id_of(of);
            const std::uint64_t boot = of == place_ ? boot_ : fleet_.core(of).own().boot();
            item.version = boot << 32U | ++version_;
            item.bytes = text;
            items.push_back(item);
        }
        say(to, body_of(DatagramKind::gossip), items);
    }
}

} // namespace jackdaw::sim
