// The agent's own records with arbitrary bytes in them, as a damaged disk or another version would
// hand them out: the journal and what goes on with it, the instance, the timeline, the header,
// keys, and whole state files. The first byte chooses; parts stand between lines of "%%".

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <lmdb.h>
#include <spdlog/spdlog.h>

#include "agent/core/operations.h"
#include "agent/identity/identity.h"
#include "agent/life/instance_state.h"
#include "agent/state/format.h"
#include "agent/state/store.h"
#include "agent/state/walk.h"
#include "agent/timeline.h"
#include "tests/fuzz/parts.h"
#include "tests/fuzz/require.h"

using namespace jackdaw;
using namespace jackdaw::agent;
using jackdaw::fuzz::between;
using jackdaw::fuzz::require;
using jackdaw::fuzz::take;

namespace {

struct Folder {
    std::string path;
    Folder() {
        const bool has_memory = ::access("/dev/shm", W_OK) == 0;
        path = has_memory ? "/dev/shm/jackdaw-fuzz-XXXXXX" : "/tmp/jackdaw-fuzz-XXXXXX";
        require(::mkdtemp(path.data()) != nullptr);
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
};

StateStore& store() {
    static const Folder folder;
    static const auto opened = [] {
        spdlog::set_level(spdlog::level::off);
        auto made = StateStore::open({folder.path, std::size_t{4} << 20, true});
        require(static_cast<bool>(made));
        return *std::move(made);
    }();
    return *opened;
}

/// Feeds a journal as an agent does at its start, then goes on with it to its end.
void run_journal(std::string_view text) {
    Operations operations;
    std::vector<std::string> ids;
    for (int count = 0; count < 8 && !text.empty(); ++count) {
        const auto part = take(text, between);
        auto record = Record::from_text(part);
        if (!record) {
            require(record.error().code() == Errc::corrupt);
            require(!operations.load(part));
            return;
        }
        // What is read is written so that it reads the same.
        const auto written = record->to_text();
        const auto again = Record::from_text(written);
        require(again && again->to_text() == written);
        ids.push_back(record->shape.id);
        if (!operations.load(part)) {
            return;
        }
    }
    const Now now{"boot-2", 1'000'000'000, 1'767'225'600'000};
    for (const auto& id : ids) {
        const auto shape = operations.shape_at(now, *operations.find(id));
        require(shape.progress >= 0 && shape.progress <= 1);
        (void)operations.abort(now, id);
        (void)operations.resume(now, id, 60);
    }
    std::size_t turns = 0;
    for (auto next = operations.next(now); next.what != Operations::What::idle;
         next = operations.next(now)) {
        require(++turns <= 20'000); // an operation comes to an end
        if (next.what == Operations::What::run) {
            operations.step_began(now, next.id, next.step);
            operations.step_done(now, next.id, next.step, 5);
        } else {
            operations.undo_done(now, next.id, next.step);
        }
    }
    for (const auto& id : ids) {
        require(operations.find(id)->ended());
    }
    for (const auto& write : operations.take_writes()) {
        require(!write.text || Record::from_text(*write.text).has_value());
    }
}

void load_instance(std::string_view text) {
    std::vector<Change> changes;
    for (const char* key : {"spec", "facts", "configuration"}) {
        const auto part = take(text, between);
        changes.push_back(
            {Table::instance, key, part.empty() ? std::nullopt : std::optional{std::string{part}}});
    }
    require(static_cast<bool>(store().commit(changes)));
    InstanceState state{store()};
    if (!state.load()) {
        return;
    }
    // It goes on with what it has read: written back and read again it is the same.
    if (const auto spec = state.spec()) {
        require(static_cast<bool>(state.set_spec(*spec)));
    }
    require(static_cast<bool>(state.set_facts(state.facts())));
    require(static_cast<bool>(state.set_configuration(state.configuration())));
    InstanceState again{store()};
    require(static_cast<bool>(again.load()));
    require(again.facts().pending_restart == state.facts().pending_restart);
    require(again.configuration().parameters == state.configuration().parameters);
    require((again.spec() == nullptr) == (state.spec() == nullptr));
}

void load_timeline(std::string_view text) {
    static const runtime::Clock clock;
    std::vector<Change> changes;
    for (std::size_t count = 0; count < 4; ++count) {
        const auto part = take(text, between);
        std::string key(8, '\0');
        key.back() = static_cast<char>(count + 1);
        changes.push_back(
            {Table::events, key, part.empty() ? std::nullopt : std::optional{std::string{part}}});
    }
    require(static_cast<bool>(store().commit(changes)));
    Timeline timeline{{store(), clock, [](const std::function<void()>& work) { work(); }, [] {}}};
    if (!timeline.load()) {
        return;
    }
    if (const auto all = timeline.read(0, 100)) {
        require(all->size() <= 4);
    }
    if (timeline.last() < UINT64_MAX - 8) { // the next entry has the next number
        const auto last = timeline.last();
        timeline.add("agent.started", "db1", "again");
        timeline.flush();
        require(timeline.last() == last + 1);
        const auto newest = timeline.read(last, 10);
        require(newest.has_value());
    }
    std::vector<Change> clear;
    const auto records = store().scan(Table::events, "", 100);
    require(records.has_value());
    for (const auto& record : *records) {
        clear.push_back({Table::events, record.key, std::nullopt});
    }
    require(static_cast<bool>(store().commit(clear)));
}

void read_format(std::string_view text) {
    const auto key = take(text, between);
    if (const auto header = state::decode_header(text)) {
        const auto again = state::decode_header(state::encode(*header));
        require(again && again->records == header->records && again->sum == header->sum &&
                again->transaction == header->transaction);
    }
    if (const auto payload = state::unseal(key, text)) {
        require(state::seal(key, *payload) == text);
    }
    require(state::unseal(key, state::seal(key, text)) == text);
}

void load_identity(std::string_view text) {
    const Folder folder;
    for (const char* name : {"sign.key", "noise.key", "identity.pub"}) {
        const auto part = take(text, between);
        if (!part.empty()) {
            std::ofstream{folder.path + "/" + name, std::ios::binary} << part;
            ::chmod((folder.path + "/" + name).c_str(), 0400);
        }
    }
    const auto first = Identity::load_or_make(folder.path);
    if (!first) {
        return;
    }
    const auto second = Identity::load_or_make(folder.path);
    require(second && second->node_id == first->node_id);
    require(second->sign_key == first->sign_key && second->noise.open == first->noise.open);
}

/// What the walk lets through, LMDB must be able to read to its end: it trusts its file.
void walk_file(std::string_view bytes) {
    const UniqueFd file{::memfd_create("state", MFD_CLOEXEC)};
    require(file &&
            ::write(file.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    const auto report = state::walk_state(file.get());
    if (!report) {
        require(report.error().id() == Code::state_corrupt ||
                report.error().id() == Code::state_newer);
        return;
    }
    MDB_env* env = nullptr;
    require(::mdb_env_create(&env) == 0);
    const auto path = "/proc/self/fd/" + std::to_string(file.get());
    constexpr unsigned flags = MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS | MDB_RDONLY;
    MDB_txn* txn = nullptr;
    MDB_dbi dbi = 0;
    MDB_cursor* cursor = nullptr;
    require(::mdb_env_open(env, path.c_str(), flags, 0600) == 0);
    require(::mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn) == 0);
    require(::mdb_dbi_open(txn, nullptr, 0, &dbi) == 0);
    require(::mdb_cursor_open(txn, dbi, &cursor) == 0);
    MDB_val key{}, value{};
    std::uint64_t records = 0;
    unsigned sum = 0;
    while (::mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        ++records;
        for (std::size_t i = 0; i < value.mv_size; ++i) {
            sum = (sum + static_cast<const std::uint8_t*>(value.mv_data)[i]) % 256;
        }
    }
    require(sum <= 255);                     // so that all of it is read
    require(records == report->records + 1); // and the header
    ::mdb_cursor_close(cursor);
    ::mdb_txn_abort(txn);
    ::mdb_env_close(env);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
    switch (data[0] % 8) {
    case 0:
    case 1: run_journal(text); break;
    case 2: load_instance(text); break;
    case 3: load_timeline(text); break;
    case 4: read_format(text); break;
    case 5: load_identity(text); break;
    default: walk_file(text);
    }
    return 0;
}
