#include "coordinator/commands/kept_volume.h"

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "proto/wire/datastore_json.h"

namespace jackdaw::cli {
namespace {

/// 'value' for a shell.
std::string shell_word(std::string_view text) {
    const bool plain = !text.empty() && text.find_first_not_of(
                                            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0"
                                            "123456789_-=.,:/+%@") == std::string_view::npos;
    if (plain) {
        return std::string{text};
    }
    std::string word = "'";
    for (const char c : text) {
        word += c == '\'' ? std::string{"'\\''"} : std::string{c};
    }
    return word + "'";
}

} // namespace

BesideVolume look_beside(Session& session, Reach& reach, const cloud::Machine& machine) {
    BesideVolume beside;
    auto client = reach.of_machine(machine);
    if (!client) {
        return beside;
    }
    if (const auto list = get(**client, "/v1/parameters?own=1", session.in(answer_limit))) {
        beside.parameters.emplace();
        for (const auto& item : items_of(*list).value_or(Json::array())) {
            if (const auto one = proto::parameter_from(item)) {
                beside.parameters->emplace(one->name, one->configured);
            }
        }
    }
    if (const auto json = get(**client, "/v1/root", session.in(answer_limit))) {
        if (const auto root = proto::root_status_from(*json)) {
            beside.root_level = root->level;
        }
    }
    return beside;
}

std::vector<std::string> commands_of(const BesideVolume& beside) {
    std::vector<std::string> commands;
    if (beside.parameters && !beside.parameters->empty()) {
        std::string words;
        for (const auto& [name, value] : *beside.parameters) {
            words += " " + shell_word(name + "=" + value);
        }
        commands.push_back("jackdaw config set NAME" + words);
    }
    if (beside.root_level && *beside.root_level != "off") {
        commands.push_back(fmt::format("jackdaw root enable NAME{}",
                                       *beside.root_level == "superuser" ? " --superuser" : ""));
    }
    return commands;
}

Json kept_json(const BesideVolume& beside, const std::string& volume_id) {
    return Json{{"volume_id", volume_id},
                {"not_kept",
                 {{"settings", beside.parameters ? Json(*beside.parameters) : Json(nullptr)},
                  {"root_level", beside.root_level ? Json(*beside.root_level) : Json(nullptr)},
                  {"commands", commands_of(beside)}}}};
}

std::string not_kept(const BesideVolume& beside) {
    const auto settings = !beside.parameters ? std::string{"its settings, if it has any"}
                          : beside.parameters->empty()
                              ? std::string{}
                              : fmt::format("its {} own settings", beside.parameters->size());
    const auto root = !beside.root_level            ? std::string{"root, if it is enabled"}
                      : *beside.root_level == "off" ? std::string{}
                                                    : fmt::format("root ({})", *beside.root_level);
    std::string text;
    for (const auto& one : {settings, root}) {
        text += one.empty() ? "" : one + ", ";
    }
    return text + "its protection, its address, its logs, operations and events";
}

} // namespace jackdaw::cli
