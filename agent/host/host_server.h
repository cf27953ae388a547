#pragma once
// jackdaw-host's own half: one verb at a time, each checked against the machine file.

#include <optional>
#include <vector>

#include "agent/host/host.h"
#include "agent/host/host_protocol.h"
#include "agent/host/host_spawn.h"
#include "agent/host/host_volume.h"
#include "proto/base/unique_fd.h"

namespace jackdaw::agent::host {

class Server {
public:
    /// `broken`: why the host could not start; it is the answer to every verb then.
    explicit Server(MachineFile machine, std::optional<Error> broken = std::nullopt,
                    OpenPorts ports = {})
        : broken_{std::move(broken)},
          ports_{ports},
          machine_{std::move(machine)},
          volume_{machine_},
          spawner_{machine_} {}
    Server(const Server&) = delete; // the parts point at machine_
    Server& operator=(const Server&) = delete;

    /// Serves until the other end closes. A message that is no request ends it, too: the agent is
    /// not itself then.
    void run(int socket);
    /// One valid request; `fds` came with it; `out` goes with the reply.
    void handle(const void* request, const std::vector<UniqueFd>& fds, Reply& reply, UniqueFd& out);

private:
    Result<void> dispatch(const Request& request, const std::vector<UniqueFd>& fds, Reply& reply,
                          UniqueFd& out);
    Result<void> dispatch(const SpawnRequest& request, UniqueFd& out);
    Result<void> set_firewall(const Request& request);
    Result<void> spawn_mkfs(const Request& request, UniqueFd& out);
    Result<void> spawn_grow(const Request& request, UniqueFd& out);
    Result<void> config(const Request& request, const std::vector<UniqueFd>& fds);
    Result<void> prepare();
    Result<void> wipe();

    std::optional<Error> broken_;
    OpenPorts ports_;
    MachineFile machine_;
    Volume volume_;
    Spawner spawner_;
};

} // namespace jackdaw::agent::host
