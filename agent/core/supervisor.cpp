#include "agent/core/supervisor.h"

#include <algorithm>

namespace jackdaw::agent {

void Supervisor::ended(Instant now) {
    while (!deaths_.empty() && now - deaths_.front() > config_.window) {
        deaths_.pop_front();
    }
    deaths_.push_back(now);
    if (deaths_.size() >= config_.deaths_max) {
        gave_up_ = true;
        due_.reset();
        return;
    }
    auto pause = config_.first_pause;
    for (std::size_t death = 1; death < deaths_.size(); ++death) {
        pause = death == 1 ? config_.pause_step : std::min(pause * 2, config_.pause_max);
    }
    due_ = now + pause;
}

void Supervisor::forgive() {
    deaths_.clear();
    due_.reset();
    gave_up_ = false;
}

} // namespace jackdaw::agent
