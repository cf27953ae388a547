// jackdaw fleet init | list | show | use

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "coordinator/commands/changes.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/reach.h"
#include "proto/base/ids.h"
#include "proto/base/size.h"

namespace jackdaw::cli {
namespace {

std::string flavors_text(const Profile& profile) {
    std::string text;
    for (const auto& [name, flavor] : profile.flavors) {
        text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", name, flavor_text(flavor));
    }
    return text;
}

Json flavors_json(const Profile& profile) {
    Json flavors = Json::object();
    for (const auto& [name, flavor] : profile.flavors) {
        flavors[name] =
            Json{{"cpu_millis", flavor.cpu_millis}, {"memory_bytes", flavor.memory_bytes}};
    }
    return flavors;
}

Json profile_json(const Profile& profile, bool usual) {
    return Json{{"apiVersion", proto::api_version},
                {"kind", "Fleet"},
                {"name", profile.name},
                {"provider", profile.provider},
                {"subnet", profile.subnet},
                {"default", usual},
                {"flavors", flavors_json(profile)},
                {"operator_key", profile.operator_key},
                {"created_at", profile.created_at}};
}

/// Volumes that `instance delete --keep-volume` kept: with the words that give them to an instance.
struct KeptVolumes {
    Json list = Json::array();
    std::string text;
};

KeptVolumes kept_volumes(const OpJournal& journal, const std::vector<cloud::Volume>& volumes) {
    KeptVolumes kept;
    std::vector<CreateRecord> records;
    for (const auto& one : volumes) {
        if (one.damaged) {
            kept.text +=
                fmt::format("damaged record of volume {}, {}: restore it, or `jackdaw fleet "
                            "destroy --kept-volumes`\n",
                            one.id, format_size(one.size_bytes));
            continue;
        }
        if (!one.kept) {
            continue;
        }
        if (records.empty()) {
            records = journal.load_all();
        }
        const auto instance = stamped_for(records, one.id);
        kept.list.push_back(Json{{"id", one.id},
                                 {"serial", one.serial},
                                 {"name", one.name},
                                 {"size_bytes", one.size_bytes},
                                 {"instance_id", instance.empty() ? Json{} : Json(instance)},
                                 {"created_at", one.created_at}});
        kept.text += fmt::format("kept volume of '{}', {}: --attach-volume {}{}\n",
                                 printable(one.name), format_size(one.size_bytes), one.serial,
                                 instance.empty() ? "" : " --take-over " + instance);
    }
    return kept;
}

Result<Profile> wanted_profile(const Invocation& invocation) {
    Profile profile;
    profile.name = invocation.text("NAME");
    JACKDAW_CHECK(check_label(profile.name, "fleet"));
    profile.provider = invocation.text("--provider", "local");
    profile.subnet = invocation.text("--subnet");
    if (!profile.subnet.empty()) {
        JACKDAW_CHECK(check_cidr(profile.subnet).while_doing("--subnet"));
    }
    for (const auto& text : invocation.all("--flavor")) {
        const auto equals = text.find('=');
        const auto name = text.substr(0, equals);
        if (equals == std::string::npos) {
            return Error{Errc::invalid,
                         fmt::format("--flavor '{}' is not NAME=cpu=N,mem=SIZE, e.g. "
                                     "small=cpu=1,mem=512M",
                                     printable(text.substr(0, 60)))};
        }
        JACKDAW_CHECK(check_label(name, "flavor"));
        JACKDAW_TRY(profile.flavors[name],
                    parse_flavor(equals == std::string::npos
                                     ? std::string_view{}
                                     : std::string_view{text}.substr(equals + 1)));
    }
    return profile;
}

/// What making the network would refuse: for a dry run.
Result<void> check_network(Session& session, const Profile& profile) {
    JACKDAW_TRY(const auto cloud, session.open_cloud(profile.provider, profile.name));
    return cloud->provider().check_network(profile.subnet);
}

/// A fleet whose keys are lost can be looked at, and nothing more.
Result<void> check_keys(const Folders& folders, const Profile& profile) {
    const auto keys = load_keys(folders, profile.name);
    const auto ring = load_gossip_ring(folders, profile.name);
    if (keys && ring) {
        return ok();
    }
    auto error = keys ? ring.error().clone() : keys.error().clone();
    if (error.code() != Errc::not_found) {
        return error;
    }
    return Error{Errc::corrupt, fmt::format("a secret key of fleet '{}' is gone", profile.name)}
        .with_hint(fmt::format("put {} back from a copy; without it nobody can command its agents, "
                               "and `jackdaw fleet destroy {}` is what is left",
                               folders.fleet(profile.name).string(), profile.name));
}

Result<void> make_fleet(Session& session, Profile& profile, bool first) {
    JACKDAW_TRY(const auto cloud, session.open_cloud(profile.provider, profile.name));
    // First what may be refused: keys of a fleet that never was would be left.
    JACKDAW_TRY(const auto network, cloud->provider().ensure_network(profile.subnet));
    profile.subnet = network.subnet;
    JACKDAW_TRY(const auto keys, ensure_keys(session.folders, profile.name));
    profile.operator_key = to_hex(std::as_bytes(std::span{keys.sign_public}));
    profile.created_at = session.now_text();
    JACKDAW_CHECK(save_profile(session.folders, profile));
    return first ? set_default_fleet(session.folders, profile.name) : ok();
}

} // namespace

Result<int> fleet_init(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto profile, wanted_profile(invocation));
    const auto there = load_profile(session.folders, profile.name);
    if (there) {
        JACKDAW_CHECK(check_stays(*there));
        JACKDAW_CHECK(check_keys(session.folders, *there));
        const bool same = there->provider == profile.provider &&
                          (profile.subnet.empty() || profile.subnet == there->subnet);
        if (!same) {
            return Error{Code::fleet_exists, fmt::format("it has provider {} and subnet {}",
                                                         there->provider, there->subnet)}
                .while_doing(fmt::format("make fleet '{}'", profile.name));
        }
        auto flavors = there->flavors;
        for (const auto& [flavor, words] : profile.flavors) {
            flavors[flavor] = words;
        }
        const bool changed = flavors != there->flavors;
        if (invocation.dry_run) {
            JACKDAW_CHECK(check_network(session, *there));
            return would(session, invocation,
                         {changed ? "change the flavors: the fleet is there"
                                  : "change nothing: the fleet is there"});
        }
        // The network too: after a reboot of the host it is only written down.
        return at_once(
            session, invocation, "fleet.init", profile.name,
            changed ? fmt::format("fleet '{}' exists; its flavors are changed", profile.name)
                    : fmt::format("fleet '{}' exists with the same settings; nothing to do",
                                  profile.name),
            [&]() -> Result<void> {
                JACKDAW_TRY(const auto cloud, session.open_cloud(there->provider, there->name));
                JACKDAW_TRY([[maybe_unused]] const auto network,
                            cloud->provider().ensure_network(there->subnet));
                if (!changed) {
                    return ok();
                }
                auto next = *there;
                next.flavors = flavors;
                return save_profile(session.folders, next);
            });
    }
    if (there.error().id() != Code::no_profile) {
        return there.error().clone();
    }
    if (invocation.dry_run) {
        JACKDAW_CHECK(check_network(session, profile));
        return would(session, invocation,
                     {fmt::format("make an operator's key and a gossip key in {}",
                                  session.folders.fleet(profile.name).string()),
                      fmt::format("make a network{}{}",
                                  profile.subnet.empty() ? " of its own" : " ", profile.subnet)});
    }
    const bool first = !default_fleet(session.folders);
    return at_once(
        session, invocation, "fleet.init", profile.name,
        first ? fmt::format("fleet '{}' is there and the default", profile.name)
              : fmt::format("fleet '{0}' is there; it is not the default: --fleet {0}, or `jackdaw "
                            "fleet use {0}`",
                            profile.name),
        [&] { return make_fleet(session, profile, first); });
}

Result<int> fleet_list(Session& session, const Invocation& invocation) {
    const auto usual = default_fleet(session.folders);
    Table table{{{"NAME"},
                 {"PROVIDER"},
                 {"SUBNET"},
                 {"DEFAULT"},
                 {"CREATED", true},
                 {"OPERATOR KEY", true}},
                {}};
    Json items = Json::array();
    JACKDAW_CHECK(check_readable(session.folders));
    for (const auto& name : profile_names(session.folders)) {
        const auto read = load_profile(session.folders, name);
        if (!read) { // no reason to hide the others
            session.terminal.err(fmt::format("warning: {}\n", printable(read.error().to_string())));
        }
        Profile unread;
        unread.name = name;
        unread.provider = "unreadable";
        const auto& profile = read ? *read : unread;
        const bool is_usual = usual == name;
        table.rows.push_back({{name},
                              {profile.provider},
                              {profile.subnet},
                              {is_usual ? "yes" : ""},
                              {profile.created_at},
                              {profile.operator_key}});
        items.push_back(profile_json(profile, is_usual));
    }
    session.terminal.page(
        render_list(proto::list_json("Fleet", std::move(items), session.now_text()), table,
                    invocation.format, session.terminal.colour_out()));
    return 0;
}

Result<int> fleet_show(Session& session, const Invocation& invocation) {
    auto named = invocation;
    if (invocation.has("NAME")) {
        named.fleet = invocation.text("NAME");
    }
    auto found = Reach::find_fleet(session, named);
    if (!found && invocation.has("NAME") && found.error().id() == Code::no_profile) {
        return Error{Errc::not_found, found.error().message()}.with_hint(found.error().hint());
    }
    JACKDAW_TRY(auto reach, std::move(found));
    const auto& profile = reach.profile();
    JACKDAW_TRY(auto* const cloud, reach.cloud());
    JACKDAW_TRY(const auto network, cloud->provider().describe_network());
    JACKDAW_TRY(const auto machines, reach.machines());
    JACKDAW_TRY(const auto volumes, cloud->provider().volumes());
    const bool usual = default_fleet(session.folders) == profile.name;
    auto json = profile_json(profile, usual);
    json["gateway"] = network ? network->gateway : "";
    json["network_present"] = network && network->present;
    json["machines"] = machines.size();
    json["volumes"] = volumes.size();
    const auto kept = kept_volumes(reach.journal(), volumes);
    json["kept_volumes"] = kept.list;
    const auto text = render_pairs(
        {{"Name", {profile.name, Style::bold}},
         {"Provider", {profile.provider}},
         {"Default", {usual ? "yes" : ""}},
         {"Subnet", {profile.subnet}},
         {"Gateway", {network ? network->gateway : ""}},
         {"Network",
          {network && network->present ? "" : "not on this host now: `jackdaw fleet up`",
           Style::warning}},
         {"Flavors", {flavors_text(profile)}},
         {"Machines", {std::to_string(machines.size())}},
         {"Volumes", {std::to_string(volumes.size())}},
         {"Operator key", {profile.operator_key}},
         {"Profile", {session.folders.fleet(profile.name).string()}},
         {"Created", {profile.created_at}}},
        session.terminal.colour_out());
    session.terminal.out(render_object(json, text + kept.text, invocation.format));
    return 0;
}

Result<int> fleet_use(Session& session, const Invocation& invocation) {
    const auto name = invocation.text("NAME");
    JACKDAW_TRY(const auto profile, load_profile(session.folders, name));
    if (invocation.dry_run) {
        return would(session, invocation, {fmt::format("use fleet '{}' when none is named", name)});
    }
    return at_once(session, invocation, "fleet.use", name,
                   fmt::format("fleet '{}' is the default", name),
                   [&] { return set_default_fleet(session.folders, name); });
}

} // namespace jackdaw::cli
