#pragma once
// An instance as people see it.

#include <set>
#include <string>
#include <vector>

#include "coordinator/render/table.h"
#include "proto/messages/shapes.h"

namespace jackdaw::cli {

[[nodiscard]] Style style_of_status(std::string_view status);
/// `unknown_protection`: ids of those of which nobody tells whether they are protected.
[[nodiscard]] Table instance_table(const std::vector<proto::Instance>& instances,
                                   const std::set<std::string>& unknown_protection);
[[nodiscard]] std::string instance_text(const proto::Instance& instance, bool colour);

} // namespace jackdaw::cli
