#include "agent/life/grant_part.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace jackdaw::agent {
namespace {

bool is_all(std::string_view privilege) {
    return privilege == "ALL" || privilege == "ALL PRIVILEGES";
}

/// "SELECT" of "SELECT (a, b)"; empty: it is not one on columns.
std::string_view right_on_columns(std::string_view privilege) {
    const auto open = privilege.find('(');
    return open == std::string_view::npos || open == 0
               ? std::string_view{}
               : privilege.substr(0, privilege.find_last_not_of(' ', open - 1) + 1);
}

/// Columns are written in more than one way and order: the same right on any counts.
bool holds(const std::vector<std::string>& privileges, std::string_view wanted) {
    const auto right = right_on_columns(wanted);
    return std::ranges::any_of(privileges, [&](const auto& one) {
        return one == wanted || (!right.empty() && right_on_columns(one) == right);
    });
}

} // namespace

proto::Grant present_part(const proto::UserDetails& user, const proto::Grant& grant) {
    proto::Grant part = grant;
    part.privileges.clear();
    part.with_grant_option = false;
    const auto add = [&](const std::string& privilege) {
        if (std::ranges::find(part.privileges, privilege) == part.privileges.end()) {
            part.privileges.push_back(privilege);
        }
    };
    const bool asks_all = std::ranges::any_of(grant.privileges, is_all);
    for (const auto& one : user.grants) {
        if (one.database != grant.database || one.table != grant.table) {
            continue;
        }
        part.with_grant_option = part.with_grant_option || one.with_grant_option;
        if (asks_all) {
            for (const auto& privilege : one.privileges) {
                if (privilege != "USAGE") { // which each account has
                    add(privilege);
                }
            }
            continue;
        }
        const bool has_all = std::ranges::any_of(one.privileges, is_all);
        for (const auto& privilege : grant.privileges) {
            if (has_all || holds(one.privileges, privilege)) {
                add(privilege);
            }
        }
    }
    if (std::ranges::any_of(part.privileges, is_all)) { // it stands alone
        std::erase_if(part.privileges, [](const auto& one) { return !is_all(one); });
        part.privileges.resize(1);
    }
    return part;
}

std::vector<std::string> held_elsewhere(const proto::UserDetails& user, const proto::Grant& taken) {
    const bool asks_all = std::ranges::any_of(taken.privileges, is_all);
    std::vector<std::string> all;
    for (const auto& one : user.grants) {
        const bool same = one.database == taken.database && one.table == taken.table;
        const bool meets =
            one.database.empty() || taken.database.empty() ||
            (one.database == taken.database && (one.table.empty() || taken.table.empty()));
        if (same || !meets) {
            continue;
        }
        const bool has_all = std::ranges::any_of(one.privileges, is_all);
        std::vector<std::string> both;
        for (const auto& privilege : has_all && !asks_all ? taken.privileges : one.privileges) {
            const auto is_this = [&](const auto& wanted) {
                return privilege == wanted || privilege.starts_with(wanted + " (");
            };
            if (privilege != "USAGE" &&
                (asks_all || std::ranges::any_of(taken.privileges, is_this))) {
                both.push_back(privilege);
            }
        }
        if (!both.empty()) {
            all.push_back(fmt::format("{} on {}.{}", fmt::join(both, ", "),
                                      one.database.empty() ? "*" : one.database,
                                      one.table.empty() ? "*" : one.table));
        }
    }
    return all;
}

std::vector<std::string> held_otherwise(const proto::UserDetails& user, const proto::Grant& taken) {
    const bool asks_all = std::ranges::any_of(taken.privileges, is_all);
    std::vector<std::string> all;
    for (const auto& one : user.others) {
        const bool meets =
            taken.database.empty() || (one.database == taken.database && taken.table.empty());
        const bool is_same =
            asks_all || std::ranges::any_of(one.privileges, [&](const auto& name) {
                return std::ranges::find(taken.privileges, name) != taken.privileges.end();
            });
        if (meets && is_same) {
            all.push_back(one.statement);
        }
    }
    return all;
}

std::vector<std::string> handed_on_besides(const proto::UserDetails& user,
                                           const proto::Grant& given) {
    std::vector<std::string> besides;
    if (!given.with_grant_option || std::ranges::any_of(given.privileges, is_all)) {
        return besides;
    }
    for (const auto& one : user.grants) {
        if (one.database != given.database || one.table != given.table) {
            continue;
        }
        for (const auto& privilege : one.privileges) {
            if (privilege != "USAGE" &&
                std::ranges::find(given.privileges, privilege) == given.privileges.end()) {
                besides.push_back(privilege);
            }
        }
    }
    return besides;
}

} // namespace jackdaw::agent
