#include "tests/unit/cli_fakes.h"

#include <algorithm>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "tests/unit/cli_openapi.h"

namespace jackdaw::cli::fakes {
namespace {

proto::Instance view_of(const Agent& agent) {
    proto::Instance view;
    view.name = agent.spec->name;
    view.id = agent.spec->id;
    view.fleet = agent.spec->fleet;
    view.status = agent.status;
    view.datastore = agent.spec->datastore;
    view.version = "10.11.14";
    view.address = agent.spec->address;
    view.port = 3306;
    view.volume_size_bytes = agent.spec->volume_size_bytes;
    view.protect = agent.protect;
    if (!agent.paused_until.empty()) {
        view.maintenance_until = agent.paused_until;
        view.maintenance_by = "uid 0";
    }
    for (const auto& one : agent.parameters) {
        if (one.pending) {
            view.pending_restart.push_back(one.name);
        }
    }
    view.warnings = agent.concerns;
    view.connection_note = "client connections are not encrypted yet";
    return view;
}

/// In an answer, or in the items of one.
void forget(Json& body, const std::set<std::string>& keys) {
    if (!body.is_object()) {
        return;
    }
    for (const auto& key : keys) {
        body.erase(key);
        if (const auto items = body.find("items"); items != body.end() && items->is_array()) {
            for (auto& item : *items) {
                item.erase(key);
            }
        }
    }
}

/// A session with an agent; answers as agent/api/router.h says.
class FakeClient final : public ApiClient {
public:
    FakeClient(World& world, std::string machine) : world_{world}, machine_{std::move(machine)} {}

    Result<ApiResponse> call(const ApiRequest& request, Deadline deadline) override {
        hold_to_openapi(request);
        auto& agent = world_.agents[machine_];
        if (agent.stopped && request.method == "GET") {
            return silence_until(deadline);
        }
        if (request.method != "GET") {
            world_.moment(request.method + " " + request.path.substr(0, request.path.find('?')));
        }
        if (request.method != "GET") {
            agent.last_change = request;
        }
        const auto known = request.idempotency_key.empty()
                               ? agent.before.end()
                               : agent.before.find(request.idempotency_key);
        auto response = known != agent.before.end() ? known->second : answer(agent, request);
        if (request.method != "GET" && agent.lost_answers > 0) {
            --agent.lost_answers;
            agent.before[request.idempotency_key] = response;
            return Error{Errc::unavailable, "the peer went away"};
        }
        forget(response.body, agent.unknown_keys);
        if (request.method != "GET" && std::exchange(agent.ends_after_change, false)) {
            std::ranges::find(world_.machines, machine_, &cloud::Machine::name)->state =
                cloud::MachineState::off;
        }
        if (request.method != "GET") {
            world_.moment("answer to " + request.method + " " +
                          request.path.substr(0, request.path.find('?')));
        }
        return response;
    }

    Result<void> stream(const std::string& path, const EventSink& sink,
                        Deadline deadline) override {
        hold_to_openapi({"GET", path, nullptr, {}});
        world_.moment("stream");
        auto& agent = world_.agents[machine_];
        if (agent.stopped || agent.quiet_streams-- > 0) {
            return silence_until(deadline);
        }
        const auto id = path.substr(15, 36); // "/v1/operations/ID/events"
        const auto at = agent.operations.find(id);
        if (at == agent.operations.end()) {
            return Error{Errc::not_found, "no operation " + id};
        }
        auto& operation = at->second;
        if (operation.status == "running") {
            sink("operation", proto::to_json(operation));
            operation.status = agent.ends_as;
            operation.progress = 1;
            if (operation.status == "failed") {
                operation.error = proto::ErrorShape{"E-START-FAILED", "start the database",
                                                    "its log", "look", id};
            }
            if (operation.action == "instance.delete" && operation.status == "done") {
                agent.spec.reset();
            }
        }
        sink("operation", proto::to_json(operation));
        return ok();
    }

private:
    static void hold_to_openapi(const ApiRequest& request) {
        if (const auto unknown = not_in_openapi(request); !unknown.empty()) {
            throw std::logic_error{"not in the agent's OpenAPI document: " + unknown};
        }
    }
    Error silence_until(Deadline deadline) {
        world_.clock.sleep(
            std::chrono::ceil<std::chrono::milliseconds>(deadline - world_.clock.now()));
        return Error{Errc::deadline, "no answer in time"};
    }
    ApiResponse refused(const Error& error) {
        return {400, Json{{"error", proto::to_json(proto::shape_of(error))}}};
    }

    ApiResponse begin(Agent& agent, std::string action, std::string id, const std::string& target) {
        proto::Operation operation;
        operation.id = id.empty() ? new_uuid(world_.clock, world_.entropy) : std::move(id);
        operation.action = std::move(action);
        operation.target = target;
        operation.status = "running";
        operation.steps.emplace_back().name = "work";
        operation.warnings = agent.warnings;
        agent.operations[operation.id] = operation;
        return {202, proto::to_json(operation)};
    }

    ApiResponse create(Agent& agent, const ApiRequest& request) {
        if (agent.refuses) {
            return {400, Json{{"error", proto::to_json(*agent.refuses)}}};
        }
        auto spec = proto::instance_spec_from(request.body);
        for (const auto& user : spec->users) { // as a datastore's driver judges it
            if (!user.verifier.empty() && !user.verifier.starts_with('*')) {
                return refused(Error{Code::bad_password, "not a verifier"});
            }
        }
        const auto id = request.body.value("operation_id", "");
        if (agent.spec) {
            if (spec->volume_size_bytes != agent.spec->volume_size_bytes ||
                spec->databases != agent.spec->databases) {
                return refused(Error{Code::name_taken, "another spec"});
            }
            auto& known = std::ranges::find_if(agent.operations, [](const auto& one) {
                              return one.second.action == "instance.create";
                          })->second;
            if (known.status == "failed") {
                known.status = "running";
            }
            if (known.status != "done") {
                keep_passwords(agent, request.body);
            }
            auto json = proto::to_json(known);
            json["no_op"] = known.status == "done";
            return {200, json};
        }
        agent.spec = *spec;
        agent.has_left = false;
        agent.protect = spec->protect;
        keep_passwords(agent, request.body);
        return begin(agent, "instance.create", id, spec->name);
    }

    void keep_passwords(Agent& agent, const Json& body) {
        for (const auto& user : body.at("users")) {
            agent.passwords[user.value("name", "") + "@" + user.value("host", "")] =
                user.value("password", "");
        }
    }

    ApiResponse answer(Agent& agent, const ApiRequest& request) {
        const auto& path = request.path;
        const bool get = request.method == "GET";
        if (path == "/v1/instance" && request.method == "PUT") {
            return create(agent, request);
        }
        if (get && agent.has_left && (path == "/v1/instances" || path.starts_with("/v1/members"))) {
            const Error left{Errc::unavailable, "this agent left its fleet"};
            return {503, Json{{"error", proto::to_json(proto::shape_of(left))}}};
        }
        if (get && path == "/v1/instances") {
            Json items = Json::array();
            for (const auto& [name, one] : world_.agents) {
                if (one.spec) {
                    items.push_back(proto::to_json(view_of(one)));
                }
            }
            for (const auto& one : world_.rumours) {
                items.push_back(proto::to_json(one));
            }
            return {200,
                    proto::list_json("Instance", std::move(items), "2026-01-01T00:00:00.000Z")};
        }
        if (auto fleet = answer_fleet(world_, agent, request)) {
            return *std::move(fleet);
        }
        if (get && path == "/v1/version") {
            return {200, Json{{"apiVersion", proto::api_version}, {"version", JACKDAW_VERSION}}};
        }
        if (get && (path == "/v1/operations" || path.starts_with("/v1/operations?"))) {
            Json items = Json::array();
            const auto limit = path.find("limit=") == std::string::npos
                                   ? std::size_t{100}
                                   : std::stoul(path.substr(path.find("limit=") + 6));
            if (std::min(limit, agent.operations.size()) > agent.operations_max) {
                return refused(Error{Errc::invalid, "the answer is too long"});
            }
            for (auto one = agent.operations.rbegin();
                 one != agent.operations.rend() && items.size() < limit; ++one) {
                items.push_back(proto::to_json(one->second)); // the newest first
            }
            return {200, proto::list_json("Operation", std::move(items), "t")};
        }
        if (path.starts_with("/v1/operations/")) {
            const auto at = agent.operations.find(path.substr(15, 36));
            if (at == agent.operations.end()) {
                return {404, nullptr};
            }
            if (path.ends_with("/abort") && at->second.status == "undone") {
                return refused(Error{Errc::conflict, "it has ended: undone"});
            }
            if (path.ends_with("/abort")) {
                agent.ends_as = "undone";
                at->second.status = "running";
            } else if (path.ends_with("/resume")) {
                at->second.status = "running";
            }
            return {get ? 200 : 202, proto::to_json(at->second)};
        }
        if (!agent.spec && !path.starts_with("/v1/events")) {
            return {404, nullptr};
        }
        if (agent.refuses_changes && !get) {
            return {409, Json{{"error", proto::to_json(*agent.refuses_changes)}}};
        }
        if (auto inside = answer_inside(agent, request)) {
            return inside->status == 202
                       ? begin(agent, request.method + " " + path, "", agent.spec->name)
                       : *inside;
        }
        if (path.starts_with("/v1/instance")) {
            if (get) {
                return {200, proto::to_json(view_of(agent))};
            }
            if (request.method == "DELETE") {
                if (std::exchange(world_.deleted_meanwhile, false)) {
                    agent.spec.reset();
                    return {404, nullptr};
                }
                return begin(agent, "instance.delete", "", agent.spec->name);
            }
            if (path.ends_with("/rename")) {
                const auto before = std::exchange(agent.spec->name, request.body.value("name", ""));
                return begin(agent, "instance.rename", "", before);
            }
            if (path.ends_with("protect")) {
                agent.protect = !path.ends_with("unprotect");
            }
            return begin(agent, "instance." + path.substr(13), "", agent.spec->name);
        }
        if (path.starts_with("/v1/users") && request.method == "POST") {
            const auto user =
                path == "/v1/users"
                    ? request.body.value("name", "") + "@" + request.body.value("host", "")
                    : path.substr(10, path.find("/password") - 10) + "@%";
            agent.passwords[user] = request.body.value("password", "");
            return begin(agent, "user.set", "", user);
        }
        return begin(agent, request.method + " " + path, "", agent.spec->name);
    }

    World& world_;
    std::string machine_;
};

class FakeConnector final : public Connector {
public:
    explicit FakeConnector(World& world) : world_{world} {}
    ClientPtr socket(const std::string&) override {
        return std::make_unique<FakeClient>(world_, "local");
    }
    Result<ClientPtr> dial(const Profile&, const std::string& address, const std::string&,
                           Deadline deadline) override {
        world_.dial_span =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - world_.clock.now());
        const auto at = std::ranges::find(world_.machines, address, &cloud::Machine::address);
        if (world_.unreachable || at == world_.machines.end() || !world_.agents[at->name].owned) {
            return Error{Errc::unavailable, "nobody answers at " + address};
        }
        return ClientPtr{std::make_unique<FakeClient>(world_, at->name)};
    }

private:
    World& world_;
};

class FakeImages final : public Images {
public:
    explicit FakeImages(World& world) : world_{world} {}
    Result<std::vector<ImageView>> list() override { return world_.images; }
    Result<ImageView> find(const std::string& reference) override {
        for (const auto& image : world_.images) {
            if (reference == image.datastore ||
                (image.datastore + ":" + image.version).starts_with(reference)) {
                return image;
            }
        }
        return Error{Code::no_image, "no image of " + reference};
    }
    Result<void> build(const std::vector<std::string>& words) override {
        world_.image_words = words;
        return ok();
    }
    Result<void> remove(const std::string&) override { return ok(); }

private:
    World& world_;
};

class FakeProvider final : public cloud::Provider,
                           public cloud::MachineFiles,
                           public Cloud,
                           public LocalMachines {
public:
    explicit FakeProvider(World& world) : world_{world} {}
    cloud::Provider& provider() override { return *this; }
    cloud::MachineFiles* files() override { return this; }
    LocalMachines* local() override { return this; }
    Result<std::vector<std::string>> fleet_up() override {
        return std::vector<std::string>{note("up")};
    }
    Result<void> power_off_crash(const std::string& name) override {
        return noted("crash " + name);
    }
    Result<void> freeze(const std::string& name) override { return noted("freeze " + name); }
    Result<void> thaw(const std::string& name) override { return noted("thaw " + name); }
    Result<void> cut(const std::string& name, const CutWords& words) override {
        return noted("cut " + name + " from '" + words.from + "'" +
                     (words.one_way ? " one way " : " ") + std::to_string(words.percent));
    }
    Result<void> heal(const std::string& name) override { return noted("heal " + name); }
    Result<int> run_inside(const std::string& name,
                           const std::vector<std::string>& command) override {
        note("inside " + name + ": " + std::to_string(command.size()));
        return 3;
    }
    Result<void> destroy() override { return noted("destroy"); }

    [[nodiscard]] std::string_view name() const noexcept override { return "fake"; }
    Result<std::vector<cloud::Finding>> doctor() override {
        return std::vector<cloud::Finding>{
            {"loop devices", cloud::Finding::State::ok, cloud::Finding::Weight::error, "", ""},
            {"root", cloud::Finding::State::bad, cloud::Finding::Weight::error, "uid 1000",
             "sudo jackdaw"}};
    }
    Result<void> check_network(const std::string&) override {
        return world_.network_error ? Result<void>{world_.network_error->clone()} : ok();
    }
    Result<cloud::Network> ensure_network(const std::string& subnet) override {
        JACKDAW_CHECK(check_network(subnet));
        world_.moment("network");
        return cloud::Network{"10.9.0.0/24", "10.9.0.1", true};
    }
    Result<std::optional<cloud::Network>> describe_network() override {
        return std::optional{cloud::Network{"10.9.0.0/24", "10.9.0.1", true}};
    }
    Result<void> delete_network() override { return ok(); }
    Result<void> check_flavor(const cloud::Flavor& flavor) override {
        if (flavor.memory_bytes > world_.memory_bytes) {
            return Error{Errc::invalid, "more memory than there is"};
        }
        return ok();
    }
    Result<void> check_volume_type(const std::string& type) override {
        return type.empty() || world_.volume_types.contains(type)
                   ? ok()
                   : Result<void>{Error{Errc::invalid, "no such type of volume"}};
    }
    Result<void> check_room(std::uint64_t more_bytes, bool overcommit) override {
        if (!overcommit && more_bytes > world_.room_bytes) {
            return Error{Code::disk_full, "no room"};
        }
        return ok();
    }
    std::string growth_trouble(std::string_view filesystem) override {
        return filesystem == "ext4" ? "an ext4 volume cannot grow here" : "";
    }
    Result<cloud::Volume> create_volume(const cloud::VolumeSpec& spec,
                                        const cloud::Tags& tags) override {
        world_.volume_specs.push_back(spec);
        world_.moment("create_volume");
        auto at = std::ranges::find(world_.volumes, tags, &cloud::Volume::tags);
        if (at == world_.volumes.end()) {
            cloud::Volume volume;
            volume.id = "vol-" + std::to_string(world_.volumes.size() + 1);
            volume.serial = volume.id;
            volume.name = spec.name;
            volume.size_bytes = spec.size_bytes;
            volume.tags = tags;
            at = world_.volumes.insert(world_.volumes.end(), volume);
        }
        const auto volume = *at;
        world_.moment("create_volume made it");
        return volume;
    }
    Result<std::vector<cloud::Volume>> volumes() override { return world_.volumes; }
    Result<cloud::Volume> describe_volume(const std::string& id) override {
        const auto at = std::ranges::find(world_.volumes, id, &cloud::Volume::id);
        if (at == world_.volumes.end()) {
            return Error{Errc::not_found, id};
        }
        return at->damaged ? Error{Errc::corrupt, id + ".json"} : Result<cloud::Volume>{*at};
    }
    Result<cloud::Volume> extend_volume(const std::string& id, std::uint64_t size) override {
        world_.moment("extend_volume");
        const auto at = std::ranges::find(world_.volumes, id, &cloud::Volume::id);
        at->size_bytes = size;
        return *at;
    }
    Result<void> keep_volume(const std::string& id, bool kept) override {
        if (auto known = describe_volume(id); !known) {
            return std::move(known).error();
        }
        std::ranges::find(world_.volumes, id, &cloud::Volume::id)->kept = kept;
        return ok();
    }
    Result<void> delete_volume(const std::string& id) override {
        world_.moment("delete_volume");
        std::erase_if(world_.volumes, [&](const auto& one) { return one.id == id; });
        world_.moment("delete_volume did it");
        return ok();
    }
    Result<void> attach_volume(const std::string&, const std::string&) override { return ok(); }
    Result<cloud::Machine> create_machine(const cloud::MachineSpec& spec,
                                          const cloud::Tags& tags) override {
        world_.machine_specs.push_back(spec);
        world_.moment("create_machine");
        if (world_.machine_error) {
            return world_.machine_error->clone();
        }
        auto at = std::ranges::find(world_.machines, spec.name, &cloud::Machine::name);
        if (at != world_.machines.end() && at->id != spec.id) {
            return Error{Code::name_taken, spec.name};
        }
        if (at == world_.machines.end()) {
            cloud::Machine machine;
            machine.name = spec.name;
            machine.label = spec.name;
            machine.id = spec.id;
            machine.state = cloud::MachineState::on;
            machine.address = "10.9.0." + std::to_string(world_.machines.size() + 2);
            machine.volume_id = spec.volume_id;
            machine.tags = tags;
            machine.datastore = "mariadb";
            at = world_.machines.insert(world_.machines.end(), machine);
        }
        const auto machine = *at;
        world_.moment("create_machine made it");
        return machine;
    }
    Result<std::vector<cloud::Machine>> machines() override { return world_.machines; }
    Result<cloud::Machine> describe_machine(const std::string& name) override {
        const auto at = std::ranges::find(world_.machines, name, &cloud::Machine::name);
        return at != world_.machines.end() ? Result<cloud::Machine>{*at}
                                           : Error{Errc::not_found, name};
    }
    Result<void> announce_label(const std::string& name, const std::string& label) override {
        world_.moment("announce_label");
        std::ranges::find(world_.machines, name, &cloud::Machine::name)->next_label = label;
        world_.moment("announce_label did it");
        return ok();
    }
    Result<void> label_machine(const std::string& name, const std::string& label) override {
        world_.moment("label_machine");
        const auto at = std::ranges::find(world_.machines, name, &cloud::Machine::name);
        at->label = label;
        at->next_label.clear();
        world_.moment("label_machine did it");
        return ok();
    }
    Result<cloud::Machine> power_on(const std::string& name) override {
        world_.moment("power_on");
        const auto at = std::ranges::find(world_.machines, name, &cloud::Machine::name);
        at->state = cloud::MachineState::on;
        return *at;
    }
    Result<void> power_off(const std::string& name, std::chrono::milliseconds) override {
        std::ranges::find(world_.machines, name, &cloud::Machine::name)->state =
            cloud::MachineState::off;
        return ok();
    }
    Result<void> delete_machine(const std::string& name) override {
        world_.moment("delete_machine");
        std::erase_if(world_.machines, [&](const auto& one) { return one.name == name; });
        world_.agents.erase(name);
        world_.moment("delete_machine did it");
        return ok();
    }
    Result<std::vector<cloud::GcItem>> collect_garbage(const cloud::GcRequest& request) override {
        std::vector<cloud::GcItem> items;
        for (const auto& machine : std::vector{world_.machines}) {
            if (!request.owned(machine.tags, true)) {
                items.push_back({"machine", machine.name, "no operation owns it"});
                if (!request.dry_run) {
                    JACKDAW_CHECK(delete_machine(machine.name));
                }
            }
        }
        for (const auto& volume : std::vector{world_.volumes}) {
            const bool attached =
                std::ranges::find(world_.machines, volume.id, &cloud::Machine::volume_id) !=
                world_.machines.end();
            if (!attached && !volume.kept && !request.owned_volumes.contains(volume.id) &&
                !request.owned(volume.tags, true)) {
                items.push_back({"volume", volume.id, "no operation owns it"});
                if (!request.dry_run) {
                    JACKDAW_CHECK(delete_volume(volume.id));
                }
            }
        }
        return items;
    }
    Result<void> deliver(const std::string& machine, const cloud::FleetFiles& files) override {
        world_.moment("deliver");
        world_.agents[machine].owned = !files.statement.empty() && !files.gossip_ring.empty();
        return ok();
    }
    Result<std::string> agent_identity(const std::string&, std::chrono::milliseconds) override {
        world_.moment("agent_identity");
        return R"({"node_id":"0011223344556677","sign_key":")" + std::string(64, 'a') +
               R"(","noise_key":")" + std::string(64, 'b') + "\"}";
    }

private:
    std::string note(std::string call) {
        world_.local_calls.push_back(call);
        return call;
    }
    Result<void> noted(std::string call) {
        note(std::move(call));
        return ok();
    }
    World& world_;
};

} // namespace

World::World(std::filesystem::path root) {
    folders.config = root / "config";
    folders.state = root / "state";
    folders.data = root / "data";
    folders.settings_file = root / "jackdaw.toml";
    folders.admin_socket = (root / "none.sock").string();
    folders.public_socket = (root / "no-public.sock").string();
}

void World::moment(const std::string& what) {
    calls.push_back(what);
    if (kill_at && moments++ == *kill_at) {
        throw Killed{};
    }
}

std::optional<int> World::jackdaw(std::vector<std::string> words) {
    terminal.stdout_text.clear();
    terminal.stderr_text.clear();
    calls.clear();
    moments = 0;
    FakeConnector connector{*this};
    FakeImages fake_images{*this};
    Session session{
        terminal,
        clock,
        entropy,
        folders,
        [this](const char* name) -> std::optional<std::string> {
            const auto at = environment.find(name);
            return at != environment.end() ? std::optional{at->second} : std::nullopt;
        },
        0,
        connector,
        fake_images,
        [this](const std::string& provider, const std::string&) -> Result<std::unique_ptr<Cloud>> {
            if (provider != "local") {
                return Error{Errc::unsupported, "this build has no provider " + provider};
            }
            return std::unique_ptr<Cloud>{std::make_unique<FakeProvider>(*this)};
        },
        [](const OperatorKeys&, const AgentIdentity& agent) -> Result<SignedFleetFiles> {
            return SignedFleetFiles{"statement of " + agent.instance_id, "key"};
        },
        [this](std::vector<std::string> client, const Secret& options) -> Result<int> {
            client_words = std::move(client);
            client_options = options.reveal();
            return 0;
        }};
    try {
        const int status = run(session, words);
        const auto output = std::ranges::find(words, "-o");
        if (output != words.end() && output + 1 != words.end() && *(output + 1) == "json") {
            std::istringstream lines{terminal.stderr_text}; // a program reads it: JSON, or nothing
            for (std::string line; std::getline(lines, line);) {
                if (!Json::parse(line).is_object()) {
                    throw std::logic_error{"no JSON object on stderr: " + line};
                }
            }
        }
        return status;
    } catch (const Killed&) {
        return std::nullopt;
    }
}

} // namespace jackdaw::cli::fakes
