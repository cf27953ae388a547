#include "coordinator/render/progress.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "coordinator/render/table.h"
#include "proto/base/size.h"

namespace jackdaw::cli {
namespace {

constexpr unsigned bar_cells = 24;

std::string time_of(std::int64_t microseconds) {
    return format_duration(
        std::chrono::milliseconds{std::max<std::int64_t>(1, microseconds / 1000)});
}

bool has_ended(const std::string& status) {
    return status == "done" || status == "failed" || status == "undone" || status == "skipped";
}

} // namespace

std::string ProgressView::update(const proto::Operation& operation) {
    std::string lines;
    for (const auto& step : operation.steps) {
        auto& told = told_[step.name];
        if (told == step.status) {
            continue;
        }
        told = step.status;
        if (has_ended(step.status)) {
            lines += fmt::format("  {:<8} {}{}\n", step.status, printable(step.name),
                                 step.duration_us > 0 ? "  " + time_of(step.duration_us) : "");
        } else if (!terminal_ && step.status == "running") {
            lines += fmt::format("  {:<8} {}\n", step.status, printable(step.name));
        }
    }
    if (!terminal_) {
        return lines;
    }
    const auto wiped = clear();
    drawn_ = true;
    return wiped + lines + bar(operation);
}

std::string ProgressView::clear() {
    if (!drawn_) {
        return {};
    }
    drawn_ = false;
    return "\r\x1b[K";
}

std::string ProgressView::bar(const proto::Operation& operation) const {
    const double share =
        std::isfinite(operation.progress) ? std::clamp(operation.progress, 0.0, 1.0) : 0.0;
    const auto full = static_cast<unsigned>(share * bar_cells);
    std::string text = fmt::format("[{}{}] {:3.0f} %", std::string(full, '#'),
                                   std::string(bar_cells - full, '.'), share * 100);
    if (operation.seconds_left && std::isfinite(*operation.seconds_left) &&
        *operation.seconds_left >= 0 && *operation.seconds_left < 1e7) {
        const auto left = static_cast<std::int64_t>(std::ceil(*operation.seconds_left * 1000));
        text += fmt::format("  {} left", format_duration(std::chrono::milliseconds{left}));
    }
    const auto running = std::ranges::find(operation.steps, "running", &proto::Step::status);
    if (running != operation.steps.end()) {
        text += "  " + printable(running->name);
    }
    // One line only: a bar that wraps cannot be drawn over.
    return text.substr(0, std::max(20U, columns_) - 1);
}

} // namespace jackdaw::cli
