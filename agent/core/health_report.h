#pragma once
// The findings of one agent while they are gathered, for the files health*.cpp alone.

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "agent/core/health.h"

namespace jackdaw::agent {

class Report {
public:
    explicit Report(const HealthFacts& facts) : facts_{facts} {
        name_ = facts.instance ? facts.instance->name : "";
    }

    void of_agent(std::string name, const std::string& cause, std::string severity,
                  std::string mend) {
        add(std::move(name), "", cause, std::move(severity), std::move(mend));
    }
    void of_instance(std::string name, const std::string& cause, std::string severity,
                     std::string mend) {
        add(std::move(name), name_, cause, std::move(severity), std::move(mend));
    }
    void unknown(std::string name, std::string cause, std::string mend) {
        proto::FindingShape one{"agent",   std::move(name),  name_,          "unknown",
                                "warning", std::move(cause), std::move(mend)};
        all_.push_back(std::move(one));
    }
    [[nodiscard]] std::vector<proto::FindingShape> take() { return std::move(all_); }
    /// "jackdaw VERB … NAME", by `form` with one {} for the instance's name.
    template <class... Rest>
    [[nodiscard]] std::string command(fmt::format_string<const std::string&, Rest...> form,
                                      Rest&&... rest) const {
        return fmt::format(form, name_, std::forward<Rest>(rest)...);
    }
    [[nodiscard]] const HealthFacts& facts() const { return facts_; }
    /// The instance's warning of this kind, as `instance show` has it; null: there is none.
    [[nodiscard]] const proto::Warning* warning(std::string_view kind) const {
        const auto& all = facts_.instance->warnings;
        const auto at = std::ranges::find(all, kind, &proto::Warning::kind);
        return at == all.end() ? nullptr : &*at;
    }
    void of_warning(std::string name, const proto::Warning& warning) {
        of_instance(std::move(name), warning.text.empty() ? warning.kind : warning.text, "warning",
                    warning.mend.empty() ? command("jackdaw instance show {}") : warning.mend);
    }

private:
    /// `cause` empty: it is well.
    void add(std::string name, std::string subject, const std::string& cause, std::string severity,
             std::string mend) {
        const bool good = cause.empty();
        all_.push_back({"agent", std::move(name), std::move(subject), good ? "ok" : "bad",
                        good ? "info" : std::move(severity), cause, good ? "" : std::move(mend)});
    }
    const HealthFacts& facts_;
    std::string name_;
    std::vector<proto::FindingShape> all_;
};

/// Its place in the fleet: health_fleet.cpp.
void look_at_fleet(Report& report);

} // namespace jackdaw::agent
