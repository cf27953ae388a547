// jackdaw instance create: everything that can be said about the words before anything is made.

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "coordinator/commands/changes.h"
#include "coordinator/commands/create.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/passwords.h"
#include "coordinator/commands/reach.h"
#include "proto/base/ids.h"
#include "proto/base/size.h"

namespace jackdaw::cli {
namespace {

constexpr std::uint64_t default_memory_bytes = 1ULL << 30U; ///< of a machine without --flavor

constexpr std::uint64_t volume_bytes_min = 320ULL << 20U; ///< mkfs.xfs makes none below 300 MiB
constexpr std::size_t accounts_max = 256;

/// A volume's serial as it was given, or of the id that was given.
std::string serial_of(const Invocation& invocation, std::string_view option) {
    auto words = invocation.text(option);
    return is_uuid(words) ? volume_serial(words) : words;
}

Result<void> take_volume(const Invocation& invocation, CreateRequest& request) {
    request.attach_serial = serial_of(invocation, "--attach-volume");
    request.take_over_id = invocation.text("--take-over");
    request.format_serial = serial_of(invocation, "--format");
    request.volume_type = invocation.text("--volume-type");
    request.overcommit = invocation.has("--overcommit");
    request.filesystem = invocation.text("--fs", "xfs");
    if (request.filesystem != "xfs" && request.filesystem != "ext4") {
        return Error{Errc::invalid, "--fs: xfs or ext4"};
    }
    if (request.attach_serial.empty() != !invocation.has("--attach-volume")) {
        return Error{Errc::invalid, "--attach-volume: a serial is missing"};
    }
    if (request.attach_serial.empty()) {
        if (!request.take_over_id.empty() || !request.format_serial.empty()) {
            return Error{Errc::invalid, "--take-over and --format go with --attach-volume"};
        }
        if (!invocation.has("--volume")) {
            return Error{Errc::invalid, "--volume SIZE is missing"};
        }
        JACKDAW_TRY(request.volume_size_bytes, parse_size(invocation.text("--volume")));
        if (request.volume_size_bytes < volume_bytes_min) {
            return Error{Code::volume_too_small,
                         fmt::format("--volume {}", format_size(request.volume_size_bytes))};
        }
        return ok();
    }
    if (invocation.has("--volume")) {
        return Error{Errc::invalid, "--volume and --attach-volume exclude each other"};
    }
    if (!request.take_over_id.empty() && !request.format_serial.empty()) {
        return Error{Errc::invalid, "--take-over and --format exclude each other"};
    }
    if (!request.take_over_id.empty() && !is_uuid(request.take_over_id)) {
        return Error{Errc::invalid, "--take-over: the id of an instance, a UUID"};
    }
    if (!request.format_serial.empty() && request.format_serial != request.attach_serial) {
        return Error{Errc::invalid, "--format must name the serial that --attach-volume names"};
    }
    return ok();
}

Result<void> take_machine(const Invocation& invocation, const Profile& profile,
                          CreateRequest& request) {
    if (invocation.has("--flavor")) {
        const auto words = invocation.text("--flavor");
        const auto named = profile.flavors.find(words);
        FlavorWords flavor;
        if (named != profile.flavors.end()) {
            flavor = named->second;
        } else {
            JACKDAW_TRY(flavor, parse_flavor(words));
        }
        request.cpu_millis = flavor.cpu_millis;
        request.memory_bytes = flavor.memory_bytes;
    } else {
        // An engine takes most of the memory it sees: without a limit each machine would take the
        // host's.
        request.memory_bytes = default_memory_bytes;
    }
    if (invocation.has("--root-disk")) {
        JACKDAW_TRY(request.root_disk_bytes, parse_size(invocation.text("--root-disk")));
    }
    if (invocation.has("--agent")) {
        std::error_code failure;
        const auto folder = std::filesystem::canonical(invocation.text("--agent"), failure);
        if (failure || !std::filesystem::exists(folder / "jackdawd", failure)) {
            return Error{Errc::invalid, "--agent: a folder with jackdawd in it"};
        }
        request.agent_folder = folder.string();
    }
    return ok();
}

Result<CreateRequest> take_request(const Invocation& invocation, const Profile& profile) {
    CreateRequest request;
    request.name = invocation.text("NAME");
    JACKDAW_CHECK(check_label(request.name, "instance"));
    JACKDAW_TRY(const auto datastore, parse_datastore(invocation.text("--datastore")));
    request.datastore = datastore.first;
    request.version = datastore.second;
    JACKDAW_CHECK(take_volume(invocation, request));
    JACKDAW_CHECK(take_machine(invocation, profile, request));
    for (const auto& text : invocation.all("--allow")) {
        JACKDAW_CHECK(check_cidr(text).while_doing("--allow"));
        request.allow.push_back(text);
    }
    for (const auto& text : invocation.all("--database")) {
        JACKDAW_TRY(auto database, parse_database(text));
        request.databases.push_back(std::move(database));
    }
    request.protect = invocation.has("--protect");
    return request;
}

/// A user's databases must be among those that are made: ALL on what is not there helps nobody.
Result<void> check_accounts(const CreateRequest& request) {
    if (request.databases.size() > accounts_max || request.users.size() > accounts_max) {
        return Error{Errc::invalid, fmt::format("more than {} databases or users", accounts_max)};
    }
    for (const auto& user : request.users) {
        for (const auto& name : user.databases) {
            const auto same = [&](const proto::DatabaseSpec& one) { return one.name == name; };
            if (std::none_of(request.databases.begin(), request.databases.end(), same)) {
                return Error{Errc::invalid,
                             fmt::format("user '{}' names database '{}', which no --database makes",
                                         user.name, name)};
            }
        }
    }
    return ok();
}

Result<void> check_image(Session& session, const CreateRequest& request) {
    const auto reference =
        request.version.empty() ? request.datastore : request.datastore + ":" + request.version;
    auto image = session.images.find(reference);
    if (image && request.memory_bytes != 0 && request.memory_bytes < image->memory_bytes_min) {
        return Error{Code::memory_too_small,
                     fmt::format("{} asks for at least {}, --flavor has {}", image->datastore,
                                 format_size(image->memory_bytes_min),
                                 format_size(request.memory_bytes))};
    }
    if (image) {
        return ok();
    }
    if (image.error().code() == Errc::not_found) {
        return Error{Code::unknown_datastore,
                     fmt::format("there is no image of '{}' here", reference)}
            .with_hint(image.error().hint());
    }
    return std::move(image).error();
}

std::vector<std::string> plan_text(const CreateRequest& request) {
    std::vector<std::string> lines;
    lines.push_back(request.attach_serial.empty()
                        ? fmt::format("make a volume of {} with {}",
                                      format_size(request.volume_size_bytes), request.filesystem)
                        : fmt::format("attach volume {}", request.attach_serial));
    lines.push_back(fmt::format("make machine '{}' from the image of {}{}{}", request.name,
                                request.datastore, request.version.empty() ? "" : ":",
                                request.version));
    lines.push_back("hand it to its agent, which makes the database and starts it");
    for (const auto& database : request.databases) {
        lines.push_back(fmt::format("make database '{}'", database.name));
    }
    for (const auto& user : request.users) {
        lines.push_back(fmt::format("make user '{}@{}'", user.name, user.host));
    }
    return lines;
}

Error taken(const CreateRequest& request, std::string_view what, std::string_view other) {
    if (other == "--protect") {
        return Error{Code::name_taken,
                     fmt::format("'{}' {}, and is not protected", request.name, what)}
            .with_hint(fmt::format("`jackdaw instance protect {}`", request.name));
    }
    return Error{Code::name_taken,
                 fmt::format("'{}' {} with another {}", request.name, what, other)};
}

Result<int> same_already(Session& session, const Invocation& invocation, Reach& reach,
                         proto::Operation operation) {
    const auto name = invocation.text("NAME");
    announce(session, invocation, operation.id);
    Conclusion end;
    end.operation = std::move(operation);
    end.waited = end.no_op = true;
    end.said = fmt::format("instance '{}' exists with the same spec; nothing to do", name);
    session.terminal.err(of_same_fleet(
        "hint: `jackdaw user password` makes a new password if one was lost\n", invocation));
    if (auto client = reach.of(name)) {
        if (auto json = get(**client, "/v1/instance", session.in(answer_limit))) {
            end.instance = *std::move(json);
        }
    }
    return conclude(session, invocation, end);
}

/// A create that is not done is its coordinator's: the same words again would go on with it, and
/// its users' passwords are known only there.
Result<void> check_made(Session& session, ApiClient& client, const std::string& name) {
    JACKDAW_TRY(const auto list, get(client, "/v1/operations?limit=20", session.in(answer_limit)));
    JACKDAW_TRY(const auto items, items_of(list)); // the newest first
    for (const auto& item : items) {
        JACKDAW_TRY(const auto one, proto::operation_from(item));
        if (one.action == "instance.create" && one.status == "done") {
            return ok();
        }
        if (one.action == "instance.create") {
            return Error{Code::name_taken,
                         fmt::format("'{}' is being made by operation {}, which another "
                                     "coordinator began",
                                     name, one.id)}
                .with_hint(fmt::format("`jackdaw op watch {0}` follows it, `jackdaw op resume {0}` "
                                       "goes on with one that failed",
                                       one.id));
        }
    }
    return ok(); // so old that it is forgotten
}

/// A machine of this name that no journal here knows: its agent judges.
Result<int> ask_agent(Session& session, const Invocation& invocation, Reach& reach,
                      const CreateRequest& request, const cloud::Machine& machine) {
    JACKDAW_TRY(auto* const cloud, reach.cloud());
    JACKDAW_TRY(const auto volume, cloud->provider().describe_volume(machine.volume_id));
    auto record =
        begin_create(request, reach.profile().name, "", machine.id, session.now_text(), "");
    record.volume_serial = volume.serial;
    record.address = machine.address;
    if (!request.attach_serial.empty()) {
        record.request.volume_size_bytes = volume.size_bytes;
    }
    auto client = reach.of_machine(machine);
    if (!client) {
        return Error{
            Code::name_taken,
            fmt::format("a machine '{}' exists and its agent cannot be asked", request.name)};
    }
    JACKDAW_TRY(const auto there, get(**client, "/v1/instance", session.in(answer_limit)));
    JACKDAW_TRY(const auto instance, proto::instance_from(there));
    if (instance.datastore != request.datastore ||
        volume.size_bytes != record.request.volume_size_bytes) {
        return taken(request, "exists",
                     instance.datastore != request.datastore ? "--datastore" : "--volume");
    }
    JACKDAW_CHECK(check_made(session, **client, request.name));
    auto spec = proto::to_json(spec_for_agent(record)); // what exists keeps its passwords
    JACKDAW_TRY(const auto answer, change(**client,
                                          ApiRequest{"PUT", "/v1/instance", std::move(spec),
                                                     new_uuid(session.clock, session.entropy)},
                                          session.in(answer_limit)));
    JACKDAW_TRY(auto operation, proto::operation_from(answer));
    return same_already(session, invocation, reach, std::move(operation));
}

} // namespace

Result<int> instance_create(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto reach, Reach::find_fleet(session, invocation));
    JACKDAW_CHECK(check_stays(reach.profile()));
    JACKDAW_TRY(auto request, take_request(invocation, reach.profile()));
    JACKDAW_TRY(auto credentials, take_users(session, invocation, request.users));
    JACKDAW_CHECK(check_accounts(request));
    JACKDAW_CHECK(check_image(session, request));

    std::optional<NameLock> lock;
    if (!invocation.dry_run) { // what another one does to this name comes first
        JACKDAW_TRY(lock, take_name(session, reach.journal(), request.name, name_limit));
    }
    auto machine = reach.written_machine(request.name);
    if (machine && !machine->next_label.empty() && lock && machine->name == request.name) {
        // Nobody else could settle what the rename came to: the lock is held here.
        JACKDAW_CHECK(reach.settle_label(*machine, true));
        machine = reach.written_machine(request.name);
    }
    if (!machine && machine.error().code() != Errc::not_found) {
        return std::move(machine).error();
    }
    if (machine && machine->label != request.name) { // a rename to it has begun
        JACKDAW_CHECK(reach.check_name_free(request.name, ""));
        machine = reach.written_machine(request.name); // it was just taken back
    }
    if (machine && !machine->next_label.empty()) { // it may be called otherwise by now
        return rename_pending(*machine);
    }
    auto known = reach.journal().newest_of(request.name);
    if (known && !request.attach_serial.empty()) {
        request.volume_size_bytes = known->request.volume_size_bytes; // found out by the first run
    }
    if (known && is_being_deleted(*known)) {
        return being_deleted(request.name);
    }
    // Made, but its passwords were lost on their way: the same create makes new ones.
    const bool untold = known && machine && known->instance_id == machine->id && !known->told &&
                        known->operation.status == "done" && !request.users.empty();
    const bool unfinished = untold || (known && next_step(*known) != CreateStep::ended);
    if (unfinished) {
        if (const auto other = difference(request, known->request); !other.empty()) {
            return taken(request, "is being made", other)
                .with_hint(fmt::format("`jackdaw op abort {}` takes the earlier one back",
                                       known->operation.id));
        }
        if (invocation.dry_run) {
            return would(session, invocation,
                         {fmt::format("go on with operation {}", known->operation.id)});
        }
        session.terminal.err(fmt::format("going on with operation {}\n", known->operation.id));
        if (known->request.name != request.name) { // renamed since: others lock its machine's name
            lock.reset();
        }
        return resume_create(session, invocation, reach, *std::move(known), std::move(credentials),
                             std::move(lock));
    }
    if (machine && known && known->instance_id == machine->id) {
        if (const auto other = difference(request, known->request); !other.empty()) {
            return taken(request, "exists", other);
        }
        return same_already(session, invocation, reach, known->operation);
    }
    if (machine) {
        return ask_agent(session, invocation, reach, request, *machine);
    }
    JACKDAW_CHECK(reach.check_name_free(request.name, ""));
    JACKDAW_TRY(auto* const cloud, reach.cloud());
    if (const auto trouble = cloud->provider().growth_trouble(request.filesystem);
        !trouble.empty()) {
        session.terminal.err(fmt::format("warning: {}\n", trouble));
    }
    JACKDAW_CHECK(
        cloud->provider().check_flavor(cloud::Flavor{request.cpu_millis, request.memory_bytes}));
    JACKDAW_CHECK(cloud->provider().check_volume_type(request.volume_type));
    if (invocation.dry_run) {
        if (request.attach_serial.empty()) {
            JACKDAW_CHECK(
                cloud->provider().check_room(request.volume_size_bytes, request.overcommit));
        }
        return would(session, invocation, plan_text(request),
                     {"what only the datastore can judge (names, hosts, memory) its agent checks "
                      "once there is one; what it refuses as written is taken back"});
    }
    auto record = begin_create(std::move(request), reach.profile().name,
                               new_uuid(session.clock, session.entropy),
                               new_uuid(session.clock, session.entropy), session.now_text(),
                               fmt::format("uid {}", session.uid));
    // What the journal could not be read with again would make a create that nobody can resume.
    JACKDAW_CHECK(create_record_from(to_json(record)));
    return resume_create(session, invocation, reach, std::move(record), std::move(credentials),
                         std::move(lock));
}

} // namespace jackdaw::cli
