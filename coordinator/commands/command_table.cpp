#include "coordinator/commands/command_table.h"

#include "coordinator/commands/command_rows.h"
#include "coordinator/commands/handlers.h"

namespace jackdaw::cli {
const std::vector<NounRow>& noun_table() {
    static const std::vector<NounRow> nouns{
        {"fleet", "fleets: their keys, their network, their care"},
        {"instance", "database instances, each on a machine of its own"},
        {"database", "the databases of an instance"},
        {"user", "the users of an instance"},
        {"root", "the all-powerful account of an instance"},
        {"session", "who is connected to an instance, and what it runs"},
        {"config", "the parameters of an instance"},
        {"datastore", "databases that can be made here, and what they can"},
        {"op", "operations: what was changed, is being changed, and how it went"},
        {"member", "the agents of the fleet, as they see each other"},
        {"machine", "local machines: power, faults, a shell"},
        {"image", "what local machines boot from"},
        {"doctor", "what this host has of what local machines need"},
        {"explain", "what an error code means and what to do"},
        {"version", "of this program, and of the agent if there is one"},
    };
    return nouns;
}

namespace {

std::vector<CommandRow> rows_of_fleets() {
    return {
        {"fleet",
         "init",
         "make a fleet: keys here, a network on this host",
         {{"NAME", "the new fleet"}},
         {{"--provider", "P", "where machines come from: local (default)"},
          {"--subnet", "NET", "a free /24 for its machines; chosen if not named"},
          {"--flavor", "NAME=cpu=N,mem=SIZE", "a named flavor for `instance create`", true}},
         changes,
         fleet_init},
        {"fleet", "list", "the fleets of this operator", {}, {}, looks, fleet_list},
        {"fleet",
         "show",
         "one fleet",
         {{"NAME", "default: the one in use", false}},
         {},
         looks,
         fleet_show},
        {"fleet", "use", "make it the default", {{"NAME", "the fleet"}}, {}, changes, fleet_use},
        {"fleet",
         "up",
         "after a reboot of the host: network and machines that were on",
         {{"NAME", "default: the one in use", false}},
         {},
         changes,
         fleet_up},
        {"fleet",
         "gc",
         "find and remove what no operation owns",
         {{"NAME", "default: the one in use", false}},
         {},
         changes,
         fleet_gc},
        {"fleet",
         "destroy",
         "remove all its machines, volumes, its network and keys",
         {{"NAME", "default: the one in use", false}},
         {{"--kept-volumes", "", "also volumes that `instance delete --keep-volume` kept"}},
         destroys,
         fleet_destroy},

        {"instance",
         "create",
         "make an instance: machine, volume, database",
         {{"NAME", "1 to 63 of a-z, 0-9 and '-', a letter first"}},
         {{"--datastore", "DS[:VERSION]", "which database, e.g. mariadb:10.11", false, true},
          {"--volume", "SIZE", "of the data volume, e.g. 20G; at least 320M"},
          {"--volume-type", "T", "of the provider"},
          {"--overcommit", "", "promise more than the host's disk has free"},
          {"--fs", "FS", "xfs (default) or ext4"},
          {"--attach-volume", "SERIAL",
           "an existing volume, by serial or id, instead of a new one"},
          {"--take-over", "ID", "replace the stamp of this instance on it"},
          {"--format", "SERIAL", "what is on it may go; names the serial again"},
          {"--flavor", "F", "cpu=N,mem=SIZE or a named one of the fleet's; without it mem=1G"},
          {"--root-disk", "SIZE", "a root disk of its own and this size (local provider)"},
          {"--agent", "DIR", "freshly built programs instead of the image's (local provider)"},
          {"--database", "NAME[:CHARSET[:COLLATION]]", "a database to make", true},
          {"--user", "NAME[@HOST][/DB[,DB]]",
           "a user with all rights on these databases; a password is generated", true},
          {"--user-file", "FILE", "lines of USER [PASSWORD]"},
          password_stdin,
          password_file,
          {"--allow", "CIDR", "who may connect (default: the fleet's subnet)", true},
          {"--protect", "", "refuse its deletion until `instance unprotect`"}},
         changes_and_waits,
         instance_create},
        {"instance", "list", "all instances of the fleet", {}, {}, looks, instance_list},
        {"instance", "show", "one instance", {instance_name}, {}, looks, instance_show},
        {"instance",
         "delete",
         "stop it and destroy its data (always waits)",
         {instance_name},
         {{"--keep-volume", "", "keep the data volume"}},
         destroys_and_waits,
         instance_delete},
        {"instance",
         "start",
         "start the database",
         {instance_name},
         {},
         changes_and_waits,
         instance_start},
        {"instance",
         "stop",
         "stop the database cleanly; it stays stopped",
         {instance_name},
         {{"--force", "", "do not wait for a clean end; the next start recovers"}},
         changes_and_waits,
         instance_stop},
        {"instance",
         "restart",
         "stop and start the database",
         {instance_name},
         {{"--force", "", "do not wait for a clean end; the next start recovers"}},
         changes_and_waits,
         instance_restart},
        {"instance",
         "resize",
         "grow the data volume while the database runs",
         {instance_name},
         {{"--volume", "SIZE", "the new size, above the present one", false, true}},
         changes_and_waits,
         instance_resize},
        {"instance",
         "pause",
         "maintenance: the agent starts and restarts nothing by itself",
         {instance_name},
         {{"--for", "TIME", "until it ends by itself, e.g. 90m (default: 1h)"}},
         changes_and_waits,
         instance_pause},
        {"instance",
         "resume",
         "end the maintenance",
         {instance_name},
         {},
         changes_and_waits,
         instance_resume},
        {"instance",
         "protect",
         "refuse its deletion",
         {instance_name},
         {},
         changes_and_waits,
         instance_protect},
        {"instance",
         "unprotect",
         "allow its deletion again",
         {instance_name},
         {},
         changes_and_waits,
         instance_unprotect},

    };
}

std::vector<CommandRow> rows_of_care() {
    return {
        {"op",
         "list",
         "operations, the newest first",
         {},
         {{"--cause", "C", "only those of this cause: request, boot or supervisor"},
          {"--instance", "NAME", "only those of this target"}},
         looks,
         op_list},
        {"op",
         "show",
         "one operation with its steps",
         {{"ID", "the operation"}},
         {},
         looks,
         op_show},
        {"op",
         "watch",
         "follow an operation to its end",
         {{"ID", "the operation"}},
         {{"--timeout", "TIME", "how long to follow it, e.g. 10m (default: an hour)"}},
         looks,
         op_watch},
        {"op",
         "abort",
         "ask for its undoing",
         {{"ID", "the operation"}},
         {},
         changes_and_waits,
         op_abort},
        {"op",
         "resume",
         "try a failed one again from where it failed",
         {{"ID", "the operation"}},
         {},
         changes_and_waits,
         op_resume},

        {"member", "list", "the agents of the fleet", {}, {}, looks, member_list},
        {"member", "show", "one of them", {{"NAME", "name or id"}}, {}, looks, member_show},

        {"machine", "list", "the machines of the fleet", {}, {}, looks, machine_list},
        {"machine", "power-on", "start it", {machine_name}, {}, changes, machine_power_on},
        {"machine",
         "power-off",
         "end it cleanly",
         {machine_name},
         {{"--crash", "", "as a power cut: nothing that was not synced survives"},
          {"--timeout", "TIME", "how long it may take to end (default: 10m)"}},
         changes,
         machine_power_off},
        {"machine",
         "freeze",
         "stop all its processes where they are",
         {machine_name},
         {},
         changes,
         machine_freeze},
        {"machine", "thaw", "let them go on", {machine_name}, {}, changes, machine_thaw},
        {"machine",
         "cut",
         "lose its packets",
         {machine_name},
         {{"--from", "MACHINE", "only to and from this one"},
          {"--one-way", "", "only what it sends"},
          {"--loss", "PERCENT", "only so many of them, e.g. 10%"}},
         changes,
         machine_cut},
        {"machine", "heal", "end a cut", {machine_name}, {}, changes, machine_heal},
        {"machine",
         "shell",
         "run a command inside as root; without one a shell",
         {machine_name, {"COMMAND", "behind --", false, true}},
         {},
         looks,
         machine_shell},

        {"image",
         "build",
         "bake an image of a datastore",
         {{"DATASTORE", "DS[:VERSION]"}},
         {{"--programs", "DIR", "Jackdaw's programs to bake in"},
          {"--force", "", "bake again although nothing changed"}},
         changes,
         image_build},
        {"image", "list", "the images on this host", {}, {}, looks, image_list},
        {"image",
         "delete",
         "delete one that no machine uses",
         {{"IMAGE", "DS:VERSION or a digest"}},
         {},
         destroys,
         image_delete},

        {"doctor", "", "what this host has of what local machines need", {}, {}, looks, doctor},
        {"explain",
         "",
         "what an error code means; without one, all of them",
         {{"CODE", "E-…", false}},
         {},
         looks,
         explain},
        {"version", "", "of this program and of the agent", {}, {}, looks, version},
    };
}

} // namespace

const std::vector<CommandRow>& command_table() {
    static const auto rows = [] {
        auto all = rows_of_fleets();
        for (auto& more : {rows_of_content(), rows_of_settings(), rows_of_care()}) {
            all.insert(all.end(), more.begin(), more.end());
        }
        return all;
    }();
    return rows;
}

const std::vector<OptionRow>& common_options() {
    static const std::vector<OptionRow> options{
        {"--output", "FORMAT", "table, wide, json, jsonl, yaml or name"},
        {"--fleet", "NAME", "this fleet (else JACKDAW_FLEET, else the default)"},
        {"--local", "", "the agent on this machine, over its socket"},
    };
    return options;
}

std::vector<OptionRow> shared_options(const CommandRow& row) {
    std::vector<OptionRow> options;
    if (row.nature.change) {
        options.push_back({"--dry-run", "", "say what would be done, change nothing"});
    }
    if (row.nature.waits) {
        options.push_back({"--wait", "",
                           row.nature.is_short ? "until it has ended (default)"
                                               : "until it has ended (default on a terminal)"});
        options.push_back({"--no-wait", "", "return as soon as it has begun"});
        options.push_back({"--timeout", "TIME", "how long to wait, e.g. 10m (default: an hour)"});
    }
    if (row.nature.destroys) {
        options.push_back({"--yes", "", "do not ask"});
    }
    const auto& common = common_options();
    options.insert(options.end(), common.begin(), common.end());
    return options;
}

} // namespace jackdaw::cli
