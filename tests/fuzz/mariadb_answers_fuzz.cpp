// A server that lies, behind every verb of MariaDB's driver: the driver is the real one, only its
// session is another, which answers each statement with the next part of the input. The server
// belongs to the tenant. The first byte chooses the verb, the second what it is asked for; answers
// stand between lines of "%%": rows end in newlines, cells in tabs ("\N": NULL), the first row is
// the columns' names; "!NUMBER TEXT" is a failure.

#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <string>
#include <string_view>

#include "plugins/api/datastore.h"
#include "plugins/mariadb/session.h"
#include "plugins/mariadb/text.h"
#include "proto/wire/datastore_json.h"
#include "proto/wire/open_metrics.h"
#include "tests/fuzz/require.h"

extern "C" const JackdawDriver* jackdaw_driver();

using namespace jackdaw;
using jackdaw::fuzz::require;

namespace {

constexpr std::string_view between = "\n%%\n";
constexpr int statements_max = 2000; ///< of one verb; a server must not keep it busy for ever

std::string_view input;
int statements = 0;

std::string_view take(std::string_view& rest, std::string_view end) {
    const auto at = rest.find(end);
    const auto part = rest.substr(0, at);
    rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + end.size());
    return part;
}

bool is_printable(std::string_view text) {
    return mariadb::printable(text, text.size()) == text;
}

/// What a server said must not have got out of its quotes (names.h: a doubled quote is the rule).
void check_statement(std::string_view sql) {
    char open = 0;
    for (const char c : sql) {
        if (open != 0) {
            open = c == open ? '\0' : open;
        } else if (c == '\'' || c == '`' || c == '"') {
            open = c;
        } else {
            require(c != ';' && c != '#' && c != '\\' && static_cast<unsigned char>(c) >= 0x20);
        }
    }
    require(open == 0);
}

mariadb::Table next_answer() {
    auto text = take(input, between);
    mariadb::Table table;
    auto head = take(text, "\n");
    while (!head.empty() && table.columns.size() < 64) {
        table.columns.emplace_back(take(head, "\t"));
    }
    while (!text.empty() && table.rows.size() < 256) {
        auto line = take(text, "\n");
        mariadb::Row row;
        for (bool more = true; more && row.size() < 64;) {
            more = line.find('\t') != std::string_view::npos;
            const auto cell = take(line, "\t");
            row.push_back(cell == "\\N" ? std::nullopt : std::optional{std::string{cell}});
        }
        table.rows.push_back(std::move(row));
    }
    return table;
}

} // namespace

// The session's place is taken at link time.
namespace jackdaw::mariadb {

void Session::aim(std::string socket_path, std::string user) {
    socket_path_ = std::move(socket_path);
    user_ = std::move(user);
}

Result<void> Session::open(const plugins::Call& /*call*/) {
    return ok();
}

void Session::close() noexcept {}

Result<Table> Session::query_table(const plugins::Call& /*call*/, std::string_view sql,
                                   ServerText show) {
    check_statement(sql);
    require(++statements <= statements_max);
    last_error_ = 0;
    if (input.starts_with('!')) {
        auto text = take(input, between).substr(1);
        const auto number = take(text, " ");
        std::from_chars(number.data(), number.data() + number.size(), last_error_);
        return error_of(last_error_, text, show);
    }
    return next_answer();
}

Result<Rows> Session::query(const plugins::Call& call, std::string_view sql, ServerText show) {
    JACKDAW_TRY(auto table, query_table(call, sql, show));
    return std::move(table.rows);
}

Result<void> Session::run(const plugins::Call& call, std::string_view sql, ServerText show) {
    JACKDAW_CHECK(query_table(call, sql, show));
    return ok();
}

} // namespace jackdaw::mariadb

namespace {

template <class T>
bool is_good(const Result<T>& result) {
    if (!result) {
        const auto text = result.error().to_string();
        require(text.size() <= 16384);
        require(is_printable(text));
        require(is_printable(result.error().hint()));
    }
    return static_cast<bool>(result);
}

/// As the agent answers with it.
template <class Shape>
void check_json(const Shape& shape) {
    const auto text =
        proto::to_json(shape).dump(-1, ' ', false, proto::Json::error_handler_t::replace);
    require(text.size() <= (std::size_t{4} << 20U));
}

plugins::Place place() {
    plugins::Place where;
    where.data_folder = "/v/data";
    where.config_folder = "/c";
    where.run_folder = "/r";
    where.log_folder = "/l";
    where.admin_user = "jackdawd";
    where.machine = {std::uint64_t{512} << 20U, 2, "m"};
    where.parameters = {{"max_connections", "200"}, {"long_query_time", "0.5"}};
    return where;
}

proto::Grant grant_of(unsigned choice) {
    proto::Grant grant;
    grant.privileges = choice % 2 == 0 ? std::vector<std::string>{"SELECT", "INSERT"}
                                       : std::vector<std::string>{"ALL PRIVILEGES"};
    grant.database = choice % 3 == 0 ? "" : "we_ird`na'me";
    grant.table = choice % 6 == 1 ? "t`'" : "";
    return grant;
}

void read_lists(plugins::Datastore& driver, const plugins::Call& call) {
    if (const auto all = driver.databases()->list(call); is_good(all)) {
        require(all->size() <= 256);
    }
    if (const auto all = driver.users()->list(call); is_good(all)) {
        require(all->size() <= 256);
        for (const auto& user : *all) {
            require(user.verifier.empty());
        }
    }
    if (const auto status = driver.root()->status(call); is_good(status)) {
        require(status->level == "off" || status->level == "standard" ||
                status->level == "superuser");
        check_json(*status);
    }
    if (const auto on = driver.logs()->is_enabled(call, "slow"); !is_good(on)) {
        return;
    }
    is_good(driver.logs()->reopen(call, "slow"));
}

void read_sessions(plugins::Datastore& driver, const plugins::Call& call) {
    const auto all = driver.sessions()->list(call);
    if (!is_good(all)) {
        return;
    }
    require(all->size() <= 10'000);
    for (const auto& one : *all) {
        for (const auto* const text :
             {&one.user, &one.host, &one.database, &one.command, &one.state, &one.query}) {
            require(is_printable(*text) && text->size() <= 1024);
        }
        require(one.seconds >= 0 && !std::isnan(one.seconds));
        check_json(one);
    }
}

void read_grants(plugins::Datastore& driver, const plugins::Call& call) {
    const auto details = driver.grants()->show(call, "app", "%");
    if (!is_good(details)) {
        return;
    }
    for (const auto& statement : details->statements) {
        require(is_printable(statement));
    }
    check_json(*details);
}

void read_parameters(plugins::Datastore& driver, const plugins::Call& call) {
    const auto where = place();
    if (const auto all = driver.parameters()->list(call, where); is_good(all)) {
        for (const auto& one : *all) {
            require(is_printable(one.name) && is_printable(one.current) && is_printable(one.text));
            require(is_printable(one.default_value) && is_printable(one.from));
            check_json(one);
        }
        is_good(driver.parameters()->check(*all, "max_connections", "300"));
        is_good(driver.parameters()->check_together(*all, where));
    }
}

void read_metrics(plugins::Datastore& driver, const plugins::Call& call) {
    if (const auto families = driver.metrics()->collect(call); is_good(families)) {
        require(families->size() <= 2'500);
        require(proto::open_metrics_text(*families).ends_with("# EOF\n"));
    }
}

void read_health(plugins::Datastore& driver, const plugins::Call& call) {
    is_good(driver.adopt(call, place()));
    if (const auto seen = driver.probe(call); is_good(seen)) {
        require(is_printable(seen->version) && seen->version.size() <= 64);
        require(is_printable(seen->detail) && seen->detail.size() <= 16384);
    }
    is_good(driver.secure(call));
    if (const auto told = driver.examine(call); is_good(told)) {
        require(!told->access || (is_printable(*told->access) && told->access->size() <= 512));
        const auto others = told->look_alikes.value_or(std::vector<std::string>{});
        require(others.size() <= 20);
        for (const auto& one : others) {
            require(is_printable(one) && one.size() <= 256);
        }
        require(told->unseen.size() <= 3);
        for (const auto& one : told->unseen) {
            require(is_printable(one.why) && one.why.size() <= 2048);
            require(is_printable(one.mend) && one.mend.size() <= 1024);
        }
    }
    if (const auto repaired = driver.repair(call, true); is_good(repaired)) {
        require(is_printable(repaired->stopped) && is_printable(repaired->left));
    }
}

void change_users(plugins::Datastore& driver, const plugins::Call& call, unsigned choice) {
    static const std::string verifier = "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19";
    proto::UserSpec user;
    user.name = "a'pp`";
    user.host = "10.0.%";
    user.databases = {"we_ird`na'me"};
    user.verifier = verifier;
    switch (choice % 8) {
    case 0: is_good(driver.users()->create(call, user)); break;
    case 1: is_good(driver.users()->drop(call, user.name, user.host)); break;
    case 2: is_good(driver.users()->set_verifier(call, user.name, user.host, verifier)); break;
    case 3: is_good(driver.databases()->create(call, {"we_ird`na'me", "utf8mb4", ""})); break;
    case 4: is_good(driver.databases()->drop(call, "we_ird`na'me")); break;
    case 5: is_good(driver.root()->enable(call, "standard", verifier)); break;
    case 6: is_good(driver.root()->enable(call, "superuser", verifier)); break;
    default: is_good(driver.root()->disable(call)); break;
    }
}

void change_grants(plugins::Datastore& driver, const plugins::Call& call, unsigned choice) {
    proto::UserAttributes attributes;
    switch (choice % 4) {
    case 0: is_good(driver.grants()->grant(call, "app", "%", grant_of(choice / 4))); break;
    case 1: is_good(driver.grants()->revoke(call, "app", "%", grant_of(choice / 4))); break;
    case 2:
        attributes.name = "bo'b";
        attributes.host = "%";
        is_good(driver.grants()->alter(call, "app", "%", attributes));
        break;
    default:
        attributes.locked = choice % 8 == 3;
        attributes.connections_max = 5;
        is_good(driver.grants()->alter(call, "app", "%", attributes));
    }
}

void change_parameters(plugins::Datastore& driver, const plugins::Call& call, unsigned choice) {
    const std::vector<std::string> all{"max_connections", "long_query_time", "sql_mode",
                                       "character_set_server", "innodb_buffer_pool_size"};
    auto where = place();
    where.parameters.insert_or_assign("sql_mode", "ANSI");
    where.parameters.insert_or_assign("character_set_server", "utf8mb4");
    std::vector<std::string> changed;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if ((choice >> i & 1U) != 0) {
            changed.push_back(all[i]);
        }
    }
    const auto waiting = driver.parameters()->apply(call, where, changed);
    if (is_good(waiting)) {
        require(waiting->size() <= changed.size() + 1);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) {
        return 0;
    }
    const auto driver = jackdaw_driver()->make();
    input = {reinterpret_cast<const char*>(data) + 2, size - 2};
    statements = 0;
    // No verb may wait: what looks again later gives up at once.
    const plugins::Call call{std::chrono::steady_clock::now() + std::chrono::milliseconds{100},
                             nullptr};
    const unsigned choice = data[1];
    switch (data[0] % 12) {
    case 0: read_lists(*driver, call); break;
    case 1: read_sessions(*driver, call); break;
    case 2: is_good(driver->sessions()->kill(call, 7, choice % 2 == 0)); break;
    case 3: read_grants(*driver, call); break;
    case 4: read_parameters(*driver, call); break;
    case 5: read_metrics(*driver, call); break;
    case 6: read_health(*driver, call); break;
    case 7: change_users(*driver, call, choice); break;
    case 8: change_grants(*driver, call, choice); break;
    case 9: change_parameters(*driver, call, choice); break;
    case 10: is_good(driver->judge_config(data[1] % 3, input)); break;
    default:
        if (const auto version = driver->parse_version(input); is_good(version)) {
            require(version->size() <= 32 && is_printable(*version));
        }
    }
    return 0;
}
