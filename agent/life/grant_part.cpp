#include "agent/life/grant_part.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace jackdaw::agent {
namespace {

bool is_all(std::string_view privilege) {
    return privilege == "ALL" || privilege == "ALL PRIVILEGES";
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
            if (has_all || std::ranges::find(one.privileges, privilege) != one.privileges.end()) {
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

} // namespace jackdaw::agent
