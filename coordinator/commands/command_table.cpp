#include "coordinator/commands/command_table.h"

#include <fmt/format.h>

#include "coordinator/commands/command_rows.h"
#include "coordinator/commands/handlers.h"

namespace jackdaw::cli {
const std::vector<NounRow>& noun_table() {
    static const std::vector<NounRow> nouns{
        {"fleet", "fleets: their keys, their network, their care"},
        {"instance", "database instances, each on a machine of its own"},
        {"database", "the databases of an instance"},
        {"user", "the users of an instance"},
        {"root", "the administrator's account of an instance, in two levels"},
        {"session", "who is connected to an instance, and what it runs"},
        {"config", "the parameters of an instance"},
        {"log", "the logs of an instance's database"},
        {"events", "what happened to an instance, or to all of the fleet"},
        {"datastore", "databases that can be made here, and what they can"},
        {"op", "operations: what was changed, is being changed, and how it went"},
        {"member", "the agents of the fleet, as they see each other by gossip"},
        {"key", "the keys that seal the fleet's gossip"},
        {"machine", "local machines: power, faults, a shell"},
        {"image", "what local machines boot from"},
        {"connect", "open the database's own client"},
        {"completion", "a script for your shell"},
        {"manual", "manual pages"},
        {"help", "help on commands, and a search"},
        {"top", "how busy the instances are, live"},
        {"doctor", "what is wrong with host, fleet and agents, and what mends it"},
        {"explain", "what an error code means and what to do"},
        {"version", "of this program, and of the agent if there is one"},
    };
    return nouns;
}

namespace {

constexpr ArgumentRow operation_id{"ID", "the operation, or at least 4 letters of its beginning"};

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
          {"--volume-type", "T", "of the provider; the local one has none"},
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
         "destroy it: its machine, its volume with all databases and users, its settings, logs and "
         "history (always waits)",
         {instance_name},
         {{"--keep-volume", "",
           "keep the volume with databases and users; not settings, root, logs, history"}},
         deletes_instance,
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
         "repair",
         "make the agent's own account in the database again what it must be",
         {instance_name},
         {},
         changes_and_waits,
         instance_repair},
        {"instance",
         "rename",
         "give it another name; its machine keeps the old one (always waits)",
         {instance_name, {"NEW", "its new name, 1 to 63 of a-z, 0-9 and '-', a letter first"}},
         {},
         renames_instance,
         instance_rename},
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
         "end the maintenance; without one it says so",
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
         {{"INSTANCE", "only those of this one", false}},
         {{"--cause", "C", "only those of this cause: request, boot, supervisor or timer"},
          {"--status", "S",
           "only those: queued, running, done, failed, undone, or unknown (no answer)"},
          {"--limit", "N", "so many at most"},
          of_instance},
         looks,
         op_list},
        {"op", "show", "one operation with its steps", {operation_id}, {}, looks, op_show},
        {"op",
         "watch",
         "follow an operation to its end",
         {operation_id},
         {{"--timeout", "TIME", "how long to follow it, e.g. 10m (default: an hour)"}},
         looks,
         op_watch},
        {"op", "abort", "ask for its undoing", {operation_id}, {}, changes_and_waits, op_abort},
        {"op",
         "resume",
         "try a failed one again from where it failed",
         {operation_id},
         {},
         changes_and_waits,
         op_resume},

        {"member", "list", "the agents of the fleet", {}, {}, looks, member_list},
        {"member", "show", "one of them", {{"NAME", "name or id"}}, {}, looks, member_show},
        {"member",
         "why",
         "its last changes as an agent saw them, and what led to them",
         {{"NAME", "name or id"}},
         {},
         looks,
         member_why},
        {"member",
         "forget",
         "make the fleet forget one that is gone for good",
         {{"NAME", "name or id"}},
         {},
         changes,
         member_forget},

        {"key", "list", "the keys, and who holds and uses them", {}, {}, looks, key_list},
        {"key",
         "rotate",
         "hand the next key to every agent; none is made while a member misses the newest",
         {},
         {{"--leak", "",
           "a key leaked: use the next one at once, take the others from all agents"}},
         changes,
         key_rotate},
        {"key",
         "remove",
         "take an old key from every agent; after a leak, key rotate --leak does",
         {{"VERSION", "of the key"}},
         {{"--force", "", "also while members use it, and hear nobody then, or are silent"}},
         changes,
         key_remove},

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

        {"connect",
         "",
         "open the database's own client; its options file is never on a disk",
         {which_instance},
         {of_instance,
          {"--user", "U", "as this user; may be left out when there is only one"},
          {"--database", "D", "in this database"},
          {"--password-stdin", "", "take the password from the first line of standard input"},
          password_file},
         looks,
         connect_client},
        {"completion",
         "",
         "print a script for your shell that completes commands and names",
         {{"SHELL", "bash, zsh or fish"}},
         {},
         looks,
         completion_script},
        {"manual",
         "",
         "print a manual page, for `man -l -`",
         {{"NOUN", "of the noun's commands; default: of all", false},
          {"VERB", "of this command", false}},
         {{"--folder", "DIR", "write all pages into this folder instead"}},
         looks,
         manual},
        {"help",
         "",
         "help on a command; other words are searched in commands, options and error codes",
         {{.name = "WORDS", .text = "all of them", .required = false, .many = true}},
         {},
         looks,
         help},
        {"top",
         "",
         "how busy the instances are: a live view on a terminal, else one look",
         {{.name = "WORDS",
           .text = "only instances with all of them in their names",
           .required = false,
           .many = true}},
         {{"--interval", "TIME", "between two looks (default: 2s)"},
          {"--iterations", "N", "look so many times, in plain text, then end"},
          {"--sort", "COLUMN",
           "name, status, role, cpu (default), memory, disk, connections, running, queries, slow"}},
         looks,
         top},
        {"doctor",
         "",
         "what is not well, why, and the command that mends it; -o wide: what is well, too; "
         "-o name: AREA/OF/WHAT of what is not",
         {{"NAME",
           "only this instance, its machine and agent, and what the fleet says of them; default: "
           "host, fleet and all agents",
           false}},
         {},
         looks,
         doctor},
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
                           row.nature.always_waits ? "until it has ended (as always)"
                           : row.nature.is_short   ? "until it has ended (default)"
                                                   : "until it has ended (default on a terminal)"});
        if (!row.nature.always_waits) {
            options.push_back({"--no-wait", "", "return as soon as it has begun"});
        }
        options.push_back({"--timeout", "TIME", "how long to wait, e.g. 10m (default: an hour)"});
    }
    if (row.nature.destroys) {
        options.push_back({"--yes", "", "do not ask"});
    }
    const auto& common = common_options();
    options.insert(options.end(), common.begin(), common.end());
    return options;
}

std::string_view short_form(std::string_view flag) {
    const bool counts = flag == "--lines" || flag == "--limit" || flag == "--iterations";
    return flag == "--output" ? "-o" : flag == "--follow" ? "-f" : counts ? "-n" : "";
}

std::string spelled(const OptionRow& option) {
    const auto form = short_form(option.flag);
    return fmt::format("{}{}{}", form, form.empty() ? "" : ", ", option.flag);
}

} // namespace jackdaw::cli
