#pragma once
// The driver's connection to jackdaw-fake-db.

#include <string>
#include <string_view>
#include <vector>

#include "plugins/api/datastore.h"
#include "proto/base/error.h"
#include "proto/base/unique_fd.h"

namespace jackdaw::fake {

/// One connection, kept. Not thread-safe.
class FakeSession {
public:
    using Words = std::vector<std::string>;

    void aim(std::string socket_path) { socket_path_ = std::move(socket_path); }
    void close() noexcept {
        fd_.reset();
        buffer_.clear();
    }

    /// The words after "OK". An idempotent request: it is repeated once over a new connection when
    /// the old one has died. `unavailable` (E-DATABASE-DOWN) when nobody listens; a refusal as the
    /// Error it means; `deadline` and `cancelled` close the connection.
    Result<Words> ask(const plugins::Call& call, const Words& request);
    /// The lines that follow "OK n".
    Result<std::vector<Words>> ask_list(const plugins::Call& call, const Words& request);

private:
    Result<void> open(const plugins::Call& call);
    Result<Words> ask_once(const plugins::Call& call, const Words& request);
    Result<void> send(const plugins::Call& call, std::string_view text);
    Result<std::string> receive_line(const plugins::Call& call);
    Result<void> wait(const plugins::Call& call, short events);

    std::string socket_path_;
    UniqueFd fd_;
    std::string buffer_;
};

} // namespace jackdaw::fake
