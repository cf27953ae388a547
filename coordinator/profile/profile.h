#pragma once
// What an operator has of a fleet, and where everything lies.
//
//   $XDG_CONFIG_HOME/jackdaw/default     name of the fleet that is used when none is named
//   $XDG_CONFIG_HOME/jackdaw/fleets/NAME/fleet.json  written last and removed last: without it
//   there
//                                        is no such fleet
//                                        operator.key   0600: both secret keys
//                                        operator.pub   both public keys
//                                        gossip.ring    0600: the fleet's id and gossip keys
//   $XDG_STATE_HOME/jackdaw/NAME/ops/ID.json         the journal of creates
//   /etc/jackdaw/jackdaw.toml                        optional: fleet = "NAME", output = "FORMAT"

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/core/words.h"
#include "proto/base/error.h"
#include "proto/base/secret.h"
#include "proto/base/unique_fd.h"
#include "proto/wire/gossip_ring.h"

namespace jackdaw::cli {

struct Folders {
    std::filesystem::path config; ///< $XDG_CONFIG_HOME/jackdaw
    std::filesystem::path state;  ///< $XDG_STATE_HOME/jackdaw
    std::filesystem::path data;   ///< $XDG_DATA_HOME/jackdaw
    std::filesystem::path settings_file = "/etc/jackdaw/jackdaw.toml";
    std::string admin_socket = "/run/jackdaw/admin.sock";
    std::string public_socket = "/run/jackdaw/public.sock";

    [[nodiscard]] std::filesystem::path fleet(const std::string& name) const {
        return config / "fleets" / name;
    }
    [[nodiscard]] std::filesystem::path ops(const std::string& fleet) const {
        return state / fleet / "ops";
    }
    [[nodiscard]] std::filesystem::path images() const { return data / "images"; }
};

using Variable = std::function<std::optional<std::string>(const char* name)>;

/// By the XDG base directory specification 0.8: an unset, empty or relative variable means the
/// default below `HOME`.
[[nodiscard]] Folders folders_from(const Variable& variable);

/// The secret half of an operator. Raw bytes.
struct OperatorKeys {
    Secret sign_secret;      ///< Ed25519 as libsodium has it: 64 bytes, seed and public key
    std::string sign_public; ///< 32 bytes
    Secret noise_secret;     ///< X25519, 32 bytes
    std::string noise_public;
};

struct Profile {
    std::string name;
    std::string provider = "local";
    std::string subnet;
    std::string operator_key; ///< Ed25519 public key, hex
    std::string created_at;
    std::map<std::string, FlavorWords> flavors;
    bool destroying = false; ///< `fleet destroy` has begun: nothing new is made in it
};

[[nodiscard]] Result<OperatorKeys> make_operator_keys();
/// A random fleet's id and a first key (proto/wire/gossip_ring.h). The file that the hand-over
/// carries to every agent.
[[nodiscard]] Secret make_gossip_ring();
/// The next key, whose version is to be above all that agents hold; the one that seals stays.
/// `exhausted` at four, `conflict` for a version there is.
[[nodiscard]] Result<void> add_gossip_key(proto::GossipRing& ring, std::uint32_t version);
/// An operator's word that a member is gone (GOSSIP.md, section 3): 64 bytes.
[[nodiscard]] std::string sign_forget(const OperatorKeys& keys, proto::FleetId fleet,
                                      std::uint64_t member, std::uint64_t incarnation);

/// What fleet.json and operator.key say; `invalid` or `corrupt` when they cannot be read.
[[nodiscard]] Result<Profile> parse_profile(std::string_view text);
[[nodiscard]] Result<OperatorKeys> parse_keys(std::string_view text);
/// `key = "value"` lines; comments and tables are passed over.
[[nodiscard]] std::map<std::string, std::string> parse_settings(std::string_view text);

/// `not_found` when there is no such fleet here; `corrupt` when its file cannot be read.
[[nodiscard]] Result<Profile> load_profile(const Folders& folders, const std::string& name);
/// Keys that exist already stay (an earlier `fleet init` was cut off). fleet.json comes last.
[[nodiscard]] Result<OperatorKeys> ensure_keys(const Folders& folders, const std::string& name);
[[nodiscard]] Result<void> save_profile(const Folders& folders, const Profile& profile);
[[nodiscard]] Result<OperatorKeys> load_keys(const Folders& folders, const std::string& name);
[[nodiscard]] Result<Secret> load_gossip_ring(const Folders& folders, const std::string& name);
[[nodiscard]] Result<proto::GossipRing> read_gossip_ring(const Folders& folders,
                                                         const std::string& name);
[[nodiscard]] Result<void> save_gossip_ring(const Folders& folders, const std::string& name,
                                            const proto::GossipRing& ring);
/// One process at a time destroys it. E-OPERATION-RUNNING; E-NO-PROFILE when it is gone.
[[nodiscard]] Result<UniqueFd> lock_fleet(const Folders& folders, const std::string& name);
/// `conflict` when its removal has begun.
[[nodiscard]] Result<void> check_stays(const Profile& profile);
/// fleet.json goes last, so that a removal that was cut short is done again by the same command.
[[nodiscard]] Result<void> remove_profile(const Folders& folders, const std::string& name);
/// `not_allowed` when the folder of the profiles cannot be listed; none is no error.
[[nodiscard]] Result<void> check_readable(const Folders& folders);
[[nodiscard]] std::vector<std::string> profile_names(const Folders& folders);

[[nodiscard]] std::optional<std::string> default_fleet(const Folders& folders);
[[nodiscard]] Result<void> set_default_fleet(const Folders& folders, const std::string& name);

/// parse_settings() of the settings file. Absent is empty.
[[nodiscard]] std::map<std::string, std::string> load_settings(const Folders& folders);

} // namespace jackdaw::cli
