// The fleet: its members and instances as gossip tells them, and what may be done to membership.
#include <charconv>

#include <fmt/ranges.h>

#include "agent/api/router_parts.h"
#include "proto/base/ids.h"
#include "proto/messages/gossip.h"

namespace jackdaw::agent {
namespace {

constexpr std::size_t addresses_max = 64;
constexpr std::size_t address_bytes_max = 64;

std::uint64_t number_of_id(const std::string& id) {
    std::uint64_t value = 0;
    std::from_chars(id.data(), id.data() + id.size(), value, 16); // this program wrote it
    return value;
}

Result<std::string> bytes_at(const Json& body, const char* key, std::size_t size) {
    JACKDAW_TRY(const auto hex, proto::string_at(body, key, "", 2 * size));
    JACKDAW_TRY(auto bytes, from_hex(hex));
    if (bytes.size() != size) {
        return Error{Errc::invalid, fmt::format("'{}' must be {} bytes in hex", key, size)};
    }
    return bytes;
}

} // namespace

Router::Outcome Router::instances(const ApiRequest& /*request*/, const Target& /*target*/) const {
    JACKDAW_CHECK(parts_.fleet.may_list());
    JACKDAW_TRY(const auto all, parts_.fleet.instances());
    Json items = Json::array();
    for (const auto& one : all) {
        items.push_back(proto::to_json(one));
    }
    return answer(proto::list_json("Instance", std::move(items), as_of()));
}

Router::Outcome Router::members(const ApiRequest& /*request*/, const Target& /*target*/) const {
    JACKDAW_CHECK(parts_.fleet.may_list());
    JACKDAW_TRY(const auto all, parts_.fleet.members());
    Json items = Json::array();
    for (const auto& member : all) {
        items.push_back(proto::to_json(member));
    }
    return answer(proto::list_json("Member", std::move(items), as_of()));
}

/// By id, else by name: the one alive or suspect of that name, else the one there is. Names are
/// labels: `conflict` where one stands for several.
Result<proto::MemberShape> Router::member_named(const std::string& wanted) const {
    JACKDAW_CHECK(parts_.fleet.may_list());
    JACKDAW_TRY(const auto all, parts_.fleet.members());
    std::vector<const proto::MemberShape*> live, dead;
    for (const auto& member : all) {
        if (member.id == wanted) {
            return member;
        }
        if (member.name == wanted) {
            const bool is_live = member.status == "alive" || member.status == "suspect";
            (is_live ? live : dead).push_back(&member);
        }
    }
    const auto& found = live.empty() ? dead : live;
    const auto shown = wanted.substr(0, shown_bytes_max);
    if (found.empty()) {
        return Error{Errc::not_found, fmt::format("no member '{}'", shown)}.with_hint(
            "`jackdaw member list` shows who is known");
    }
    if (found.size() > 1) {
        std::vector<std::string> each;
        for (const auto* const one : found) {
            const bool is_dated = one->status != "alive" && !one->since.empty();
            each.push_back(fmt::format("{} ({}{}{})", one->id, one->status,
                                       is_dated ? " since " : "", is_dated ? one->since : ""));
        }
        return Error{Errc::conflict, fmt::format("{} members are called '{}': {}", found.size(),
                                                 shown, fmt::join(each, ", "))}
            .with_hint("name the one you mean by its id");
    }
    return *found.front();
}

Router::Outcome Router::member(const ApiRequest& /*request*/, const Target& target) const {
    JACKDAW_TRY(const auto found, member_named(target.segments[2]));
    return answer(proto::to_json(found));
}

Router::Outcome Router::member_why(const ApiRequest& /*request*/, const Target& target) const {
    JACKDAW_TRY(const auto found, member_named(target.segments[2]));
    JACKDAW_TRY(auto changes, parts_.fleet.why(number_of_id(found.id)));
    return answer(proto::list_json("MemberChange", std::move(changes), as_of()));
}

Router::Outcome Router::forget_member(const ApiRequest& request, const Target& target) const {
    JACKDAW_TRY(const auto body, body_of(request, target));
    FleetApi::Forget order;
    JACKDAW_TRY(order.incarnation,
                proto::number_at(body, "incarnation", 0, proto::incarnation_end - 1));
    JACKDAW_TRY(order.operator_key, bytes_at(body, "operator_key", proto::public_key_bytes));
    JACKDAW_TRY(order.signature, bytes_at(body, "signature", proto::signature_bytes));
    JACKDAW_TRY(const auto found, member_named(target.segments[2]));
    order.id = number_of_id(found.id);
    JACKDAW_CHECK(parts_.fleet.forget(std::move(order)));
    return answer(proto::to_json(found));
}

Router::Outcome Router::gossip(const ApiRequest& /*request*/, const Target& /*target*/) const {
    JACKDAW_TRY(const auto shape, parts_.fleet.gossip());
    return answer(shape);
}

Router::Outcome Router::gossip_join(const ApiRequest& request, const Target& target) const {
    JACKDAW_TRY(const auto body, body_of(request, target));
    const auto given = body.find("addresses");
    if (given == body.end() || !given->is_array() || given->empty() ||
        given->size() > addresses_max) {
        return Error{Errc::invalid,
                     fmt::format("'addresses' must be 1 to {} of ADDRESS:PORT", addresses_max)};
    }
    std::vector<std::string> addresses;
    for (const auto& one : *given) {
        if (!one.is_string() || one.get_ref<const std::string&>().size() > address_bytes_max) {
            return Error{Errc::invalid, "an address must be a string ADDRESS:PORT"};
        }
        addresses.push_back(one.get<std::string>());
    }
    JACKDAW_CHECK(parts_.fleet.join(std::move(addresses)));
    return gossip(request, target);
}

Router::Outcome Router::gossip_leave(const ApiRequest& request, const Target& target) const {
    JACKDAW_CHECK(body_of(request, target));
    JACKDAW_CHECK(parts_.fleet.leave());
    return gossip(request, target);
}

Router::Outcome Router::gossip_hint(const ApiRequest& request, const Target& target) const {
    constexpr std::uint64_t any = ~std::uint64_t{0};
    JACKDAW_TRY(const auto body, body_of(request, target));
    for (const auto* const key : {"topic", "key", "version"}) {
        if (!body.contains(key)) {
            return Error{Errc::invalid, fmt::format("'{}' is missing", key)};
        }
    }
    JACKDAW_TRY(const auto topic, proto::number_at(body, "topic", 0, 255));
    JACKDAW_TRY(const auto key, proto::number_at(body, "key", 0, any));
    JACKDAW_TRY(const auto version, proto::number_at(body, "version", 0, any));
    JACKDAW_CHECK(parts_.fleet.hint(static_cast<std::uint8_t>(topic), key, version));
    return gossip(request, target);
}

Router::Outcome Router::gossip_ring(const ApiRequest& request, const Target& target) const {
    JACKDAW_TRY(auto body, body_of(request, target));
    if (!body.contains("ring")) {
        return Error{Errc::invalid, "'ring' is missing"};
    }
    JACKDAW_TRY(auto text, proto::string_at(body, "ring", "", 4096));
    Secret ring{std::move(text)};
    if (auto at = body.find("ring"); at != body.end() && at->is_string()) {
        wipe(at->get_ref<std::string&>());
    }
    FleetApi::RingUse use;
    JACKDAW_TRY(use.use_now, proto::bool_at(body, "use_now", false));
    JACKDAW_TRY(use.keep_own, proto::bool_at(body, "keep_own", false));
    JACKDAW_CHECK(parts_.fleet.set_ring(std::move(ring), use));
    return gossip(request, target);
}

} // namespace jackdaw::agent
