#include "coordinator/profile/op_journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

#include "coordinator/profile/files.h"
#include "proto/base/ids.h"

namespace jackdaw::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t records_max = 10'000;
constexpr std::size_t files_max = 1'000'000; ///< that are looked at for the newest

// A delete writes two records before it frees anything. Others who wait for room may take some of
// what is given up, so it is given up in parts.
constexpr off_t kept_back_bytes = 128 << 10;
constexpr off_t part_bytes = 32 << 10;

fs::path kept_back_in(const fs::path& folder) {
    return folder / "kept-back";
}

/// Where there is no room now, the next record that is saved tries it again.
void keep_back(const fs::path& folder) {
    const auto path = kept_back_in(folder);
    const UniqueFd fd{
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600)};
    struct stat about{};
    if (!fd || ::fstat(fd.get(), &about) != 0 || about.st_size >= kept_back_bytes) {
        return;
    }
    if (::posix_fallocate(fd.get(), 0, kept_back_bytes) != 0) {
        (void)!::ftruncate(fd.get(), about.st_size); // what there was is worth keeping
    }
}

/// False when nothing is kept back any more.
bool give_up_part(const fs::path& folder) {
    const UniqueFd fd{::open(kept_back_in(folder).c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW)};
    struct stat about{};
    return fd && ::fstat(fd.get(), &about) == 0 && about.st_size > 0 &&
           ::ftruncate(fd.get(), std::max<off_t>(about.st_size - part_bytes, 0)) == 0;
}

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
    JACKDAW_CHECK(write(record));
    keep_back(folder_);
    return ok();
}

Result<void> OpJournal::save_deletion(const CreateRecord& record) const {
    auto saved = write(record);
    while (!saved && saved.error().id() == Code::disk_full && give_up_part(folder_)) {
        saved = write(record); // a part less each time
    }
    return saved;
}

Result<void> OpJournal::write(const CreateRecord& record) const {
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
