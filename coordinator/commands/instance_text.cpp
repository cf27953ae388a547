#include "coordinator/commands/instance_text.h"

#include <fmt/format.h>

#include "proto/base/size.h"

namespace jackdaw::cli {
namespace {

std::string datastore_of(const proto::Instance& one) {
    return one.version.empty() ? one.datastore : one.datastore + ":" + one.version;
}

std::string volume_of(const proto::Instance& one) {
    if (one.volume_size_bytes == 0 && one.volume_filled_min) { // from one eighth to the next
        const auto percent = *one.volume_filled_min * 100;
        return fmt::format("{:g} to {:g} %", percent, percent + 12.5);
    }
    if (one.volume_size_bytes == 0) {
        return {};
    }
    return fmt::format("{} / {}", format_size(one.volume_used_bytes),
                       format_size(one.volume_size_bytes));
}

std::string endpoint_of(const proto::Instance& one) {
    if (one.address.empty() || one.port == 0) {
        return one.address;
    }
    const bool is_v6 = one.address.front() != '[' && one.address.find(':') != std::string::npos;
    return is_v6 ? fmt::format("[{}]:{}", one.address, one.port)
                 : fmt::format("{}:{}", one.address, one.port);
}

std::string process_of(std::int64_t pid, const std::string& since) {
    return pid == 0 ? "" : fmt::format("pid {}{}{}", pid, since.empty() ? "" : " since ", since);
}

/// What an operator should see of it in a list beside its status.
Cell status_of(const proto::Instance& one) {
    Cell cell{one.status, style_of_status(one.status)};
    std::string more;
    const auto add = [&](std::string_view what) {
        more.append(more.empty() ? "" : ", ").append(what);
    };
    if (!one.maintenance_until.empty()) {
        add("paused");
    }
    if (one.status != "stopped" && (one.needs_restart || !one.pending_restart.empty())) {
        add("needs restart");
    }
    for (const auto& warning : one.warnings) {
        add(warning.kind + "!");
    }
    if (!more.empty()) {
        cell.text += fmt::format(" ({})", more);
        cell.style = cell.style == Style::good ? Style::warning : cell.style;
    }
    return cell;
}

} // namespace

Style style_of_status(std::string_view status) {
    if (status == "running" || status == "done" || status == "alive" || status == "on") {
        return Style::good;
    }
    if (status == "failed" || status == "unreachable" || status == "down") {
        return Style::bad;
    }
    if (status == "degraded" || status == "suspect" || status == "undone") {
        return Style::warning;
    }
    return Style::plain;
}

Table instance_table(const std::vector<proto::Instance>& instances,
                     const std::set<std::string>& unknown_protection) {
    Table table{{{"NAME"},
                 {"STATUS"},
                 {"DATASTORE"},
                 {"ROLE"},
                 {"ENDPOINT"},
                 {"MACHINE"},
                 {"VOLUME", true},
                 {"PROTECTED", true},
                 {"ID", true},
                 {"REASON", true}},
                {}};
    for (const auto& one : instances) {
        table.rows.push_back({{one.name},
                              status_of(one),
                              {datastore_of(one)},
                              {one.role},
                              {endpoint_of(one)},
                              {one.machine_state},
                              {volume_of(one)},
                              {unknown_protection.contains(one.id) ? ""
                               : one.protect                       ? "yes"
                                                                   : "no"},
                              {one.id},
                              {one.reason}});
    }
    return table;
}

std::string instance_text(const proto::Instance& one, bool colour) {
    std::string pending;
    for (const auto& name : one.pending_restart) {
        pending += (pending.empty() ? "" : ", ") + name;
    }
    if (pending.empty() && one.needs_restart) {
        pending = one.status == "stopped" ? "parameters that were set" : "yes";
    }
    const auto database = process_of(one.database_pid, one.database_since);
    std::vector<std::pair<std::string, Cell>> pairs{
        {"Name", {one.name, Style::bold}},
        {"Id", {one.id}},
        {"Fleet", {one.fleet}},
        {"Status", {one.status, style_of_status(one.status)}},
        {"Reason", {one.reason}},
        {"Datastore", {datastore_of(one)}},
        {"Role", {one.role}},
        {"Cluster", {one.cluster}},
        {"Machine", {one.machine_state}},
        {"Endpoint", {endpoint_of(one)}},
        {"Volume", {volume_of(one)}},
        {"Agent",
         {one.agent_version.empty()
              ? process_of(one.agent_pid, one.agent_since)
              : one.agent_version + ", " + process_of(one.agent_pid, one.agent_since)}},
        {"Database",
         {database.empty() ? "" : fmt::format("{}, {} restarts", database, one.database_restarts)}},
        {"Maintenance",
         {one.maintenance_until.empty()
              ? ""
              : fmt::format("until {}{}{}", one.maintenance_until,
                            one.maintenance_by.empty() ? "" : ", by ", one.maintenance_by),
          Style::warning}},
        {one.status == "stopped" ? "Next start takes" : "Needs a restart",
         {pending, Style::warning}}};
    for (const auto& warning : one.warnings) {
        pairs.push_back(
            {"Warning",
             {fmt::format("{}: {}, since {}", warning.kind, warning.text, warning.since),
              Style::warning}});
        pairs.push_back({"  mend with", {warning.mend}});
    }
    pairs.insert(pairs.end(), {{"Protected", {one.protect ? "yes" : ""}},
                               {"Connect", {one.connection_uri}},
                               {"Note", {one.connection_note, Style::warning}},
                               {"Created", {one.created_at}}});
    return render_pairs(pairs, colour);
}

} // namespace jackdaw::cli
