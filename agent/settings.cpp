#include "agent/settings.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <functional>
#include <variant>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "proto/messages/gossip.h"
#include "proto/wire/member_status.h"
#include "proto/wire/msgpack_plain.h"
// What its asserts stop at is refused by the checks behind them as well (3.3.0: half a date, "["
// and a line's end); with them on, a text would end the process.
#define TOML_ASSERT(expression) static_cast<void>(0)
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1 // its shared library would be one more to ship beside the agent
#include <toml++/toml.h>

namespace jackdaw::agent {
namespace {

constexpr const char* default_file = "/etc/jackdaw/jackdawd.toml";
constexpr std::size_t seeds_max = 64;
constexpr std::size_t file_bytes_max = 64 * 1024;

using Target = std::variant<std::string Settings::*, std::uint64_t Settings::*,
                            std::vector<std::string> Settings::*>;

struct Row {
    const char* key;   ///< in the file; the flag is "--" + key
    const char* value; ///< what stands behind the flag in --help
    Target target;
    std::uint64_t min, max; ///< of numbers
    const char* what;
};

const std::vector<Row>& rows() {
    static const std::vector<Row> all{
        {"state", "DIR", &Settings::state_folder, 0, 0,
         "Folder of the agent's own state (keys, journal). Never on a database's volume."},
        {"run", "DIR", &Settings::run_folder, 0, 0, "Folder of the sockets."},
        {"plugins", "DIR", &Settings::plugin_folder, 0, 0,
         "Root-owned folder of the datastore drivers."},
        {"listen", "ADDR:PORT", &Settings::listen, 0, 0,
         "Where gossip (UDP) and the channel (TCP) listen; one port number for both. "
         "\"[::]:PORT\": at every address; \"0.0.0.0:PORT\": the channel at every IPv4 address, "
         "gossip at every one of both families. `jackdaw` dials port 7412 alone: one that listens "
         "at another port is reached on its own machine only."},
        {"metrics-listen", "ADDR:PORT", &Settings::metrics_listen, 0, 0,
         "Where /metrics, /healthz and /readyz are told, by TCP and to whoever can connect: a "
         "loopback address, one of this machine's, or \"*:PORT\" for all its IPv4 addresses. Off "
         "by default."},
        {"advertise", "ADDR", &Settings::advertise, 0, 0,
         "Address that peers and clients use; by default the machine file's, then the one listened "
         "on."},
        {"seed", "ADDR:PORT", &Settings::seeds, 0, 0,
         "A member to join by; may be given several times. Seeds of the hand-over are added."},
        {"name", "NAME", &Settings::name, 0, 0,
         "Label of this member; by default the machine file's, then the host's."},
        {"ring", "FILE", &Settings::ring_file, 0, 0,
         "Gossip keys of a plain member: a line \"VERSION HEX64\" each, behind a line \"fleet "
         "HEX16\" where the fleet has an id; by default the hand-over's."},
        {"gossip-profile", "PROFILE", &Settings::gossip_profile, 0, 0,
         "How fast others are probed and given up: local, lan or wan. Higher ones sit out longer "
         "delays."},
        {"gossip-probe-period-ms", "N", &Settings::gossip_probe_period_ms, 0, 60'000,
         "Each member is probed once in it: two datagrams per member are the idle load. 0: the "
         "profile's (500, 1000, 2000)."},
        {"gossip-probe-floor-ms", "N", &Settings::gossip_probe_floor_ms, 0, 60'000,
         "A probe fails after this, or after five of the waits before asking again if they are "
         "longer (250 ms at least, wan 500), within a period: so long that lost packets rarely "
         "fail one. 0: the profile's (300, 500, 1500)."},
        {"gossip-rto-max-ms", "N", &Settings::gossip_rto_max_ms, 0, 60'000,
         "The longest wait before asking again; above the round trips that are normal here. 0: the "
         "profile's (500, 500, 1500)."},
        {"gossip-suspicion-min-ms", "N", &Settings::gossip_suspicion_min_ms, 0, 600'000,
         "How long a suspect may still speak up. A machine whose pause is shorter than this plus "
         "the probe floor is not called down; one whose pause is a period longer may be. 0: the "
         "profile's (1000, 2000, 6000)."},
        {"log-level", "LEVEL", &Settings::log_level, 0, 0, "trace, debug, info, warn or error."},
        {"probe-period-ms", "N", &Settings::probe_period_ms, 100, 60'000,
         "How often the database is asked whether it answers. One second finds a hang within "
         "three."},
        {"operation-limit-s", "N", &Settings::operation_limit_s, 10, 7 * 86'400,
         "Deadline of an operation, counted from its request. Above the longest start or stop that "
         "is normal here."},
        {"state-map-bytes", "N", &Settings::state_map_bytes, 4ULL << 20U, 4ULL << 30U,
         "Size of the preallocated state file; 10,000 operations take about 30 MiB."},
    };
    return all;
}

Result<void> set_text(Settings& settings, const Row& row, std::string_view text,
                      std::string_view where) {
    if (text.size() > 4096 || text.find('\0') != std::string_view::npos) {
        return Error{Errc::invalid,
                     fmt::format("{}: '{}' is too long or holds NUL", where, row.key)};
    }
    if (const auto* target = std::get_if<std::string Settings::*>(&row.target)) {
        settings.*(*target) = std::string{text};
        return ok();
    }
    if (const auto* list = std::get_if<std::vector<std::string> Settings::*>(&row.target)) {
        if ((settings.*(*list)).size() >= seeds_max) {
            return Error{Errc::invalid,
                         fmt::format("{}: more than {} of '{}'", where, seeds_max, row.key)};
        }
        (settings.*(*list)).emplace_back(text);
        return ok();
    }
    std::uint64_t number = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (ec != std::errc{} || end != text.data() + text.size() || number < row.min ||
        number > row.max) {
        return Error{Errc::invalid, fmt::format("{}: '{}' must be a whole number from {} to {}",
                                                where, row.key, row.min, row.max)};
    }
    settings.*std::get<std::uint64_t Settings::*>(row.target) = number;
    return ok();
}

const Row* find_row(std::string_view key) {
    const auto found = std::ranges::find_if(rows(), [&](const Row& row) { return row.key == key; });
    return found == rows().end() ? nullptr : &*found;
}

Error unknown_key(std::string_view key, std::string_view where) {
    std::vector<std::string_view> known;
    for (const auto& row : rows()) {
        known.emplace_back(row.key);
    }
    return Error{Errc::invalid, fmt::format("{}: unknown key '{}'; there are: {}", where,
                                            key.substr(0, 60), fmt::join(known, ", "))};
}

Result<void> read_file(Settings& settings, const std::string& path) {
    std::ifstream file{path, std::ios::binary};
    std::string text(file_bytes_max + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (file.bad() || (file.gcount() == 0 && !file.eof())) {
        return Error{Errc::invalid, fmt::format("{}: cannot be read", path)};
    }
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (text.size() > file_bytes_max) {
        return Error{Errc::invalid, fmt::format("{}: is over {} bytes", path, file_bytes_max)};
    }
    return read_settings(settings, text, path);
}

/// No multicast or broadcast address (RFC 1112, RFC 919; RFC 4291, section 2.7), and not the one of
/// none: others would send to many, or to nobody.
bool is_of_one(const proto::NetAddress& address) {
    const auto first = address.ip.front();
    if (address.ip_bytes == 4) {
        return first != 0 && first < 224;
    }
    return first != 0xFF && std::ranges::any_of(address.ip, [](auto byte) { return byte != 0; });
}

Result<void> validate(const Settings& settings) {
    JACKDAW_TRY(const auto listen, parse_host_port(settings.listen));
    if (listen.port == 0) {
        return Error{Errc::invalid, "'listen' needs a port other than 0: peers must know it"};
    }
    if (!settings.metrics_listen.empty()) {
        JACKDAW_TRY(const auto metrics, parse_metrics_listen(settings.metrics_listen));
        if (metrics.port == listen.port) {
            return Error{Errc::invalid, "'metrics-listen' has the port of 'listen'"};
        }
    }
    for (const auto& seed : settings.seeds) {
        JACKDAW_CHECK(parse_host_port(seed));
    }
    if (!settings.advertise.empty()) {
        const auto given = parse_host_port(settings.advertise + ":1");
        if (!given) {
            return Error{Errc::invalid,
                         "'advertise' must be a numeric address, an IPv6 one in brackets"};
        }
        if (const auto address = proto::net_address(given->host, given->port);
            address && !is_of_one(*address)) {
            return Error{Errc::invalid, fmt::format("'advertise' must be the address of this "
                                                    "machine alone, which {} is not",
                                                    settings.advertise)};
        }
    }
    for (const auto* folder :
         {&settings.state_folder, &settings.run_folder, &settings.plugin_folder}) {
        if (!folder->starts_with('/')) {
            return Error{Errc::invalid, fmt::format("'{}' is not an absolute path", *folder)};
        }
    }
    JACKDAW_CHECK(gossip_config_of(settings));
    if (settings.name.size() > proto::gossip_name_bytes_max ||
        !proto::is_plain_utf8(settings.name)) {
        return Error{Errc::invalid, "'name' must be at most 63 bytes of UTF-8"};
    }
    const std::vector<std::string> levels{"trace", "debug", "info", "warn", "error"};
    if (std::ranges::find(levels, settings.log_level) == levels.end()) {
        return Error{Errc::invalid,
                     fmt::format("'log-level' must be one of: {}", fmt::join(levels, ", "))};
    }
    return ok();
}

std::string value_text(const Settings& settings, const Row& row, bool toml) {
    if (const auto* text = std::get_if<std::string Settings::*>(&row.target)) {
        return toml ? fmt::format("\"{}\"", settings.*(*text)) : settings.*(*text);
    }
    if (std::holds_alternative<std::vector<std::string> Settings::*>(row.target)) {
        return toml ? "[]" : "";
    }
    return std::to_string(settings.*std::get<std::uint64_t Settings::*>(row.target));
}

/// toml++ 3.3.0 runs into undefined behaviour where it looks for blanks among letters beyond ASCII,
/// so outside of comments there are none: no setting needs them. Nor are there texts of several
/// lines, in which a line that begins with '#' is no comment.
Result<void> check_letters(std::string_view document, const std::string& path) {
    std::size_t number = 0;
    while (!document.empty()) {
        ++number;
        const auto line = document.substr(0, document.find('\n'));
        document.remove_prefix(std::min(line.size() + 1, document.size()));
        const auto begin = line.find_first_not_of(" \t");
        if (begin != std::string_view::npos && line[begin] == '#') {
            continue;
        }
        if (line.find("\"\"\"") != std::string_view::npos ||
            line.find("'''") != std::string_view::npos) {
            return Error{Errc::invalid, fmt::format("{}:{}: a text of several lines", path, number)}
                .with_hint("every setting's value stands in one line");
        }
        if (std::ranges::any_of(line, [](char c) { return (c & 0x80) != 0; })) {
            return Error{Errc::invalid, fmt::format("{}:{}: a letter beyond ASCII", path, number)}
                .with_hint("such letters may stand in comments that have a line of their own");
        }
    }
    return ok();
}

} // namespace

Result<swim::Config> gossip_config_of(const Settings& settings) {
    const std::vector<std::string> profiles{"local", "lan", "wan"};
    const auto profile = std::ranges::find(profiles, settings.gossip_profile);
    if (profile == profiles.end()) {
        return Error{Errc::invalid,
                     fmt::format("'gossip-profile' must be one of: {}", fmt::join(profiles, ", "))};
    }
    auto config = *profile == "local" ? swim::Config::local()
                  : *profile == "wan" ? swim::Config::wan()
                                      : swim::Config::lan();
    struct Changed {
        const char* key;
        std::uint64_t ms;
        Duration swim::Config::* target;
    };
    const Changed all[] = {
        {"gossip-probe-period-ms", settings.gossip_probe_period_ms, &swim::Config::probe_period},
        {"gossip-probe-floor-ms", settings.gossip_probe_floor_ms, &swim::Config::probe_floor},
        {"gossip-rto-max-ms", settings.gossip_rto_max_ms, &swim::Config::rto_max},
        {"gossip-suspicion-min-ms", settings.gossip_suspicion_min_ms, &swim::Config::suspicion_min},
    };
    std::string used;
    for (const auto& one : all) {
        if (one.ms != 0) {
            config.*one.target = std::chrono::milliseconds{one.ms};
        }
        const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(config.*one.target);
        used += fmt::format(", {} {}", one.key, ms.count());
    }
    config.rto_start = std::min(config.rto_start, config.rto_max);
    // A silence of ten periods says as much as with any profile's, however long they are.
    config.deaf_hold = std::max(config.deaf_hold, 10 * config.probe_period);
    if (auto valid = config.validate(); !valid) {
        return std::move(valid).error().with_hint(
            fmt::format("with profile {}{}", settings.gossip_profile, used));
    }
    return config;
}

Result<void> read_settings(Settings& settings, std::string_view document, const std::string& path) {
    JACKDAW_CHECK(check_letters(document, path));
    const auto parsed = toml::parse(document, path);
    if (!parsed) {
        const auto& error = parsed.error();
        return Error{Errc::invalid, fmt::format("{}:{}: {}", path, error.source().begin.line,
                                                error.description())};
    }
    for (const auto& [key, node] : parsed.table()) {
        const auto where = fmt::format("{}:{}", path, node.source().begin.line);
        const auto* const row = find_row(key.str());
        if (row == nullptr) {
            return unknown_key(key.str(), where);
        }
        if (const auto* array = node.as_array();
            array != nullptr &&
            std::holds_alternative<std::vector<std::string> Settings::*>(row->target)) {
            for (const auto& item : *array) {
                const auto text = item.value<std::string>();
                if (!text) {
                    return Error{Errc::invalid,
                                 fmt::format("{}: '{}' must be a list of texts", where, row->key)};
                }
                JACKDAW_CHECK(set_text(settings, *row, *text, where));
            }
        } else if (const auto number = node.value_exact<std::int64_t>()) {
            JACKDAW_CHECK(set_text(settings, *row, std::to_string(*number), where));
        } else if (const auto text = node.value_exact<std::string>()) {
            JACKDAW_CHECK(set_text(settings, *row, *text, where));
        } else {
            return Error{Errc::invalid,
                         fmt::format("{}: '{}' has a type that no setting has", where, row->key)};
        }
    }
    return ok();
}

Result<HostPort> parse_host_port(const std::string& text) {
    const auto colon = text.rfind(':');
    HostPort parsed;
    if (colon != std::string::npos) {
        parsed.host = text.substr(0, colon);
        const auto* const first = text.data() + colon + 1;
        const auto* const last = text.data() + text.size();
        const auto [end, ec] = std::from_chars(first, last, parsed.port);
        in6_addr address{};
        const bool v4 = ::inet_pton(AF_INET, parsed.host.c_str(), &address) == 1;
        const bool v6 = parsed.host.size() > 2 && parsed.host.front() == '[' &&
                        parsed.host.back() == ']' &&
                        ::inet_pton(AF_INET6, parsed.host.substr(1, parsed.host.size() - 2).c_str(),
                                    &address) == 1;
        if (ec == std::errc{} && end == last && first != last && (v4 || v6)) {
            return parsed;
        }
    }
    return Error{Errc::invalid, fmt::format("'{}' is not ADDRESS:PORT", text.substr(0, 80))};
}

Result<HostPort> parse_metrics_listen(const std::string& text) {
    const bool everywhere = text.starts_with("*:");
    auto parsed = parse_host_port(everywhere ? "0.0.0.0" + text.substr(1) : text);
    if (!parsed || parsed->port == 0) {
        return Error{Errc::invalid,
                     fmt::format("'metrics-listen' is ADDRESS:PORT or *:PORT, not '{}'",
                                 text.substr(0, 80))};
    }
    in6_addr address{};
    const auto bare =
        parsed->host.starts_with('[') ? parsed->host.substr(1, parsed->host.size() - 2) : "";
    const bool v6 = ::inet_pton(AF_INET6, bare.c_str(), &address) == 1;
    if (v6 && IN6_IS_ADDR_V4MAPPED(&address)) {
        return Error{Errc::invalid, "'metrics-listen' is an IPv4 address written as IPv6"}
            .with_hint("write it as IPv4");
    }
    const bool any = parsed->host == "0.0.0.0" || (v6 && IN6_IS_ADDR_UNSPECIFIED(&address));
    if (any && !everywhere) {
        return Error{Errc::invalid,
                     fmt::format("'metrics-listen' is every address of this machine: '{}'", text)}
            .with_hint(fmt::format("if that is meant, write \"*:{}\"", parsed->port));
    }
    return parsed;
}

OpenPorts ports_to_open(const Settings& settings) {
    OpenPorts ports;
    if (const auto where = parse_host_port(settings.listen)) {
        ports.agents = where->port;
    }
    const auto where = parse_metrics_listen(settings.metrics_listen);
    const bool stays_here = !where || where->host.starts_with("127.") || where->host == "[::1]";
    ports.metrics = stays_here ? std::uint16_t{0} : where->port;
    return ports;
}

Result<CommandLine> parse_command_line(int argc, const char* const* argv) {
    CommandLine line;
    std::string file;
    std::vector<std::pair<const Row*, std::string>> flags;
    constexpr std::pair<std::string_view, Task> tasks[] = {{"--check", Task::check},
                                                           {"--help", Task::help},
                                                           {"-h", Task::help},
                                                           {"--sample", Task::sample},
                                                           {"--document", Task::document},
                                                           {"--version", Task::version},
                                                           {"--restore-state", Task::restore_state},
                                                           {"--plans", Task::plans}};
    for (int i = 1; i < argc; ++i) {
        std::string_view word{argv[i]};
        const auto* const task =
            std::ranges::find(tasks, word, &std::pair<std::string_view, Task>::first);
        if (task != std::end(tasks)) {
            line.task = task->second;
            continue;
        }
        if (!word.starts_with("--")) {
            return Error{Errc::invalid, fmt::format("'{}' is not an option", word.substr(0, 60))};
        }
        word.remove_prefix(2);
        const auto equals = word.find('=');
        const auto key = word.substr(0, equals);
        const auto* const row = find_row(key);
        if (row == nullptr && key != "settings") {
            return unknown_key(key, "command line");
        }
        std::string value;
        if (equals != std::string_view::npos) {
            value = word.substr(equals + 1);
        } else if (i + 1 < argc) {
            value = argv[++i];
        } else {
            return Error{Errc::invalid, fmt::format("--{} needs a value", key.substr(0, 60))};
        }
        if (row == nullptr) {
            file = std::move(value);
        } else {
            flags.emplace_back(row, std::move(value));
        }
    }
    if (line.task == Task::help || line.task == Task::sample || line.task == Task::document ||
        line.task == Task::version || line.task == Task::plans) {
        return line;
    }
    if (!file.empty() || ::access(default_file, F_OK) == 0) {
        JACKDAW_CHECK(read_file(line.settings, file.empty() ? default_file : file));
    }
    for (const auto& [row, value] : flags) {
        JACKDAW_CHECK(set_text(line.settings, *row, value, "command line"));
    }
    JACKDAW_CHECK(validate(line.settings).while_doing("check the settings"));
    return line;
}

std::string settings_help() {
    std::string text =
        "jackdawd: the agent of one database machine.\n\nUsage: jackdawd [options]\n\n"
        "  --settings FILE       read settings from this TOML file (default "
        "/etc/jackdaw/jackdawd.toml)\n"
        "  --check               check the settings and end\n"
        "  --restore-state       bring the last good copy of the state back and end\n"
        "  --sample              print a settings file with every key at its default\n"
        "  --plans               print the actions and steps that operations are made of\n"
        "  --document            print the settings as a Markdown table\n"
        "  --version             print the version\n"
        "  -h, --help            print this\n\n";
    const Settings defaults;
    for (const auto& row : rows()) {
        const auto value = value_text(defaults, row, false);
        text += fmt::format("  {:<21} {}{}\n", fmt::format("--{} {}", row.key, row.value), row.what,
                            value.empty() ? "" : fmt::format(" Default: {}.", value));
    }
    return text;
}

std::string settings_sample() {
    std::string text =
        "# Settings of jackdawd; every key at its default. Flags of the same names win over it.\n";
    const Settings defaults;
    for (const auto& row : rows()) {
        text +=
            fmt::format("\n# {}\n#{} = {}\n", row.what, row.key, value_text(defaults, row, true));
    }
    return text;
}

std::string settings_document() {
    std::string text = "| setting | default | what |\n|---|---|---|\n";
    const Settings defaults;
    for (const auto& row : rows()) {
        const auto value = value_text(defaults, row, false);
        text += fmt::format("| `{}` | {} | {} |\n", row.key,
                            value.empty() ? "–" : "`" + value + "`", row.what);
    }
    return text;
}

} // namespace jackdaw::agent
