#include "agent/state/walk.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "agent/state/format.h"
#include "proto/base/unique_fd.h"

namespace jackdaw::agent::state {
namespace {

constexpr std::uint64_t no_page = ~std::uint64_t{0};
constexpr std::size_t page_header_size = 16;
constexpr std::size_t node_header_size = 8;
constexpr std::size_t meta_size = 136;
constexpr unsigned depth_max = 32; ///< LMDB's own CURSOR_STACK
constexpr std::uint64_t file_max_bytes = std::uint64_t{1} << 40;
constexpr std::uint64_t value_max_bytes = std::uint64_t{64}
                                          << 20; ///< a list of free pages may be long
constexpr std::uint32_t lmdb_magic = 0xBEEFC0DE;
constexpr std::uint16_t flag_branch = 1, flag_leaf = 2, flag_overflow = 4, flag_meta = 8;
constexpr std::uint16_t node_big = 1;
constexpr std::uint16_t our_flags = 0x4008; ///< MDB_NOSUBDIR, and MDB_INTEGERKEY of the free list
constexpr int walk_limit_ms = 120'000;

template <class Integer>
Integer at(std::string_view bytes, std::size_t offset) {
    Integer value{};
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

struct Tree {
    std::uint16_t flags = 0, depth = 0;
    std::uint64_t branches = 0, leaves = 0, overflows = 0, entries = 0, root = no_page;
};

struct Meta {
    std::uint32_t page_size = 0;
    std::uint16_t environment_flags = 0;
    Tree free, main;
    std::uint64_t last_page = 0, transaction = 0;
};

Tree tree_at(std::string_view bytes, std::size_t offset) {
    Tree tree;
    tree.flags = at<std::uint16_t>(bytes, offset + 4);
    tree.depth = at<std::uint16_t>(bytes, offset + 6);
    tree.branches = at<std::uint64_t>(bytes, offset + 8);
    tree.leaves = at<std::uint64_t>(bytes, offset + 16);
    tree.overflows = at<std::uint64_t>(bytes, offset + 24);
    tree.entries = at<std::uint64_t>(bytes, offset + 32);
    tree.root = at<std::uint64_t>(bytes, offset + 40);
    return tree;
}

Error damaged(std::string what) {
    return Error{Code::state_corrupt, std::move(what)};
}

class Walk {
public:
    explicit Walk(int fd) : fd_{fd} {}

    Result<WalkReport> run() {
        struct stat info{};
        if (::fstat(fd_, &info) != 0) {
            return Error{Errc::unavailable, "look at state.mdb",
                         std::error_code{errno, std::generic_category()}};
        }
        file_bytes_ = static_cast<std::uint64_t>(info.st_size);
        if (!S_ISREG(info.st_mode) || file_bytes_ > file_max_bytes) {
            return damaged("it is not a file of a possible size");
        }
        JACKDAW_TRY(const auto first, meta(0, 0));
        page_size_ = first.page_size;
        JACKDAW_TRY(const auto second, meta(1, page_size_));
        JACKDAW_CHECK(check_pair(first, second));
        const auto& newest = first.transaction > second.transaction ? first : second;
        const auto last_page = std::max(first.last_page, second.last_page);
        if ((last_page + 1) * page_size_ > file_bytes_) {
            return damaged(fmt::format("the file has {} bytes, its last page ends at {}",
                                       file_bytes_, (last_page + 1) * page_size_));
        }
        last_page_ = newest.last_page;
        claimed_.assign(static_cast<std::size_t>(last_page_ + 1), false);
        claimed_[0] = claimed_[1] = true;
        JACKDAW_CHECK(tree(newest.main, false));
        JACKDAW_CHECK(tree(newest.free, true));
        if (!header_) {
            return damaged("the store's header record is missing");
        }
        if (header_->transaction != newest.transaction || header_->records != records_ ||
            !(header_->sum == sum_)) {
            return damaged(fmt::format("the header counts {} records at commit {}, found {} at {}",
                                       header_->records, header_->transaction, records_,
                                       newest.transaction));
        }
        return WalkReport{newest.transaction, records_, (last_page + 1) * page_size_};
    }

private:
    Result<void> read(std::uint64_t offset, std::size_t size, std::string& out) {
        if (offset > file_bytes_ || size > file_bytes_ - offset) {
            return damaged(fmt::format("it ends before byte {}", offset + size));
        }
        out.resize(size);
        std::size_t done = 0;
        while (done < size) {
            const auto got =
                ::pread(fd_, out.data() + done, size - done, static_cast<off_t>(offset + done));
            if (got > 0) {
                done += static_cast<std::size_t>(got);
            } else if (got == 0) {
                return damaged(fmt::format("it ends before byte {}", offset + size));
            } else if (errno != EINTR) {
                return Error{Errc::unavailable, "read state.mdb",
                             std::error_code{errno, std::generic_category()}};
            }
        }
        return ok();
    }

    Result<Meta> meta(std::uint64_t index, std::uint64_t offset) {
        std::string bytes;
        JACKDAW_CHECK(read(offset, page_header_size + meta_size, bytes));
        if (at<std::uint64_t>(bytes, 0) != index || at<std::uint16_t>(bytes, 10) != flag_meta ||
            at<std::uint32_t>(bytes, 16) != lmdb_magic || at<std::uint32_t>(bytes, 20) != 1) {
            return damaged(fmt::format("page {} is no meta page of LMDB 0.9", index));
        }
        Meta found;
        found.page_size = at<std::uint32_t>(bytes, 40);
        found.free = tree_at(bytes, 40);
        found.environment_flags = found.free.flags;
        found.main = tree_at(bytes, 88);
        found.last_page = at<std::uint64_t>(bytes, 136);
        found.transaction = at<std::uint64_t>(bytes, 144);
        const auto size = found.page_size;
        if (size < 512 || size > 32768 || (size & (size - 1)) != 0) {
            return damaged(fmt::format("meta page {} names a page size of {}", index, size));
        }
        if (found.environment_flags != our_flags || found.main.flags != 0) {
            return damaged(fmt::format("meta page {} has flags that are not ours", index));
        }
        if (found.last_page < 1 || found.last_page > file_max_bytes / size) {
            return damaged(fmt::format("meta page {} names an impossible last page", index));
        }
        return found;
    }

    /// LMDB writes the two in turn, commit N into page N mod 2: so they are neighbours.
    static Result<void> check_pair(const Meta& even, const Meta& odd) {
        const bool neighbours =
            even.transaction + 1 == odd.transaction || odd.transaction + 1 == even.transaction;
        if (even.page_size != odd.page_size || !neighbours || even.transaction % 2 != 0) {
            return damaged("the two meta pages do not belong together");
        }
        return ok();
    }

    Result<void> claim(std::uint64_t page) {
        if (page < 2 || page > last_page_ || claimed_[static_cast<std::size_t>(page)]) {
            return damaged(fmt::format("page {} is out of range or used twice", page));
        }
        claimed_[static_cast<std::size_t>(page)] = true;
        return ok();
    }

    Result<void> tree(const Tree& tree, bool is_free) {
        if (tree.root == no_page) {
            if (tree.depth != 0 || tree.entries != 0) {
                return damaged("a tree without a root claims to have entries");
            }
            return ok();
        }
        if (tree.depth == 0 || tree.depth > depth_max) {
            return damaged(fmt::format("a tree of depth {}", tree.depth));
        }
        is_free_ = is_free;
        found_ = Tree{};
        last_key_.reset();
        JACKDAW_CHECK(page(tree.root, tree.depth, {}, {}));
        if (found_.branches != tree.branches || found_.leaves != tree.leaves ||
            found_.overflows != tree.overflows || found_.entries != tree.entries) {
            return damaged("a tree has not the pages and entries that its meta page counts");
        }
        return ok();
    }

    [[nodiscard]] bool less(std::string_view left, std::string_view right) const {
        if (is_free_) {
            return at<std::uint64_t>(left, 0) < at<std::uint64_t>(right, 0);
        }
        return left < right; // std::string_view compares as unsigned bytes, as LMDB does
    }

    struct Node {
        std::string_view key, data;
        std::uint64_t child = 0, size = 0;
        bool big = false;
    };

    Result<Node> node(std::string_view page, std::size_t index, bool branch) const {
        const auto upper = at<std::uint16_t>(page, 14);
        const std::size_t offset = at<std::uint16_t>(page, page_header_size + 2 * index);
        if (offset < upper || offset + node_header_size > page.size()) {
            return damaged("a node lies outside its page");
        }
        const auto low = at<std::uint16_t>(page, offset);
        const auto high = at<std::uint16_t>(page, offset + 2);
        const auto flags = at<std::uint16_t>(page, offset + 4);
        const std::size_t key_size = at<std::uint16_t>(page, offset + 6);
        if (key_size > page.size() - offset - node_header_size) {
            return damaged("a key reaches beyond its page");
        }
        Node node;
        node.key = page.substr(offset + node_header_size, key_size);
        if (branch) {
            node.child = low | std::uint64_t{high} << 16 | std::uint64_t{flags} << 32;
        } else {
            if ((flags & ~node_big) != 0) {
                return damaged("a node of a kind that is not ours");
            }
            node.big = flags == node_big;
            node.size = low | std::uint64_t{high} << 16;
            const std::size_t inside =
                node.big ? sizeof(std::uint64_t) : static_cast<std::size_t>(node.size);
            const auto from = offset + node_header_size + key_size;
            if (inside > page.size() - from) {
                return damaged("a value reaches beyond its page");
            }
            node.data = page.substr(from, inside);
        }
        if (is_free_ && !(branch && index == 0) && key_size != sizeof(std::uint64_t)) {
            return damaged("a key of the free list is no transaction number");
        }
        return node;
    }

    /// `low`: keys are at least this; `high`: and below this, if there is one.
    Result<void> page(std::uint64_t number, unsigned depth, const std::string& low,
                      const std::optional<std::string>& high) {
        JACKDAW_CHECK(claim(number));
        std::string bytes;
        JACKDAW_CHECK(read(number * page_size_, page_size_, bytes));
        const bool branch = depth > 1;
        const std::size_t lower = at<std::uint16_t>(bytes, 12);
        const std::size_t upper = at<std::uint16_t>(bytes, 14);
        const std::size_t count = lower < page_header_size ? 0 : (lower - page_header_size) / 2;
        if (at<std::uint64_t>(bytes, 0) != number ||
            at<std::uint16_t>(bytes, 10) != (branch ? flag_branch : flag_leaf) || lower % 2 != 0 ||
            upper < lower || upper > page_size_ || count == 0 ||
            (branch && !is_free_ && count < 2)) {
            return damaged(fmt::format("page {} has a header that cannot be", number));
        }
        ++(branch ? found_.branches : found_.leaves);
        for (std::size_t i = 0; i < count; ++i) {
            JACKDAW_TRY(const auto entry, node(bytes, i, branch));
            if (!branch) {
                JACKDAW_CHECK(leaf(entry, low, high));
                continue;
            }
            const std::string child_low = i == 0 ? low : std::string{entry.key};
            std::optional<std::string> child_high = high;
            if (i + 1 < count) {
                JACKDAW_TRY(const auto next, node(bytes, i + 1, branch));
                child_high = std::string{next.key};
            }
            JACKDAW_CHECK(page(entry.child, depth - 1, child_low, child_high));
        }
        return ok();
    }

    Result<void> leaf(const Node& entry, const std::string& low,
                      const std::optional<std::string>& high) {
        const bool in_order = !last_key_ || less(*last_key_, entry.key);
        if (!in_order || (!low.empty() && less(entry.key, low)) ||
            (high && !less(entry.key, *high))) {
            return damaged("keys are not in order");
        }
        last_key_ = std::string{entry.key};
        ++found_.entries;
        std::string far;
        std::string_view value = entry.data;
        if (entry.big) {
            JACKDAW_CHECK(overflow(at<std::uint64_t>(entry.data, 0), entry.size, far));
            value = far;
        }
        return is_free_ ? free_list(value) : record(entry.key, value);
    }

    Result<void> overflow(std::uint64_t number, std::uint64_t size, std::string& value) {
        JACKDAW_CHECK(claim(number));
        std::string bytes;
        JACKDAW_CHECK(read(number * page_size_, page_header_size, bytes));
        const std::uint64_t pages = at<std::uint32_t>(bytes, 12);
        if (at<std::uint64_t>(bytes, 0) != number ||
            at<std::uint16_t>(bytes, 10) != flag_overflow || pages == 0 || pages > last_page_ ||
            size > value_max_bytes || size + page_header_size > pages * page_size_) {
            return damaged(fmt::format("page {} cannot hold the value that it should", number));
        }
        for (std::uint64_t i = 1; i < pages; ++i) {
            JACKDAW_CHECK(claim(number + i));
        }
        found_.overflows += pages;
        return read(number * page_size_ + page_header_size, static_cast<std::size_t>(size), value);
    }

    /// A count, then that many page numbers, descending.
    Result<void> free_list(std::string_view value) {
        constexpr std::size_t word = sizeof(std::uint64_t);
        if (value.size() < word || value.size() % word != 0 ||
            at<std::uint64_t>(value, 0) > value.size() / word - 1) {
            return damaged("a list of free pages has a wrong length");
        }
        const auto count = at<std::uint64_t>(value, 0);
        std::uint64_t before = no_page;
        for (std::uint64_t i = 1; i <= count; ++i) {
            const auto number = at<std::uint64_t>(value, static_cast<std::size_t>(i) * word);
            JACKDAW_CHECK(claim(number));
            if (number >= before) {
                return damaged("a list of free pages is not in order");
            }
            before = number;
        }
        return ok();
    }

    Result<void> record(std::string_view key, std::string_view value) {
        const auto payload = unseal(key, value);
        if (!payload) {
            return damaged("a record's checksum does not fit its bytes");
        }
        if (key != header_key) {
            if (!header_) {
                return damaged("the store's header record is missing");
            }
            sum_.add(stored_checksum(value));
            ++records_;
            return ok();
        }
        header_ = decode_header(*payload);
        if (!header_) {
            return damaged("the store's header record is too short");
        }
        if (header_->format > format_number) {
            return Error{Code::state_newer, fmt::format("it has format {}, this version knows {}",
                                                        header_->format, format_number)};
        }
        return ok();
    }

    int fd_;
    std::uint64_t file_bytes_ = 0;
    std::size_t page_size_ = 0;
    std::uint64_t last_page_ = 0;
    std::vector<bool> claimed_;
    bool is_free_ = false;
    Tree found_;
    std::optional<std::string> last_key_;
    std::optional<Header> header_;
    std::uint64_t records_ = 0;
    Sum sum_;
};

/// What the child writes: fixed size, so that a torn report is seen.
struct Report {
    std::uint32_t magic = 0x4a57414c;
    std::uint32_t code = 0; ///< 0: sound; else 1 + Code
    WalkReport found;
    std::array<char, 200> message{};
};

Report report_of(const Result<WalkReport>& walked) {
    Report report;
    if (walked) {
        report.found = *walked;
        return report;
    }
    report.code = 1 + static_cast<std::uint32_t>(walked.error().id());
    const auto& text = walked.error().message(); // the parent says what was done
    std::memcpy(report.message.data(), text.data(),
                std::min(text.size(), report.message.size() - 1));
    return report;
}

} // namespace

Result<WalkReport> walk_state(int fd) {
    return Walk{fd}.run();
}

Result<WalkReport> walk_state_apart(int fd) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        return Error{Errc::unavailable, "make a pipe for the state's check",
                     std::error_code{errno, std::generic_category()}};
    }
    UniqueFd reader{ends[0]};
    UniqueFd writer{ends[1]};
    const auto parent = ::getpid();
    const auto child = ::fork();
    if (child < 0) {
        return Error{Errc::unavailable, "fork the state's check",
                     std::error_code{errno, std::generic_category()}};
    }
    if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) {
            ::_exit(1);
        }
        const auto report = report_of(walk_state(fd));
        const auto sent = ::write(writer.get(), &report, sizeof report);
        ::_exit(sent == static_cast<ssize_t>(sizeof report) ? 0 : 1);
    }
    writer.reset();
    Report report;
    pollfd wait{reader.get(), POLLIN, 0};
    int ready = 0;
    do {
        ready = ::poll(&wait, 1, walk_limit_ms);
    } while (ready < 0 && errno == EINTR);
    const auto got = ready > 0 ? ::read(reader.get(), &report, sizeof report) : -1;
    if (ready <= 0) {
        ::kill(child, SIGKILL);
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (got != static_cast<ssize_t>(sizeof report) || status != 0 ||
        report.magic != Report{}.magic) {
        return damaged("looking through it ended the process that did so");
    }
    if (report.code != 0) {
        report.message.back() = '\0';
        for (const auto& row : all_codes()) {
            if (static_cast<std::uint32_t>(row.code) + 1 == report.code) {
                return Error{row.code, report.message.data()};
            }
        }
        return damaged(report.message.data());
    }
    return report.found;
}

} // namespace jackdaw::agent::state
