#pragma once
// What this agent knows of its fleet: who it is in it (hand-over), who else is there (gossip), and
// what those run. The glue between the gossip core, which knows nothing of databases, and the API.

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/host/host.h"
#include "agent/identity/identity.h"
#include "agent/state/store.h"
#include "gossip/net/gossip_service.h"
#include "proto/base/error.h"
#include "proto/messages/shapes.h"
#include "proto/runtime/channel_client.h"
#include "proto/runtime/clock.h"

namespace jackdaw::agent {

/// What the owner put into the machine, read and judged.
struct HandOver {
    runtime::ChannelKeys keys; ///< without `own`, which is the identity's
    proto::Statement statement;
    std::string ring; ///< text; secret
    std::vector<std::string> seeds;
};

/// Reads the fleet files. nullopt while they are not all there; E-BAD-PEER when the statement is
/// not about this agent's keys or not signed by the operator's key beside it.
[[nodiscard]] Result<std::optional<HandOver>> read_hand_over(Host& host, const Identity& identity);

class Fleet {
public:
    struct Parts {
        const Identity& identity;
        StateStore& store;
        const runtime::Clock& clock;
        std::string version;
        std::function<std::optional<proto::Instance>()> instance; ///< thread-safe
        /// Thread-safe: the instance was deleted, and this machine waits for its own end.
        std::function<bool()> deleted;
        /// Into the timeline; does not wait. May be empty.
        std::function<void(std::string_view kind, std::string subject, std::string text)> tell{};
    };
    Fleet(Parts parts, std::string name, std::string address, std::uint16_t port);

    /// Makes the service on this socket; run it with `service().run(seeds)`. `corrupt` for an
    /// unreadable ring.
    [[nodiscard]] Result<void> open(boost::asio::ip::udp::socket socket, const std::string& fleet,
                                    const std::string& ring, std::string instance_id);
    [[nodiscard]] bool is_open() const noexcept { return service_ != nullptr; }
    [[nodiscard]] gossip::GossipService& service() noexcept { return *service_; }

    /// On the loop: takes what the instance says into gossip, and what gossip says into the views.
    void refresh();

    /// Thread-safe views, as of the last refresh().
    [[nodiscard]] std::vector<proto::MemberShape> members() const;
    [[nodiscard]] std::vector<proto::Instance> instances() const;

private:
    [[nodiscard]] std::string own_blob() const;

    Parts parts_;
    std::string name_, address_;
    std::uint16_t port_;
    std::string fleet_, instance_id_, last_blob_;
    std::unique_ptr<gossip::GossipService> service_;
    mutable std::mutex mutex_;
    std::vector<proto::MemberShape> members_;
    std::vector<proto::Instance> instances_;
};

} // namespace jackdaw::agent
