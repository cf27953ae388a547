#pragma once
// Who watches which operation. Lives on the loop thread; the life thread posts to it.

#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace jackdaw::agent {

class EventHub {
public:
    using Wake = std::function<void()>; ///< runs on the loop; must not block

    /// Ends its watch when destroyed.
    class Watch {
    public:
        Watch() = default;
        Watch(EventHub& hub, std::uint64_t number) : hub_{&hub}, number_{number} {}
        Watch(Watch&& other) noexcept : hub_{other.hub_}, number_{other.number_} {
            other.hub_ = nullptr;
        }
        Watch& operator=(Watch&&) = delete;
        Watch(const Watch&) = delete;
        Watch& operator=(const Watch&) = delete;
        ~Watch() {
            if (hub_ != nullptr) {
                hub_->watchers_.erase(number_);
            }
        }

    private:
        EventHub* hub_ = nullptr;
        std::uint64_t number_ = 0;
    };

    [[nodiscard]] Watch watch(std::string operation, Wake wake) {
        const auto number = ++last_;
        watchers_.emplace(number, Watcher{std::move(operation), std::move(wake)});
        return Watch{*this, number};
    }

    void changed(const std::string& operation) {
        // A wake may end its own watch or begin others: walk by number, not by iterator.
        for (auto entry = watchers_.begin(); entry != watchers_.end();) {
            const auto number = entry->first;
            if (entry->second.operation == operation) {
                const auto wake = entry->second.wake;
                wake();
            }
            entry = watchers_.upper_bound(number);
        }
    }

private:
    struct Watcher {
        std::string operation;
        Wake wake;
    };
    std::map<std::uint64_t, Watcher> watchers_;
    std::uint64_t last_ = 0;
};

} // namespace jackdaw::agent
