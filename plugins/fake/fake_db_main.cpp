// jackdaw-fake-db: a database small enough to be started thousands of times, strict enough to catch
// an agent that starts one twice, starts a half-made folder, or loses an acknowledged row.
//
//   jackdaw-fake-db --version
//   jackdaw-fake-db --init DIR [--options FILE]
//   jackdaw-fake-db --check FILE [--options FILE]
//   jackdaw-fake-db --serve DIR SOCKET PORT [--bind ADDRESS] [--admin-user NAME] [--log-folder DIR]
//                   [--config FILE] [--options FILE]

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "plugins/fake/fake_files.h"
#include "plugins/fake/fake_options.h"
#include "plugins/fake/fake_server.h"
#include "plugins/fake/fake_settings.h"
#include "plugins/fake/fake_words.h"

namespace {

int usage() {
    std::fprintf(
        stderr,
        "usage: jackdaw-fake-db --version | --init DIR | --check FILE | --serve DIR SOCKET PORT\n");
    return 64;
}

int check_config(const std::string& path, const jackdaw::fake::Options& options) {
    const auto text = jackdaw::fake::read_small(path);
    jackdaw::fake::Variables variables;
    auto complaint = variables.load(text);
    if (options.check_fail != 0) {
        complaint = "line 1 is not [fake]";
    }
    if (complaint) {
        std::printf("[ERROR] %s: %s\n", path.c_str(), complaint->c_str());
        return 1;
    }
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    std::vector<std::string> positional;
    std::string options_path;
    jackdaw::fake::ServeAt at;
    const std::vector<std::string> arguments{argv + 1, argv + argc};
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        std::string* named = nullptr;
        if (arguments[i] == "--options") {
            named = &options_path;
        } else if (arguments[i] == "--config") {
            named = &at.config_path;
        } else if (arguments[i] == "--bind") {
            named = &at.bind_address;
        } else if (arguments[i] == "--admin-user") {
            named = &at.admin_user;
        } else if (arguments[i] == "--log-folder") {
            named = &at.log_folder;
        }
        if (named == nullptr) {
            positional.push_back(arguments[i]);
        } else if (++i < arguments.size()) {
            *named = arguments[i];
        } else {
            return usage();
        }
    }
    if (positional.empty()) {
        return usage();
    }
    const auto& mode = positional[0];
    if (mode == "--version" && positional.size() == 1) {
        std::printf("jackdaw-fake-db %s\n", jackdaw::fake::version.data());
        return 0;
    }
    const auto options = jackdaw::fake::read_options(options_path);
    if (mode == "--init" && positional.size() == 2) {
        return jackdaw::fake::initialise(positional[1], options);
    }
    if (mode == "--check" && positional.size() == 2) {
        return check_config(positional[1], options);
    }
    if (mode == "--serve" && positional.size() == 4) {
        at.folder = positional[1];
        at.socket_path = positional[2];
        at.port = static_cast<std::uint16_t>(std::strtoul(positional[3].c_str(), nullptr, 10));
        return jackdaw::fake::serve(at, options);
    }
    return usage();
}
