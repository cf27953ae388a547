// Logs, metrics and health.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <map>

#include "agent/api/router_parts.h"
#include "agent/logs.h"
#include "proto/base/ids.h"
#include "proto/wire/datastore_json.h"
#include "proto/wire/open_metrics.h"

namespace jackdaw::agent {
namespace {

constexpr std::size_t lines_shown = 100;
constexpr std::size_t lines_shown_max = 10'000;
constexpr std::chrono::milliseconds log_poll{500};
constexpr std::chrono::seconds scrape_limit{5};

Result<plugins::LogFile> log_named(plugins::Datastore& driver, std::string_view name) {
    JACKDAW_TRY(auto* const logs, facet_of(driver, &plugins::Datastore::logs, "logs"));
    const auto files = logs->files();
    const auto at = std::ranges::find(files, name, &plugins::LogFile::name);
    if (at == files.end()) {
        std::string known;
        for (const auto& one : files) {
            known += (known.empty() ? "" : ", ") + one.name;
        }
        return Error{Errc::not_found, fmt::format("no log '{}'", name.substr(0, shown_bytes_max))}
            .with_hint("there are: " + known);
    }
    return *at;
}

Json log_json(const LogView& view) {
    return {{"lines", view.lines}, {"cursor", view.cursor}, {"is_cut", view.is_cut}};
}

proto::MetricFamily gauge(std::string name, std::string help, double value) {
    return {std::move(name), "gauge", std::move(help), {{"", {}, value}}};
}

/// getrusage(2), proc(5): the names are Prometheus' own (client libraries, standard metrics).
void add_process(std::vector<proto::MetricFamily>& families) {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    families.push_back({"process_cpu_seconds",
                        "counter",
                        "CPU time of the agent",
                        {{"_total", {}, seconds(usage.ru_utime) + seconds(usage.ru_stime)}}});
    std::ifstream memory{"/proc/self/statm"};
    long long size = 0, resident = 0;
    if (memory >> size >> resident) {
        families.push_back(gauge("process_resident_memory_bytes", "memory of the agent",
                                 static_cast<double>(resident * ::sysconf(_SC_PAGESIZE))));
    }
}

void add_instance(std::vector<proto::MetricFamily>& families, const proto::Instance& instance) {
    families.push_back({"jackdaw_instance",
                        "info",
                        "the instance of this machine",
                        {{"_info",
                          {{"name", instance.name},
                           {"id", instance.id},
                           {"datastore", instance.datastore},
                           {"version", instance.version},
                           {"role", instance.role}},
                          1}}});
    proto::MetricFamily status{"jackdaw_instance_status", "gauge", "1 for the present one", {}};
    for (const char* one : {"building", "running", "stopped", "degraded", "failed", "deleting"}) {
        status.samples.push_back({"", {{"status", one}}, instance.status == one ? 1.0 : 0.0});
    }
    families.push_back(std::move(status));
    families.push_back(gauge("jackdaw_database_up", "1: a database process answers",
                             instance.status == "running" ? 1 : 0));
    families.push_back({"jackdaw_database_restarts",
                        "counter",
                        "restarts by the supervisor since the create",
                        {{"_total", {}, static_cast<double>(instance.database_restarts)}}});
    families.push_back(gauge("jackdaw_volume_size_bytes", "size of the data volume",
                             static_cast<double>(instance.volume_size_bytes)));
    families.push_back(gauge("jackdaw_volume_used_bytes",
                             "of the data volume what the database cannot write to any more",
                             static_cast<double>(instance.volume_used_bytes)));
    families.push_back(gauge("jackdaw_maintenance", "1: the agent keeps its hands off",
                             instance.maintenance_until.empty() ? 0 : 1));
    families.push_back(gauge("jackdaw_parameters_pending_restart",
                             "parameters that wait for the next start",
                             static_cast<double>(instance.pending_restart.size())));
}

/// A database that does not answer is told of under its exporter's names, too: a rule that watches
/// for them would otherwise see nothing and be silent.
void add_down(std::vector<proto::MetricFamily>& families, Life& life, Life::Deadline deadline) {
    const auto driver = life.driver(deadline);
    if (driver && (*driver)->metrics() != nullptr) {
        auto own = (*driver)->metrics()->down();
        families.insert(families.end(), std::make_move_iterator(own.begin()),
                        std::make_move_iterator(own.end()));
    }
}

} // namespace

Router::Outcome Router::logs(const ApiRequest& request, const Target& /*target*/) const {
    JACKDAW_TRY(const auto driver, parts_.life.driver(request.deadline));
    JACKDAW_TRY(auto* const facet, facet_of(*driver, &plugins::Datastore::logs, "logs"));
    Json items = Json::array();
    for (const auto& file : facet->files()) {
        proto::LogShape shape;
        shape.name = file.name;
        shape.enabled_by = file.enabled_by;
        shape.enabled = file.enabled_by.empty();
        shape.size_bytes_max = log_bytes_max;
        shape.kept = log_kept;
        if (!file.enabled_by.empty()) {
            const auto told = parts_.life.query(
                [&](plugins::Datastore& asked, const plugins::Call& call) -> Result<Json> {
                    JACKDAW_TRY(shape.enabled, asked.logs()->is_enabled(call, file.name));
                    JACKDAW_TRY(shape.elsewhere, asked.logs()->elsewhere(call, file.name));
                    return Json{};
                },
                request.deadline);
            if (!told) { // a stopped server writes none
                shape.enabled = false;
            }
        }
        // What stands in one log's place hides no other log.
        const auto fact = look_at_log(*parts_.host, file);
        if (fact) {
            shape.size_bytes = fact->size_bytes;
            shape.changed_at = fact->changed_at_ms ? rfc3339(*fact->changed_at_ms) : "";
        } else if (fact.error().code() == Errc::not_allowed ||
                   fact.error().code() == Errc::busy) { // a lease of its owner
            shape.refused = fact.error().to_string();
        } else {
            return fact.error().clone();
        }
        items.push_back(proto::to_json(shape));
    }
    return answer(proto::list_json("Log", std::move(items), as_of()));
}

Router::Outcome Router::log(const ApiRequest& request, const Target& target) const {
    JACKDAW_TRY(const auto driver, parts_.life.driver(request.deadline));
    JACKDAW_TRY(const auto file, log_named(*driver, target.segments[2]));
    JACKDAW_TRY(const auto asked, number_of(target, "lines"));
    const auto lines = asked.value_or(lines_shown);
    if (lines > lines_shown_max) {
        return Error{Errc::invalid, fmt::format("'lines' is at most {}", lines_shown_max)};
    }
    std::optional<std::string> cursor;
    if (const auto at = target.query.find("cursor"); at != target.query.end()) {
        cursor = at->second;
    }
    JACKDAW_TRY(const auto view,
                read_log(*parts_.host, file,
                         cursor && lines == 0 ? lines_shown_max : static_cast<std::size_t>(lines),
                         cursor));
    auto json = log_json(view);
    json["apiVersion"] = proto::api_version;
    json["kind"] = "LogLines";
    json["name"] = file.name;
    return answer(json);
}

std::optional<Stream> Router::log_stream(const ApiRequest& request, const Target& target) const {
    auto driver = parts_.life.driver(request.deadline);
    auto file = driver ? log_named(**driver, target.segments[2])
                       : Result<plugins::LogFile>{driver.error().clone()};
    const auto lines = number_of(target, "lines");
    if (!file || !lines || parts_.host == nullptr || lines->value_or(0) > lines_shown_max) {
        return std::nullopt; // handle() says why
    }
    Stream stream;
    stream.watch = "log";
    stream.poll = log_poll;
    stream.next = [this, file = *std::move(file), first = lines->value_or(10),
                   cursor = std::optional<std::string>{}]() mutable -> StreamPart {
        StreamPart part;
        const auto view = read_log(*parts_.host, file, cursor ? lines_shown_max : first, cursor,
                                   log_streamed_bytes);
        if (!view) {
            part.ended = true;
            part.items.push_back(
                {"error", dump(Json{{"error", proto::to_json(proto::shape_of(view.error()))}})});
            return part;
        }
        cursor = view->cursor;
        part.has_more = view->has_more;
        if (!view->lines.empty() || view->is_cut) {
            part.items.push_back({"log", dump(log_json(*view))});
        }
        return part;
    };
    return stream;
}

ApiResponse Router::metrics() const {
    std::vector<proto::MetricFamily> families;
    families.push_back({"jackdaw_agent",
                        "info",
                        "the agent of this machine",
                        {{"_info", {{"version", parts_.version}}, 1}}});
    add_process(families);
    std::map<std::string, double> members{{"alive", 0}, {"suspect", 0}, {"down", 0}, {"left", 0}};
    const auto known = parts_.fleet.members();
    const auto figures = parts_.fleet.figures();
    families.push_back(gauge("jackdaw_loop_answers", "1: the agent's loop tells of its membership",
                             known && figures ? 1 : 0));
    if (known) {
        for (const auto& member : *known) {
            ++members[member.status];
        }
    }
    proto::MetricFamily by_status{"jackdaw_members", "gauge", "members of the fleet by status", {}};
    for (const auto& [status, count] : members) {
        by_status.samples.push_back({"", {{"status", status}}, count});
    }
    families.push_back(std::move(by_status));
    if (figures) {
        families.insert(families.end(), figures->begin(), figures->end());
    }
    const auto view = parts_.life.instance();
    if (view) {
        add_instance(families, *view);
        const auto deadline = std::chrono::steady_clock::now() + scrape_limit;
        const auto asked = parts_.life.query(
            [&](plugins::Datastore& driver, const plugins::Call& call) -> Result<Json> {
                if (driver.metrics() != nullptr) {
                    JACKDAW_TRY(auto own, driver.metrics()->collect(call));
                    families.insert(families.end(), std::make_move_iterator(own.begin()),
                                    std::make_move_iterator(own.end()));
                }
                return Json{};
            },
            deadline);
        if (!asked && asked.error().code() != Errc::busy) { // an operation that speaks is no outage
            add_down(families, parts_.life, deadline);
        }
    }
    ApiResponse response{200, proto::open_metrics_text(families)};
    response.content_type = proto::open_metrics_content_type;
    return response;
}

bool Router::is_plain(std::string_view target) noexcept {
    const auto path = target.substr(0, target.find('?'));
    return path == "/metrics" || path == "/healthz" || path == "/readyz";
}

std::optional<ApiResponse> Router::quick(const ApiRequest& request) const {
    if (request.method == "GET" && request.target == "/v1/instance") {
        const auto outcome = instance(request, {});
        return outcome ? *outcome : error_response(outcome.error());
    }
    return request.target.starts_with("/metrics") ? std::nullopt
                                                  : plain(request.method, request.target);
}

std::optional<ApiResponse> Router::plain(std::string_view method, std::string_view target) const {
    if (!is_plain(target)) {
        return std::nullopt;
    }
    const auto path = target.substr(0, target.find('?'));
    ApiResponse response{200, "ok"};
    response.content_type = "text/plain; charset=utf-8";
    if (method != "GET") {
        response = error_response(Error{Errc::invalid, "it can only be read"}.with_hint("GET it"));
        response.status = 405;
        response.allow = "GET, HEAD";
    } else if (path == "/metrics") {
        response = metrics();
    } else if (path == "/readyz") {
        const auto view = parts_.life.instance();
        if (!view || view->status != "running") {
            response.status = 503;
            response.body = !view                  ? "there is no instance on this machine"
                            : view->reason.empty() ? view->status
                                                   : view->status + ": " + view->reason;
        }
    }
    return response;
}

} // namespace jackdaw::agent
