// The stamp: a root-owned file on the volume that says whose it is, and whether the data folder is
// complete.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "agent/host/host_files.h"
#include "agent/host/host_volume.h"
#include "proto/base/ids.h"

namespace jackdaw::agent::host {
namespace {

constexpr std::size_t stamp_max_bytes = 512;
constexpr std::string_view first_line = "jackdaw-stamp=1";

/// A name or version as drivers write them.
bool is_word(std::string_view text, std::size_t max) {
    return text.size() < max && std::all_of(
                                    text.begin(), text.end(),
                                    [](char c) {
                                        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                               (c >= '0' && c <= '9') || c == '.' || c == '_' ||
                                               c == '-' || c == '+' || c == '~' || c == ':';
                                    });
}

} // namespace

std::string format_stamp(const VolumeStamp& stamp) {
    return fmt::format("{}\ninstance_id={}\ndatastore={}\nversion={}\nsealed={}\n", first_line,
                       stamp.instance_id, stamp.datastore, stamp.version, stamp.sealed ? 1 : 0);
}

Result<VolumeStamp> parse_stamp(std::string_view text) {
    const auto damaged = [] { return Error{Errc::corrupt, "the volume's stamp is damaged"}; };
    constexpr std::array<std::string_view, 5> keys{"jackdaw-stamp", "instance_id", "datastore",
                                                   "version", "sealed"};
    std::array<std::string_view, keys.size()> values;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const auto end = text.find('\n');
        if (end == std::string_view::npos || !text.starts_with(keys[i]) ||
            text.substr(keys[i].size(), 1) != "=") {
            return damaged();
        }
        values[i] = text.substr(keys[i].size() + 1, end - keys[i].size() - 1);
        text.remove_prefix(end + 1);
    }
    if (!text.empty() || values[0] != "1" || !is_uuid(values[1]) || !is_word(values[2], 32) ||
        !is_word(values[3], 64) || (values[4] != "0" && values[4] != "1")) {
        return damaged();
    }
    return VolumeStamp{std::string{values[1]}, std::string{values[2]}, std::string{values[3]},
                       values[4] == "1"};
}

Result<std::optional<VolumeStamp>> Volume::read_stamp() const {
    JACKDAW_TRY(const auto folder, mounted());
    JACKDAW_TRY(const auto text,
                read_root_file(folder.get(), std::string{stamp_name}, stamp_max_bytes));
    if (!text) {
        return std::optional<VolumeStamp>{};
    }
    JACKDAW_TRY(auto stamp, parse_stamp(*text));
    return std::optional{std::move(stamp)};
}

Result<void> Volume::write_stamp(const VolumeStamp& stamp, const std::string& take_over_id) const {
    if (stamp.instance_id != machine_->instance_id || !is_uuid(stamp.instance_id)) {
        return Error{Errc::not_allowed, "the stamp must name the machine file's instance"};
    }
    if (!is_word(stamp.datastore, 32) || !is_word(stamp.version, 64)) {
        return Error{Errc::invalid, "a datastore or version with characters that are not allowed"};
    }
    JACKDAW_TRY(const auto present, read_stamp());
    if (present && present->instance_id != stamp.instance_id &&
        present->instance_id != take_over_id) {
        return Error{Code::volume_foreign,
                     fmt::format("it is stamped for instance {}", present->instance_id)};
    }
    JACKDAW_CHECK(make_writable());
    JACKDAW_TRY(const auto folder, mounted());
    return on_volume(
        replace_file(folder.get(), std::string{stamp_name}, format_stamp(stamp), 0644));
}

Result<void> Volume::erase_stamp() const {
    JACKDAW_TRY(const auto present, read_stamp());
    if (!present) {
        return ok();
    }
    if (present->instance_id != machine_->instance_id) {
        return Error{Code::volume_foreign,
                     fmt::format("it is stamped for instance {}", present->instance_id)};
    }
    JACKDAW_TRY(const auto folder, mounted());
    if (::unlinkat(folder.get(), std::string{stamp_name}.c_str(), 0) != 0 && errno != ENOENT) {
        return file_error("erase the stamp", errno);
    }
    return sync_fd(folder.get(), "the volume's folder");
}

} // namespace jackdaw::agent::host
