#pragma once
// Chance from one seed, the same on every machine (the standard library's distributions are not).

#include <cassert>
#include <cstdint>

#include "proto/base/time.h"

namespace jackdaw::swim {

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): eight bytes of state, since a simulation holds ten
/// thousand of these. Nothing secret is made with it.
class Random {
public:
    explicit Random(std::uint64_t seed) noexcept : state_{seed} {}

    [[nodiscard]] std::uint64_t next() noexcept {
        auto z = state_ += 0x9E3779B97F4A7C15ULL;
        z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
        z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
        return z ^ (z >> 31U);
    }
    /// 0 … bound - 1; bound > 0.
    [[nodiscard]] std::uint64_t below(std::uint64_t bound) noexcept {
        assert(bound != 0);
        return next() % bound; // the bias of 2^-50 at our sizes changes nothing
    }
    [[nodiscard]] Duration below(Duration bound) noexcept {
        return Duration{
            static_cast<std::int64_t>(below(static_cast<std::uint64_t>(bound.count())))};
    }

private:
    std::uint64_t state_;
};

} // namespace jackdaw::swim
