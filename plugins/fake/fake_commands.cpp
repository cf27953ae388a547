#include "plugins/fake/fake_commands.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "plugins/fake/fake_words.h"

namespace jackdaw::fake {
namespace {

using Words = std::vector<std::string>;

constexpr long wait_ms_max = 60'000;

std::string log_in(const Journal& journal, Peer& peer, const Crowd& crowd, const Words& words) {
    const auto verifier = verifier_of(words[2]);
    const auto let_in = [&] {
        peer.logged_in = words[1];
        peer.since = Clock::now();
        return reply({"OK"});
    };
    const auto& root = journal.state().root;
    if (words[1] == "root" && root.level != "off" && root.verifier == verifier) {
        peer.powerful = root.level == "superuser";
        return let_in();
    }
    for (const auto& [account, user] : journal.state().users) {
        const auto& [name, host] = account;
        if (name != words[1] || (host != "%" && host != peer.address) ||
            user.verifier != verifier || user.locked) {
            continue;
        }
        std::uint64_t others = 0;
        for (const auto* other : crowd) {
            others += other != &peer && other->logged_in == name ? 1U : 0U;
        }
        return user.connections_max != 0 && others >= user.connections_max ? refuse("limit")
                                                                           : let_in();
    }
    return refuse("denied");
}

std::string make_user(Journal& journal, const Words& words) {
    for (auto database = words.begin() + 4; database != words.end(); ++database) {
        if (!journal.state().databases.contains(*database)) {
            return refuse("absent");
        }
    }
    Words record{"U"};
    record.insert(record.end(), words.begin() + 1, words.end());
    return kept(journal.keep(record));
}

std::string set_verifier(Journal& journal, const Words& words) {
    return journal.state().users.contains({words[1], words[2]})
               ? kept(journal.keep({"U", words[1], words[2], words[3]}))
               : refuse("absent");
}

std::string list_databases(const Journal& journal) {
    auto text = reply({"OK", std::to_string(journal.state().databases.size())});
    for (const auto& [name, database] : journal.state().databases) {
        text += reply({name, database.charset, database.collation});
    }
    return text;
}

std::string list_users(const Journal& journal) {
    auto text = reply({"OK", std::to_string(journal.state().users.size())});
    for (const auto& [account, user] : journal.state().users) {
        Words line{account.first, account.second};
        for (const auto& [database, granted] : user.grants) {
            if (!database.empty()) {
                line.push_back(database);
            }
        }
        text += reply(line);
    }
    return text;
}

std::string administrate(Journal& journal, long starts, const Words& words) {
    const auto& state = journal.state();
    const auto& verb = words[0];
    const auto count = words.size();
    if (verb == "STATUS" && count == 1) {
        return reply({"OK", "starts", std::to_string(starts)});
    }
    if (verb == "MKDB" && count == 4) {
        return state.databases.contains(words[1])
                   ? refuse("exists")
                   : kept(journal.keep({"D", words[1], words[2], words[3]}));
    }
    if (verb == "RMDB" && count == 2) {
        return state.databases.contains(words[1]) ? kept(journal.keep({"d", words[1]}))
                                                  : refuse("absent");
    }
    if (verb == "LSDB" && count == 1) {
        return list_databases(journal);
    }
    if (verb == "MKUSER" && count >= 4) {
        return make_user(journal, words);
    }
    if (verb == "RMUSER" && count == 3) {
        return state.users.contains({words[1], words[2]})
                   ? kept(journal.keep({"u", words[1], words[2]}))
                   : refuse("absent");
    }
    if (verb == "PASSWD" && count == 4) {
        return set_verifier(journal, words);
    }
    if (verb == "LSUSER" && count == 1) {
        return list_users(journal);
    }
    return refuse("malformed");
}

} // namespace

std::string reply(const Words& words) {
    return encode_line(words) + "\n";
}

std::string refuse(const char* why) {
    return reply({"ERR", why});
}

std::string kept(Kept outcome) {
    switch (outcome) {
    case Kept::yes: return reply({"OK"});
    case Kept::full: return refuse("full");
    case Kept::failed: break;
    }
    return refuse("failed");
}

std::string end_of_wait(Peer& peer, bool whole) {
    peer.running.clear();
    peer.wakes.reset();
    peer.since = Clock::now();
    return whole ? reply({"OK"}) : refuse("interrupted");
}

std::string answer(Journal& journal, long starts, Peer& peer, const Crowd& crowd,
                   std::string_view line) {
    const auto words = decode_line(line);
    if (!words || words->empty()) {
        return refuse("malformed");
    }
    const auto& verb = words->front();
    const auto count = words->size();
    if (verb == "PING" && count == 1) {
        return reply({"OK"});
    }
    if (verb == "VERSION" && count == 1) {
        return reply({"OK", std::string{version}});
    }
    if (verb == "LOGIN" && count == 3) {
        return log_in(journal, peer, crowd, *words);
    }
    if (!peer.local && peer.logged_in.empty()) {
        return refuse("denied");
    }
    if (verb == "PUT" && count == 3) {
        return kept(journal.keep({"R", (*words)[1], (*words)[2]}));
    }
    if (verb == "GET" && count == 2) {
        const auto found = journal.state().rows.find((*words)[1]);
        return found == journal.state().rows.end() ? refuse("absent")
                                                   : reply({"OK", found->second});
    }
    if (verb == "COUNT" && count == 1) {
        return reply({"OK", std::to_string(journal.state().rows.size())});
    }
    if (verb == "WAIT" && count == 2) {
        const auto ms = std::clamp(std::strtol((*words)[1].c_str(), nullptr, 10), 0L, wait_ms_max);
        peer.running = line;
        peer.since = Clock::now();
        peer.wakes = peer.since + std::chrono::milliseconds{ms};
        return {};
    }
    if (!peer.local && !peer.powerful) {
        return refuse("denied");
    }
    const auto told = answer_account_word(journal, peer, crowd, *words);
    return told ? *told : administrate(journal, starts, *words);
}

} // namespace jackdaw::fake
