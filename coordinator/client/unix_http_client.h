#pragma once
// HTTP/1.1 over the agent's admin socket, on plain sockets: a list of instances must not cost the
// start of a large library.

#include <memory>
#include <string>

#include "coordinator/client/api_client.h"

namespace jackdaw::cli {

inline constexpr std::string_view admin_socket_path = "/run/jackdaw/admin.sock";

/// Connects at each call (the socket is local; an agent that came back is simply found again).
/// `unavailable` when nobody listens, `not_allowed` when the socket's rights refuse us.
[[nodiscard]] std::unique_ptr<ApiClient> make_unix_client(std::string socket_path);

} // namespace jackdaw::cli
