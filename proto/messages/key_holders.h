#pragma once
// Which members hold which gossip key under which version: two operators with copies of one
// profile may each have made a key of one version.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace jackdaw::proto {

/// Keys by version: the id of each, eight hex digits; empty: not told.
using KeyIds = std::map<std::uint32_t, std::string>;
/// Of one version: names by key id, as MemberShape has it.
using HoldersById = std::map<std::string, std::vector<std::string>>;
using KeyHolders = std::map<std::uint32_t, HoldersById>; ///< by version

/// Beside the names of members: this host's.
inline constexpr std::string_view holder_profile = "this host's profile";

/// "two keys are called 2: db1, db2 hold a1b2c3d4, db3 holds 0c0d0e0f; no agent seals with them";
/// of several versions one after the other, of many names a few. Empty: each version is one key's.
/// `sealing`: the versions that agents seal with.
[[nodiscard]] std::string key_clashes(const KeyHolders& keys,
                                      const std::set<std::uint32_t>& sealing);

} // namespace jackdaw::proto
