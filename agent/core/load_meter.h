#pragma once
// How busy a machine's database is, as a class that gossip carries: the mean of half a minute, told
// anew only when that is over. Pure.

#include <cstdint>
#include <optional>

#include "proto/base/time.h"
#include "proto/wire/member_status.h"

namespace jackdaw::agent {

class LoadMeter {
public:
    static constexpr auto span = std::chrono::seconds{30}; ///< classes are told no more often

    /// `pid` and the CPU time that it has had since its start; nullopt when there is no database,
    /// or its time cannot be read: then the class is 0. `cores` of the machine, at least 1.
    void look(Instant now, std::int64_t pid, std::optional<std::uint64_t> cpu_us,
              std::uint32_t cores) {
        if (!cpu_us) {
            begun_.reset();
            class_ = 0;
            return;
        }
        if (!begun_ || begun_->pid != pid || *cpu_us < begun_->cpu_us) { // another process
            begun_ = Begun{now, pid, *cpu_us};
            return;
        }
        const auto us =
            std::chrono::duration_cast<std::chrono::microseconds>(now - begun_->at).count();
        if (now - begun_->at >= span) {
            class_ = proto::eighth_of(*cpu_us - begun_->cpu_us,
                                      static_cast<std::uint64_t>(us) * cores, class_);
            begun_ = Begun{now, pid, *cpu_us};
        }
    }
    [[nodiscard]] std::uint8_t load_class() const noexcept { return class_; }

private:
    struct Begun {
        Instant at{};
        std::int64_t pid = 0;
        std::uint64_t cpu_us = 0;
    };
    std::optional<Begun> begun_;
    std::uint8_t class_ = 0;
};

} // namespace jackdaw::agent
