#pragma once
// Parameters of MariaDB that are texts with a grammar of their own. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/error.h"
#include "proto/messages/datastore_shapes.h"

namespace jackdaw::mariadb {

/// The canonical text. `invalid` with the grammar as hint. A text without grammar of its own stays
/// as it is. What names something in the data (a table of stop words, a time zone) is looked at for
/// its form: whether it is there, SET GLOBAL says before anything is written to a file.
[[nodiscard]] Result<std::string> check_text(const std::vector<proto::Parameter>& known,
                                             const proto::Parameter& parameter,
                                             const std::string& value);

struct TemporaryBytes {
    std::uint64_t first = 0; ///< that it is made with
    std::uint64_t most = 0;  ///< that it may grow to; 0: without bound
};
/// Of "ibtmp1:12M:autoextend:max:64M"; nullopt when the server would not take it (Knowledge Base,
/// innodb_temp_data_file_path).
[[nodiscard]] std::optional<TemporaryBytes> temporary_path_bytes(std::string_view text) noexcept;

} // namespace jackdaw::mariadb
