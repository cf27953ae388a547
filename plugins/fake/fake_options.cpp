#include "plugins/fake/fake_options.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>
#include <utility>

namespace jackdaw::fake {

Options read_options(const std::string& path) {
    Options options;
    std::FILE* const file = path.empty() ? nullptr : std::fopen(path.c_str(), "re");
    if (file == nullptr) {
        return options;
    }
    const std::array<std::pair<std::string_view, long*>, 9> known{{
        {"init_delay_ms", &options.init_delay_ms},
        {"init_fail_step", &options.init_fail_step},
        {"init_crash_step", &options.init_crash_step},
        {"check_fail", &options.check_fail},
        {"start_delay_ms", &options.start_delay_ms},
        {"start_fail", &options.start_fail},
        {"stop_delay_ms", &options.stop_delay_ms},
        {"ignore_term", &options.ignore_term},
        {"examine_fail", &options.examine_fail},
    }};
    std::array<char, 32> name{};
    long value = 0;
    for (int lines = 0; lines < 64 && std::fscanf(file, "%31s %ld", name.data(), &value) == 2;
         ++lines) {
        for (const auto& [known_name, target] : known) {
            if (known_name == name.data()) {
                *target = value;
            }
        }
    }
    std::fclose(file);
    return options;
}

void delay(long milliseconds) {
    ::poll(nullptr, 0, static_cast<int>(std::clamp(milliseconds, 0L, 60'000L)));
}

} // namespace jackdaw::fake
