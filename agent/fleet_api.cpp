// Requests: each is carried to the loop and answered there.
#include <fmt/format.h>

#include "agent/fleet_node.h"
#include "agent/gossip_figures.h"
#include "agent/settings.h"
#include "proto/base/ids.h"

namespace jackdaw::agent {

Result<std::vector<proto::MemberShape>> Fleet::members() {
    using All = Result<std::vector<proto::MemberShape>>;
    return on_loop([this]() -> All { return member_shapes(); });
}

Result<std::vector<proto::Instance>> Fleet::instances() {
    using All = Result<std::vector<proto::Instance>>;
    return on_loop([this]() -> All { return instance_shapes(); });
}

Result<void> Fleet::may_list() {
    return on_loop([this]() -> Result<void> {
        if (!node_ && !kept_out_.empty()) {
            return not_handed_over();
        }
        if (twin_) {
            return Error{Errc::unavailable, "another machine holds this agent's keys; this one is "
                                            "silent, and hears nobody since"}
                .with_hint("ask another agent; `jackdaw doctor` says what ends that");
        }
        const bool is_deleted = parts_.deleted();
        if (!left_ || !(is_deleted || leave_wanted_)) { // asked to come back: it is about to
            return ok();
        }
        auto error =
            Error{Errc::unavailable,
                  fmt::format("this agent left its fleet at {}{}, and hears nobody since",
                              rfc3339(left_ms_), is_deleted ? ": its instance is deleted" : "")};
        return is_deleted ? std::move(error).with_hint(
                                "ask another agent; `jackdaw instance delete NAME` ends the "
                                "machine of a deleted instance")
                          : std::move(error).with_hint("ask another agent; `jackdaw instance show "
                                                       "NAME` tells of its own instance");
    });
}

Result<std::vector<proto::MetricFamily>> Fleet::figures() {
    using All = Result<std::vector<proto::MetricFamily>>;
    return on_loop([this]() -> All {
        return node_
                   ? gossip_figures(core(), node_->pass, hears_nobody(), runtime::Clock::instant())
                   : std::vector<proto::MetricFamily>{};
    });
}

Result<GossipHealth> Fleet::health() {
    return on_loop([this]() -> Result<GossipHealth> {
        if (node_) {
            return health_facts();
        }
        GossipHealth health;
        health.kept_out = kept_out_;
        return health;
    });
}

Result<proto::Json> Fleet::gossip() {
    return on_loop([this]() -> Result<proto::Json> {
        return node_ ? Result<proto::Json>{gossip_shape()} : not_handed_over();
    });
}

Result<proto::Json> Fleet::why(std::uint64_t id) {
    return on_loop([this, id]() -> Result<proto::Json> {
        return node_ ? Result<proto::Json>{why_shape(swim::NodeId{id})} : not_handed_over();
    });
}

Result<void> Fleet::join(std::vector<std::string> addresses) {
    std::vector<swim::NetAddress> parsed;
    for (const auto& text : addresses) {
        JACKDAW_TRY(const auto at, parse_host_port(text));
        const auto address = proto::net_address(at.host, at.port);
        if (!address || at.port == 0) {
            return Error{Errc::invalid, fmt::format("'{}' is no numeric ADDRESS:PORT", text)};
        }
        parsed.push_back(*address);
    }
    return on_loop([this, addresses, parsed]() -> Result<void> {
        JACKDAW_CHECK(may_speak());
        leave_wanted_ = false;
        if (left_) { // the next life asks them
            membership_.seeds = addresses;
            refresh();
            return ok();
        }
        core().join(runtime::Clock::instant(), parsed);
        changed();
        return ok();
    });
}

Result<void> Fleet::leave() {
    auto told = std::make_shared<std::promise<void>>();
    JACKDAW_CHECK(on_loop([this, told]() -> Result<void> {
        JACKDAW_CHECK(may_speak());
        leave_wanted_ = true;
        had_instance_ = parts_.instance().has_value();
        refresh();
        if (left_ && !is_left_told_) {
            leavers_.push_back(told);
        } else {
            told->set_value();
        }
        return ok();
    }));
    // Whoever asks ends the machine next. Gossip gives up by itself, sooner than this.
    (void)told->get_future().wait_for(leave_limit);
    return ok();
}

Result<void> Fleet::hint(std::uint8_t topic, std::uint64_t key, std::uint64_t version) {
    return on_loop([this, topic, key, version]() -> Result<void> {
        JACKDAW_CHECK(may_speak());
        core().hint(runtime::Clock::instant(), topic, key, version);
        changed();
        return ok();
    });
}

Result<void> Fleet::forget(Forget order) {
    return on_loop([this, order = std::move(order)]() -> Result<void> {
        JACKDAW_CHECK(may_speak());
        JACKDAW_CHECK(core().forget(runtime::Clock::instant(), swim::NodeId{order.id},
                                    order.incarnation, order.operator_key, order.signature));
        changed();
        return ok();
    });
}

} // namespace jackdaw::agent
