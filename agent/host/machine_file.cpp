#include "agent/host/machine_file.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include <fmt/format.h>

#include "proto/base/ids.h"

namespace jackdaw::agent::host {
namespace {

using Json = nlohmann::json;

constexpr int json_depth_max = 16;
constexpr std::size_t serial_max = 20; ///< where virtio-blk cuts (proto/base/ids.h)

bool is_address(const std::string& text) {
    std::array<unsigned char, 16> parsed{};
    return ::inet_pton(AF_INET, text.c_str(), parsed.data()) == 1 ||
           ::inet_pton(AF_INET6, text.c_str(), parsed.data()) == 1;
}

bool is_folder(std::string_view text) {
    return text.size() > 1 && text.size() < 128 && text.front() == '/' &&
           text.find("..") == std::string_view::npos &&
           std::all_of(
               text.begin(), text.end(), [](unsigned char c) { return c > 0x20 && c < 0x7f; });
}

Result<std::uint32_t> parse_id(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc{} || end != text.data() + text.size() || value == 0 ||
        value == UINT32_MAX) {
        return Error{Errc::invalid, "a user's number is 1 to 4294967294"};
    }
    return value;
}

/// Sets one key after checking its value; used for both sources.
Result<void> set(MachineFile& file, std::string_view key, const std::string& value) {
    const auto refuse = [&](std::string_view want) {
        return Error{Errc::invalid, fmt::format("{} must be {}", key, want)};
    };
    if (key == "instance_id") {
        if (!value.empty() && !is_uuid(value)) {
            return refuse("a UUID");
        }
        file.instance_id = value;
    } else if (key == "instance_name" || key == "fleet") {
        if (!value.empty()) {
            JACKDAW_CHECK(check_label(value, key));
        }
        (key == "fleet" ? file.fleet : file.instance_name) = value;
    } else if (key == "volume_serial") {
        if (!value.empty() && !is_serial(value)) {
            return refuse("1 to 20 letters, digits, '_' and '-'");
        }
        file.volume_serial = value;
    } else if (key == "address") {
        if (!value.empty() && !is_address(value)) {
            return refuse("an IP address");
        }
        file.address = value;
    } else if (key == "database_uid" || key == "database_gid") {
        JACKDAW_TRY(const auto id, parse_id(value).while_doing(std::string{key}));
        (key == "database_uid" ? file.database_uid : file.database_gid) = id;
    } else if (key == "plugin_folder") {
        if (!is_folder(value)) {
            return refuse("an absolute path without '..'");
        }
        file.plugin_folder = value;
    } else {
        return Error{Errc::invalid, fmt::format("there is no key '{}'", key.substr(0, 40))};
    }
    return ok();
}

MachineFile with_defaults() {
    MachineFile file;
    file.database_uid = default_database_uid;
    file.database_gid = default_database_gid;
    file.plugin_folder = default_plugin_folder;
    return file;
}

/// A JSON object of bounded depth; the library's exceptions end here.
Result<Json> parse_object(std::string_view text, std::string_view what) {
    if (text.size() > config_drive_max_bytes) {
        return Error{Errc::invalid, fmt::format("{} has {} bytes, {} are allowed", what,
                                                text.size(), config_drive_max_bytes)};
    }
    bool deep = false;
    const auto watch = [&](int depth, Json::parse_event_t, Json&) {
        deep = deep || depth > json_depth_max;
        return !deep;
    };
    auto json = Json::parse(text, watch, false);
    if (deep || json.is_discarded() || !json.is_object()) {
        return Error{Errc::invalid, fmt::format("{} is no JSON object of at most {} levels", what,
                                                json_depth_max)};
    }
    return json;
}

Result<std::string> text_at(const Json& object, const char* key) {
    const auto at = object.find(key);
    if (at == object.end()) {
        return std::string{};
    }
    if (!at->is_string()) {
        return Error{Errc::invalid, fmt::format("{} must be text", key)};
    }
    return at->get<std::string>();
}

} // namespace

bool is_serial(std::string_view text) noexcept {
    return !text.empty() && text.size() <= serial_max &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '-';
           });
}

Result<MachineFile> parse_machine_file(std::string_view text) {
    if (text.size() > machine_file_max_bytes) {
        return Error{Errc::invalid, fmt::format("the machine file has {} bytes", text.size())};
    }
    auto file = with_defaults();
    std::set<std::string, std::less<>> seen;
    for (int number = 1; !text.empty(); ++number) {
        const auto end = std::min(text.find('\n'), text.size());
        const auto line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.empty() || line.front() == '#') {
            continue;
        }
        const auto equals = line.find('=');
        if (equals == std::string_view::npos) {
            return Error{Errc::invalid,
                         fmt::format("line {} of the machine file has no '='", number)};
        }
        const auto key = line.substr(0, equals);
        if (!seen.emplace(key).second) {
            return Error{Errc::invalid,
                         fmt::format("line {} of the machine file repeats a key", number)};
        }
        JACKDAW_CHECK(set(file, key, std::string{line.substr(equals + 1)})
                          .while_doing(fmt::format("line {} of the machine file", number)));
    }
    return file;
}

std::string format_machine_file(const MachineFile& file) {
    return fmt::format(
        "# Written once by jackdaw-host at first boot; it takes orders about nothing else.\n"
        "instance_id={}\ninstance_name={}\nfleet={}\nvolume_serial={}\naddress={}\n"
        "database_uid={}\ndatabase_gid={}\nplugin_folder={}\n",
        file.instance_id, file.instance_name, file.fleet, file.volume_serial, file.address,
        file.database_uid, file.database_gid, file.plugin_folder);
}

Result<MachineFile> parse_config_drive(std::string_view meta_data, std::string_view user_data) {
    // Its uuid is the cloud's own name of the machine, on OpenStack another than the instance's:
    // only its soundness says something, namely that the drive was written whole.
    JACKDAW_TRY(const auto meta, parse_object(meta_data, "meta_data.json"));
    (void)meta;
    JACKDAW_TRY(const auto user, parse_object(user_data, "user_data"));
    auto file = with_defaults();
    for (const char* key : {"fleet", "instance_id", "instance_name", "volume_serial", "address"}) {
        JACKDAW_TRY(const auto value, text_at(user, key));
        JACKDAW_CHECK(set(file, key, value).while_doing("user_data"));
    }
    return file;
}

} // namespace jackdaw::agent::host
