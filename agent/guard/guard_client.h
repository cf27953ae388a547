#pragma once
// GuardLink over a guard's SEQPACKET socket (proto/machine/guard_protocol.h). The guard is trusted
// (root, ours); its answers are checked all the same, since a guard may be years older than this
// agent.

#include <memory>
#include <optional>
#include <string>

#include "agent/guard/guard_link.h"
#include "proto/base/unique_fd.h"

namespace jackdaw::agent {

class GuardClient final : public GuardLink {
public:
    /// Takes a connected SEQPACKET socket: the control end of a spawn, or what connect() made.
    explicit GuardClient(UniqueFd socket);
    /// Connects to `FOLDER/NAME.sock`; `not_found` when nobody listens there.
    [[nodiscard]] static Result<std::unique_ptr<GuardClient>> connect(const std::string& folder,
                                                                      const std::string& name);

    [[nodiscard]] int poll_fd() const noexcept override { return socket_.get(); }
    Result<GuardStatus> status() override;
    Result<void> request_stop(StopKind kind) override;
    Result<std::string> output() override;
    Result<void> release() override;
    Result<GuardStatus> wait_end(std::chrono::milliseconds limit, int cancel_fd) override;

private:
    struct Answer {
        int type = 0;
        std::string bytes;
    };
    Result<std::uint32_t> send(std::uint16_t type, std::uint32_t argument);
    /// The next message, waiting at most until `deadline`; `deadline` error when none came.
    Result<Answer> receive(std::chrono::steady_clock::time_point deadline, int cancel_fd);
    Result<Answer> ask(std::uint16_t type, std::uint32_t argument, int wanted);
    Result<void> ask_ack(std::uint16_t type, std::uint32_t argument, const char* doing);
    /// Keeps what a status message says; an Error for a guard whose child never ran.
    Result<void> take_status(const std::string& bytes);

    UniqueFd socket_;
    std::uint32_t sequence_ = 0;
    std::optional<GuardStatus> last_;
    std::optional<Error> failed_; ///< the child never ran
};

} // namespace jackdaw::agent
