// What the fake answers about grants, attributes, root and sessions.

#include <algorithm>
#include <array>

#include "plugins/fake/fake_commands.h"

namespace jackdaw::fake {
namespace {

using Words = std::vector<std::string>;

Granted granted_at(const User& user, const std::string& database) {
    const auto found = user.grants.find(database);
    return found == user.grants.end() ? Granted{} : found->second;
}

std::set<std::string> expanded(Words::const_iterator first, Words::const_iterator last) {
    std::set<std::string> privileges{first, last};
    if (privileges.erase("ALL") > 0) {
        privileges.insert({"READ", "WRITE"});
    }
    return privileges;
}

/// "GRANT name host database 0|1 privilege…", and REVOKE likewise.
std::string change_grant(Journal& journal, const Words& words) {
    const auto user = journal.state().users.find({words[1], words[2]});
    if (user == journal.state().users.end()) {
        return refuse("absent");
    }
    const bool gives = words[0] == "GRANT";
    if (gives && !words[3].empty() && !journal.state().databases.contains(words[3])) {
        return refuse("absent");
    }
    auto granted = granted_at(user->second, words[3]);
    const auto named = expanded(words.begin() + 5, words.end());
    for (const auto& one : named) {
        gives ? void(granted.privileges.insert(one)) : void(granted.privileges.erase(one));
    }
    if (words[4] == "1") {
        granted.with_grant_option = gives;
    }
    Words record{"G", words[1], words[2], words[3], granted.with_grant_option ? "1" : "0"};
    record.insert(record.end(), granted.privileges.begin(), granted.privileges.end());
    return kept(journal.keep(record));
}

/// A line of attributes, then one for each database.
std::string show_grants(const Journal& journal, const Words& words) {
    const auto found = journal.state().users.find({words[1], words[2]});
    if (found == journal.state().users.end()) {
        return refuse("absent");
    }
    const auto& user = found->second;
    auto text = reply({"OK", std::to_string(user.grants.size() + 1)}) +
                reply({user.locked ? "1" : "0", std::to_string(user.connections_max)});
    for (const auto& [database, granted] : user.grants) {
        Words line{database, granted.with_grant_option ? "1" : "0"};
        line.insert(line.end(), granted.privileges.begin(), granted.privileges.end());
        text += reply(line);
    }
    return text;
}

/// "ALTER name host new-name new-host locked connections", where "-" leaves it as it is.
std::string alter(Journal& journal, const Words& words) {
    const auto& users = journal.state().users;
    const std::pair from{words[1], words[2]};
    const std::pair to{words[3], words[4]};
    if (from != to) {
        if (users.contains(from) && users.contains(to)) {
            return refuse("exists");
        }
        if (users.contains(from)) {
            const auto renamed = journal.keep({"N", from.first, from.second, to.first, to.second});
            if (renamed != Kept::yes) {
                return kept(renamed);
            }
        }
    }
    const auto found = users.find(to);
    if (found == users.end()) {
        return refuse("absent");
    }
    const auto locked = words[5] == "-" ? std::string{found->second.locked ? "1" : "0"} : words[5];
    const auto limit = words[6] == "-" ? std::to_string(found->second.connections_max) : words[6];
    return kept(journal.keep({"A", to.first, to.second, locked, limit}));
}

/// Those who came in as the one before are let go.
std::string change_root(Journal& journal, const Crowd& crowd, const Words& words) {
    constexpr std::array<std::string_view, 3> levels{"off", "standard", "superuser"};
    if (std::find(levels.begin(), levels.end(), words[1]) == levels.end()) {
        return refuse("malformed");
    }
    auto text = kept(journal.keep({"O", words[1], words[2]}));
    if (journal.state().root.level == words[1]) {
        for (auto* other : crowd) {
            other->ended = other->ended || other->logged_in == "root";
        }
    }
    return text;
}

std::string list_sessions(const Peer& asking, const Crowd& crowd) {
    auto text = reply({"OK", std::to_string(crowd.size())});
    for (const auto* one : crowd) {
        const auto ms =
            std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - one->since);
        const bool runs = one == &asking || !one->running.empty();
        text += reply({std::to_string(one->id), one->local ? "jackdawd" : one->logged_in,
                       one->local ? "localhost" : one->address, runs ? "Query" : "Sleep",
                       one == &asking ? "LSSESS" : one->running, std::to_string(ms.count()),
                       one->local ? "1" : "0"});
    }
    return text;
}

std::string kill_session(const Crowd& crowd, const Words& words) {
    for (auto* one : crowd) {
        if (std::to_string(one->id) != words[1]) {
            continue;
        }
        if (one->local) {
            return refuse("denied");
        }
        if (words[2] == "query") {
            one->wakes =
                one->running.empty() ? one->wakes : std::optional{Clock::time_point::min()};
        } else {
            one->ended = true;
        }
        return reply({"OK"});
    }
    return refuse("absent");
}

} // namespace

std::optional<std::string> answer_account_word(Journal& journal, const Peer& peer,
                                               const Crowd& crowd, const Words& words) {
    const auto& verb = words[0];
    const auto count = words.size();
    if ((verb == "GRANT" || verb == "REVOKE") && count >= 5) {
        return change_grant(journal, words);
    }
    if (verb == "GRANTS" && count == 3) {
        return show_grants(journal, words);
    }
    if (verb == "ALTER" && count == 7) {
        return alter(journal, words);
    }
    if (verb == "ROOT" && count == 1) {
        return reply({"OK", journal.state().root.level});
    }
    if (verb == "ROOT" && count == 3) {
        return change_root(journal, crowd, words);
    }
    if (verb == "LSSESS" && count == 1) {
        return list_sessions(peer, crowd);
    }
    if (verb == "KILL" && count == 3) {
        return kill_session(crowd, words);
    }
    return std::nullopt;
}

} // namespace jackdaw::fake
