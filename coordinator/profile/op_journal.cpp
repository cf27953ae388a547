#include "coordinator/profile/op_journal.h"

#include <algorithm>
#include <system_error>

#include "coordinator/profile/files.h"
#include "proto/base/ids.h"

namespace jackdaw::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t records_max = 10'000;

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

} // namespace

Result<void> OpJournal::save(const CreateRecord& record) const {
    JACKDAW_CHECK(make_folders(folder_, 0700));
    return write_durably(
               folder_ / (record.operation.id + ".json"),
               to_json(record).dump(2, ' ', false, proto::Json::error_handler_t::replace) + "\n",
               0600)
        .while_doing("journal operation " + record.operation.id);
}

std::vector<CreateRecord> OpJournal::load_all() const {
    std::vector<fs::path> files;
    std::error_code failure;
    for (fs::directory_iterator entry{folder_, failure}, end;
         !failure && entry != end && files.size() < records_max; entry.increment(failure)) {
        if (entry->path().extension() == ".json" && is_uuid(entry->path().stem().string())) {
            files.push_back(entry->path());
        }
    }
    std::ranges::sort(files, std::greater{}); // UUIDv7 sorts by time
    std::vector<CreateRecord> records;
    for (const auto& file : files) {
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
    auto all = load_all();
    const auto at = std::ranges::find(all, name, name_of);
    return at == all.end() ? std::nullopt : std::optional{std::move(*at)};
}

std::optional<CreateRecord> OpJournal::of_instance(const std::string& instance_id) const {
    auto all = load_all();
    const auto at = std::ranges::find(all, instance_id, &CreateRecord::instance_id);
    return at == all.end() ? std::nullopt : std::optional{std::move(*at)};
}

Result<UniqueFd> OpJournal::lock(const std::string& name) const {
    JACKDAW_CHECK(make_folders(folder_, 0700));
    return lock_file(folder_ / (name + ".lock"));
}

} // namespace jackdaw::cli
