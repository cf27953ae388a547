#pragma once
// A state folder of one test's own, and the ways to damage what is in it.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

#include "agent/state/format.h"

namespace jackdaw::testing {

inline constexpr std::size_t small_map = std::size_t{4} << 20;

class StateFolder {
public:
    StateFolder() {
        std::string made =
            (std::filesystem::temp_directory_path() / "jackdaw-state-XXXXXX").string();
        REQUIRE(::mkdtemp(made.data()) != nullptr);
        path_ = made;
    }
    ~StateFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    StateFolder(const StateFolder&) = delete;
    StateFolder& operator=(const StateFolder&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string file(std::string_view name = "state.mdb") const {
        return path_ + "/" + std::string{name};
    }
    [[nodiscard]] std::string read(std::string_view name = "state.mdb") const {
        std::ifstream in{file(name), std::ios::binary};
        return {std::istreambuf_iterator<char>{in}, {}};
    }
    void write(std::string_view bytes, std::string_view name = "state.mdb") const {
        std::ofstream out{file(name), std::ios::binary | std::ios::trunc};
        out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        REQUIRE(out.good());
    }
    /// As a newer version would: the number changed, the record's checksum right.
    void rewrite_format(std::uint32_t format) const {
        auto bytes = read();
        std::size_t found = 0;
        for (std::size_t at = 0; at + 56 <= bytes.size(); ++at) {
            const std::string_view stored{bytes.data() + at,
                                          16 + agent::state::header_payload_size};
            if (const auto payload = stored[16] == 1
                                         ? agent::state::unseal(agent::state::header_key, stored)
                                         : std::nullopt) {
                std::string changed{*payload};
                std::memcpy(changed.data(), &format, sizeof format);
                bytes.replace(at, stored.size(),
                              agent::state::seal(agent::state::header_key, changed));
                ++found;
            }
        }
        REQUIRE(found > 0);
        write(bytes);
    }

private:
    std::string path_;
};

} // namespace jackdaw::testing
