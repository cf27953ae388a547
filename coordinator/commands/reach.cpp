#include "coordinator/commands/reach.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "proto/base/ids.h"

namespace jackdaw::cli {
namespace {

constexpr std::chrono::milliseconds restart_limit{3'000};
constexpr std::chrono::milliseconds between_dials{100};

std::optional<std::string> named_fleet(const Session& session, const Invocation& invocation) {
    if (!invocation.fleet.empty()) {
        return invocation.fleet;
    }
    if (auto named = session.variable("JACKDAW_FLEET"); named && !named->empty()) {
        return named;
    }
    return std::nullopt;
}

std::optional<std::string> usual_fleet(const Session& session) {
    if (auto usual = default_fleet(session.folders)) {
        return usual;
    }
    const auto settings = load_settings(session.folders);
    const auto at = settings.find("fleet");
    return at != settings.end() ? std::optional{at->second} : std::nullopt;
}

bool is_socket(const std::string& path) {
    struct stat about{};
    return ::stat(path.c_str(), &about) == 0 && S_ISSOCK(about.st_mode);
}

Error no_context(const Folders& folders) {
    const auto names = profile_names(folders);
    if (names.empty()) {
        return Error{Code::no_profile,
                     "there is no fleet profile of this user and no agent on this machine"};
    }
    return Error{Code::no_profile,
                 fmt::format("no fleet is named, and none is the default; there {}: "
                             "{}",
                             names.size() == 1 ? "is" : "are", fmt::join(names, ", "))}
        .with_hint(fmt::format("--fleet {0}, or `jackdaw fleet use {0}`", names.front()));
}

} // namespace

const std::string& local_socket(const Folders& folders) {
    const bool is_closed =
        ::faccessat(AT_FDCWD, folders.admin_socket.c_str(), R_OK | W_OK, AT_EACCESS) != 0 &&
        errno == EACCES;
    return is_closed && is_socket(folders.public_socket) ? folders.public_socket
                                                         : folders.admin_socket;
}

std::string Session::now_text() const {
    return rfc3339(clock.wall_ms());
}

MachineView view_of(const cloud::Machine& machine) {
    return MachineView{
        machine.label,   machine.id,        std::string{cloud::to_string(machine.state)},
        machine.address, machine.datastore, machine.version};
}

Result<Reach> Reach::find(Session& session, const Invocation& invocation) {
    Reach reach{session};
    if (invocation.local) {
        return reach;
    }
    auto fleet = named_fleet(session, invocation);
    if (!fleet) {
        fleet = usual_fleet(session);
    }
    if (fleet) {
        JACKDAW_TRY(reach.profile_, load_profile(session.folders, *fleet));
        return reach;
    }
    if (is_socket(local_socket(session.folders))) {
        return reach;
    }
    return no_context(session.folders);
}

Result<Reach> Reach::find_fleet(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto reach, find(session, invocation));
    if (reach.local()) {
        return Error{Code::no_profile, "this command works on a fleet, and none is named"}
            .with_hint("`jackdaw fleet list` shows them, `jackdaw fleet init NAME` makes one");
    }
    return reach;
}

OpJournal Reach::journal() const {
    return OpJournal{session_->folders.ops(profile_->name)};
}

Result<Cloud*> Reach::cloud() {
    if (!cloud_) {
        JACKDAW_TRY(cloud_, session_->open_cloud(profile_->provider, profile_->name));
    }
    return cloud_.get();
}

Result<std::vector<cloud::Machine>> Reach::machines() {
    JACKDAW_TRY(auto* const opened, cloud());
    return opened->provider().machines();
}

Result<void> check_whole(const cloud::Machine& machine) {
    if (machine.state != cloud::MachineState::damaged) {
        return ok();
    }
    return Error{
        Errc::corrupt,
        fmt::format("what is written down of the machine of '{}' cannot be read or is gone",
                    machine.label)}
        .with_hint(fmt::format("restore its machine.json from a copy; `jackdaw instance delete {}` "
                               "removes it with all its data",
                               machine.label));
}

Result<ClientPtr> Reach::of_machine(const cloud::Machine& machine) {
    JACKDAW_CHECK(check_whole(machine));
    if (machine.state != cloud::MachineState::on) {
        const auto state = cloud::to_string(machine.state);
        auto down = Error{Code::machine_down,
                          fmt::format("the machine of '{}' is {}", machine.label, state)};
        return machine.state == cloud::MachineState::frozen
                   ? std::move(down).with_hint(
                         fmt::format("`jackdaw machine thaw {}`", machine.label))
                   : std::move(down).with_hint(
                         fmt::format("`jackdaw machine power-on {}`", machine.label));
    }
    auto client =
        session_->connector.dial(*profile_, machine.address, machine.id, session_->in(dial_limit))
            .while_doing([&] { return fmt::format("the agent of '{}'", machine.label); });
    const auto general = Error{Code::unavailable, ""}.hint();
    if (!client && client.error().id() == Code::unavailable && client.error().hint() == general) {
        return std::move(client).error().with_hint(
            fmt::format("an agent answers some seconds after its machine is on; `jackdaw doctor "
                        "{}` says what is wrong",
                        machine.label));
    }
    return client;
}

Result<ClientPtr> Reach::any() {
    return first([](ApiClient&) { return ok(); });
}

bool hears_no_other(const Json& gossip) {
    return proto::string_at(gossip, "state", "").value_or("") == "isolated";
}

Result<ClientPtr> Reach::any_member() {
    bool one_is_alone = false;
    const auto find = [&](bool alone_will_do) {
        return first([&, this](ApiClient& client) -> Result<void> {
            const auto gossip = get(client, "/v1/gossip", session_->in(answer_limit));
            if (!gossip) {
                const auto code = gossip.error().code();
                const bool is_silent = code == Errc::unavailable || code == Errc::deadline;
                return is_silent ? Result<void>{gossip.error().clone()} : ok();
            }
            const auto state = proto::string_at(*gossip, "state", "").value_or("");
            const bool is_alone = hears_no_other(*gossip);
            one_is_alone = one_is_alone || is_alone;
            if (state == "left" || state == "twin" || (is_alone && !alone_will_do)) {
                return Error{Errc::unavailable, "no agent that answers is a member of its fleet"}
                    .with_hint("`jackdaw doctor` says of each what it is, and what mends it");
            }
            return ok();
        });
    };
    auto found = find(false);
    return !found && one_is_alone ? find(true) : std::move(found);
}

Result<ClientPtr> Reach::first(const std::function<Result<void>(ApiClient&)>& will_do) {
    if (local()) {
        return session_->connector.socket(local_socket(session_->folders));
    }
    JACKDAW_TRY(const auto all, machines());
    auto last =
        Error{Errc::unavailable, fmt::format("no machine of fleet '{}' is on", profile_->name)}
            .with_hint(
                "`jackdaw machine list` shows them, `jackdaw machine power-on NAME` starts one");
    for (const auto& one : all) {
        if (one.state != cloud::MachineState::on) {
            continue;
        }
        auto client = of_machine(one);
        if (!client) {
            last = std::move(client).error();
        } else if (auto good = will_do(**client)) {
            return client;
        } else {
            last = std::move(good).error();
        }
    }
    return last;
}

Result<std::string> Reach::chosen_instance(const Invocation& invocation) {
    if (invocation.has("INSTANCE") && invocation.has("--instance") &&
        invocation.text("INSTANCE") != invocation.text("--instance")) {
        return Error{Errc::invalid, "two instances are named"};
    }
    if (invocation.has("INSTANCE") || invocation.has("--instance")) {
        return invocation.text("INSTANCE", invocation.text("--instance"));
    }
    if (local()) {
        auto client = session_->connector.socket(local_socket(session_->folders));
        JACKDAW_TRY(const auto json, get(*client, "/v1/instance", session_->in(answer_limit)));
        return proto::string_at(json, "name", "");
    }
    JACKDAW_TRY(const auto all, machines());
    if (all.size() == 1) {
        return all.front().label;
    }
    if (all.empty()) {
        return Error{Errc::not_found, "the fleet has no instance"}.with_hint(
            "`jackdaw instance create` makes one");
    }
    constexpr std::size_t told_max = 10;
    std::string names;
    for (std::size_t i = 0; i < std::min(all.size(), told_max); ++i) {
        names += (i == 0 ? "" : ", ") + all[i].label;
    }
    return Error{Errc::invalid, "the fleet has several instances, and none is named"}.with_hint(
        fmt::format("name one before the rest, or with --instance: {}{}", names,
                    all.size() > told_max ? ", …" : ""));
}

bool Reach::has_instance(const std::string& name) {
    if (local()) {
        auto client = session_->connector.socket(local_socket(session_->folders));
        const auto json = get(*client, "/v1/instance", session_->in(answer_limit));
        return json && proto::string_at(*json, "name", "").value_or("") == name;
    }
    const auto all = machines();
    return all && std::ranges::find(*all, name, &cloud::Machine::label) != all->end();
}

Result<InstanceAccess> access_instance(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    JACKDAW_TRY(auto name, reach.chosen_instance(invocation));
    session.instance = name;
    JACKDAW_TRY(auto client, reach.of(name));
    return InstanceAccess{std::move(reach), std::move(name), std::move(client)};
}

std::vector<std::string> note_untold(Session& session, const Json& answer, const Json& whole) {
    auto paths = untold(answer, whole);
    std::string names;
    for (const auto& path : paths) {
        auto name = path.substr(1);
        std::ranges::replace(name, '/', '.');
        names += (names.empty() ? "" : ", ") + name;
    }
    if (!paths.empty()) {
        session.terminal.err(
            fmt::format("note: agent too old: it does not tell {}; what is empty there is unknown. "
                        "`jackdaw doctor` compares versions\n",
                        names));
    }
    return paths;
}

void note_untold_in(Session& session, const Json& items, const Json& whole) {
    if (!items.empty()) {
        (void)note_untold(session, items.front(), whole);
    }
}

Result<ClientPtr> Reach::of(const std::string& name) {
    JACKDAW_CHECK(check_label(name, "instance"));
    if (!local()) {
        JACKDAW_TRY(const auto found, machine(name));
        auto client = of_machine(found);
        const auto until = session_->in(restart_limit); // an agent that died is back by then
        while (!client && client.error().id() == Code::unavailable &&
               session_->clock.now() < until) {
            session_->clock.sleep(between_dials);
            client = of_machine(found);
        }
        return client;
    }
    auto client = session_->connector.socket(local_socket(session_->folders));
    JACKDAW_TRY(const auto json, get(*client, "/v1/instance", session_->in(answer_limit)));
    JACKDAW_TRY(const auto there, proto::string_at(json, "name", ""));
    if (there != name) {
        return Error{Errc::not_found,
                     fmt::format("this machine has instance '{}', not '{}'", there, name)};
    }
    return client;
}

} // namespace jackdaw::cli
