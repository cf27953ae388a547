#include "coordinator/commands/completion_names.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "coordinator/commands/reach.h"
#include "proto/base/size.h"
#include "proto/wire/datastore_json.h"

namespace jackdaw::cli {
namespace {

constexpr std::size_t candidates_max = 1000;

struct NamesRow {
    std::string_view noun; ///< empty: any
    std::string_view word;
    Names names;
};

// The first row that fits.
constexpr std::array rows{
    NamesRow{"", "--output", Names::formats},
    NamesRow{"", "--fleet", Names::fleets},
    NamesRow{"", "--instance", Names::instances},
    NamesRow{"", "--password-file", Names::files},
    NamesRow{"", "--user-file", Names::files},
    NamesRow{"", "--agent", Names::folders},
    NamesRow{"", "--programs", Names::folders},
    NamesRow{"", "--folder", Names::folders},
    NamesRow{"", "--from", Names::machines},
    NamesRow{"instance", "--flavor", Names::flavors},
    NamesRow{"", "--attach-volume", Names::kept_volumes},
    NamesRow{"key", "VERSION", Names::key_versions},
    NamesRow{"", "--fs", Names::filesystems},
    NamesRow{"", "--cause", Names::causes},
    NamesRow{"op", "--status", Names::statuses},
    NamesRow{"", "--provider", Names::providers},
    NamesRow{"events", "--kind", Names::event_kinds},
    NamesRow{"events", "--weight", Names::weights},
    NamesRow{"top", "--sort", Names::load_columns},
    NamesRow{"user", "PRIVILEGE", Names::privileges},
    NamesRow{"", "--datastore", Names::references},
    NamesRow{"", "--on", Names::databases},
    NamesRow{"user", "--database", Names::databases},
    NamesRow{"connect", "--database", Names::databases},
    NamesRow{"session", "--user", Names::users},
    NamesRow{"connect", "--user", Names::users},
    NamesRow{"", "INSTANCE", Names::instances},
    NamesRow{"", "USER", Names::accounts},
    NamesRow{"", "SHELL", Names::shells},
    NamesRow{"", "CODE", Names::codes},
    NamesRow{"", "NOUN", Names::nouns},
    NamesRow{"", "VERB", Names::verbs},
    NamesRow{"", "IMAGE", Names::images},
    NamesRow{"datastore", "DATASTORE", Names::datastores},
    NamesRow{"image", "DATASTORE", Names::references},
    NamesRow{"help", "WORDS", Names::nouns},
    NamesRow{"config", "WORDS", Names::parameters},
    NamesRow{"config", "NAME=VALUE", Names::parameters},
    NamesRow{"config", "NAME", Names::settings},
    NamesRow{"", "LOG", Names::logs},
    NamesRow{"session", "ID", Names::sessions},
    NamesRow{"op", "ID", Names::operations},
    NamesRow{"fleet", "NAME", Names::fleets},
    NamesRow{"instance", "NAME", Names::instances},
    NamesRow{"doctor", "NAME", Names::instances},
    NamesRow{"machine", "NAME", Names::machines},
    NamesRow{"member", "NAME", Names::members},
    NamesRow{"user", "NAME", Names::accounts},
    NamesRow{"database", "NAME", Names::databases},
};

void add(std::vector<Candidate>& to, std::string word, std::string_view text) {
    if (!word.empty() && word == printable(word) && to.size() < candidates_max) {
        to.push_back({std::move(word), printable(text)});
    }
}

std::vector<Candidate> of_images(Session& session, Names kind) {
    std::vector<Candidate> names;
    const auto images = session.images.list().value_or(std::vector<ImageView>{});
    std::set<std::string> seen;
    for (const auto& image : images) {
        const auto name =
            kind == Names::datastores ? image.datastore : image.datastore + ":" + image.version;
        if (seen.insert(name).second) {
            add(names, name, kind == Names::datastores ? "" : image.digest.substr(0, 12));
        }
    }
    return names;
}

std::vector<Candidate> of_operations(const Reach& reach) {
    std::vector<Candidate> names;
    if (!reach.local()) {
        for (const auto& record : reach.journal().load_all()) {
            add(names, record.operation.id,
                fmt::format("{} {}, {}", record.operation.action, name_of(record),
                            record.operation.status));
        }
    }
    return names;
}

std::vector<Candidate> of_machines(Reach& reach) {
    std::vector<Candidate> names;
    const auto machines = reach.machines().value_or(std::vector<cloud::Machine>{});
    for (const auto& one : machines) {
        add(names, one.label, fmt::format("{}, {}", one.datastore, cloud::to_string(one.state)));
    }
    return names;
}

std::vector<Candidate> of_key_versions(Session& session, Reach& reach) {
    std::vector<Candidate> names;
    if (const auto ring = read_gossip_ring(session.folders, reach.profile().name)) {
        for (const auto& [version, key] : ring->keys()) {
            add(names, std::to_string(version), version == ring->newest() ? "the newest" : "");
        }
    }
    return names;
}

std::vector<Candidate> of_flavors(Session& /*session*/, Reach& reach) {
    std::vector<Candidate> names;
    for (const auto& [name, flavor] : reach.profile().flavors) {
        add(names, name, flavor_text(flavor));
    }
    return names;
}

std::vector<Candidate> of_kept_volumes(Session& /*session*/, Reach& reach) {
    std::vector<Candidate> names;
    const auto cloud = reach.cloud();
    const auto volumes = cloud
                             ? (*cloud)->provider().volumes().value_or(std::vector<cloud::Volume>{})
                             : std::vector<cloud::Volume>{};
    for (const auto& one : volumes) {
        if (one.kept && one.machine.empty()) {
            add(names, one.id, fmt::format("of '{}', {}", one.name, format_size(one.size_bytes)));
        }
    }
    return names;
}

/// What this host alone has written down of a fleet.
using NamesOfHost = std::vector<Candidate> (*)(Session& session, Reach& reach);
NamesOfHost names_of_host(Names kind) {
    switch (kind) {
    case Names::key_versions: return of_key_versions;
    case Names::flavors: return of_flavors;
    case Names::kept_volumes: return of_kept_volumes;
    default: return nullptr;
    }
}

/// The one agent that knows: of the named instance, of the only one, or of this machine; of what
/// all of them know, the first that is on.
Result<ClientPtr> dial(Session& session, Reach& reach, const CompletionContext& context,
                       Names kind) {
    if (reach.local()) {
        return session.connector.socket(local_socket(session.folders));
    }
    JACKDAW_TRY(const auto machines, reach.machines());
    const auto wanted = context.invocation.text("INSTANCE", context.invocation.text("--instance"));
    for (const auto& one : machines) {
        const bool meant =
            kind == Names::members || (wanted.empty() ? machines.size() == 1 : one.label == wanted);
        if (meant && one.state == cloud::MachineState::on) {
            return session.connector.dial(reach.profile(), one.address, one.id, context.until);
        }
    }
    return Error{Errc::unavailable, "nobody to ask"};
}

std::string text_of(const Json& item, std::string_view key) {
    const auto at = item.find(key);
    if (at == item.end()) {
        return {};
    }
    return at->is_string() ? at->get<std::string>() : at->is_number() ? at->dump() : "";
}

struct Question {
    std::string_view path, name, text;
};

Question question_of(Names kind) {
    switch (kind) {
    case Names::users:
    case Names::accounts: return {"/v1/users", "name", "host"};
    case Names::databases: return {"/v1/databases", "name", "charset"};
    case Names::sessions: return {"/v1/sessions", "id", "user"};
    case Names::parameters: return {"/v1/parameters", "name", "text"};
    case Names::settings: return {"/v1/parameters?own=1", "name", "configured"};
    case Names::logs: return {"/v1/logs", "name", "changed_at"};
    case Names::members: return {"/v1/members", "name", "status"};
    case Names::operations: return {"/v1/operations", "id", "action"};
    case Names::instances: return {"/v1/instances", "name", "status"};
    case Names::event_kinds: return {"/v1/events?limit=1000", "kind", "weight"}; // that happened
    default: return {};
    }
}

std::vector<Candidate> of_agent(Session& session, Reach& reach, Names kind,
                                const CompletionContext& context) {
    std::vector<Candidate> names;
    const auto question = question_of(kind);
    auto client = dial(session, reach, context, kind);
    if (question.path.empty() || !client) {
        return names;
    }
    const auto list = get(**client, std::string{question.path}, context.until);
    const auto items = list ? items_of(*list).value_or(Json::array()) : Json::array();
    for (const auto& item : items) {
        if (!item.is_object()) {
            continue;
        }
        auto word = text_of(item, question.name);
        if (const auto host = text_of(item, "host");
            kind == Names::accounts && !host.empty() && host != "%") {
            word += "@" + host;
        }
        if ((kind != Names::event_kinds && kind != Names::users) ||
            std::ranges::find(names, word, &Candidate::word) == names.end()) {
            add(names, std::move(word), text_of(item, question.text));
        }
    }
    return names;
}

std::vector<Candidate> fixed(Names kind) {
    const auto plain = [](std::initializer_list<const char*> words) {
        std::vector<Candidate> all;
        for (const auto* word : words) {
            all.push_back({word, ""});
        }
        return all;
    };
    switch (kind) {
    case Names::formats: return plain({"table", "wide", "json", "jsonl", "yaml", "name"});
    case Names::filesystems: return plain({"xfs", "ext4"});
    case Names::causes: return plain({"request", "boot", "supervisor", "timer"});
    case Names::statuses:
        return plain({"queued", "running", "done", "failed", "undone", "unknown"});
    case Names::providers: return plain({"local"});
    case Names::shells: return plain({"bash", "zsh", "fish"});
    case Names::weights: return plain({"info", "warning", "error"});
    case Names::load_columns:
        return plain({"name", "status", "role", "cpu", "memory", "disk", "connections", "running",
                      "queries", "slow"});
    case Names::event_kinds: // all of a group; the agent judges, and knows more
        return plain({"access",      "accounts", "agent",  "config",   "connections",
                      "database",    "filter",   "gossip", "instance", "key",
                      "maintenance", "member",   "memory", "metrics",  "operation",
                      "scheduler",   "session",  "sight",  "timeline", "volume"});
    case Names::privileges: // what is granted on data; the agent judges, and knows more
        return plain({"ALL",
                      "SELECT",
                      "INSERT",
                      "UPDATE",
                      "DELETE",
                      "CREATE",
                      "DROP",
                      "ALTER",
                      "INDEX",
                      "REFERENCES",
                      "EXECUTE",
                      "EVENT",
                      "TRIGGER",
                      "LOCK TABLES",
                      "CREATE VIEW",
                      "SHOW VIEW",
                      "CREATE ROUTINE",
                      "ALTER ROUTINE",
                      "CREATE TEMPORARY TABLES",
                      "DELETE HISTORY",
                      "USAGE"});
    default: return {};
    }
}

std::vector<Candidate> of_program(Names kind, const CompletionContext& context) {
    std::vector<Candidate> all;
    if (kind == Names::nouns) {
        for (const auto& noun : noun_table()) {
            add(all, std::string{noun.noun}, noun.text);
        }
    } else if (kind == Names::verbs) {
        for (const auto& row : command_table()) {
            if (row.noun == context.invocation.text("NOUN")) {
                add(all, std::string{row.verb}, row.text);
            }
        }
    } else if (kind == Names::codes) {
        for (const auto& code : all_codes()) {
            add(all, std::string{code.name}, code.text);
        }
    } else {
        return fixed(kind);
    }
    return all;
}

} // namespace

Names names_of(const CommandRow& row, std::string_view word) {
    const bool is_new = row.verb == "create" || row.verb == "init"; // a name that there is not yet
    if (is_new && word == "NAME") {
        return Names::none;
    }
    for (const auto& one : rows) {
        if (one.word == word && (one.noun.empty() || one.noun == row.noun)) {
            return one.names;
        }
    }
    return Names::none;
}

std::vector<Candidate> live_names(Session& session, Names kind, const CompletionContext& context) {
    switch (kind) {
    case Names::fleets: {
        std::vector<Candidate> names;
        for (const auto& name : profile_names(session.folders)) {
            add(names, name, "");
        }
        return names;
    }
    case Names::images:
    case Names::datastores:
    case Names::references: return of_images(session, kind);
    case Names::instances:
    case Names::machines:
    case Names::operations:
    case Names::members:
    case Names::users:
    case Names::accounts:
    case Names::key_versions:
    case Names::flavors:
    case Names::kept_volumes:
    case Names::databases:
    case Names::sessions:
    case Names::logs:
    case Names::parameters:
    case Names::event_kinds:
    case Names::settings: break;
    default: return of_program(kind, context);
    }
    auto reach = Reach::find(session, context.invocation);
    if (!reach) {
        return fixed(kind);
    }
    if (!reach->local() && (kind == Names::instances || kind == Names::machines)) {
        return of_machines(*reach);
    }
    if (const auto of_host = names_of_host(kind); of_host != nullptr) {
        return reach->local() ? std::vector<Candidate>{} : of_host(session, *reach);
    }
    auto names = kind == Names::operations ? of_operations(*reach) : fixed(kind);
    for (auto& more : of_agent(session, *reach, kind, context)) {
        if (std::ranges::find(names, more.word, &Candidate::word) == names.end()) {
            names.push_back(std::move(more));
        }
    }
    return names;
}

std::vector<Candidate> parameter_values(Session& session, const std::string& parameter,
                                        const CompletionContext& context) {
    std::vector<Candidate> values;
    auto reach = Reach::find(session, context.invocation);
    auto client = reach ? dial(session, *reach, context, Names::parameters)
                        : Result<ClientPtr>{std::move(reach).error()};
    const auto json =
        client ? get(**client, "/v1/parameters/" + percent_encoded(parameter), context.until)
               : Result<Json>{std::move(client).error()};
    const auto known =
        json ? proto::parameter_from(*json) : Result<proto::Parameter>{json.error().clone()};
    if (!known) {
        return values;
    }
    for (const auto& value : known->allowed) {
        add(values, value, "");
    }
    if (known->type == "boolean" && values.empty()) {
        add(values, "ON", "");
        add(values, "OFF", "");
    }
    return values;
}

} // namespace jackdaw::cli
