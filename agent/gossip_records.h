#pragma once
// What gossip must never forget, in the state store's table `gossip`: how far incarnations are
// reserved, the boot, where others were, and the key ring. Numbers are big-endian.
//
//   "reserve" 8 bytes · "boot" 4 bytes · "addresses" per address: size 4 or 16, ip, port 2 bytes
//   "ring"    its text (proto/wire/gossip_ring.h); a secret

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/state/store.h"
#include "gossip/core/swim/own.h"
#include "proto/base/secret.h"

namespace jackdaw::agent {

[[nodiscard]] std::vector<Change> changes_of(const swim::Persist& record);
/// Empty where nothing was kept. `corrupt` for records of another form: what an earlier life said
/// is not known then, and to guess would be to say it again.
[[nodiscard]] Result<swim::Snapshot> load_snapshot(const StateStore& store);

[[nodiscard]] std::string encode_addresses(const std::vector<swim::NetAddress>& addresses);
/// `corrupt` for what encode_addresses() cannot have made, and for more than 256.
[[nodiscard]] Result<std::vector<swim::NetAddress>> decode_addresses(std::string_view bytes);

[[nodiscard]] Change keep_ring(const Secret& text);
[[nodiscard]] Result<std::optional<Secret>> load_ring(const StateStore& store);

} // namespace jackdaw::agent
