#pragma once
// Everything that a command may use. Made once, in main; tests make their own.

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/client/api_client.h"
#include "coordinator/cloud/provider.h"
#include "coordinator/commands/invocation.h"
#include "coordinator/commands/terminal.h"
#include "coordinator/profile/profile.h"

namespace jackdaw::cli {

using ClientPtr = std::unique_ptr<ApiClient>;

/// What an agent may be reached by.
class Connector {
public:
    Connector() = default;
    Connector(const Connector&) = delete;
    Connector& operator=(const Connector&) = delete;
    virtual ~Connector() = default;

    [[nodiscard]] virtual ClientPtr socket(const std::string& path) = 0;
    /// The channel to "ADDRESS". `unavailable` when nobody answers until the deadline, E-BAD-PEER
    /// when the peer cannot prove that it belongs to the fleet, or is not `instance_id` (empty: any
    /// of the fleet).
    [[nodiscard]] virtual Result<ClientPtr> dial(const Profile& profile, const std::string& address,
                                                 const std::string& instance_id,
                                                 Deadline deadline) = 0;
};

/// Whom a statement speaks of: hex of the agent's public keys, as it told them itself.
struct AgentIdentity {
    std::string fleet, instance_id, name;
    std::string sign_key, noise_key;
};

/// What the hand-over's files hold, as bytes.
struct SignedFleetFiles {
    std::string statement;
    std::string operator_key;
};
using SignStatement =
    std::function<Result<SignedFleetFiles>(const OperatorKeys& keys, const AgentIdentity& agent)>;

/// How `machine cut` cuts.
struct CutWords {
    std::string from;
    bool one_way = false;
    unsigned percent = 100;
};

/// A provider as commands have it: its interface, and what only machines on this host can do (null
/// elsewhere).
class LocalMachines {
public:
    LocalMachines() = default;
    LocalMachines(const LocalMachines&) = delete;
    LocalMachines& operator=(const LocalMachines&) = delete;
    virtual ~LocalMachines() = default;
    [[nodiscard]] virtual Result<std::vector<std::string>> fleet_up() = 0;
    [[nodiscard]] virtual Result<void> power_off_crash(const std::string& name) = 0;
    [[nodiscard]] virtual Result<void> freeze(const std::string& name) = 0;
    [[nodiscard]] virtual Result<void> thaw(const std::string& name) = 0;
    [[nodiscard]] virtual Result<void> cut(const std::string& name, const CutWords& words) = 0;
    [[nodiscard]] virtual Result<void> heal(const std::string& name) = 0;
    [[nodiscard]] virtual Result<int> run_inside(const std::string& name,
                                                 const std::vector<std::string>& command) = 0;
    [[nodiscard]] virtual Result<void> destroy() = 0;
};

class Cloud {
public:
    Cloud() = default;
    Cloud(const Cloud&) = delete;
    Cloud& operator=(const Cloud&) = delete;
    virtual ~Cloud() = default;
    [[nodiscard]] virtual cloud::Provider& provider() = 0;
    [[nodiscard]] virtual cloud::MachineFiles* files() = 0;
    [[nodiscard]] virtual LocalMachines* local() = 0;
};

struct ImageView {
    std::string datastore, version, digest, created_at;
    std::uint64_t size_bytes = 0;
    std::uint64_t memory_bytes_min = 0; ///< of a machine made of it; 0: not told
};

class Images {
public:
    Images() = default;
    Images(const Images&) = delete;
    Images& operator=(const Images&) = delete;
    virtual ~Images() = default;
    [[nodiscard]] virtual Result<std::vector<ImageView>> list() = 0;
    [[nodiscard]] virtual Result<ImageView> find(const std::string& reference) = 0;
    [[nodiscard]] virtual Result<void> build(const std::vector<std::string>& arguments) = 0;
    [[nodiscard]] virtual Result<void> remove(const std::string& reference) = 0;
};

struct Session {
    Terminal& terminal;
    Clock& clock;
    Entropy& entropy;
    Folders folders;
    Variable variable; ///< of the environment
    unsigned uid = 0;
    Connector& connector;
    Images& images;
    /// The provider of a fleet. `unsupported` for one that this build does not have.
    std::function<Result<std::unique_ptr<Cloud>>(const std::string& provider,
                                                 const std::string& fleet)>
        open_cloud;
    SignStatement sign;
    /// become_client() of stock_client.h.
    std::function<Result<int>(std::vector<std::string> words, const Secret& options)> become_client;

    /// The instance that the command is about, once it is known: hints name it.
    std::string instance{};

    [[nodiscard]] std::string now_text() const;
    /// In so much time from now.
    [[nodiscard]] Deadline in(std::chrono::milliseconds span) const { return clock.now() + span; }
};

} // namespace jackdaw::cli
