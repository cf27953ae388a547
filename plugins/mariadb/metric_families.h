#pragma once
// What MariaDB says of itself as metric families, under the names that prometheus-mysqld-exporter
// (0.14, Debian 12's) made standard. Pure.
//
// The server is the tenant's: what it names becomes at most families_max families and samples_max
// samples with clean names, and only what is a number is one.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "plugins/mariadb/session.h"
#include "proto/messages/datastore_shapes.h"

namespace jackdaw::mariadb {

inline constexpr std::size_t families_max = 2'000;
inline constexpr std::size_t samples_max = 10'000;
inline constexpr std::size_t metric_name_bytes_max = 120;
inline constexpr std::size_t label_bytes_max = 256;

/// "12", "-1.5", "2e3" (decimal, the whole text, finite); YES and ON are 1, NO, OFF and DISABLED
/// 0; of replication CONNECTING is 0, of Galera PRIMARY is 1, NON-PRIMARY and DISCONNECTED are 0;
/// "Nov 12 10:12:13 2027 GMT" and "2027-11-12 10:12:13" are seconds since 1970. Case does not
/// matter. nullopt: no number.
[[nodiscard]] std::optional<double> metric_number(std::string_view text);

/// Lower case, other than [a-z0-9_] as '_', cut to metric_name_bytes_max; empty stays empty.
[[nodiscard]] std::string metric_name(std::string_view name);

class Families {
public:
    using Labels = std::vector<std::pair<std::string, std::string>>;

    /// Into the family `name`, made with the type and help of its first sample; `suffix` as in
    /// MetricSample. Above the bounds, or when a family of that name has another type: left out.
    void add(const std::string& name, const char* type, const char* help, const char* suffix,
             Labels labels, double value);
    /// One of ours about the rest, a gauge: there whatever the server's have filled. Each name
    /// once, and none that add() is given.
    void add_own(const std::string& name, const char* help, double value);
    [[nodiscard]] std::size_t left_out() const noexcept { return left_out_; }
    /// Sorted by name; empty afterwards.
    [[nodiscard]] std::vector<proto::MetricFamily> take();

private:
    std::vector<proto::MetricFamily> families_;
    std::unordered_map<std::string, std::size_t> places_;
    std::size_t samples_ = 0;
    std::size_t left_out_ = 0;
};

/// Rows of SHOW GLOBAL STATUS. Commands, handlers, connection errors, buffer pool pages, InnoDB row
/// operations and what the performance schema lost become one family each.
void add_status(Families& families, const Rows& rows);
/// Rows of SHOW GLOBAL VARIABLES. `has_response_times`: query_response_time_stats is ON.
void add_variables(Families& families, const Rows& rows, bool& has_response_times);
/// SHOW ALL SLAVES STATUS, a row for each connection.
void add_slaves(Families& families, const Table& table);
/// compression_query's rows.
void add_compression(Families& families, const Rows& rows);
/// response_time_query's rows, as a histogram.
void add_response_times(Families& families, const Rows& rows);

/// Both tables of compressed pages in one question: "cmp" or "mem", page size, buffer pool, four
/// counts and a time each.
inline constexpr std::string_view compression_query =
    "SELECT 'cmp', page_size, 0, compress_ops, compress_ops_ok, compress_time, uncompress_ops, "
    "uncompress_time FROM information_schema.INNODB_CMP UNION ALL "
    "SELECT 'mem', page_size, buffer_pool_instance, pages_used, pages_free, relocation_ops, "
    "relocation_time, 0 FROM information_schema.INNODB_CMPMEM";
inline constexpr std::string_view response_time_query =
    "SELECT TIME, COUNT, TOTAL FROM information_schema.QUERY_RESPONSE_TIME";

} // namespace jackdaw::mariadb
