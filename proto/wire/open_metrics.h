#pragma once
// Metrics as text: OpenMetrics 1.0 (openmetrics.io, section 4, "Data Formats"). Pure.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "proto/messages/datastore_shapes.h"

namespace jackdaw::proto {

inline constexpr std::string_view open_metrics_content_type =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The whole exposition, with its "# EOF": families in the order given, of each TYPE, UNIT (when
/// its name ends in _seconds or _bytes), HELP and the samples in their order. What readers would
/// refuse the whole for is left out and counted in `left_out`: a family without a valid name or
/// type, or one of whose sample names another family has already; in it a sample with a suffix that
/// the type does not have, a label that is no label or comes twice, a counter below zero, or labels
/// that came before. Bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string open_metrics_text(const std::vector<MetricFamily>& families,
                                            std::size_t* left_out = nullptr);

} // namespace jackdaw::proto
