#include "plugins/fake/fake_names.h"

#include <algorithm>

#include <fmt/format.h>

namespace jackdaw::fake {

Result<void> check_name(std::string_view name, std::string_view what) {
    if (name.empty() || name.size() > name_bytes_max) {
        return Error{Code::bad_name, fmt::format("{}: has 1 to {} bytes", what, name_bytes_max)};
    }
    if (std::any_of(name.begin(), name.end(),
                    [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) {
        return Error{Code::bad_name, fmt::format("{}: has a control character", what)};
    }
    if (std::any_of(name.begin(), name.end(), [](char c) {
            const auto byte = static_cast<unsigned char>(c);
            return byte == 0xc0 || byte == 0xc1 || byte > 0xf4; // in no UTF-8 text
        })) {
        return Error{Code::bad_name, fmt::format("{}: is not UTF-8", what)};
    }
    return ok();
}

Result<void> check_database(std::string_view name) {
    JACKDAW_CHECK(check_name(name, "database name"));
    if (name == "system") {
        return Error{Code::reserved_name, "the database \"system\" belongs to the fake"};
    }
    return ok();
}

Result<void> check_account(std::string_view name, std::string_view host) {
    if (name.empty() || name == "root" || name == "jackdawd") {
        return Error{Code::reserved_name, "this user belongs to the fake or to Jackdaw"};
    }
    JACKDAW_CHECK(check_name(name, "user name"));
    return check_name(host, "host of a user");
}

} // namespace jackdaw::fake
