#pragma once
// Which versions of which documents were heard of (GOSSIP.md, section 6). Losing one costs time
// only.

#include <cstdint>
#include <map>
#include <utility>

namespace jackdaw::swim {

class Hints {
public:
    explicit Hints(std::size_t max) noexcept : max_{max} {}

    /// True when it is greater than what was seen: to be acted on and passed on. At the limit the
    /// longest unused key is forgotten.
    [[nodiscard]] bool note(std::uint8_t topic, std::uint64_t key, std::uint64_t version) {
        const Key name{topic, key};
        const auto [at, is_new] = seen_.try_emplace(name);
        if (!is_new) {
            by_use_.erase(at->second.used);
        }
        at->second.used = ++used_;
        by_use_.emplace(used_, name);
        const bool is_news = is_new || version > at->second.version;
        if (is_news) {
            at->second.version = version;
        }
        if (seen_.size() > max_) {
            seen_.erase(by_use_.begin()->second);
            by_use_.erase(by_use_.begin());
            ++forgotten_;
        }
        return is_news;
    }
    [[nodiscard]] std::size_t size() const noexcept { return seen_.size(); }
    [[nodiscard]] std::uint64_t forgotten() const noexcept { return forgotten_; }

private:
    using Key = std::pair<std::uint8_t, std::uint64_t>;
    struct Seen {
        std::uint64_t version = 0;
        std::uint64_t used = 0;
    };
    std::size_t max_;
    std::uint64_t used_ = 0;
    std::uint64_t forgotten_ = 0;
    std::map<Key, Seen> seen_;
    std::map<std::uint64_t, Key> by_use_;
};

} // namespace jackdaw::swim
