#pragma once
// The agent's own two keys: made on first boot in its state folder, the private halves never leave
// the machine.

#include <array>
#include <string>

#include "proto/base/error.h"
#include "proto/messages/statement.h"
#include "proto/noise/noise.h"
#include "proto/wire/statement.h"

namespace jackdaw::agent {

struct Identity {
    proto::SignSecret sign_secret{}; ///< Ed25519: signs documents
    proto::PublicKey sign_key{};
    noise::KeyPair noise; ///< X25519: the channel's static key
    std::string node_id;  ///< hex of the first 16 bytes of BLAKE2b-256 of sign_key

    Identity() = default;
    Identity(const Identity&) = delete;
    Identity& operator=(const Identity&) = delete;
    Identity(Identity&&) = default;
    Identity& operator=(Identity&&) = default;
    ~Identity();

    /// Gossip's id: the first 8 bytes of node_id, big-endian.
    [[nodiscard]] std::uint64_t gossip_id() const;
    /// Under which the agent hashes what requests asked for; made of sign_secret, and tells nothing
    /// of it (BLAKE2b keyed with it, of a fixed text).
    [[nodiscard]] std::array<unsigned char, 32> request_key() const;

    /// Loads FOLDER/sign.key and FOLDER/noise.key, or makes both and then writes
    /// FOLDER/identity.pub (the public halves, JSON). `corrupt` for a file of another size, owner
    /// or mode, for halves that do not belong together, and for a key that is gone though
    /// identity.pub stands there: nothing is made over it.
    [[nodiscard]] static Result<Identity> load_or_make(const std::string& folder);
};

} // namespace jackdaw::agent
