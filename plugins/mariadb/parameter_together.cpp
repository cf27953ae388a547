#include "plugins/mariadb/parameter_together.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "plugins/mariadb/config.h"
#include "plugins/mariadb/names.h"
#include "plugins/mariadb/parameter_list.h"
#include "plugins/mariadb/parameter_owned.h"
#include "plugins/mariadb/parameter_texts.h"
#include "plugins/mariadb/parameter_values.h"

namespace jackdaw::mariadb {
namespace {

struct Order {
    std::string_view lower, upper;
};
/// The server cuts the lower one, raises the upper one, or lets the lower one do nothing, with a
/// warning at most (Knowledge Base: InnoDB System Variables, Server System Variables, Replication
/// and Binary Log System Variables).
constexpr std::array orders{
    Order{"innodb_io_capacity", "innodb_io_capacity_max"},
    Order{"innodb_max_dirty_pages_pct_lwm", "innodb_max_dirty_pages_pct"},
    Order{"innodb_ft_min_token_size", "innodb_ft_max_token_size"},
    Order{"innodb_buffer_pool_size", "innodb_buffer_pool_size_max"},
    Order{"ft_min_word_len", "ft_max_word_len"},
    Order{"innodb_buffer_pool_size_auto_min", "innodb_buffer_pool_size_max"},
    Order{"innodb_log_buffer_size", "innodb_log_file_size"},
    Order{"thread_cache_size", "max_connections"},
    Order{"net_buffer_length", "max_allowed_packet"},
    Order{"max_allowed_packet", "slave_max_allowed_packet"},
    Order{"binlog_cache_size", "max_binlog_cache_size"},
    Order{"binlog_stmt_cache_size", "max_binlog_stmt_cache_size"},
    Order{"tmp_memory_table_size", "max_heap_table_size"},
    Order{"tmp_table_size", "max_heap_table_size"},
};

/// Memory that is taken at once or by one statement: at most a share of the machine's, in quarters.
constexpr std::array<std::string_view, 26> quarter_at_most{"aria_pagecache_buffer_size",
                                                           "aria_sort_buffer_size",
                                                           "binlog_cache_size",
                                                           "binlog_file_cache_size",
                                                           "binlog_stmt_cache_size",
                                                           "bulk_insert_buffer_size",
                                                           "innodb_ft_cache_size",
                                                           "innodb_ft_total_cache_size",
                                                           "innodb_log_buffer_size",
                                                           "innodb_sort_buffer_size",
                                                           "join_buffer_size",
                                                           "join_buffer_space_limit",
                                                           "key_buffer_size",
                                                           "max_heap_table_size",
                                                           "mrr_buffer_size",
                                                           "myisam_sort_buffer_size",
                                                           "preload_buffer_size",
                                                           "query_alloc_block_size",
                                                           "query_cache_size",
                                                           "query_prealloc_size",
                                                           "range_alloc_block_size",
                                                           "read_buffer_size",
                                                           "read_rnd_buffer_size",
                                                           "rowid_merge_buff_size",
                                                           "sort_buffer_size",
                                                           "thread_stack"};

constexpr std::uint64_t performance_schema_bytes = 100 * mib; ///< with its default sizes, measured
constexpr std::uint64_t open_table_bytes = 20 * kib;
constexpr std::uint64_t session_bytes = 128 * kib; ///< of an idle one, beside its net buffers

/// What a start on the wish gives a parameter.
class Wish {
public:
    Wish(const std::vector<proto::Parameter>& known, const plugins::Place& place)
        : known_{known}, place_{place}, computed_{computed_settings(place)} {}

    [[nodiscard]] bool sets(std::string_view name) const {
        return place_.parameters.contains(std::string{name});
    }
    /// Empty when this server has no such parameter.
    [[nodiscard]] std::string text(std::string_view name) const {
        const auto* const parameter = find_parameter(known_, name);
        if (parameter == nullptr) {
            return {};
        }
        if (const auto own = place_.parameters.find(parameter->name);
            own != place_.parameters.end()) {
            return own->second;
        }
        if (const auto twin = place_.parameters.find(std::string{twin_of(name)});
            twin != place_.parameters.end()) {
            return twin->second;
        }
        if (const auto* const ours = computed_value(computed_, name)) {
            return *ours;
        }
        return is_automatic(name) ? parameter->current : parameter->default_value;
    }
    [[nodiscard]] std::uint64_t number(std::string_view name) const {
        const auto value = parse_number(text(name));
        return value && !value->negative ? value->magnitude : 0;
    }
    [[nodiscard]] std::uint64_t memory() const { return place_.machine.memory_bytes; }
    [[nodiscard]] const proto::Parameter* find(std::string_view name) const {
        return find_parameter(known_, name);
    }
    [[nodiscard]] const plugins::Place& place() const { return place_; }

private:
    const std::vector<proto::Parameter>& known_;
    const plugins::Place& place_;
    Settings computed_;
};

std::string size(std::uint64_t bytes) {
    return bytes >= gib ? fmt::format("{:.1f} GiB", static_cast<double>(bytes) / double{gib})
                        : fmt::format("{:.0f} MiB", static_cast<double>(bytes) / double{mib});
}

/// Of both names of one thing only one is set, or both to the same.
Result<void> check_twins(const Wish& wish) {
    for (const auto& [name, value] : wish.place().parameters) {
        if (const auto linked = linked_to(name); name < linked && wish.sets(linked)) {
            return Error{Errc::invalid,
                         fmt::format("{} and {} are two measures of one setting", name, linked)}
                .with_hint(fmt::format("set {} alone", name));
        }
        const auto twin = twin_of(name);
        const auto* const parameter = wish.find(name);
        if (twin.empty() || parameter == nullptr || name > twin || !wish.sets(twin)) {
            continue;
        }
        if (!is_same_value(*parameter, value, wish.text(twin))) {
            return Error{
                Errc::invalid,
                fmt::format("{} and {} are two names of one setting, and differ", name, twin)}
                .with_hint(fmt::format("set {} alone", name));
        }
    }
    return ok();
}

Result<void> check_orders(const Wish& wish) {
    for (const auto& [lower, upper] : orders) {
        if (!wish.sets(lower) && !wish.sets(upper)) {
            continue;
        }
        // What nobody sets and the server computes follows the other one at start.
        if ((!wish.sets(upper) && is_automatic(upper)) ||
            (!wish.sets(lower) && is_automatic(lower))) {
            continue;
        }
        const auto low = wish.text(lower);
        const auto high = wish.text(upper);
        const auto a = parse_number(low);
        const auto b = parse_number(high);
        const auto x = parse_millionths(low);
        const auto y = parse_millionths(high);
        const bool wrong = a && b ? less(*b, *a) : x && y && *y != 0 && *x > *y;
        if (wrong) {
            return Error{Errc::invalid,
                         fmt::format("{} = {} is above {} = {}", lower, low, upper, high)}
                .with_hint(fmt::format("set {} to {} or more, too", upper, low));
        }
    }
    return ok();
}

Result<void> check_each_fits(const Wish& wish) {
    for (const auto name : quarter_at_most) {
        if (wish.sets(name) && wish.number(name) > wish.memory() / 4) {
            return Error{Errc::invalid,
                         fmt::format("{} = {} is more than a quarter of this machine's {}", name,
                                     wish.text(name), size(wish.memory()))}
                .with_hint("a smaller value, or a larger machine");
        }
    }
    return ok();
}

/// What is taken for good, and what sessions take: every one its stack and net buffers, and a
/// quarter of them at a time their buffers for sorting, joining and reading. Not counted: temporary
/// tables in memory, prepared statements, what the kernel keeps of files.
Result<void> check_sum_fits(const Wish& wish) {
    constexpr std::array<std::string_view, 14> counted{
        "innodb_buffer_pool_size", "aria_pagecache_buffer_size",
        "key_buffer_size",         "innodb_log_buffer_size",
        "query_cache_size",        "query_cache_type",
        "performance_schema",      "max_connections",
        "net_buffer_length",       "sort_buffer_size",
        "join_buffer_size",        "read_buffer_size",
        "read_rnd_buffer_size",    "thread_stack"};
    if (std::none_of(counted.begin(), counted.end(),
                     [&](std::string_view name) { return wish.sets(name); })) {
        return ok();
    }
    // Each is below 2^40 here, or the sum is not looked at: no overflow.
    constexpr std::uint64_t most = std::uint64_t{1} << 50U;
    const auto number = [&](std::string_view name) { return std::min(wish.number(name), most); };
    auto fixed = number("innodb_buffer_pool_size") + number("aria_pagecache_buffer_size") +
                 number("key_buffer_size") + number("innodb_log_buffer_size");
    if (!equal_words(wish.text("query_cache_type"), "OFF")) {
        fixed += number("query_cache_size");
    }
    if (equal_words(wish.text("performance_schema"), "ON")) {
        fixed += performance_schema_bytes;
    }
    const auto sessions = std::min(number("max_connections"), connections_most);
    const auto idle = session_bytes + std::min(number("net_buffer_length"), gib);
    // A stack counts where it is larger than the usual one: of that, a few pages are touched.
    const auto stack = std::min(number("thread_stack"), gib);
    const auto busy = std::min(number("sort_buffer_size"), 1024 * gib) +
                      std::min(number("join_buffer_size"), 1024 * gib) +
                      std::min(number("read_buffer_size"), 1024 * gib) +
                      std::min(number("read_rnd_buffer_size"), 1024 * gib) + stack;
    const auto by_sessions = sessions * idle + (sessions + 3) / 4 * busy;
    const auto room = wish.memory() - wish.memory() / 16; // the agent and the kernel
    if (fixed + by_sessions > room) {
        return Error{Errc::invalid,
                     fmt::format("buffers of {} and {} connections with {} together want more than "
                                 "this machine's {}",
                                 size(fixed), sessions, size(by_sessions), size(wish.memory()))}
            .with_hint("lower innodb_buffer_pool_size, max_connections or the buffers of sessions "
                       "(sort_buffer_size, join_buffer_size, read_buffer_size), or take a larger "
                       "machine");
    }
    return ok();
}

/// The server first makes the table cache's instances fewer until its files fit the machine's hard
/// limit; so that limit is known when the running server has fewer than it should. Beyond, it cuts
/// max_connections and table_open_cache with a warning (mysqld.cc, init_common_variables).
Result<void> check_open_files(const Wish& wish) {
    if (wish.sets("table_open_cache") &&
        wish.number("table_open_cache") > wish.memory() / 4 / open_table_bytes) {
        return Error{Errc::invalid, fmt::format("table_open_cache = {} open tables are more than a "
                                                "quarter of this machine's {}",
                                                wish.text("table_open_cache"), size(wish.memory()))}
            .with_hint("a smaller value, or a larger machine");
    }
    const auto* const files = wish.find("open_files_limit");
    const auto present = files == nullptr ? std::nullopt : parse_number(files->current);
    if (wish.sets("innodb_open_files") && present &&
        wish.number("innodb_open_files") > present->magnitude) {
        return Error{Errc::invalid,
                     fmt::format("innodb_open_files = {} is above open_files_limit, which is {} "
                                 "here",
                                 wish.text("innodb_open_files"), present->magnitude)};
    }
    const bool asks = wish.sets("max_connections") || wish.sets("table_open_cache");
    const auto* const instances = wish.find("table_open_cache_instances");
    if (!asks || instances == nullptr) {
        return ok();
    }
    const auto has_instances = parse_number(instances->current);
    const auto has = present;
    if (!has_instances || !has || has->magnitude == 0 ||
        has_instances->magnitude >= table_cache_instances) {
        return ok();
    }
    const auto connections = std::min(wish.number("max_connections"), connections_most);
    const auto tables = std::min(wish.number("table_open_cache"), table_cache_most);
    const auto wanted = 100 + connections + 2 * tables; // of one instance
    if (wanted <= has->magnitude) {
        return ok();
    }
    return Error{Errc::invalid,
                 fmt::format("{} open files would be needed, and this machine gives {}", wanted,
                             has->magnitude)}
        .with_hint("lower max_connections or table_open_cache");
}

/// A redo log that fills the volume leaves a server that does not start again: half of the volume
/// at most. The next start makes the new one, and the old one may still be there then.
Result<void> check_redo_log(const Wish& wish) {
    const auto& machine = wish.place().machine;
    const auto wanted = wish.number("innodb_log_file_size");
    if (!wish.sets("innodb_log_file_size")) {
        return ok();
    }
    const auto refuse = [&](const std::string& why) {
        return Error{Errc::invalid, fmt::format("innodb_log_file_size = {} {}",
                                                wish.text("innodb_log_file_size"), why)}
            .with_hint("a smaller one, or first `jackdaw instance resize NAME --volume SIZE`");
    };
    if (machine.volume_bytes != 0 && wanted > machine.volume_bytes / 2) {
        return refuse(
            fmt::format("is more than half of the volume's {}", size(machine.volume_bytes)));
    }
    const auto* const present = wish.find("innodb_log_file_size");
    const auto has = present == nullptr ? std::nullopt : parse_number(present->current);
    const bool same = has && !has->negative && has->magnitude == wanted;
    if (machine.volume_free_bytes && !same && wanted > *machine.volume_free_bytes) {
        return refuse(fmt::format("does not fit beside the present one: {} are free on the volume",
                                  size(*machine.volume_free_bytes)));
    }
    return ok();
}

/// What is written to the volume at once. Beyond the memory a redo log or a temporary file is of no
/// use.
Result<void> check_files_fit(const Wish& wish) {
    JACKDAW_CHECK(check_redo_log(wish));
    if (wish.sets("innodb_log_file_size") && wish.number("innodb_log_file_size") > wish.memory()) {
        return Error{Errc::invalid,
                     fmt::format("innodb_log_file_size = {} is more than this machine's {} of "
                                 "memory",
                                 wish.text("innodb_log_file_size"), size(wish.memory()))}
            .with_hint("more of it than what is in memory is of no use");
    }
    const auto temporary = temporary_path_bytes(wish.text("innodb_temp_data_file_path"));
    if (wish.sets("innodb_temp_data_file_path") && temporary && temporary->first > wish.memory()) {
        return Error{Errc::invalid,
                     fmt::format("innodb_temp_data_file_path begins with {}, more than this "
                                 "machine's memory",
                                 size(temporary->first))}
            .with_hint("begin with 12M, and let it extend");
    }
    if (wish.sets("innodb_temp_data_file_path") && (!temporary || temporary->most == 0)) {
        return Error{Errc::invalid, "innodb_temp_data_file_path: without a bound one statement "
                                    "fills the volume"}
            .with_hint("end it with :autoextend:max:SIZE, as in "
                       "ibtmp1:12M:autoextend:max:1G");
    }
    return ok();
}

Result<void> check_meanings(const Wish& wish) {
    const auto charset = wish.text("character_set_server");
    if (wish.sets("collation_server") || wish.sets("character_set_server")) {
        const auto collation =
            wish.sets("collation_server") ? wish.text("collation_server") : std::string{};
        JACKDAW_CHECK(check_charset(charset, collation)
                          .while_doing("compare character_set_server and collation_server"));
    }
    if (wish.sets("require_secure_transport") &&
        equal_words(wish.text("require_secure_transport"), "ON")) {
        const auto* const tls = wish.find("have_ssl");
        if (tls == nullptr || tls->current != "YES") {
            return Error{Errc::invalid, "require_secure_transport = ON, and this server has no "
                                        "certificate: nobody could connect"};
        }
    }
    return ok();
}

} // namespace

Result<void> check_parameters_together(const std::vector<proto::Parameter>& known,
                                       const plugins::Place& place) {
    const Wish wish{known, place};
    JACKDAW_CHECK(check_twins(wish));
    JACKDAW_CHECK(check_orders(wish));
    JACKDAW_CHECK(check_each_fits(wish));
    JACKDAW_CHECK(check_sum_fits(wish));
    JACKDAW_CHECK(check_open_files(wish));
    JACKDAW_CHECK(check_files_fit(wish));
    return check_meanings(wish);
}

bool is_upper_bound(std::string_view name) noexcept {
    return std::any_of(orders.begin(), orders.end(),
                       [&](const Order& order) { return order.upper == name; });
}

} // namespace jackdaw::mariadb
