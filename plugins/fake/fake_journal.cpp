#include "plugins/fake/fake_journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "plugins/fake/fake_words.h"

namespace jackdaw::fake {
namespace {

constexpr std::int64_t journal_bytes_max = 256LL << 20;

bool read_all(int fd, std::string& content) {
    std::size_t done = 0;
    while (done < content.size()) { // ends: each turn reads or returns
        const auto got =
            ::pread(fd, content.data() + done, content.size() - done, static_cast<off_t>(done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        done += static_cast<std::size_t>(got);
    }
    return true;
}

} // namespace

Journal::~Journal() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

bool Journal::open(const std::string& path) {
    fd_ = ::open(path.c_str(), O_RDWR | O_APPEND | O_CLOEXEC);
    struct stat info{};
    if (fd_ < 0 || ::fstat(fd_, &info) != 0 || info.st_size > journal_bytes_max) {
        return false;
    }
    std::string content(static_cast<std::size_t>(info.st_size), '\0');
    if (!read_all(fd_, content)) {
        return false;
    }
    const auto end = content.rfind('\n');
    size_ = end == std::string::npos ? 0 : static_cast<std::int64_t>(end) + 1;
    if (size_ != info.st_size && ::ftruncate(fd_, size_) != 0) {
        return false;
    }
    std::string_view rest{content.data(), static_cast<std::size_t>(size_)};
    while (!rest.empty()) {
        const auto line_end = rest.find('\n');
        const auto record = decode_line(rest.substr(0, line_end));
        if (!record || !apply(*record)) {
            return false;
        }
        rest.remove_prefix(line_end + 1);
    }
    return true;
}

Kept Journal::keep(const std::vector<std::string>& record) {
    const auto line = encode_line(record) + "\n";
    if (size_ + static_cast<std::int64_t>(line.size()) > journal_bytes_max) {
        return Kept::full;
    }
    const auto written = ::write(fd_, line.data(), line.size());
    const bool whole = written == static_cast<ssize_t>(line.size());
    if (!whole || ::fdatasync(fd_) != 0) {
        const bool full = errno == ENOSPC || (written >= 0 && !whole);
        // What cannot be taken back makes the journal's end unknown: no further word then.
        if (::ftruncate(fd_, size_) != 0) {
            ::_exit(70);
        }
        return full ? Kept::full : Kept::failed;
    }
    size_ += static_cast<std::int64_t>(line.size());
    return apply(record) ? Kept::yes : Kept::failed;
}

bool Journal::apply(const std::vector<std::string>& record) {
    if (record.empty()) {
        return false;
    }
    const auto& kind = record[0];
    const auto words = record.size();
    if (kind == "D" && words == 4) {
        state_.databases[record[1]] = Database{record[2], record[3]};
    } else if (kind == "d" && words == 2) {
        state_.databases.erase(record[1]);
    } else if (kind == "U" && words >= 4) {
        auto& user = state_.users[{record[1], record[2]}];
        user.verifier = record[3];
        for (auto database = record.begin() + 4; database != record.end(); ++database) {
            user.grants[*database].privileges = {"READ", "WRITE"};
        }
    } else if (kind == "O" && words == 3) {
        state_.root = RootUser{record[1], record[2]};
    } else if (kind == "u" && words == 3) {
        state_.users.erase({record[1], record[2]});
    } else if (kind == "R" && words == 3) {
        state_.rows[record[1]] = record[2];
    } else {
        return apply_to_user(record);
    }
    return true;
}

bool Journal::apply_to_user(const std::vector<std::string>& record) {
    const auto& kind = record[0];
    const auto words = record.size();
    const auto found = words >= 3 ? state_.users.find({record[1], record[2]}) : state_.users.end();
    if (found == state_.users.end()) {
        return false;
    }
    auto& user = found->second;
    if (kind == "G" && words >= 5) {
        Granted granted{{record.begin() + 5, record.end()}, record[4] == "1"};
        if (granted.privileges.empty() && !granted.with_grant_option) {
            user.grants.erase(record[3]);
        } else {
            user.grants[record[3]] = std::move(granted);
        }
    } else if (kind == "A" && words == 5) {
        user.locked = record[3] == "1";
        user.connections_max = std::strtoull(record[4].c_str(), nullptr, 10);
    } else if (kind == "N" && words == 5) {
        auto moved = state_.users.extract(found);
        moved.key() = {record[3], record[4]};
        return state_.users.insert(std::move(moved)).inserted;
    } else {
        return false;
    }
    return true;
}

} // namespace jackdaw::fake
