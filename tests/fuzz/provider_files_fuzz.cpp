// What the coordinator reads back from its disk, and what goes from it into a machine: records of
// networks, machines and volumes, image manifests, the journal of creates, mounts and prefixes; the
// config drive as the provider writes it and jackdaw-host reads it; and the hand-over's files as
// the agent judges them. The first byte chooses; parts stand between lines of "%%".

#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <sodium.h>

#include "agent/hand_over.h"
#include "agent/host/fake_host.h"
#include "agent/host/machine_file.h"
#include "coordinator/cloud/local/cgroups.h"
#include "coordinator/cloud/local/images.h"
#include "coordinator/cloud/local/records.h"
#include "coordinator/cloud/local/subnet.h"
#include "coordinator/cloud/local/user_data.h"
#include "coordinator/core/create_plan.h"
#include "coordinator/profile/files.h"
#include "proto/base/ids.h"
#include "proto/wire/gossip_ring.h"
#include "proto/wire/shapes_json.h"
#include "proto/wire/statement.h"
#include "tests/fuzz/parts.h"
#include "tests/fuzz/require.h"

using namespace jackdaw;
using jackdaw::fuzz::between;
using jackdaw::fuzz::require;
using jackdaw::fuzz::take;
using proto::Json;

namespace {

struct Folder {
    std::string path;
    Folder() {
        const bool has_memory = ::access("/dev/shm", W_OK) == 0;
        path = has_memory ? "/dev/shm/jackdaw-fuzz-XXXXXX" : "/tmp/jackdaw-fuzz-XXXXXX";
        require(::mkdtemp(path.data()) != nullptr);
        std::filesystem::create_directories(path + "/images/0123456789abcdef/root");
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    [[nodiscard]] std::string put(const std::string& name, std::string_view text) const {
        const auto file = path + "/" + name;
        std::ofstream{file, std::ios::binary} << text;
        return file;
    }
};

const Folder& folder() {
    static const Folder made;
    return made;
}

/// Read, written and read again: the same; or refused as what it is.
template <class Record>
void read_record(std::string_view text, Result<Record> (*read)(const std::filesystem::path&)) {
    const auto record = read(folder().put("record.json", text));
    if (!record) {
        require(record.error().code() == Errc::corrupt || record.error().code() == Errc::invalid ||
                record.error().code() == Errc::exhausted);
        return;
    }
    const std::filesystem::path file = folder().path + "/again.json";
    require(static_cast<bool>(write_record(file, *record)));
    const auto again = read(file);
    require(again.has_value());
    std::ifstream first{file};
    const std::string written{std::istreambuf_iterator<char>(first), {}};
    require(static_cast<bool>(write_record(file, *again)));
    std::ifstream second{file};
    require(written == std::string(std::istreambuf_iterator<char>(second), {}));
}

void read_records(std::string_view text) {
    read_record<cloud::local::NetworkRecord>(text, cloud::local::read_network);
    read_record<cloud::local::MachineRecord>(text, cloud::local::read_machine);
    read_record<cloud::local::VolumeRecord>(text, cloud::local::read_volume);
}

void read_images(std::string_view text) {
    const auto reference = take(text, between);
    (void)folder().put("images/0123456789abcdef/image.json", text);
    const auto images = cloud::local::list_images(folder().path + "/images");
    require(images.has_value() && images->size() <= 1);
    const auto found =
        cloud::local::find_image(folder().path + "/images", std::string{reference.substr(0, 64)});
    require(found || found.error().id() == Code::no_image);
    require(!found || images->size() == 1);
}

void read_create(std::string_view text) {
    const auto json = proto::parse_json(text);
    if (!json) {
        return;
    }
    auto record = cli::create_record_from(*json);
    if (!record) {
        return;
    }
    const auto written = cli::to_json(*record);
    const auto again = cli::create_record_from(written);
    require(again && cli::to_json(*again) == written && again->request == record->request);
    // It goes on from wherever it stood, and comes to an end.
    for (int turns = 0; turns < 16; ++turns) {
        const auto step = cli::next_step(*record);
        if (step == cli::CreateStep::watch || step == cli::CreateStep::ended) {
            return;
        }
        cli::step_started(*record, step, "2026-01-01T00:00:00.000Z");
        cli::step_done(*record, step, "2026-01-01T00:00:01.000Z", 5);
    }
    require(false);
}

void read_host(std::string_view text) {
    const auto mounts = cloud::local::parse_mounts(text);
    require(mounts.v2.native().size() <= text.size());
    if (const auto prefix = cloud::local::parse_prefix(text)) {
        require(prefix->length <= 32);
        const auto again = cloud::local::parse_prefix(cloud::local::format_prefix(*prefix));
        require(again && *again == *prefix);
        require(cloud::local::network_of(*prefix) == *prefix); // no bits behind it
    }
    if (const auto address = cloud::local::parse_address(text)) {
        require(cloud::local::format_address(*address) == text);
    }
    const auto file = folder().put("given", text);
    ::chmod(file.c_str(), 0600);
    const auto given = cli::read_given_file(file, 1024);
    require(given ? *given == text && text.size() <= 1024 : text.size() > 1024);
    const auto secret = cli::read_secret_file(file, 1024);
    require(secret ? *secret == text && text.size() <= 1024 : text.size() > 1024);
    ::chmod(file.c_str(), 0640);
    require(!cli::read_secret_file(file, 1024));
}

/// A machine as the provider writes it down for its first boot.
void boot_machine(std::string_view text) {
    cloud::MachineSpec spec;
    cloud::Tags tags;
    spec.name = take(text, between);
    spec.id = take(text, between);
    tags.fleet = take(text, between);
    spec.volume_id = take(text, between);
    spec.address = take(text, between);
    while (!text.empty() && spec.seeds.size() < 8) {
        spec.seeds.emplace_back(take(text, between));
    }
    const auto meta = cloud::local::meta_data(spec, tags);
    const auto user = cloud::local::user_data(spec, tags);
    require(cloud::local::machine_files(spec, tags).size() == 4);
    const auto file = agent::host::parse_config_drive(meta, user);
    if (!file) {
        // What every provider checks before is taken for certain here.
        const bool good = check_label(spec.name, "instance") && check_label(tags.fleet, "fleet") &&
                          is_uuid(spec.id) && spec.address == "10.9.0.2" &&
                          (spec.volume_id.empty() || is_uuid(spec.volume_id));
        require(!good || user.size() > 60'000 || meta.size() > 60'000);
        return;
    }
    require(file->instance_id == spec.id && file->instance_name == spec.name);
    require(file->fleet == tags.fleet && file->address == spec.address);
    require(file->volume_serial == (spec.volume_id.empty() ? "" : volume_serial(spec.volume_id)));
    const auto again = agent::host::parse_machine_file(agent::host::format_machine_file(*file));
    require(again && again->instance_id == file->instance_id &&
            again->database_uid == file->database_uid);
}

struct Keys {
    proto::PublicKey open{};
    proto::SignSecret secret{};
    agent::Identity identity;
    Keys() {
        std::array<std::uint8_t, 32> seed{};
        seed.fill(1);
        crypto_sign_seed_keypair(open.data(), secret.data(), seed.data());
        seed.fill(2);
        crypto_sign_seed_keypair(identity.sign_key.data(), identity.sign_secret.data(),
                                 seed.data());
        noise::Key noise_secret{};
        noise_secret.fill(3);
        identity.noise = noise::KeyPair::from_secret(noise_secret);
    }
};

/// The files of the hand-over: as they come, or with a statement that the operator truly signed.
void hand_over(std::string_view text, bool signed_truly) {
    static const Keys keys;
    agent::FakeHost host{agent::MachineFile{}};
    std::string statement{take(text, between)};
    std::string operator_key{take(text, between)};
    if (signed_truly) {
        proto::Statement about;
        about.fleet = statement.substr(0, 63);
        about.name = "db1";
        about.sign_key = keys.identity.sign_key;
        about.noise_key = keys.identity.noise.open;
        const auto made = proto::sign_statement(about, keys.secret);
        if (!made) {
            return;
        }
        statement = *made;
        operator_key = to_hex(std::as_bytes(std::span{keys.open})) + "\n";
    }
    host.set_fleet_file(agent::FleetFile::statement, statement);
    host.set_fleet_file(agent::FleetFile::operator_key, operator_key);
    host.set_fleet_file(agent::FleetFile::gossip_ring, std::string{take(text, between)});
    host.set_fleet_file(agent::FleetFile::seeds, std::string{text});
    const auto read = agent::read_hand_over(host, keys.identity);
    if (!read) {
        require(!signed_truly);
        require(read.error().id() == Code::bad_peer || read.error().code() == Errc::invalid);
        return;
    }
    require(read->has_value());
    require((*read)->seeds.size() <= 64 && (*read)->keys.anchor.fleet == (*read)->statement.fleet);
    require(signed_truly || (*read)->statement.sign_key == keys.identity.sign_key);
    (void)proto::parse_gossip_ring((*read)->ring.reveal(), "f");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
    switch (data[0] % 7) {
    case 0: read_records(text); break;
    case 1: read_images(text); break;
    case 2: read_create(text); break;
    case 3: read_host(text); break;
    case 4: boot_machine(text); break;
    case 5: hand_over(text, false); break;
    default: hand_over(text, true);
    }
    return 0;
}
