#include "coordinator/profile/op_journal.h"

#include <algorithm>
#include <system_error>

#include "coordinator/profile/files.h"
#include "proto/base/ids.h"

namespace jackdaw::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t records_max = 10'000;
constexpr std::size_t files_max = 1'000'000; ///< that are looked at for the newest

std::optional<CreateRecord> read_record(const fs::path& path) {
    const auto text = read_small_file(path);
    if (!text) {
        return std::nullopt;
    }
    const auto json = proto::parse_json(*text);
    if (!json) {
        return std::nullopt;
    }
    auto record = create_record_from(*json);
    return record ? std::optional{*std::move(record)} : std::nullopt;
}

template <class Fits>
std::optional<CreateRecord> first_of(const std::vector<fs::path>& files, const Fits& fits) {
    for (const auto& file : files) {
        if (auto record = read_record(file); record && fits(*record)) {
            return record;
        }
    }
    return std::nullopt;
}

} // namespace

Result<void> OpJournal::save(const CreateRecord& record) const {
    JACKDAW_CHECK(make_folders(folder_, 0700));
    return write_durably(
               folder_ / (record.operation.id + ".json"),
               to_json(record).dump(2, ' ', false, proto::Json::error_handler_t::replace) + "\n",
               0600)
        .while_doing("journal operation " + record.operation.id);
}

std::vector<fs::path> OpJournal::files() const {
    std::vector<fs::path> files;
    std::error_code failure;
    for (fs::directory_iterator entry{folder_, failure}, end;
         !failure && entry != end && files.size() < files_max; entry.increment(failure)) {
        if (entry->path().extension() == ".json" && is_uuid(entry->path().stem().string())) {
            files.push_back(entry->path());
        }
    }
    std::ranges::sort(files, std::greater{}); // UUIDv7 sorts by time
    files.resize(std::min(files.size(), records_max));
    return files;
}

std::vector<std::string> OpJournal::unreadable() const {
    std::vector<std::string> paths;
    for (const auto& file : files()) {
        if (!read_record(file)) {
            paths.push_back(file.string());
        }
    }
    return paths;
}

std::vector<CreateRecord> OpJournal::load_all() const {
    std::vector<CreateRecord> records;
    for (const auto& file : files()) {
        if (auto record = read_record(file)) {
            records.push_back(*std::move(record));
        }
    }
    return records;
}

std::optional<CreateRecord> OpJournal::find(const std::string& operation_id) const {
    return is_uuid(operation_id) ? read_record(folder_ / (operation_id + ".json")) : std::nullopt;
}

std::optional<CreateRecord> OpJournal::newest_of(const std::string& name) const {
    return first_of(files(), [&](const CreateRecord& one) { return name_of(one) == name; });
}

std::optional<CreateRecord> OpJournal::of_instance(const std::string& instance_id) const {
    return first_of(files(),
                    [&](const CreateRecord& one) { return one.instance_id == instance_id; });
}

std::optional<CreateRecord> OpJournal::of_machine(const std::string& machine) const {
    return first_of(files(), [&](const CreateRecord& one) {
        return one.request.name == machine && !is_gone(one);
    });
}

Result<UniqueFd> OpJournal::lock(const std::string& name) const {
    JACKDAW_CHECK(make_folders(folder_, 0700));
    return lock_file(folder_ / (name + ".lock"));
}

} // namespace jackdaw::cli
