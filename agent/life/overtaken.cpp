#include "agent/life/overtaken.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "proto/wire/datastore_json.h"

namespace jackdaw::agent {
namespace {

const Json* member_of(const Json& object, const char* key) {
    const auto at = object.is_object() ? object.find(key) : object.end();
    return at == object.end() ? nullptr : &*at;
}

std::string lowered(std::string text) {
    std::ranges::transform(text, text.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return text;
}

/// Options in a file are written either way; the server's names are in small letters.
std::string parameter_subject(std::string name) {
    std::ranges::replace(name, '-', '_');
    return "parameter " + lowered(std::move(name));
}

/// A host is the same in any letters.
std::string user_subject(const std::string& name, std::string host) {
    return "user " + name + "@" + lowered(std::move(host));
}

void add_parameters(const Json& request, std::vector<std::string>& subjects) {
    if (const auto* const set = member_of(request, "set"); set != nullptr && set->is_object()) {
        for (const auto& [name, value] : set->items()) {
            subjects.push_back(parameter_subject(name));
        }
    }
    if (const auto* const unset = member_of(request, "unset");
        unset != nullptr && unset->is_array()) {
        for (const auto& name : *unset) {
            subjects.push_back(parameter_subject(name.is_string() ? name.get<std::string>() : ""));
        }
    }
}

std::string text_at(const Json& object, const char* key, const std::string& otherwise) {
    const auto* const found = member_of(object, key);
    return found != nullptr && found->is_string() ? found->get<std::string>() : otherwise;
}

/// The name that an account gets by this update, too: "user NAME@HOST"; empty: it keeps its own.
std::string renamed_subject(const Json& request) {
    const auto* const asked = member_of(request, "attributes");
    if (asked == nullptr) {
        return {};
    }
    const auto attributes = proto::user_attributes_from(*asked);
    if (!attributes || (!attributes->name && !attributes->host)) {
        return {};
    }
    return user_subject(attributes->name.value_or(text_at(request, "name", "")),
                        attributes->host.value_or(text_at(request, "host", "%")));
}

/// What an operation is about; two that share none do not meet.
std::vector<std::string> subjects_of(const Record& record) {
    const std::string_view action = record.shape.action;
    const auto* const found = member_of(record.arguments, "request");
    const auto& request = found != nullptr ? *found : record.arguments;
    std::vector<std::string> subjects;
    if (action.starts_with("database.")) {
        subjects.push_back("database " + text_at(request, "name", record.shape.target));
    } else if (action.starts_with("user.")) {
        subjects.push_back(user_subject(text_at(request, "name", record.shape.target),
                                        text_at(request, "host", "%")));
        if (auto renamed = renamed_subject(request); !renamed.empty()) {
            subjects.push_back(std::move(renamed));
        }
    } else if (action.starts_with("root.")) {
        subjects.emplace_back("root");
    } else if (action == "config.set") {
        add_parameters(request, subjects);
    } else if (is_start(action) || action == "instance.stop" || action == "instance.delete") {
        subjects.emplace_back("power");
    } else if (action == "instance.pause" || action == "instance.resume") {
        subjects.emplace_back("maintenance");
    } else if (action == "instance.rename") {
        subjects.emplace_back("name");
    } else if (action == "instance.protect") {
        subjects.emplace_back("protection");
    }
    return subjects;
}

bool undoes_its_own_alone(const Record& one) {
    return one.shape.action == "config.set" || one.shape.action == "instance.delete";
}

/// Done, or on its way because somebody asked for it: what the agent tries by itself may fail.
bool is_done_or_asked_for(const Record& record) {
    return record.shape.status == "done" ||
           (!record.ended() && !record.shape.abort_requested && record.shape.cause == "request");
}

/// There is nothing left that the undo of an earlier delete could bring back.
bool is_done_delete(const Record& record) {
    return record.shape.action == "instance.delete" && record.shape.status == "done";
}

bool overtakes(const Record& later, const Record& one) {
    if (is_start(one.shape.action) && is_start(later.shape.action)) {
        return true; // also by the supervisor: it runs as was wished, and an undo would stop it
    }
    if (one.shape.action == "session.kill") { // a server that starts counts its sessions anew
        return is_start(later.shape.action);
    }
    if (later.shape.cause != "request") {
        return false; // nobody's wish: it follows what was wished for
    }
    const auto mine = subjects_of(one);
    const auto others = subjects_of(later);
    return std::ranges::any_of(mine, [&](const auto& subject) {
        return std::ranges::find(others, subject) != others.end();
    });
}

} // namespace

bool is_start(std::string_view action) noexcept {
    return action == "instance.start" || action == "instance.restart";
}

const Record* overtaken_by(const std::map<std::string, Record>& all, const Record& one, Late late) {
    const bool leaves_others = late == Late::undo && undoes_its_own_alone(one);
    for (auto later = all.rbegin(); later != all.rend() && later->first > one.shape.id; ++later) {
        const auto& record = later->second;
        const bool counts =
            record.shape.action == "instance.create" ? record.shape.status != "undone"
            : leaves_others ? one.shape.action == "instance.delete" && is_done_delete(record)
                            : is_done_or_asked_for(record) && overtakes(record, one);
        if (counts) {
            return &record;
        }
    }
    return nullptr;
}

} // namespace jackdaw::agent
