#pragma once
// What an agent says of itself in gossip (Member::blob): enough for `instance list` and `member
// list`. msgpack [1, name, instance id, datastore, version, status, address, port, agent version];
// the instance id is bin of 16 bytes, or nil.

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

    friend bool operator==(const MemberBlob&, const MemberBlob&) = default;
};

/// At most member_blob_bytes_max bytes. A field that is too long is cut at a character (UTF-8) to
/// what the field may have (name 63, address 45, the others 16 bytes), never refused; an instance
/// id that is no UUID is left out.
[[nodiscard]] std::string encode_blob(const MemberBlob& blob);

/// `unsupported` for another first element, `corrupt` for anything that encode_blob() cannot have
/// made (fields that a later version may have added behind are skipped).
[[nodiscard]] Result<MemberBlob> decode_blob(std::string_view bytes);

} // namespace jackdaw::proto
