#pragma once
// What an agent says of itself in gossip (Member::blob): enough for `instance list` and `member
// list`. msgpack [1, name, instance id, datastore, version, status, address, port, agent version];
// the instance id is bin of 16 bytes, or of none. Behind them, only while there is one: which
// warnings it has, a number of one byte.

#include <cstdint>
#include <string>
#include <string_view>

#include "proto/base/error.h"
#include "proto/messages/swim.h"

namespace jackdaw::proto {

struct MemberBlob {
    std::string name;
    std::string instance_id; ///< UUID as text, or empty
    std::string datastore;   ///< empty: it runs no database
    std::string version;     ///< of the database
    std::string status;
    std::string address; ///< of the database
    std::uint16_t port = 0;
    std::string agent_version;
    std::uint8_t warnings = 0; ///< bit i: proto::warning_kinds[i]; at most 7 bits

    friend bool operator==(const MemberBlob&, const MemberBlob&) = default;
};

/// At most member_blob_bytes_max bytes. A field that is too long is cut, never refused: name 63
/// bytes, datastore 16, version 20, status 12, address 45, agent version 12. An instance id that is
/// no UUID is left out. Texts must be printable ASCII, or readers refuse the whole.
[[nodiscard]] std::string encode_blob(const MemberBlob& blob);

/// `corrupt` for anything that encode_blob() cannot have made; the fields that a later version adds
/// behind these are skipped.
[[nodiscard]] Result<MemberBlob> decode_blob(std::string_view bytes);

} // namespace jackdaw::proto
