#pragma once
// Datagrams and events that wait to be fetched, and what several cores of one process may share.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "gossip/core/swim/anti_entropy.h"
#include "gossip/core/swim/join.h"
#include "gossip/core/swim/records.h"
#include "proto/wire/gossip_codec.h"

namespace jackdaw::swim {

using Buffer = std::array<char, proto::gossip_plain_bytes_max>;

/// Memory that is used again: of one agent, or of all the members of a simulation. One strand.
struct Commons {
    explicit Commons(proto::FleetId fleet, std::uint64_t salt = 0)
        : records{proto::ViewKey{fleet}, salt} {}

    [[nodiscard]] std::unique_ptr<Buffer> take_buffer() {
        if (buffers.empty()) {
            return std::make_unique<Buffer>();
        }
        auto buffer = std::move(buffers.back());
        buffers.pop_back();
        return buffer;
    }

    Records records;
    std::vector<std::unique_ptr<Buffer>> buffers;
    // Of one call of one core; nothing in them outlives it.
    proto::Datagram in;          ///< the datagram being received
    std::vector<NodeId> added;   ///< members that it brought
    proto::DatagramBody body;    ///< of the one being written
    std::vector<NewsItem> items; ///< to go with it
    std::vector<TreePlace> deeper, leaves;
    std::vector<NodeId> send, want;
    std::vector<Joiner::Ask> asks;
    PagePlan plan;
};

/// One datagram to be sealed and sent. `bytes` stands until the core is called again.
struct Outgoing {
    NetAddress to;
    std::string_view bytes;
};

/// First in, first out; what is beyond its limit is dropped and counted by the caller. Its memory
/// is used again, but for that of a burst.
class Outbox {
public:
    Outbox(Commons& commons, std::size_t max) noexcept : commons_{commons}, max_{max} {}
    Outbox(const Outbox&) = delete;
    Outbox& operator=(const Outbox&) = delete;
    ~Outbox() { clear(); }

    [[nodiscard]] bool is_full() const noexcept { return size() >= max_; }
    [[nodiscard]] std::size_t size() const noexcept { return waiting_.size() - next_; }
    void push(const NetAddress& to, std::unique_ptr<Buffer> buffer, std::size_t bytes) {
        if (2 * next_ > waiting_.size()) { // fewer are moved than went
            waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(next_));
            next_ = 0;
        }
        waiting_.push_back({to, std::move(buffer), bytes});
    }
    [[nodiscard]] std::optional<Outgoing> poll() {
        release();
        if (size() == 0) {
            if (waiting_.capacity() > kept) {
                std::vector<Waiting>{}.swap(waiting_);
                next_ = 0;
            }
            return std::nullopt;
        }
        last_ = std::move(waiting_[next_++]);
        return Outgoing{last_.to, {last_.buffer->data(), last_.bytes}};
    }
    void clear() {
        while (poll()) {
        }
    }

private:
    static constexpr std::size_t kept = 64; ///< places, for the next ones
    struct Waiting {
        NetAddress to;
        std::unique_ptr<Buffer> buffer;
        std::size_t bytes = 0;
    };
    void release() {
        if (last_.buffer) {
            commons_.buffers.push_back(std::move(last_.buffer));
        }
    }

    Commons& commons_;
    std::size_t max_;
    std::vector<Waiting> waiting_;
    std::size_t next_ = 0; ///< of them that is fetched next
    Waiting last_;
};

} // namespace jackdaw::swim
