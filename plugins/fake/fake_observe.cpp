#include "plugins/fake/fake_observe.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace jackdaw::fake {
namespace {

Error unknown(std::string_view name) {
    return Error{Errc::not_found, fmt::format("the fake has no log \"{}\"", name.substr(0, 60))}
        .with_hint("it has error and general");
}

proto::MetricFamily family(const char* name, const char* type, const char* help, double value) {
    const bool counter = std::string_view{type} == "counter";
    return {name, type, help, {{counter ? "_total" : "", {}, value}}};
}

Result<double> number(const FakeSession::Words& words, std::size_t at) {
    unsigned long value = 0;
    if (words.size() > at) {
        const auto& text = words[at];
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error == std::errc{} && end == text.data() + text.size()) {
            return static_cast<double>(value);
        }
    }
    return Error{Errc::corrupt, "the fake database's count has another shape"};
}

} // namespace

std::vector<plugins::LogFile> FakeLogs::files() const {
    return {{"error", "", "", "", ""}, {"general", "general.log", "general_log", "ON", "OFF"}};
}

Result<bool> FakeLogs::is_enabled(const plugins::Call& call, std::string_view name) {
    if (name == "error") {
        return true;
    }
    if (name != "general") {
        return unknown(name);
    }
    JACKDAW_TRY(const auto words, session_.ask(call, {"LOG"}));
    return !words.empty() && words.front() == "on";
}

Result<void> FakeLogs::reopen(const plugins::Call& call, std::string_view name) {
    if (name == "error") {
        return ok();
    }
    if (name != "general") {
        return unknown(name);
    }
    JACKDAW_CHECK(session_.ask(call, {"LOG", "reopen"}).while_doing("reopen the general log"));
    return ok();
}

std::vector<proto::MetricFamily> FakeMetrics::down() const {
    return {family("fake_up", "gauge", "Whether the fake database answers.", 0)};
}

Result<std::vector<proto::MetricFamily>> FakeMetrics::collect(const plugins::Call& call) {
    const auto status = session_.ask(call, {"STATUS"});
    if (!status && status.error().id() == Code::database_down) {
        return down();
    }
    if (!status) {
        return status.error().clone();
    }
    JACKDAW_TRY(const auto starts, number(*status, 1));
    JACKDAW_TRY(const auto count, session_.ask(call, {"COUNT"}));
    JACKDAW_TRY(const auto rows, number(count, 0));
    JACKDAW_TRY(const auto databases, session_.ask_list(call, {"LSDB"}));
    JACKDAW_TRY(const auto users, session_.ask_list(call, {"LSUSER"}));
    return std::vector{
        family("fake_databases", "gauge", "Databases.", static_cast<double>(databases.size())),
        family("fake_rows", "gauge", "Rows.", rows),
        family("fake_starts", "counter", "Starts of this data folder.", starts),
        family("fake_up", "gauge", "Whether the fake database answers.", 1),
        family("fake_users", "gauge", "Users.", static_cast<double>(users.size()))};
}

Result<proto::DatabaseLoad> FakeMetrics::load(const plugins::Call& call) {
    JACKDAW_TRY(const auto sessions, session_.ask_list(call, {"LSSESS"}));
    proto::DatabaseLoad load;
    load.connections = sessions.size();
    load.running = static_cast<std::uint64_t>(
        std::ranges::count_if(sessions, [](const auto& line) { // ours asks at this moment
            return line.size() == 7 && line[3] == "Query" && line[6] != "1";
        }));
    return load;
}

} // namespace jackdaw::fake
